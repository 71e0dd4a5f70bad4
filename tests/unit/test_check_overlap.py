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


STORY = "Anna walks {} miles to school each day and then {} miles back home with her friend Tom by the river."


def test_near_questions_are_counted_and_named_but_pass(check, caplog) -> None:
    report = check(
        [question("a", f"{STORY.format(3, 4)} How far is it?"), question("b", "1 + 1?")],
        walks=[question("c", f"{STORY.format(3, 4)} What is half of it?"), question("d", "How far is it to school?")],
        other=[question("e", "1 + 2?")],
    )
    assert report["near"] == {"walks": 1, "other": 0} and report["common"] == 0
    assert report["near_questions"] == [{"benchmark": "walks", "question": "c", "dataset": "sums", "trained": "a"}]
    assert "questions near a training question (13 words in a row): 1 of 2 in walks" in caplog.text


def test_how_a_benchmark_asks_makes_no_question_near(check) -> None:
    asked = "Find the greatest common divisor of these whole numbers and give nothing but the number: {}, {}"
    trained = [question(f"t{n}", asked.format(n, n + 1)) for n in range(30)]
    report = check(trained, gcd=[question(f"b{n}", asked.format(n, n + 2)) for n in range(30)])
    assert report["near"] == {"gcd": 0}


def test_same_question_in_another_spelling_is_found(check) -> None:
    with pytest.raises(BadInput, match="d of gcd is a of sums"):
        check(
            [question("a", r"Find $\dfrac{1}{2} − 3$. Let's think step by step.")],
            gcd=[question("d", r"Find \frac{1}{2} - 3")],
        )
