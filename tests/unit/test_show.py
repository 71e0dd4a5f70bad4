"""Answers, critiques and training rows in the terminal."""

import shutil
from pathlib import Path

import pytest

from scripts import show
from scripts.lib.jsonl import BadInput, read_rows
from scripts.lib.page.results import default_folder
from tests.synthetic_study import Made


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The results of a made-up study."""
    return Made(tmp_path_factory.mktemp("study")).write()


@pytest.fixture
def shown(results, capsys):
    """What the program prints."""

    def call(*arguments: str) -> str:
        assert show.main(show.parse_args([*arguments, "--results", str(results)])) == 0
        return capsys.readouterr().out

    return call


def right(results: Path, run: str, benchmark: str) -> dict[str, bool]:
    rows = read_rows(results / "scores" / run / "numbers.jsonl")
    return {row["id"]: row["correct"] for row in rows if row["benchmark"] == benchmark}


def test_flipped_answers_are_shown_side_by_side(results, shown):
    said = shown("cft", "--against", "sft", "--benchmark", "gcd", "--flipped", "-n", "100")
    cft, sft = (right(results, run, "gcd") for run in ("cft", "sft"))
    flipped = [id for id in cft if cft[id] != sft[id]]
    assert [line for line in said.splitlines() if line.startswith("gcd/")] == flipped
    assert said.count("── cft ──") == said.count("── sft ──") == len(flipped)
    assert said.rstrip().endswith(f"{len(flipped)} shown, 0 more")
    first = said.split("─" * 80)[1]
    assert "What is " in first and "gold: " in first and "extracted: " in first and "authors-cft" in first


@pytest.mark.parametrize(
    "flag, wanted",
    [
        ("--wrong", lambda row: not row["correct"]),
        ("--cut-off", lambda row: not row["finished"]),
        ("--disputed", lambda row: row["correct"] != row["authors_cft"]),
    ],
)
def test_answers_are_filtered(results, shown, flag, wanted):
    expected = [row["id"] for row in read_rows(results / "scores" / "sft" / "numbers.jsonl") if wanted(row)]
    said = shown("sft", flag, "-n", "1000").splitlines()
    assert [line for line in said if line.startswith(("gcd/", "lcm/"))] == expected


def test_what_is_not_shown_is_counted(shown):
    assert shown("sft", "-n", "3").rstrip().endswith("3 shown, 77 more (-n shows more)")


def test_critiques_stand_below_their_responses(shown):
    said = shown("--critiques", "sums-verifier", "-n", "2")
    assert "critic: wrong · grader: wrong" in said
    assert said.index("── response ──") < said.index("── critique ──")


def test_training_rows_mark_the_tokens_with_the_loss(results, shown, model_folder):
    assert "user:\nWhat is 0 + 1?⟦0 + 1 = 1⟧" in shown("--train-set", "sft", "-n", "1")
    shutil.copytree(model_folder, results / "models" / "base")
    assert "<|im_start|>assistant\n⟦0 + 1 = 1<|im_end|>⟧" in shown("--train-set", "sft", "-n", "1")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["nobody"], r"nobody: no graded answers under .*\(there are: base, cft, sft\)"),
        (["sft", "--benchmark", "aime"], r"sft has no answers to aime \(there are: gcd, lcm\)"),
        (["--critiques", "none"], r"none: no critiques yet \(entries: sums-other, sums-verifier\)"),
        (["--train-set", "none"], r"none: no training set yet \(runs: cft, sft\)"),
    ],
)
def test_what_is_not_there_is_named(shown, arguments, said):
    with pytest.raises(BadInput, match=said):
        shown(*arguments)


def test_the_study_must_be_clear(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no study has been made here yet. Make one first"):
        default_folder()
    for name in ("a", "b"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "study.yaml").write_text("")
    with pytest.raises(BadInput, match="results/a, results/b. Name its folder with --results"):
        default_folder()


def test_flipped_needs_another_run():
    with pytest.raises(SystemExit):
        show.parse_args(["sft", "--flipped"])
