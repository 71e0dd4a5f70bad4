"""The study that a GPU is measured with: it resolves, and its runs are alike in all but their data."""

from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study.resolve import resolve


@pytest.fixture
def study(tmp_path: Path) -> dict:
    """Resolved with files of questions, as bench/gpu_study.sh names them."""
    files = {}
    for name in ("gsm8k/train.jsonl.gz", "gsm8k/test.jsonl", "svamp/test.jsonl"):
        files[name] = tmp_path / name
        files[name].parent.mkdir(exist_ok=True)
        files[name].touch()
    train, gsm8k, svamp = map(str, files.values())
    overrides = {"datasets": {"gsm8k-train": {"path": train}}}
    overrides["benchmarks"] = {"gsm8k": {"questions": {"path": gsm8k}}, "svamp": {"questions": {"path": svamp}}}
    return resolve([ROOT / "bench" / "gpu_study.yaml"], overrides)


def test_four_ways_of_training_with_three_seeds_and_the_same_steps(study: dict) -> None:
    assert {name: len(runs) for name, runs in study["seeds"].items()} == dict.fromkeys(
        ("sft-teacher", "sft-verified", "cft", "cgd"), 3
    )
    recipes = [run["hyperparameters"] for run in study["runs"].values()]
    assert len(recipes) == 12 and all(recipe == recipes[0] for recipe in recipes) and recipes[0]["max_steps"] == 125
    assert {run["seed"] for run in study["runs"].values()} == {1, 2, 3}


def test_tests_questions_are_left_out_of_training_and_nothing_is_fetched(study: dict) -> None:
    assert study["datasets"]["gsm8k-train"]["exclude"] == ["gsm8k", "svamp"]
    assert [model["source"] for model in study["models"].values()] == ["packaged"]
    assert {benchmark["questions"]["source"] for benchmark in study["benchmarks"].values()} == {"jsonl"}
