"""What a call of Snakemake asks of this machine's GPUs before the first job, with a driver that says there are two."""

import os

import pytest

from tests.project import copied
from tests.workflow.conftest import Tree

EVENING = ("--cores", "2", "--configfile", "config/one-gpu.yaml")
BENCHMARK = "results/laptop-tiny/benchmarks/gcd.jsonl"


@pytest.fixture(scope="module")
def two_cards(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the project on a machine with two cards of 8 GB, and a torch that finds none of them."""
    folder = tmp_path_factory.mktemp("gpus")
    driver, python = folder / "nvidia-smi", folder / "python-without-gpu"
    driver.write_text("#!/bin/sh\necho '0, GPU-a, 8192'\necho '1, GPU-b, 8192'\n", encoding="utf-8")
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    for program in (driver, python):
        program.chmod(0o755)
    named = {f"REDPEN_PYTHON_{env}": str(python) for env in ("LAPTOP", "VLLM")}
    return Tree(copied(folder / "tree"), PATH=f"{folder}:{os.environ['PATH']}", **named)


def test_training_that_fits_no_card_and_a_large_model_without_a_gpu_stop_before_the_first_job(two_cards: Tree) -> None:
    said = two_cards.make(*EVENING, "--", "evening", status=1)
    assert "train cft: it needs about 15 GB, and the card has 8. Give its recipe lora" in said
    assert "billion parameters, and torch in" in said and "finds no GPU" in said
    assert [path.name for path in (two_cards.folder / "results" / "one-gpu").iterdir()] == ["study.yaml"]
    assert not (two_cards.folder / "logs").exists()


def test_a_dry_run_does_not_stop(two_cards: Tree) -> None:
    assert "make_table" in two_cards.make("-n", *EVENING, "--", "evening")


def test_as_many_gpu_jobs_at_once_as_there_are_cards(two_cards: Tree) -> None:
    scale = ("--configfile", "config/scale/tiny.yaml")
    # The interpreter ends at once with status 1: what counts is what Snakemake said before.
    said = two_cards.make("-p", "--cores", "8", *scale, "--", BENCHMARK, status=1)
    assert 'Resource("gpu", 2)' in said
    said = two_cards.make("-p", "--cores", "8", "--resources", "gpu=1", *scale, "--", BENCHMARK, status=1)
    assert 'Resource("gpu", 1)' in said
