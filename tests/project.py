"""A copy of the project in a folder of its own, in which tests call Snakemake."""

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from scripts.lib.cli import ROOT

# What git names: tracked files, and new ones that it does not ignore.
LISTED = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")


def copied(folder: Path) -> Path:
    """The folder, with the project as it is in the checkout: without its tests, results and what else git ignores."""
    names = subprocess.run(LISTED, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


class Project:
    """A copy of the project, and Snakemake in it.

    Args:
        folder: the folder of the copy (made by `copied`).
        python: the interpreter that runs the scripts.
        environment: variables that Snakemake and its jobs find.
    """

    study = ""  # the name of the study that is made here: its folder under results/ and state/
    options: tuple[str, ...] = ()  # that Snakemake is always called with

    def __init__(self, folder: Path, python: str | Path = sys.executable, **environment: str) -> None:
        self.folder, self.python, self.environment = folder, python, environment

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.study

    @property
    def state(self) -> Path:
        return self.folder / "state" / self.study

    @property
    def said(self) -> Path:
        """The file with what the last Snakemake said."""
        return self.folder / "snakemake.out"

    def log(self, rule: str, name: str) -> str:
        """A job's log."""
        return (self.folder / "logs" / self.study / rule / f"{name}.log").read_text()

    def copy(self, folder: Path) -> Self:
        """This project with its results, in another folder. Times stay as they are: Snakemake compares them."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = copy.copy(self)
        other.folder = folder
        return other

    def by(self, python: str | Path) -> Self:
        """This project, in which another interpreter runs the scripts."""
        other = copy.copy(self)
        other.python = python
        return other

    def start(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.Popen:
        """Starts Snakemake (behind the module `before`, where one is named) in a process group of its own."""
        command = [sys.executable, "-m", *before, "snakemake", *self.options, *arguments]
        with self.said.open("wb") as said:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.variables(), stdout=said, stderr=said, start_new_session=True
            )

    def variables(self) -> dict[str, str]:
        """The environment that Snakemake is started with."""
        pythons = dict.fromkeys(("REDPEN_PYTHON_LAPTOP", "REDPEN_PYTHON_HARNESS"), str(self.python))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ours = {"PATH": path, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.folder / "cache")}
        return {**os.environ, **ours, **pythons, **self.environment}

    def end(self, process: subprocess.Popen, seconds: float) -> tuple[int, str]:
        """The status of a Snakemake, and what it said. One that does not end in time is killed with its jobs."""
        try:
            return process.wait(timeout=seconds), self.said.read_text()
        except subprocess.TimeoutExpired:
            kill(process)
            pytest.fail(f"snakemake does not end within {seconds} s:\n{self.said.read_text()[-6000:]}\n{self.around()}")

    def around(self) -> str:
        """What else is shown of one that does not end."""
        return ""

    def call(self, *arguments: str, seconds: float = 1800) -> tuple[int, str]:
        """Runs Snakemake to its end: its status, and what it said."""
        return self.end(self.start(*arguments), seconds)

    def make(self, *arguments: str, status: int = 0, seconds: float = 1800) -> str:
        """Runs Snakemake, which must end with this status, and returns what it said."""
        ended, said = self.call(*arguments, seconds=seconds)
        assert ended == status, said[-6000:]
        return said


def kill(process: subprocess.Popen) -> None:
    """Kills a Snakemake and the jobs in its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
