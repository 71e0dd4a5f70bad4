"""Checkpoints as judges, and the best of several answers, from the study's own responses to a table and the page."""

import json
from pathlib import Path

import pytest

from tests.workflow.conftest import TINY, Tree

STUDY = """
base: config.yaml
datasets:
  held-out: {extends: arithmetic, seed: 77, exclude: null}
responses:
  held-out-self: {extends: arithmetic-once, dataset: held-out, samples: 2}
benchmarks:
  judging:
    kind: critique
    title: Judging
    prompt: prompts/critique-as-judge.j2
    max_tokens: 32
    questions: {source: responses, responses: held-out-self}
  sampled:
    extends: chain-sum
    title: Sampled
    samples: 4
    temperature: 0.7
    pass_at: [1, 4]
    majority_at: [4]
    best_of_n: {prompt: prompts/critique-as-judge.j2, max_tokens: 32}
suites: {judges: [judging, sampled]}
tables:
  judges:
    title: Can it judge?
    suites: [judges]
    columns:
      - {name: Accuracy, benchmark: judging}
      - {name: Balanced, benchmark: judging, metric: balanced_accuracy}
      - {name: No verdict, benchmark: judging, metric: no_verdict_share}
      - {name: pass@4, benchmark: sampled, metric: pass_at_4}
      - {name: maj@4, benchmark: sampled, metric: maj_at_4}
      - {name: Best of 4, benchmark: sampled, metric: best_of_n}
    rows: [{name: Base, of: smollm2-135m}]
"""


def write(tree: Tree) -> None:
    (tree.folder / "judges.yaml").write_text(STUDY, encoding="utf-8")


def test_table_of_judges_waits_for_responses_and_critiques(project: Tree, tmp_path: Path) -> None:
    tree = project.copy(tmp_path / "tree")
    write(tree)
    jobs = tree.planned("judges", "judges.yaml")
    assert {("grade_responses", "responses=held-out-self"), ("prepare_benchmark", "benchmark=judging")} <= jobs
    assert ("critique_answers", "checkpoint=smollm2-135m, suite=judges") in jobs
    assert not any(rule in ("train", "critique_responses") for rule, _ in jobs)


def test_tables_of_the_shipped_ablations_have_their_seeds_and_their_own_critiques(
    project: Tree, tmp_path: Path
) -> None:
    tree = project.copy(tmp_path / "tree")
    jobs = tree.planned("cft_best_of_n", "config/ablations.yaml")
    asked = {wildcards for rule, wildcards in jobs if rule == "critique_answers"}
    assert asked == {
        f"checkpoint={name}, suite=sampled" for name in ("smollm2-135m", "sft-verified", "cft", "cft-even")
    }
    trained = {
        wildcards for rule, wildcards in tree.planned("cft_ablations_seeds", "config/ablations.yaml") if rule == "train"
    }
    assert len(trained) == 7 * 3 and {"run=cgd", "run=cgd.s2", "run=cgd.s3"} <= trained


@pytest.mark.slow("samples, judges and criticises with a random model: seven jobs that load torch")
def test_table_of_judges_is_made_and_nothing_is_made_again(tree: Tree) -> None:
    write(tree)
    files = ("--configfile", "judges.yaml", TINY)
    tree.make(*files, "--", "judges")
    results = tree.folder / "results" / "laptop-tiny"
    cells = {cell["column"]: cell for cell in json.loads((results / "tables" / "judges.json").read_text())}
    # A random model states no verdict, and an answer of its own that it does not call right is still the first.
    assert cells["Accuracy"]["value"] == 0 and cells["No verdict"]["value"] == 100
    assert all(cells[name]["unit"] == "percent" and cells[name]["n"] == 8 for name in ("pass@4", "maj@4", "Best of 4"))
    judged = [json.loads(line) for line in (results / "benchmarks" / "judging.jsonl").read_text().splitlines()]
    assert judged and {row["answer"] for row in judged} <= {"right", "wrong"}
    critiques = (results / "own_critiques" / "smollm2-135m" / "judges.jsonl").read_text().splitlines()
    assert len(critiques) == 8 * 4 and all(json.loads(line)["verdict"] is None for line in critiques)
    said = (results / "tables" / "judges.md").read_text()
    assert "Verdicts on responses with a known grade" in said and "maj@4 (maj@4): the most frequent" in said
    assert "Nothing to be done" in tree.make("-n", *files, "--", "judges")
    tree.make(*files, "--", "study_page")
    assert "Can it judge?" in (results / "study.html").read_text(encoding="utf-8")
