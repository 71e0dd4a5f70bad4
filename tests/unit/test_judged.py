"""Responses whose verdict is known: a study's own graded ones, and those that people labelled."""

import csv
import json
from pathlib import Path

import pytest

from scripts import prepare_dataset
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_rows
from scripts.lib.questions import sources
from tests import shared_data

# Rows in the layouts of BIG-Bench-Mistake (steps without numbers, counted from 0) and of MR-GSM8K.
TRACES = [
    {
        "input": "2 + 3 =",
        "steps": ["2 + 3 = 6.", "So the answer is 6"],
        "target": "5",
        "answer": "6",
        "mistake_index": 0,
    },
    {"input": "1 + 1 =", "steps": ["1 + 1 = 2."], "target": "2", "answer": "2", "mistake_index": None},
]
BIG_BENCH = {
    "source": "jsonl",
    "fields": {"question": "input", "response": "steps", "first_wrong_step": "mistake_index"},
    "steps_from": 0,
    "rows": None,
}
SOLUTIONS = [
    {
        "uuid": "u1",
        "question": "How many?",
        "ground_truth_answer": "5",
        "model_output_steps": ["Step 1: There are 2.", "Step 2: #### 2"],
        "model_output_solution_correctness": "wrong",
        "model_output_solution_first_error_step": 1,
    },
    {
        "uuid": "u2",
        "question": "How long?",
        "ground_truth_answer": "3",
        "model_output_steps": ["Step 1: It takes 3.", "Step 2: #### 3"],
        "model_output_solution_correctness": "correct",
        "model_output_solution_first_error_step": "N/A",
    },
]
MR_GSM8K = {
    "source": "hub",
    "config": None,
    "split": "test",
    "revision": None,
    "fields": {
        "id": "uuid",
        "question": "question",
        "response": "model_output_steps",
        "label": "model_output_solution_correctness",
        "first_wrong_step": "model_output_solution_first_error_step",
    },
    "rows": None,
}


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def test_traces_of_steps_with_the_index_of_the_first_mistake(tmp_path: Path) -> None:
    write_rows(tmp_path / "traces.jsonl", TRACES)
    wrong, right = sources.prepare({**BIG_BENCH, "path": str(tmp_path / "traces.jsonl")})[0]
    assert wrong["response"] == "Step 1: 2 + 3 = 6.\nStep 2: So the answer is 6"
    assert (wrong["answer"], wrong["first_wrong_step"]) == ("wrong", 1)
    assert right["answer"] == "right" and "first_wrong_step" not in right


def as_list(folder: Path) -> dict:
    """The repository's file, one list of rows."""
    file = folder / "MR-GSM8K.json"
    file.write_text(json.dumps(SOLUTIONS), encoding="utf-8")
    return {"source": "jsonl", "path": str(file)}


def as_table(folder: Path) -> dict:
    """The hub's copy, where lists are Python text and N/A reads as nothing."""
    with (folder / "test.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, SOLUTIONS[0])
        table.writeheader()
        table.writerows(SOLUTIONS)
    return {"repo": str(folder)}


@pytest.mark.parametrize("write", [as_list, as_table])
def test_labelled_solutions_are_read_from_both_layouts(tmp_path: Path, write) -> None:
    folder = tmp_path / "Mr-GSM8K"
    folder.mkdir()
    wrong, right = sources.prepare({**MR_GSM8K, **write(folder)})[0]
    assert (wrong["id"], wrong["answer"], wrong["first_wrong_step"]) == ("u1", "wrong", 1)
    assert wrong["response"] == "Step 1: There are 2.\nStep 2: #### 2"
    assert right["answer"] == "right" and "first_wrong_step" not in right and "label" not in right


@pytest.mark.parametrize("text", ["{}", "[1]", "[", '[{"a": NaN}'])
def test_file_that_is_no_list_of_rows_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match="not a list of objects|no JSON could be read"):
        sources.prepare({**BIG_BENCH, "path": str(tmp_path / "rows.json")})


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"label": "maybe"}, "the label is 'maybe', not one of right, correct"),
        ({"label": "wrong", "step": "two"}, "the first wrong step is 'two', not a number"),
    ],
)
def test_label_that_cannot_be_read_is_told(tmp_path: Path, row: dict, says: str) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"q": "Why?", "r": "So.", "step": None, **row}])
    fields = {"question": "q", "response": "r", "label": "label", "first_wrong_step": "step"}
    if row.get("step") is None:
        del fields["first_wrong_step"]
    with pytest.raises(BadInput, match=says):
        sources.prepare({"source": "jsonl", "path": str(tmp_path / "rows.jsonl"), "fields": fields, "rows": None})


# --- own graded responses ---------------------------------------------------------------------------------------------


def graded(number: int, sample: int, response: str, correct: bool | None) -> dict:
    asked = {"question_id": f"q{number}", "question": f"What is {number} + 1?"}
    return {"id": f"q{number}#{sample}", **asked, "response": response, "correct": correct}


def prepared(tmp_path: Path, responses: list[dict], **settings) -> tuple[list[dict], dict]:
    write_rows(tmp_path / "graded.jsonl", responses)
    source = {"source": "responses", "responses": "sums-self", "rows": None, "when_short": "fail", "shuffle": None}
    files = {"graded": "graded.jsonl", "rows": "judging.jsonl", "summary": "judging.json"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(tmp_path / file))]
    assert prepare_dataset.main(prepare_dataset.parse_args(["--settings", json.dumps(source | settings), *words])) == 0
    return read_rows(tmp_path / "judging.jsonl"), read_json(tmp_path / "judging.json")


def test_own_responses_are_judged_by_their_grade(tmp_path: Path) -> None:
    rows, _ = prepared(tmp_path, [graded(1, 0, "2", True), graded(1, 1, "3", False)])
    assert rows == [
        {"id": "q1#0", "question": "What is 1 + 1?", "response": "2", "answer": "right"},
        {"id": "q1#1", "question": "What is 1 + 1?", "response": "3", "answer": "wrong"},
    ]


def test_what_is_not_judged_is_counted(tmp_path: Path) -> None:
    odd = [graded(1, 1, "2", True), graded(2, 0, " ", False), graded(3, 0, "4", None)]
    rows, summary = prepared(tmp_path, [graded(1, 0, "2", True), *odd])
    assert len(rows) == 1
    left_out = summary["left_out"]
    assert (left_out["repeated_row"], left_out["empty_response"], left_out["without_a_grade"]) == (1, 1, 1)


def test_many_responses_to_one_question_are_no_wrong_column(tmp_path: Path) -> None:
    rows, _ = prepared(tmp_path, [graded(1, sample, str(sample), sample == 2) for sample in range(20)], rows=12)
    assert len(rows) == 12


def test_shuffled_responses_are_the_same_each_time(tmp_path: Path) -> None:
    every = [graded(number, 0, "2", number == 1) for number in range(9)]
    first, again = (prepared(tmp_path, every, shuffle=3, rows=4)[0] for _ in range(2))
    assert first == again and [row["id"] for row in first] != [f"q{number}#0" for number in range(4)]


# --- the sets themselves ----------------------------------------------------------------------------------------------


def test_real_traces_and_human_labels() -> None:
    source = {"source": "jsonl", "rows": None}
    fields = {"id": "id", "question": "question", "response": "response", "first_wrong_step": "first_error_step"}
    path = str(shared_data.path("bigbench_mistake/traces.jsonl.gz"))
    rows, left_out = sources.prepare({**source, "path": path, "fields": fields})
    assert len(rows) + sum(left_out.values()) == 2186
    assert sum(row["answer"] == "wrong" for row in rows) == sum("first_wrong_step" in row for row in rows) > 1600
    fields["label"] = "critique_verdict"
    path = str(shared_data.path("mr_gsm8k/human_critiques.jsonl.gz"))
    rows, left_out = sources.prepare({**source, "path": path, "fields": fields})
    assert len(rows) + sum(left_out.values()) == 590 and all(row["answer"] == "wrong" for row in rows)
    assert all(row["first_wrong_step"] >= 1 for row in rows)
