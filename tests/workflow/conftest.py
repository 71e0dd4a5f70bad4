"""A copy of the project for the tests of this folder, and one finished tiny study that all of them share."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from scripts.lib.study.resolve import resolve
from tests.project import Project, copied
from tests.warm import Warm

TINY = "config/scale/tiny.yaml"
TARGET = "cft_table2"
# Generation, training, and the rules upstream of them.
COSTLY = {
    *("fetch_model", "prepare_dataset", "prepare_benchmark", "sample_responses", "grade_responses"),
    *("critique_responses", "critique_by_model", "critique_by_api", "gather_critiques", "answer_questions"),
    *("refine_responses", "gather_refinements", "gather_answers", "build_train_set", "train", "validate", "generate"),
    *("prepare_harness", "fetch_punkt", "generate_turns", "judge_turns", "evaluate_harness", "critique_answers"),
}
Jobs = set[tuple[str, str]]  # (rule, wildcards)


class Tree(Project):
    """A copy of the project, results and state included, with what tests of plans ask."""

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

    def resolved(self) -> dict:
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


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy without results, which no test changes."""
    return Tree(copied(tmp_path_factory.mktemp("project") / "tree"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Tree:
    """The tiny study with TARGET made, which no test changes."""
    tree = Tree(copied(tmp_path_factory.mktemp("finished") / "tree"), warm.program)
    tree.tiny("--", TARGET)
    return tree


@pytest.fixture
def tree(finished: Tree, tmp_path: Path) -> Tree:
    """A copy of the finished study, to change."""
    return finished.copy(tmp_path / "tree")
