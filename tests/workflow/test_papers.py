"""The papers' studies as Snakemake plans them: every table from either input, alone and together."""

import re
from collections import Counter

import pytest

from scripts.lib.study import papers
from tests.workflow.conftest import Tree

STUDIES = {name: f"config/{name}.yaml" for name in ("cft", "one_shot", "spin", "thinkpo")}
RELEASED = "inputs={webinstruct: released, spin-pairs: released, thinkpo-pairs: released}"


def planned(project: Tree, *arguments: str, targets: list[str]) -> Counter:
    """How many jobs of each rule a dry run would start."""
    said = project.make("-n", "--quiet", "rules", *arguments, "--", *targets)
    return Counter({rule: int(count) for rule, count in re.findall(r"^(\w+) {2,}(\d+)$", said, re.MULTILINE)})


@pytest.mark.parametrize("paper", STUDIES)
def test_every_table_of_a_paper_is_a_target_of_its_config(project: Tree, paper: str) -> None:
    targets = [table for table in papers.known_tables() if table.startswith(f"{paper}_")]
    jobs = planned(project, "--configfile", STUDIES[paper], targets=targets)
    assert jobs["make_table"] == len(targets) == {"cft": 16, "one_shot": 2, "spin": 7, "thinkpo": 8}[paper]
    assert all(jobs[table] for table in targets)


def test_all_tables_of_the_papers_are_one_study(project: Tree) -> None:
    jobs = planned(project, "--configfile", *STUDIES.values(), targets=["all_tables"])
    assert jobs["make_table"] == 33
    # One model trained here, and evaluated there: it is made once.
    assert jobs["train"] == 62 and jobs["fetch_model"] == 29
    assert jobs["critique_by_api"] and jobs["answer_questions"] and jobs["sample_responses"]


def test_released_sets_stand_in_for_what_a_teacher_would_write(project: Tree) -> None:
    scratch = planned(project, "--configfile", *STUDIES.values(), targets=["all_tables"])
    released = planned(project, "--configfile", *STUDIES.values(), "--config", RELEASED, targets=["all_tables"])
    assert released["make_table"] == 33 and released["train"] == scratch["train"]
    assert released["critique_by_api"] < scratch["critique_by_api"] and released["sample_responses"] == 4


def test_one_table_asks_for_no_more_than_its_rows(project: Tree) -> None:
    jobs = planned(project, "--configfile", STUDIES["cft"], targets=["cft_table6_response_source"])
    assert (jobs["train"], jobs["generate"], jobs["fetch_model"]) == (2, 3, 1)


def test_one_name_asks_for_all_tables_of_one_shot_cft(project: Tree) -> None:
    jobs = planned(project, "--configfile", STUDIES["one_shot"], targets=["one_shot"])
    assert (jobs["make_table"], jobs["train"], jobs["validate"], jobs["fetch_model"]) == (2, 12, 12, 4)
    assert not jobs["critique_by_api"] + jobs["sample_responses"]
