"""A lock is removed only when no snakemake works in the folder."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import clean_lock
from scripts.lib.jobs import here
from scripts.lib.jsonl import BadInput


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the lock that a killed snakemake leaves."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text("rule all:\n    output: 'a'\n    shell: 'touch a'\n")
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("a\n")
    return locks


@pytest.fixture
def working(tmp_path: Path):
    """A function that starts a process called snakemake in a folder; it runs until the test ends."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "snakemake"
    program.write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    started = []

    def start(folder: Path) -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, str(program)], cwd=folder, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "here\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_no_lock_is_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    caplog.set_level("INFO")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", None)
    assert clean_lock.main(clean_lock.parse_args(["--quiet"])) == 0 and not caplog.text
    assert clean_lock.main(clean_lock.parse_args([])) == 0
    assert f"there is no lock in {tmp_path}: nothing to remove" in caplog.text


def test_stale_lock_is_removed(locked: Path, caplog) -> None:
    caplog.set_level("INFO")
    assert clean_lock.main(clean_lock.parse_args([])) == 0
    assert list(locked.glob("*")) == []
    assert "removed the lock that a killed snakemake left behind" in caplog.text


def test_lock_of_a_working_snakemake_stays_and_its_pid_is_told(locked: Path, working) -> None:
    process = working(locked.parents[1])
    with pytest.raises(BadInput, match=f"pid {process.pid}\\)\\. Wait, or stop it"):
        clean_lock.main(clean_lock.parse_args([]))
    assert len(list(locked.glob("*"))) == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/usr/bin/python3 /opt/bin/snakemake -n", True),
        ("python -m snakemake --cores 1", True),
        ("python -X dev -u -m snakemake", True),
        ("/opt/python3.11 -Wd -m snakemake", True),
        ("snakemake", True),
        ("python -m scripts.recover snakemake --profile slurm", False),
        ("python train.py snakemake", False),
        ("vim snakemake", False),
        ("", False),
    ],
)
def test_command_line_of_snakemake_is_recognised(line: str, expected: bool) -> None:
    assert here.runs_snakemake(line.split(" ")) is expected


def test_snakemake_in_another_folder_does_not_matter(locked: Path, working, tmp_path: Path) -> None:
    working(tmp_path / "bin")
    assert here.snakemakes() == []


def test_ended_snakemake_does_not_matter(locked: Path, working) -> None:
    process = working(locked.parents[1])
    process.kill()
    process.wait()
    for _ in range(100):
        if not here.snakemakes():
            break
        time.sleep(0.1)
    assert here.snakemakes() == []
