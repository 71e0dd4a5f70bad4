"""What `--profile slurm` promises, on a real cluster: jobs queue for GPUs, and whatever ends in the middle goes on.

The first run makes all tables of a small study while its controller is killed and started again; the others make some
of it anew, mostly trainings of more steps, and interrupt that.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import CLUSTER, CLUSTER_STATE, OnSlurm, Watch, lose_node, queue, wait_until

# Enough steps (with a checkpoint after each) to be interrupted in the middle.
LONG = ("--config", "scale={max_steps: 40}")


class Finished(OnSlurm):
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
        os.kill(int((CLUSTER_STATE / "slurmctld.pid").read_text()), signal.SIGKILL)
        watch.ended.wait(3)
        subprocess.run([cluster, "controller"], check=True, timeout=60)
        project.controller_came_back = True

    process = project.start("all_tables")
    with (watch := Watch(kill_controller)):
        status, said = project.end(process, seconds=600)
    assert status == 0, said[-6000:]
    project.looks = watch.looks
    return project


def untrained(finished: Finished, folder: Path) -> OnSlurm:
    """A copy of the finished project, without the checkpoints of cft and spin.t0."""
    project = OnSlurm(finished.copy(folder).folder)
    for run in ("cft", "spin.t0"):
        shutil.rmtree(project.results / "checkpoints" / run)
    return project


@pytest.fixture
def project(finished: Finished, tmp_path: Path) -> OnSlurm:
    """A copy of the finished project, without the checkpoints of cft and spin.t0."""
    return untrained(finished, tmp_path / "redpen")


def checkpoint_of(run: str) -> str:
    return f"results/cluster-tiny/checkpoints/{run}/model"


def steps_saved(project: OnSlurm, run: str) -> list[int]:
    """The steps of a run's complete checkpoints."""
    files = (project.state / "train" / run).glob("*/checkpoint-*/trainer_state.json")
    return sorted(int(file.parent.name.rpartition("-")[2]) for file in files)


def process_of(project: OnSlurm, name: str, rule: str = "train") -> int | None:
    """The pid of the process that works on a job (its wildcards, parted by slashes)."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            here = (entry / "cwd").resolve(strict=True) == project.folder
        except OSError:
            continue
        script = words.index("-m") + 1 if "-m" in words else None
        if here and script and words[script] == f"scripts.{rule}" and f"state/cluster-tiny/{rule}/{name}" in words:
            return int(entry.name)
    return None


def job_of(name: str, rule: str = "train") -> dict[str, str]:
    """The job in the queue that has these wildcards."""
    return next(job for job in queue() if job["rule"] == f"rule_{rule}_wildcards_{name.replace('/', '_')}")


def went_on_from(project: OnSlurm, run: str) -> int:
    """The step that a run's last training went on from, says its log."""
    log = project.log("train", run)
    assert "resuming from" in log, log
    return int(log.partition("resuming from")[2].partition("checkpoint-")[2].split()[0])


def stopped_after(log: str) -> int:
    """The step that a training saved when SIGTERM came, says its log."""
    assert f"signal {signal.SIGTERM:d}: stopped after step" in log, log
    return int(log.partition("stopped after step ")[2].partition(",")[0])


def summary_of(project: OnSlurm, run: str) -> dict:
    """A run's training summary."""
    return json.loads((project.results / "checkpoints" / run / "train.json").read_text())


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


@pytest.mark.slow("Slurm knows no shorter time limit than a minute, and ends a job half a minute after it")
def test_cancelled_job_and_job_over_its_time_are_tried_again_and_go_on(project: OnSlurm) -> None:
    limit = ("--set-resources", "train:runtime=1")  # minutes: Slurm knows no less
    process = project.start(checkpoint_of("cft"), checkpoint_of("spin.t0"), *limit, *LONG)
    pids = {}

    def both_stopped() -> bool:
        """Stops each training in its middle: so it is over its time without work. Slurm wakes a job that it ends."""
        for run in {"cft", "spin.t0"} - set(pids):
            if len(steps_saved(project, run)) > 1:
                pids[run] = process_of(project, run)
                os.kill(pids[run], signal.SIGSTOP)
        return len(pids) == 2

    wait_until(both_stopped, "two checkpoints of each run", process=process)
    assert b"HF_HUB_OFFLINE=1" in Path(f"/proc/{pids['cft']}/environ").read_bytes()
    saved = {run: steps_saved(project, run)[-1] for run in pids}
    subprocess.run(["scancel", job_of("cft")["id"]], check=True)
    status, said = project.end(process, seconds=500)
    assert status == 0, said[-6000:]
    assert "status is: 'CANCELLED'" in said and "status is: 'TIMEOUT'" in said, said[-6000:]
    for run in pids:
        assert saved[run] <= went_on_from(project, run) < 40, "what had been trained was not trained again"


@pytest.mark.slow("two runs of Snakemake, each with a job of its own in the queue")
def test_killed_snakemake_is_recovered(project: OnSlurm) -> None:
    process = project.start(checkpoint_of("cft"), *LONG)
    wait_until(lambda: len(steps_saved(project, "cft")) > 1, "checkpoint", process=process)
    recover = [sys.executable, "-m", "scripts.recover"]
    refused = subprocess.run(recover, cwd=project.folder, capture_output=True, text=True)
    assert refused.returncode == 1 and f"snakemake is running (pid {process.pid})" in refused.stderr, refused.stderr
    training = process_of(project, "cft")
    os.kill(training, signal.SIGSTOP)  # still there when snakemake is gone
    saved = steps_saved(project, "cft")[-1]
    process.kill()
    process.wait()
    orphan = job_of("cft")["id"]
    again = project.start(checkpoint_of("cft"), *LONG, before=("scripts.recover",))
    status, said = project.end(again, seconds=400)
    assert status == 0, said[-6000:]
    assert f"cancelling 1 jobs of the ended run: {orphan}" in said, said
    assert went_on_from(project, "cft") >= saved
    assert list((project.results / "checkpoints" / "cft" / "model").glob("*.safetensors"))


# --- one run in which Slurm takes two GPUs away, and a job fails ------------------------------------------------------


class Interrupted(OnSlurm):
    """The project after that run, and what was seen meanwhile: jobs, and the newest checkpoints, by training."""

    jobs: dict[str, dict[str, str]]
    saved: dict[str, int]
    told: str  # the log of the preempted training after its end
    output: str


@pytest.fixture(scope="module")
def interrupted(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """A run without retries: the training of cft is preempted, the node of spin.t0 is lost, and a score fails."""
    project = Interrupted(untrained(finished, tmp_path_factory.mktemp("interrupted") / "redpen").folder)
    (project.results / "generations" / "base" / "numbers.jsonl").write_text("no JSON\n")
    targets = (checkpoint_of("cft"), checkpoint_of("spin.t0"), "results/cluster-tiny/scores/base/numbers.json")
    process = project.start(*targets, "--retries", "0", *LONG)
    project.jobs, project.saved = {}, {}

    def both_stopped() -> bool:
        """Holds each training in its middle. Slurm wakes the one that it preempts."""
        for run in {"cft", "spin.t0"} - set(project.jobs):
            if len(steps_saved(project, run)) > 1:
                os.kill(process_of(project, run), signal.SIGSTOP)
                project.jobs[run], project.saved[run] = job_of(run), steps_saved(project, run)[-1]
        return len(project.jobs) == 2

    wait_until(both_stopped, "two checkpoints of each run", process=process)
    lost = project.jobs["spin.t0"]["node"]
    lose_node(lost, project.jobs["spin.t0"]["id"])
    project.told = preempt(project, process, "cft")
    wait_until(lambda: job_of("spin.t0")["state"] == "PENDING", "lost training in the queue", process=process)
    _, project.output = project.end(process, seconds=300)
    subprocess.run([CLUSTER, "node", lost], check=True, timeout=60)
    return project


def preempt(project: OnSlurm, process: subprocess.Popen, name: str, rule: str = "train") -> str:
    """Another job takes a GPU of a job, for which this waits to be in the queue again; returns what it said."""
    node = job_of(name, rule)["node"].replace("[1-2]", "2")
    wish = ["--partition=urgent", f"--nodelist={node}", "--gpus=1", "--mem=100", "--output=/dev/null"]
    subprocess.run(["sbatch", *wish, "--wrap=sleep 2"], check=True, timeout=30)
    wait_until(lambda: job_of(name, rule)["state"] == "PENDING", "preempted job in the queue", process=process)
    return project.log(rule, name)


def ended(job: dict[str, str]) -> dict[str, str]:
    """What Slurm says of a job that has ended well: `Restarts` (how often it was queued again), `NodeList`, …"""
    shown = subprocess.run(["scontrol", "show", "job", job["id"]], capture_output=True, text=True, timeout=30).stdout
    assert "JobState=COMPLETED" in shown, shown
    return dict(word.split("=", 1) for word in shown.split() if "=" in word)


def test_preempted_training_saves_and_goes_on_under_the_same_id(interrupted: Interrupted) -> None:
    assert interrupted.saved["cft"] <= stopped_after(interrupted.told) == went_on_from(interrupted, "cft")
    assert ended(interrupted.jobs["cft"])["Restarts"] == "1"
    assert len(summary_of(interrupted, "cft")["losses"]) == 40


def test_training_whose_node_was_lost_goes_on_on_another(interrupted: Interrupted) -> None:
    assert went_on_from(interrupted, "spin.t0") >= interrupted.saved["spin.t0"]
    job = interrupted.jobs["spin.t0"]
    assert ended(job)["Restarts"] == "1" and ended(job)["NodeList"] != job["node"]
    assert len(summary_of(interrupted, "spin.t0")["losses"]) == 40


def test_failure_shows_rule_job_and_the_end_of_its_log(interrupted: Interrupted) -> None:
    said = interrupted.output
    assert "score base numbers failed: SLURM-job '" in said, said
    last = said.rstrip().splitlines()[-1]
    assert last.startswith("score base numbers failed: ") and "logs/cluster-tiny/score/base/numbers.log" in last, last


@pytest.mark.slow("a job queues twice, and Snakemake sees its end late")
def test_preempted_generation_goes_on_under_the_same_id(project: OnSlurm, finished: Finished) -> None:
    answers = Path("results", "cluster-tiny", "generations", "base", "numbers.jsonl")
    (project.folder / answers).unlink()
    shutil.rmtree(project.state / "generate" / "base")
    process = project.start(str(answers), "--retries", "0")
    generation = wait_until(lambda: process_of(project, "base/numbers", "generate"), "generation", process=process)
    os.kill(generation, signal.SIGSTOP)
    job = job_of("base/numbers", "generate")
    preempt(project, process, "base/numbers", "generate")
    status, said = project.end(process, seconds=300)
    assert status == 0, said[-6000:]
    assert ended(job)["Restarts"] == "1"
    assert (project.folder / answers).read_bytes() == (finished.folder / answers).read_bytes()


# --- more than one node -----------------------------------------------------------------------------------------------


@pytest.mark.slow("a training on two nodes queues twice")
def test_training_on_two_nodes_has_the_losses_of_one_process(project: OnSlurm, interrupted: Interrupted) -> None:
    two = ("nodes=2", "gpu=0", "gres='gpu:1'", "tasks=2", "tasks_per_gpu=0", "mpi='srun'")
    wish = ("--set-resources", *(f"train:{value}" for value in two))
    process = project.start(checkpoint_of("cft"), *wish, "--retries", "0", *LONG)
    wait_until(lambda: len(steps_saved(project, "cft")) > 1, "two checkpoints", process=process)
    job = job_of("cft")
    assert job["node"] == "node[1-2]"
    step = stopped_after(preempt(project, process, "cft"))
    status, said = project.end(process, seconds=300)
    assert status == 0, said[-6000:]
    assert went_on_from(project, "cft") == step and ended(job)["Restarts"] == "1"
    two, one = summary_of(project, "cft"), summary_of(interrupted, "cft")
    assert (two["processes"], one["processes"]) == (2, 1)
    assert two["micro_batch"] * two["accumulation"] * 2 == one["micro_batch"] * one["accumulation"] == 4
    for first, second in zip(one["losses"], two["losses"], strict=True):
        assert second == pytest.approx(first, abs=1e-4)
