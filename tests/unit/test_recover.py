"""Recovery cancels the jobs of this folder's runs and no others, and refuses while snakemake is alive."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import recover
from scripts.lib.jobs import here
from scripts.lib.jsonl import BadInput


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the log of a run whose jobs are called run-1, and Slurm's commands as scripts."""
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / ".snakemake" / "log"
    logs.mkdir(parents=True)
    (logs / "2026-11-01.snakemake.log").write_text("Using executor slurm\nSLURM run ID: run-1\n")
    (tmp_path / "queue").write_text("11|run-1\n12|run-1\n13|somebody-else\n")
    commands = {
        "squeue": "cat queue",
        "scancel": 'for id; do echo "$id" >>cancelled; sed -i "/^$id|/d" queue; done',
    }
    (tmp_path / "bin").mkdir()
    for name, text in commands.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_jobs_of_this_folder_are_cancelled_and_no_others(folder: Path) -> None:
    assert recover.main(recover.parse_args([])) == 0
    assert (folder / "cancelled").read_text().split() == ["11", "12"]
    assert (folder / "queue").read_text() == "13|somebody-else\n"


def test_nothing_is_cancelled_while_snakemake_is_alive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "snakemakes", lambda jobs: [4711])
    with pytest.raises(BadInput, match=r"snakemake is running \(pid 4711\)"):
        recover.main(recover.parse_args([]))
    assert not (folder / "cancelled").exists()


def test_jobs_that_do_not_end_are_named(folder: Path) -> None:
    (folder / "bin" / "scancel").write_text("#!/bin/sh\n")
    with pytest.raises(BadInput, match="these jobs have not ended: 11 12"):
        recover.main(recover.parse_args(["--wait", "0"]))


def test_failing_command_is_told_with_a_way_out(folder: Path) -> None:
    (folder / "bin" / "squeue").write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    with pytest.raises(BadInput, match="squeue failed: Unable to contact slurm controller. Try again"):
        recover.main(recover.parse_args([]))


def test_given_command_is_started_afterwards(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.recover", "echo", "-n", "all_tables"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(recover.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "all_tables"), done.stderr
