"""A real Slurm cluster on this machine, and copies of the project in which snakemake sends its jobs there."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from tests.project import Project, copied

CLUSTER = Path(__file__).with_name("cluster.sh")
CLUSTER_STATE = Path(os.environ.get("REDPEN_TEST_CLUSTER", "/tmp/redpen-slurm"))
STUDY = "tests/slurm/study.yaml"
CANNOT_RUN_HERE = 3  # cluster.sh's status


class OnSlurm(Project):
    """A copy of the project in which Snakemake sends the jobs of a small study to Slurm."""

    study = "cluster-tiny"
    options = ("--profile", "slurm", "--configfile", STUDY)
    options += ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")

    def around(self) -> str:
        return f"the queue: {queue()}"


def queue() -> list[dict[str, str]]:
    """Slurm's jobs that have not ended: id, state, time run, why they wait, node, rule with its wildcards."""
    columns = {"id": "%A", "state": "%T", "time": "%M", "reason": "%r", "node": "%N", "rule": "%k"}
    command = ["squeue", "--noheader", f"--format={'|'.join(columns.values())}"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()
    return [dict(zip(columns, line.split("|"))) for line in lines]


def lose_node(node: str, job: str) -> None:
    """Takes a node away as a power loss does: at once its slurmd, the job's steps and all its processes are gone."""
    daemon, steps, processes = int((CLUSTER_STATE / f"{node}.pid").read_text()), [], []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes().startswith(b"slurmstepd: [%d." % int(job)):
                steps.append(int(entry.name))
            elif b"SLURM_JOB_ID=%d" % int(job) in (entry / "environ").read_bytes().split(b"\0"):
                processes.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    assert steps and processes
    for pid in (daemon, *steps, *processes):  # nobody is left to report the next one's end
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_until(found: Callable, what: str, seconds: float = 180, process: subprocess.Popen | None = None):
    """The first true value of `found()`; a process that should still run must not end before."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert process is None or process.poll() is None, f"snakemake ended before {what}"
        assert time.monotonic() < end, f"after {seconds} s: no {what}; the queue: {queue()}"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """cluster.sh, with the cluster up. It is taken down afterwards, unless it was up before."""
    was_up = subprocess.run([CLUSTER, "status"], capture_output=True).returncode == 0
    done = subprocess.run([CLUSTER, "up"], capture_output=True, text=True, timeout=240)
    if done.returncode == CANNOT_RUN_HERE:
        pytest.skip(f"no Slurm: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    yield CLUSTER
    if not was_up:
        subprocess.run([CLUSTER, "down"], check=True, capture_output=True, timeout=120)


class Watch(threading.Thread):
    """Looks at the queue twice a second, and lets each look through `act`."""

    def __init__(self, act: Callable[[list[dict[str, str]]], None]) -> None:
        super().__init__(daemon=True)
        self.act, self.looks, self.ended = act, [], threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            self.looks.append(queue())
            self.act(self.looks[-1])

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.join(timeout=60)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project without results, and the study."""
    folder = copied(tmp_path_factory.mktemp("project") / "redpen")
    (folder / STUDY).parent.mkdir(parents=True)
    shutil.copy2(ROOT / STUDY, folder / STUDY)
    return folder
