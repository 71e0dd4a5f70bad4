"""A copy of the project for the tests of this folder, and one finished tiny study that all of them share."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from scripts.lib.cli import ROOT
from scripts.lib.study.resolve import resolve
from tests.warm import Warm

TINY = "config/scale/tiny.yaml"
TARGET = "cft_table2"
PARTS = ("Snakefile", "config.yaml", "config", "rules", "scripts", "prompts", "profiles", "envs")
PARTS += ("papers",)
# Generation, training, and what lies above them.
COSTLY = {
    *("fetch_model", "prepare_dataset", "prepare_benchmark", "sample_responses", "grade_responses"),
    *("critique_responses", "critique_by_model", "critique_by_api", "gather_critiques", "answer_questions"),
    *("gather_answers", "build_train_set", "train", "validate", "generate"),
    *("prepare_harness", "fetch_punkt", "generate_turns", "judge_turns", "evaluate_harness"),
}
Jobs = set[tuple[str, str]]  # (rule, wildcards)


class Tree:
    """A copy of the project, results and state included, in which Snakemake is called; `python` runs the scripts."""

    def __init__(self, folder: Path, python: str | Path = sys.executable) -> None:
        self.folder, self.python = folder, python

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            "REDPEN_PYTHON_LAPTOP": str(self.python),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=1500,
        )

    def make(self, *arguments: str) -> str:
        """Runs Snakemake, which must succeed, and returns what it said."""
        done = self.snakemake(*arguments)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout + done.stderr

    def tiny(self, *arguments: str) -> str:
        """Makes targets at tiny scale."""
        return self.make("--configfile", TINY, *arguments)

    def planned(self, target: str = TARGET, *files: str) -> Jobs:
        """The jobs that a dry run of a target would start, without the target itself (files: tiny scale if none)."""
        said = self.make("-n", "--configfile", *(files or [TINY]), "--", target)
        blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)*)", said, re.MULTILINE)
        assert blocks or "Nothing to be done" in said, said
        found = set()
        for rule, lines in blocks:
            wildcards = re.search(r"^ {4}wildcards: (.*)$", lines, re.MULTILINE)
            found.add((rule, wildcards[1] if wildcards else ""))
        return {job for job in found if job[0] != target}

    def study(self) -> dict:
        """The resolved tiny study."""
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            return resolve(["config.yaml", TINY])
        finally:
            os.chdir(here)

    def edit(self, change: Callable[[dict], None]) -> None:
        """Changes config.yaml."""
        file = self.folder / "config.yaml"
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        change(config)
        file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def copied(folder: Path) -> Tree:
    """The project as it is in the checkout, without results."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / part)
    return Tree(folder)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy without results, which no test changes."""
    return copied(tmp_path_factory.mktemp("project") / "tree")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Tree:
    """The tiny study with TARGET made, which no test changes."""
    tree = copied(tmp_path_factory.mktemp("finished") / "tree")
    Tree(tree.folder, warm.program).tiny("--", TARGET)
    return tree


@pytest.fixture
def tree(finished: Tree, tmp_path: Path) -> Tree:
    """A copy of the finished study, to change."""
    # Times are kept to the nanosecond: Snakemake compares them.
    shutil.copytree(finished.folder, tmp_path / "tree", symlinks=True, copy_function=shutil.copy2)
    return Tree(tmp_path / "tree")
