"""One finished run of a small study, which every smoke test copies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.warm import Warm

ROOT = Path(__file__).resolve().parents[2]
# Smaller models than config/scale/tiny.yaml, but more rows and steps: time enough to kill a job in the middle.
SCALE = """
scale:
  suffix: small
  rows: 24
  samples: 2
  max_steps: 24
  max_tokens: 24
  model: {hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1}
"""
# A run whose checkpoint is the best of three candidates on a benchmark.
PICKED = """
runs: {picked: {extends: sft, select: BENCHMARK, overrides: {candidate_steps: [8, 16]}}}
tables: {picked_table: {title: Picked, suites: [arithmetic], rows: [{name: Picked, of: picked}]}}
"""
ENGINE = "engines={cpu: {chunk_rows: 4}}"


class Study:
    """A copy of the project in a folder of its own, and Snakemake in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results" / "laptop-small"
        self.state = folder / "state" / "laptop-small"

    def command(self, *targets: str) -> list[str]:
        """The command line that makes `targets`."""
        options = ["--configfile", "small.yaml", "--config", ENGINE, "--quiet", "rules"]
        return [sys.executable, "-m", "snakemake", *options, "--", *targets]

    def start(self, *targets: str, python: str | Path = sys.executable) -> subprocess.Popen:
        """Starts Snakemake in a process group of its own; `python` runs the scripts."""
        log = (self.folder / "snakemake.out").open("ab")
        environment = {**os.environ, "REDPEN_PYTHON_LAPTOP": str(python)}
        return subprocess.Popen(
            self.command(*targets), cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )

    def make(self, *targets: str, python: str | Path = sys.executable) -> str:
        """Runs Snakemake to the end and returns what it printed; a failure shows it."""
        log = self.folder / "snakemake.out"
        log.unlink(missing_ok=True)
        status = self.start(*targets, python=python).wait(timeout=3000)
        said = log.read_text()
        assert status == 0, said[-4000:]
        return said

    def unlock(self) -> None:
        """What `make demo` does before it starts."""
        subprocess.run([sys.executable, "-m", "scripts.clean_lock"], cwd=self.folder, check=True)


def finished_in(folder: Path, python: str | Path) -> Study:
    """The small study with every table made, in a new folder; `python` runs the scripts."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    benchmark = next(iter(yaml.safe_load((ROOT / "config.yaml").read_text())["benchmarks"]))
    (folder / "small.yaml").write_text(SCALE + PICKED.replace("BENCHMARK", benchmark))
    study = Study(folder)
    study.make("all_tables", python=python)
    return study


@pytest.fixture(scope="session")
def finished(tmp_path_factory, warm: Warm) -> Study:
    """The small study with every table made. Tests copy it and never write into it."""
    return finished_in(tmp_path_factory.mktemp("finished") / "redpen", warm.program)


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    """A copy of the finished study, to break."""
    shutil.copytree(finished.folder, tmp_path / "redpen", symlinks=True)
    return Study(tmp_path / "redpen")
