"""What a table is made from: means of seeds, questions that selected a checkpoint, and only the suites it names."""

import re
from pathlib import Path

from tests.workflow.conftest import Tree

STUDY = """
base: {base}
runs:
  cft-s$seed: {{for_each: {{seed: [1, 2]}}, extends: cft, seed: $seed, select: gcd}}
seeds: {{cft-mean: cft-s$seed}}
suites: {{other: [chain-sum]}}
tables:
  seeded: {{title: Seeds, suites: [other], rows: [{{name: CFT, of: cft-mean}}, {{name: Base, of: smollm2-135m}}]}}
"""

QUICK = "results/laptop/first7/scores/{}/other.json"


def planned(project: Tree, folder: Path) -> list[tuple[str, str]]:
    """(rule, its inputs) of each job that the table `seeded` takes."""
    (folder / "study.yaml").write_text(STUDY.format(base=project.folder / "config.yaml"), encoding="utf-8")
    said = project.make("-n", "--configfile", str(folder / "study.yaml"), "--", "seeded")
    return re.findall(r"^(?:local)?rule (\w+):\n {4}input: (.*)$", said, re.MULTILINE)


def test_mean_of_seeds_is_made_of_their_scores_and_is_no_checkpoint(project: Tree, tmp_path: Path) -> None:
    jobs = planned(project, tmp_path)
    (inputs,) = [inputs for rule, inputs in jobs if rule == "average_seeds"]
    assert "scores/cft-s1/other.json" in inputs and "scores/cft-s2/other.jsonl" in inputs
    assert not any("cft-mean" in inputs for rule, inputs in jobs if rule not in ("make_table", "seeded"))
    assert sum(rule == "train" for rule, _ in jobs) == 2


def test_quick_look_plans_nothing_but_itself_above_the_checkpoint(project: Tree, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.format(base=project.folder / "config.yaml"), encoding="utf-8")
    said = project.make("-n", "--configfile", str(tmp_path / "study.yaml"), "--", QUICK.format("cft-mean"))
    jobs = dict(re.findall(r"^(?:local)?rule (\w+):\n {4}input: (.*)$", said, re.MULTILINE))
    assert {"average_seeds_first", "score_first", "generate_first", "first_questions", "validate"} <= jobs.keys()
    assert not jobs.keys() & {"generate", "score", "average_seeds", "make_table", "all_tables"}
    # What a checkpoint was selected by is the whole benchmark, whatever is asked.
    assert "laptop/benchmarks/gcd.jsonl" in jobs["score_first"] and "first7/benchmarks/gcd" not in jobs["score_first"]
    assert "laptop/first7/benchmarks/chain-sum.jsonl" in jobs["generate_first"]


def test_score_reads_the_questions_that_its_checkpoint_was_selected_by(project: Tree, tmp_path: Path) -> None:
    scores = [inputs for rule, inputs in planned(project, tmp_path) if rule == "score"]
    assert len(scores) == 3
    for inputs in scores:
        assert ("benchmarks/gcd.jsonl" in inputs) == ("generations/cft-s" in inputs)


def test_table_takes_only_the_suites_that_it_names(project: Tree, tmp_path: Path) -> None:
    generated = [inputs for rule, inputs in planned(project, tmp_path) if rule == "generate"]
    assert len(generated) == 3
    assert all("benchmarks/chain-sum.jsonl" in inputs and "products" not in inputs for inputs in generated)
