"""A job that was told to stop queues again in Slurm, unless Slurm is ending the job."""

import os
from pathlib import Path

import pytest

from scripts.lib.jobs import slurm


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Slurm's commands as scripts: the job's state is the file `state`; `called` says what was called."""
    commands = {"squeue": f"cat {tmp_path}/state", "scontrol": f'echo "$@" >>{tmp_path}/called'}
    for name, text in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "11")
    return tmp_path


@pytest.mark.parametrize(("state", "queued"), [("RUNNING", True), ("COMPLETING", False), ("CANCELLED", False)])
def test_only_a_job_that_slurm_is_not_ending_is_queued_again(folder: Path, state: str, queued: bool) -> None:
    (folder / "state").write_text(f"{state}\n")
    slurm.queue_again()
    assert (folder / "called").exists() is queued
    assert not queued or (folder / "called").read_text() == "requeue 11\n"


def test_outside_a_job_nothing_is_called(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "state").write_text("RUNNING\n")
    monkeypatch.delenv("SLURM_JOB_ID")
    slurm.queue_again()
    assert not (folder / "called").exists()


def test_slurm_that_refuses_is_told_and_does_not_stop_the_training(folder: Path, caplog) -> None:
    (folder / "state").write_text("RUNNING\n")
    (folder / "scontrol").write_text("#!/bin/sh\necho 'Access denied' >&2; exit 1\n")
    slurm.queue_again()
    assert "job 11 cannot requeue itself: scontrol failed: Access denied" in caplog.text
