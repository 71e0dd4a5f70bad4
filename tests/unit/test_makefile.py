"""`make` says what there is, and installs by what the locks hold, not by when a checkout wrote them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT

LOCKS = ("laptop.lock.txt", "cuda.lock.txt", "packaged-models.lock.txt")
PYTHON = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/called"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with an environment that was installed from its locks; its Python writes down how it is called."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "envs").mkdir()
    for name in LOCKS:
        shutil.copy(ROOT / "envs" / name, tmp_path / "envs")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text(PYTHON)
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)
    stamp = tmp_path / ".venv" / "laptop.stamp"
    stamp.write_bytes(b"".join((ROOT / "envs" / name).read_bytes() for name in LOCKS))
    os.utime(stamp, (0, 0))  # older than any lock
    return tmp_path


def make(folder: Path, *targets: str) -> str:
    return subprocess.run(["make", *targets], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_make_prints_what_there_is(folder: Path) -> None:
    said = make(folder)
    assert "make demo" in said and "make test" in said and "./redpen" in said
    assert not (folder / ".venv" / "bin" / "called").exists()


def test_checkout_that_only_changed_times_installs_nothing(folder: Path) -> None:
    make(folder, "install")
    assert not (folder / ".venv" / "bin" / "called").exists()


def test_lock_that_changed_is_installed_and_noted(folder: Path) -> None:
    with (folder / "envs" / "laptop.lock.txt").open("a") as lock:
        lock.write("# another version\n")
    make(folder, "install")
    assert "-r envs/laptop.lock.txt" in (folder / ".venv" / "bin" / "called").read_text()
    assert b"# another version" in (folder / ".venv" / "laptop.stamp").read_bytes()
