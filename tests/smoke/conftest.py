"""One finished run of a small study, which every smoke test copies."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.lib.cli import ROOT
from tests.project import Project, copied
from tests.warm import Warm

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


class Study(Project):
    """A copy of the project in which the small study is made."""

    study = "laptop-small"
    options = ("--configfile", "small.yaml", "--config", ENGINE, "--quiet", "rules", "--")

    def unlock(self) -> None:
        """What `make demo` does before it starts."""
        subprocess.run([sys.executable, "-m", "scripts.clean_lock"], cwd=self.folder, check=True)


def finished_in(folder: Path, python: str | Path) -> Study:
    """The small study with every table made, in a new folder; `python` ran the scripts."""
    study = Study(copied(folder))
    benchmark = next(iter(yaml.safe_load((ROOT / "config.yaml").read_text())["benchmarks"]))
    (folder / "small.yaml").write_text(SCALE + PICKED.replace("BENCHMARK", benchmark))
    study.by(python).make("all_tables")
    return study


@pytest.fixture(scope="session")
def finished(tmp_path_factory, warm: Warm) -> Study:
    """The small study with every table made. Tests copy it and never write into it."""
    return finished_in(tmp_path_factory.mktemp("finished") / "redpen", warm.program)


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    """A copy of the finished study, to break."""
    return finished.copy(tmp_path / "redpen")
