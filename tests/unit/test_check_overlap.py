"""No benchmark asks what a run was trained on."""

from pathlib import Path

import pytest

from scripts import check_overlap
from scripts.lib.jsonl import BadInput, read_json


def question(name: str, text: str) -> dict:
    return {"id": name, "question": text}


@pytest.fixture
def check(tmp_path: Path, write_lines):
    """A function that compares a dataset with benchmarks and returns the report."""

    def run(dataset: list[dict], **benchmarks: list[dict]) -> dict:
        files = [str(write_lines(f"{name}.jsonl", rows)) for name, rows in benchmarks.items()]
        words = ["--table", "main", "--datasets", str(write_lines("sums.jsonl", dataset)), "--benchmarks", *files]
        args = check_overlap.parse_args([*words, "--report", str(tmp_path / "report.json")])
        assert check_overlap.main(args) == 0
        return read_json(tmp_path / "report.json")

    return run


def test_different_questions_pass_with_their_counts(check) -> None:
    report = check(
        [question("a", "1 + 1?"), question("b", "1 + 2?")], gcd=[question("c", "1 - 1?")], lcm=[question("d", "2?")]
    )
    assert report["training_questions"] == 2 and report["benchmark_questions"] == {"gcd": 1, "lcm": 1}
    assert report["common"] == 0


def test_common_question_is_told_with_both_ids_and_the_way_out(check, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        check(
            [question("a", "What is 1+1"), question("b", "2?")],
            gcd=[question("c", "3?"), question("d", "what is 1 + 1?")],
        )
    assert str(caught.value) == (
        "table main: 1 benchmark questions are also training questions, the first: d of gcd is a of sums. "
        "Add the benchmark to datasets.sums.exclude."
    )
    assert not (tmp_path / "report.json").exists()


def test_table_of_models_only_has_nothing_to_compare(tmp_path: Path, write_lines) -> None:
    benchmark = str(write_lines("gcd.jsonl", [question("a", "1?")]))
    words = ["--table", "main", "--datasets", "--benchmarks", benchmark, "--report", str(tmp_path / "r.json")]
    assert check_overlap.main(check_overlap.parse_args(words)) == 0
    assert read_json(tmp_path / "r.json")["training_questions"] == 0
