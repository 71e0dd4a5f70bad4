"""CGD beside CFT: what is planned, and one run that is really trained, at tiny scale."""

from pathlib import Path

import pytest

from scripts.lib.jsonl import read_json, read_rows
from tests.project import copied
from tests.warm import Warm
from tests.workflow.conftest import TINY, Tree

STUDY = """
base: config.yaml
runs:
  cgd: {extends: cft, method: cgd, prompt: prompts/refine.j2}
  cgd-$shown: {extends: cgd, data: {critique_shown: $shown}, for_each: {shown: [none, other, without-answer]}}
  cgd-refined: {extends: cgd, data: {critiques: null, refinements: arithmetic-refined}}
refinements: {arithmetic-refined: {critiques: arithmetic-verifier, teacher: gpt-4o, shards: 2}}
tables:
  cgd_controls: {title: Controls, suites: [arithmetic], rows: [{name: CGD, of: cgd}, {name: $of, of: cgd-$shown}]}
  cgd_refined: {title: Refined, suites: [arithmetic], rows: [{name: CGD, of: cgd-refined}]}
"""
CONTROLS = ("cgd-none", "cgd-other", "cgd-without-answer")


def with_cgd(tree: Tree) -> Tree:
    """The tree with the study above in cgd.yaml."""
    (tree.folder / "cgd.yaml").write_text(STUDY, encoding="utf-8")
    return tree


@pytest.fixture(scope="module")
def cgd(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the project without results, with the study above."""
    return with_cgd(Tree(copied(tmp_path_factory.mktemp("cgd") / "tree")))


def test_run_and_controls_share_their_critiques(cgd: Tree) -> None:
    jobs = cgd.planned("cgd_controls", "cgd.yaml")
    assert {wildcards for rule, wildcards in jobs if rule == "train"} == {f"run={run}" for run in ("cgd", *CONTROLS)}
    assert {wildcards for rule, wildcards in jobs if rule == "gather_critiques"} == {"critiques=arithmetic-verifier"}
    assert not {rule for rule, _ in jobs} & {"refine_responses", "critique_by_api"}


def test_refined_answers_are_asked_for_once_the_critiques_are_there(cgd: Tree) -> None:
    jobs = cgd.planned("cgd_refined", "cgd.yaml")
    shards = {("refine_responses", f"refinements=arithmetic-refined, shard={shard}") for shard in range(2)}
    assert jobs >= shards | {("gather_refinements", "refinements=arithmetic-refined"), ("train", "run=cgd-refined")}
    assert ("gather_critiques", "critiques=arithmetic-verifier") in jobs


@pytest.mark.slow("samples, criticises and trains, as jobs of their own")
def test_cgd_is_trained_on_refined_answers_and_its_controls_on_the_same(tmp_path: Path, warm: Warm) -> None:
    tree = with_cgd(Tree(copied(tmp_path / "tree"), warm.program))
    results = tree.folder / "results" / "laptop-tiny"
    files = [f"results/laptop-tiny/train_sets/{run}.jsonl" for run in CONTROLS]
    tree.make("--configfile", "cgd.yaml", TINY, "--", "results/laptop-tiny/checkpoints/cgd/model", *files)

    solutions = {row["solution"].strip() for row in read_rows(results / "datasets" / "arithmetic.jsonl")}
    sets = {run: read_rows(results / "train_sets" / f"{run}.jsonl") for run in ("cgd", *CONTROLS)}
    answers = {row["id"]: row["completion"] for row in sets["cgd"]}
    assert len(answers) == 8 and set(answers.values()) <= solutions
    assert all({row["id"]: row["completion"] for row in rows} == answers for rows in sets.values())
    asked = {run: [row["messages"][-1]["content"] for row in rows] for run, rows in sets.items()}
    for run, texts in asked.items():
        assert {"Critique:" in text for text in texts} == {run != "cgd-none"}, run
    assert all("[removed]" in text for text in asked["cgd-without-answer"])

    summary = read_json(results / "checkpoints" / "cgd" / "train.json")
    assert (summary["recipe"]["method"], summary["counts"]["rows_trained"], summary["steps"]) == ("cgd", 8, 2)
    said = (tree.folder / "logs" / "laptop-tiny" / "train" / "cgd.log").read_text(encoding="utf-8")
    shown, _, learnt = said.partition("⟦tokens with the loss⟧:")[2].partition("⟦")
    assert "Critique:" in shown and learnt.partition("<|")[0] in solutions
