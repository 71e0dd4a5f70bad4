"""Questions of one schema from every source, without repeats and without a benchmark's questions."""

import json
from pathlib import Path

import pytest

from scripts.lib.jsonl import BadInput
from scripts.lib.sources import fingerprint, fingerprints_in, prepare

FIELDS = {"id": "id", "question": "question", "answer": "answer"}
ADD = {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}}


@pytest.fixture
def source(tmp_path: Path):
    """A function that writes rows to a file and returns the entry that names it."""

    def entry(lines: list[dict], **more) -> dict:
        (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
        return {"source": "jsonl", "path": str(tmp_path / "q.jsonl"), "fields": FIELDS, "rows": None, **more}

    return entry


def question(number: int, **more) -> dict:
    return {"id": f"q{number}", "question": f"What is {number} + 1?", "answer": number + 1, **more}


def gym(**more) -> dict:
    return {"source": "reasoning-gym", "tasks": ADD, "rows": 20, "seed": 1, **more}


def refusal(entry: dict, excluded: set[str] = frozenset()) -> str:
    with pytest.raises(BadInput) as caught:
        prepare(entry, excluded)
    return str(caught.value)


def test_rows_have_our_names_and_answers_are_text(source) -> None:
    rows, _ = prepare(
        source([{"n": 7, "problem": "Why?", "gold": 3}], fields={"id": "n", "question": "problem", "answer": "gold"})
    )
    assert rows == [{"id": "7", "question": "Why?", "answer": "3"}]


def test_rows_without_an_id_are_numbered_and_without_an_answer_have_null(source) -> None:
    rows, _ = prepare(source([{"t": "a?"}, {"t": "b?"}], fields={"question": "t"}))
    assert rows == [
        {"id": "row-000001", "question": "a?", "answer": None},
        {"id": "row-000002", "question": "b?", "answer": None},
    ]


def test_missing_column_is_told_with_the_columns_there_are(source) -> None:
    found = refusal(source([{"id": "a", "q": "x"}]))
    assert "q.jsonl, row 1: no column answer, question (there are: id, q)" in found and "fields" in found


def test_repeated_questions_are_left_out_and_counted(source) -> None:
    rows, left_out = prepare(source([question(1), question(2), {**question(1), "id": "q9", "question": "what is 1+1"}]))
    assert [row["id"] for row in rows] == ["q1", "q2"]
    assert left_out == {"repeated_question": 1, "in_a_benchmark": 0}


def test_questions_of_a_benchmark_are_left_out_and_counted(source, write_lines) -> None:
    benchmark = write_lines("benchmark.jsonl", [question(2)])
    rows, left_out = prepare(source([question(1), question(2), question(3)]), fingerprints_in([benchmark]))
    assert [row["id"] for row in rows] == ["q1", "q3"]
    assert left_out == {"repeated_question": 0, "in_a_benchmark": 1}


def test_rows_limit_counts_what_is_kept(source) -> None:
    entry = source([question(1), question(2), question(3), question(4)], rows=2)
    rows, _ = prepare(entry, {fingerprint(question(1)["question"])})
    assert [row["id"] for row in rows] == ["q2", "q3"]


def test_too_few_rows_are_told_with_what_was_left_out(source) -> None:
    found = refusal(source([question(1), question(1, id="b")], rows=2))
    assert "1 rows can be used, 2 are asked for" in found and "'repeated_question': 1" in found and "Ask for" in found


def test_empty_question_is_told(source) -> None:
    for text in ("  ", None, 3):
        assert "row 'q1': the question is empty" in refusal(source([{**question(1), "question": text}]))


def test_id_that_occurs_twice_is_told(source) -> None:
    assert "id 'q1' occurs twice" in refusal(source([question(1), {**question(2), "id": "q1"}]))


def test_file_without_rows_is_told(source) -> None:
    assert "no rows" in refusal(source([]))


def test_fingerprint_keeps_what_makes_a_question_another() -> None:
    assert fingerprint("What is  3 + 4?") == fingerprint("what is 3+4")
    different = ["3 + 4", "3 - 4", "3 * 4", "34", "3.4", "-3 + 4", "3 + 4 = x", "3 + 4 < x"]
    assert len({fingerprint(text) for text in different}) == len(different)


def test_generated_rows_are_the_same_every_time_and_a_prefix_of_more() -> None:
    pytest.importorskip("reasoning_gym")
    rows, _ = prepare(gym())
    assert rows == prepare(gym())[0] and len(rows) == 20
    assert prepare(gym(rows=30))[0][:20] == rows
    assert prepare(gym(seed=2))[0] != rows
    assert set(rows[0]) >= {"id", "question", "answer", "subject", "solution"}


def test_tasks_take_turns() -> None:
    pytest.importorskip("reasoning_gym")
    rows, _ = prepare(gym(tasks={**ADD, "gcd": {}}, rows=6))
    assert [row["subject"] for row in rows] == ["chain_sum", "gcd"] * 3


def test_rows_with_a_wrong_reference_answer_are_left_out() -> None:
    pytest.importorskip("reasoning_gym")
    task = {"basic_arithmetic": {"min_terms": 5, "max_terms": 6}}
    rows, _ = prepare(gym(tasks=task, rows=400))
    numbers = [int(row["id"].removeprefix("basic_arithmetic-")) for row in rows]
    assert numbers != list(range(400)), "this seed must hold an expression that was divided with //"
    assert all(row["solution"].endswith(f"The answer is {row['answer']}.") for row in rows)


def test_task_that_runs_out_of_questions_is_told() -> None:
    pytest.importorskip("reasoning_gym")
    few = {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}
    found = refusal(gym(tasks=few, rows=210))
    assert "different questions after" in found and "210 are asked for" in found


@pytest.mark.parametrize(
    "tasks", [{"no_such_task": {}}, {"gcd": {"no_such_setting": 1}}, {"chain_sum": {"min_terms": 0}}]
)
def test_wrong_task_is_told(tasks: dict) -> None:
    pytest.importorskip("reasoning_gym")
    found = refusal(gym(tasks=tasks))
    assert f"reasoning-gym task {next(iter(tasks))!r}" in found and "Mend it in config" in found


def test_hub_layout_in_a_local_folder_is_read_with_our_names(tmp_path, write_lines) -> None:
    write_lines("set/data/train-00000.jsonl", [{"instruction": "1 + 1?", "input": "2", "output": "right"}])
    source = {"source": "hub", "repo": str(tmp_path / "set"), "revision": None, "config": None, "split": "train"}
    fields = {"question": "instruction", "answer": "input", "solution": "output"}
    rows, _ = prepare({**source, "fields": fields, "rows": None})
    assert rows == [{"id": "row-000001", "question": "1 + 1?", "answer": "2", "solution": "right"}]


def test_hub_layout_with_other_columns_or_splits_is_told(tmp_path, write_lines) -> None:
    write_lines("set/data/train-00000.jsonl", [{"instruction": "1 + 1?"}])
    source = {"source": "hub", "repo": str(tmp_path / "set"), "revision": None, "config": None, "rows": None}
    with pytest.raises(
        BadInput, match=r"row 1: no column problem \(there are: instruction\). Correct the entry's fields"
    ):
        prepare({**source, "split": "train", "fields": {"question": "problem"}})
    with pytest.raises(BadInput, match=r"\(nosplit\): could not be loaded.*Check repo, config, split and revision"):
        prepare({**source, "split": "nosplit", "fields": {"question": "instruction"}})
