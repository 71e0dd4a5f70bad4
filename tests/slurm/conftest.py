"""A real Slurm cluster on this machine, and copies of the project in which snakemake sends its jobs there."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT

CLUSTER = Path(__file__).with_name("cluster.sh")
CLUSTER_STATE = Path(os.environ.get("REDPEN_TEST_CLUSTER", "/tmp/redpen-slurm"))
STUDY = "tests/slurm/study.yaml"
CANNOT_RUN_HERE = 3  # cluster.sh's status


class Project:
    """A copy of the project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results" / "cluster-tiny"
        self.state = folder / "state" / "cluster-tiny"
        self.said = folder / "snakemake.out"

    def start(self, *arguments: str, command: tuple[str, ...] = ()) -> subprocess.Popen:
        """Starts snakemake with the profile `slurm` (behind `command`); what it says goes to `said`."""
        options = ["--profile", "slurm", "--configfile", STUDY, "--slurm-init-seconds-before-status-checks", "2"]
        python = Path(sys.executable).parent
        with self.said.open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", *command, "snakemake", *options, "--latency-wait", "10", *arguments],
                cwd=self.folder,
                env={
                    **os.environ,
                    "REDPEN_PYTHON_LAPTOP": sys.executable,
                    "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
                    "OMP_NUM_THREADS": "1",
                },
                stdout=said,
                stderr=said,
            )

    def end(self, process: subprocess.Popen, seconds: float) -> tuple[int, str]:
        """The status of a snakemake and what it said; one that does not end in time is killed, which fails."""
        try:
            return process.wait(timeout=seconds), self.said.read_text()
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail(f"snakemake does not end within {seconds} s:\n{self.said.read_text()[-6000:]}\n{queue()}")

    def log(self, rule: str, name: str) -> str:
        """A job's log."""
        return (self.folder / "logs" / "cluster-tiny" / rule / f"{name}.log").read_text()


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
    """A copy of the project without results."""
    folder = tmp_path_factory.mktemp("project") / "redpen"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
