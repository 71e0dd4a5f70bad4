"""The GPUs of a machine, and the stops before the first job."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.jobs import cards, gpu_checks
from tests.study_snapshots import resolved


@pytest.fixture
def driver(tmp_path: Path, monkeypatch):
    """A function that puts an nvidia-smi on the path which says these lines."""

    def put(*lines: str) -> None:
        file = tmp_path / "nvidia-smi"
        file.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines), encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return put


def test_cards_and_their_memory_are_what_the_driver_says(driver) -> None:
    driver("0, GPU-5f2, 24576", "1, GPU-7a1, 81920")
    assert cards.cards() == [24.0, 80.0]


@pytest.mark.parametrize(
    ("visible", "memory"),
    [("1", [80.0]), ("1,0", [80.0, 24.0]), ("", []), ("-1", []), ("GPU-5f2", [24.0]), ("1,7", [80.0])],
)
def test_cards_that_jobs_may_use(driver, monkeypatch, visible: str, memory: list) -> None:
    driver("0, GPU-5f2, 24576", "1, GPU-7a1, 81920")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cards.cards() == memory


def test_machine_without_a_driver_has_no_cards(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cards.cards() == []


TAKE = """
import os, sys
from pathlib import Path
from scripts.lib.jobs import cards
cards.take(int(sys.argv[2]), Path(sys.argv[1]))
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path: Path):
    """A function that starts a process which takes GPUs, and returns it with what it was given."""
    started = []

    def start(count: int = 1) -> tuple[subprocess.Popen, str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        words = [sys.executable, "-c", TAKE, str(tmp_path / "locks"), str(count)]
        started.append(subprocess.Popen(words, cwd=ROOT, **pipes))
        return started[-1], started[-1].stdout.readline().strip()

    yield start
    for process in started:
        process.communicate()


def test_each_job_has_a_card_of_its_own_until_it_ends(driver, job) -> None:
    driver("0, GPU-a, 24576", "1, GPU-b, 24576", "2, GPU-c, 24576")
    first, name = job()
    assert name == "0" and job()[1] == "1"
    first.communicate()
    assert job(2)[1] == "0,2"


def test_jobs_that_have_a_card_or_no_choice_take_none(driver, job, monkeypatch) -> None:
    driver("0, GPU-a, 24576")
    assert job()[1] == "None"
    driver("0, GPU-a, 24576", "1, GPU-b, 24576")
    assert job(2)[1] == "None"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert job()[1] == "None"


def test_run_that_fits_no_card_is_told_with_need_card_and_ways_out() -> None:
    study = resolved("papers")
    (said,) = gpu_checks.too_large(study, {"cft.qwen2.5-math-7b": 1}, 24.0)
    assert said.startswith(
        "train cft.qwen2.5-math-7b: it needs about 122 GB, and the card has 24. Give its recipe lora"
    )
    assert "docs/planning.md" in said
    assert gpu_checks.too_large(study, {"cft.qwen2.5-math-7b": 8}, 80.0) == []
    assert gpu_checks.too_large(resolved("one-gpu-7b"), {"cft": 1, "cft.7b": 1}, 24.0) == []
    assert gpu_checks.too_large(resolved("laptop"), dict.fromkeys(resolved("laptop")["runs"], 1), 24.0) == []


def test_large_model_without_a_gpu_is_told_once_for_each_interpreter() -> None:
    asked = []

    def sees(python: str) -> bool:
        asked.append(python)
        return python == "with"

    study = resolved("one-gpu")
    jobs = [("train", "cft", "without"), ("generate", "cft", "without"), ("generate", "qwen2.5-math-1.5b", "with")]
    (said,) = gpu_checks.without_gpu(study, jobs, sees)
    assert said.startswith("generate cft, train cft: up to 1.5 billion parameters, and torch in without finds no GPU")
    assert "make gpu" in said and "largest_on_cpu" in said and asked == ["without", "with"]
    assert gpu_checks.without_gpu({**study, "largest_on_cpu": 2.0}, jobs, sees) == []


def test_small_and_tiny_models_are_not_asked_about() -> None:
    def never(python: str) -> bool:
        raise AssertionError(python)

    jobs = [("train", "cft", "python"), ("generate", "smollm2-135m", "python")]
    assert gpu_checks.without_gpu(resolved("laptop"), jobs, never) == []
    assert gpu_checks.without_gpu(resolved("papers-tiny"), [("train", "cft.qwen2.5-math-7b", "python")], never) == []


def test_torch_of_an_interpreter_is_asked_whether_it_sees_a_gpu(tmp_path: Path) -> None:
    for status, sees in ((0, True), (1, False)):
        file = tmp_path / f"python{status}"
        file.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        file.chmod(0o755)
        assert gpu_checks.sees_gpu(str(file)) is sees
