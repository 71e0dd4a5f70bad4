"""What `--profile slurm` promises, on a real cluster: jobs queue for GPUs, and whatever ends in the middle goes on.

The first run makes all tables of a small study while its controller is killed and started again; the others train one
run of it anew, for longer, and interrupt that.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import Project, Watch, queue, wait_until

# Enough steps (with a checkpoint after each) to be interrupted in the middle.
LONG = ("--config", "scale={max_steps: 40}")


class Finished(Project):
    """The project with all tables made, and what was seen meanwhile."""

    looks: list[list[dict[str, str]]]
    controller_came_back: bool


@pytest.fixture(scope="module")
def finished(cluster: Path, empty: Path) -> Finished:
    """All tables made through Slurm. While the first jobs run the controller is killed, and started 3 s later."""
    project = Finished(empty)
    project.controller_came_back = False

    def kill_controller(look: list[dict[str, str]]) -> None:
        # Slurm writes its state down every 5 s: a job that is younger would be lost, and submitted again.
        if project.controller_came_back or not any(job["time"] >= "0:07" for job in look if job["state"] == "RUNNING"):
            return
        pid = int((Path(os.environ.get("REDPEN_TEST_CLUSTER", "/tmp/redpen-slurm")) / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        watch.ended.wait(3)
        subprocess.run([cluster, "controller"], check=True, timeout=60)
        project.controller_came_back = True

    process = project.start("all_tables")
    with (watch := Watch(kill_controller)):
        status, said = project.end(process, seconds=600)
    assert status == 0, said[-6000:]
    project.looks = watch.looks
    return project


@pytest.fixture
def project(finished: Finished, tmp_path: Path) -> Project:
    """A copy of the finished project, without the checkpoints of cft and spin.t0."""
    shutil.copytree(finished.folder, tmp_path / "redpen", symlinks=True)
    for run in ("cft", "spin.t0"):
        shutil.rmtree(tmp_path / "redpen" / "results" / "cluster-tiny" / "checkpoints" / run)
    return Project(tmp_path / "redpen")


def checkpoint_of(run: str) -> str:
    return f"results/cluster-tiny/checkpoints/{run}/model"


def steps_saved(project: Project, run: str) -> list[int]:
    """The steps of a run's complete checkpoints."""
    files = (project.state / "train" / run).glob("*/checkpoint-*/trainer_state.json")
    return sorted(int(file.parent.name.rpartition("-")[2]) for file in files)


def training_of(project: Project, run: str) -> int | None:
    """The pid of a run's training process."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            here = (entry / "cwd").resolve(strict=True) == project.folder
        except OSError:
            continue
        if here and words[1:3] == ["-m", "scripts.train"] and f"state/cluster-tiny/train/{run}" in words:
            return int(entry.name)
    return None


def job_of(run: str) -> str:
    """The id of the job that trains a run."""
    return next(job["id"] for job in queue() if job["rule"] == f"rule_train_wildcards_{run}")


def on_gpu(job: dict[str, str]) -> bool:
    return job["rule"].startswith(("rule_sample_responses", "rule_train", "rule_generate"))


# --- the run that makes everything ------------------------------------------------------------------------------------


def test_all_tables_are_made(finished: Finished) -> None:
    for table in ("cft_table2", "spin_table4"):
        assert (finished.results / "tables" / f"{table}.md").read_text().count("|") > 10
    ran = {job["rule"].split("_wildcards")[0] for look in finished.looks for job in look}
    assert {"rule_sample_responses", "rule_train", "rule_generate"} <= ran, ran
    assert not ran & {"rule_fetch_model", "rule_prepare_dataset", "rule_build_train_set", "rule_make_table"}, ran


def test_gpu_jobs_wait_for_a_free_gpu(finished: Finished) -> None:
    running = [sum(on_gpu(job) for job in look if job["state"] == "RUNNING") for look in finished.looks]
    waiting = [job for look in finished.looks for job in look if job["reason"] == "Resources"]
    assert max(running) == 2, running
    # The node has cores and memory for dozens of jobs, so GPUs are what these wait for.
    assert waiting and all(map(on_gpu, waiting)), waiting


def test_run_outlives_its_controller(finished: Finished) -> None:
    assert finished.controller_came_back
    assert "SLURM-job" not in finished.said.read_text(), "a job was given up"


# --- interruptions ----------------------------------------------------------------------------------------------------


def test_cancelled_job_and_job_over_its_time_are_tried_again_and_go_on(project: Project) -> None:
    limit = ("--set-resources", "train:runtime=1")  # minutes: Slurm knows no less
    process = project.start(checkpoint_of("cft"), checkpoint_of("spin.t0"), *limit, *LONG)
    pids = {}

    def both_stopped() -> bool:
        """Stops each training in its middle: so it is over its time without work. Slurm wakes a job that it ends."""
        for run in {"cft", "spin.t0"} - set(pids):
            if len(steps_saved(project, run)) > 1:
                pids[run] = training_of(project, run)
                os.kill(pids[run], signal.SIGSTOP)
        return len(pids) == 2

    wait_until(both_stopped, "two checkpoints of each run", process=process)
    assert b"HF_HUB_OFFLINE=1" in Path(f"/proc/{pids['cft']}/environ").read_bytes()
    saved = {run: steps_saved(project, run)[-1] for run in pids}
    subprocess.run(["scancel", job_of("cft")], check=True)
    status, said = project.end(process, seconds=500)
    assert status == 0, said[-6000:]
    assert "status is: 'CANCELLED'" in said and "status is: 'TIMEOUT'" in said, said[-6000:]
    for run in pids:
        log = project.log("train", run)
        assert "going on from" in log, log
        step = int(log.partition("checkpoint-")[2].split()[0])
        assert saved[run] <= step < 40, "what had been trained was not trained again"


def test_killed_snakemake_is_recovered(project: Project) -> None:
    process = project.start(checkpoint_of("cft"), *LONG)
    wait_until(lambda: len(steps_saved(project, "cft")) > 1, "checkpoint", process=process)
    recover = [sys.executable, "-m", "scripts.recover"]
    refused = subprocess.run(recover, cwd=project.folder, capture_output=True, text=True)
    assert refused.returncode == 1 and f"snakemake is alive (pid {process.pid})" in refused.stderr, refused.stderr
    training = training_of(project, "cft")
    os.kill(training, signal.SIGSTOP)  # still there when snakemake is gone
    saved = steps_saved(project, "cft")[-1]
    process.kill()
    process.wait()
    orphan = job_of("cft")
    again = project.start(checkpoint_of("cft"), *LONG, command=("scripts.recover",))
    status, said = project.end(again, seconds=400)
    assert status == 0, said[-6000:]
    assert f"cancelling 1 jobs of the ended run: {orphan}" in said, said
    log = project.log("train", "cft")
    assert int(log.partition("going on from")[2].partition("checkpoint-")[2].split()[0]) >= saved
    assert list((project.results / "checkpoints" / "cft" / "model").glob("*.safetensors"))


def test_failure_shows_rule_job_and_the_end_of_its_log(project: Project) -> None:
    rows = project.results / "train_sets" / "cft.jsonl"
    rows.write_text('{"id": "1", "messages": []}\n')
    process = project.start(checkpoint_of("cft"), "--retries", "0")
    status, said = project.end(process, seconds=400)
    assert status == 1
    failed = said[said.index("Error in rule train") :]
    assert "SLURM-job '" in failed and "logs/cluster-tiny/train/cft.log" in failed, failed
    assert "completion" in failed and "cft.jsonl" in failed, failed
