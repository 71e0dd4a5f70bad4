"""The pool: order, golds that are missing, and text that hangs, crashes or tries to run."""

import multiprocessing
import time

import pytest

from scripts import grade_responses
from scripts.lib.grading import Grade, Item, grade, graders, pool
from scripts.lib.jsonl import read_rows, write_rows
from tests import shared_data

HOSTILE = [
    "\\boxed{10^{10^{10}}}",
    "\\boxed{" + "(" * 5000 + "1" + ")" * 5000 + "}",
    "\\boxed{\\begin{pmatrix}"
    + "\\\\".join("&".join(f"x_{{{row},{column}}}" for column in range(60)) for row in range(60))
    + "\\end{pmatrix}}",
]


def test_grades_come_in_the_order_of_the_items():
    items = [Item(f"The answer is {number}.", str(number % 7)) for number in range(300)]
    assert [result.verdict for result in grade(items)] == [number == number % 7 for number in range(300)]


def test_no_items_no_grades():
    assert grade([]) == []


def test_without_a_gold_there_is_no_verdict():
    assert grade([Item("\\boxed{3}", None)]) == [Grade(None, None, None, None, None, None)]


def test_without_an_answer_the_verdict_is_wrong_and_nothing_is_extracted():
    for prediction in (None, "", "no idea"):
        result = grade([Item(prediction, "3")])[0]
        assert (result.verdict, result.extracted, result.error) == (False, None, None)


def test_all_verdicts_are_stored():
    assert grade([Item("it is \\boxed{0.5}", r"\frac{1}{2}")]) == [Grade(True, "0.5", True, True, True)]
    assert grade([Item("it is \\boxed{0.25}", "25")]) == [Grade(False, "0.25", False, True, True)]


def test_math_verify_has_no_say_on_letters():
    assert grade([Item("The answer is (B).", "B", kind="choice", choices=("x", "y"))]) == [
        Grade(True, "B", None, True, True)
    ]


def test_what_hangs_costs_a_deadline_of_its_grader_and_the_others_have_their_turn():
    items = [Item(text, "3") for text in HOSTILE] + [Item("\\boxed{3}", "3")] * 3
    start = time.monotonic()
    results = grade(items, workers=2, deadline_s=1.5)
    assert time.monotonic() - start < 30
    assert [result.verdict for result in results] == [False] * len(HOSTILE) + [True] * 3  # ours hangs on none
    assert all(result.extracted for result in results)
    late = [result for result in results if result.error]
    assert late and all(result.math_verify is None for result in late)
    assert all(result.error == "math_verify: no answer within 1.5 s" for result in late)


def test_a_grader_that_is_late_is_null_and_the_next_ones_have_their_turn(monkeypatch):
    pool_ = pool._Pool([Item("\\boxed{3}", "3")], [None], pool.deque([[0]]), 1, 5.0)
    pool_._lose_part(0, "no answer within 5 s")
    assert pool_.parts == {0: {"extracted": None, "verdict": None}}
    pool_.run()
    assert pool_.grades == [Grade(None, None, True, True, True, "extracted: no answer within 5 s")]


def test_text_is_data(tmp_path):
    mark = tmp_path / "executed"
    call = f"__import__('os').system('touch {mark}')"
    grade([Item("\\boxed{" + call + "}", "3"), Item(call, "3"), Item("3", call)], deadline_s=5)
    assert not mark.exists()


def test_odd_characters_are_read():
    results = grade([Item("\0\ud800\udfff \\boxed{3}\0", "3"), Item("３ \u202e", "3")], deadline_s=5)
    assert [result.verdict for result in results] == [True, True]


def test_a_worker_that_dies_loses_its_row_and_no_other(monkeypatch):
    original = pool._Worker.__init__
    started = []

    def start(self, context):
        original(self, context)
        started.append(self)

    monkeypatch.setattr(pool._Worker, "__init__", start)
    hand_out = pool._Pool._hand_out
    struck = []

    def strike(self, worker):
        if not struck:
            struck.append(worker)
            worker.process.kill()
            worker.process.join()
        hand_out(self, worker)

    monkeypatch.setattr(pool._Pool, "_hand_out", strike)
    results = grade([Item(f"\\boxed{{{number}}}", "3") for number in range(8)], workers=1)
    assert [result.error is not None for result in results].count(True) == 1
    assert "worker process ended" in next(result.error for result in results if result.error)
    assert results[3].verdict is True
    assert len(started) >= 2


def test_a_grader_that_raises_is_an_error_of_its_part():
    result = grade([Item("\\boxed{3}", "3", options={"error": object})])[0]  # no number
    assert result.verdict is True
    errors = []
    parts = dict(graders.parts(Item(3, "3"), errors))  # no text
    assert parts["verdict"] is None  # and not false: nothing was compared
    assert parts["math_verify"] is None
    assert errors


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_grade(workers):
    items = [Item(f"so $x = {number}$", "7") for number in range(20)]
    assert grade(items, workers=workers) == grade(items, workers=3)


def test_one_item_takes_no_longer_than_starting_a_worker():
    start = time.monotonic()
    grade([Item("\\boxed{3}", "3")])
    assert time.monotonic() - start < 8  # 0.7 s on a quiet machine


def test_workers_end_with_the_run():
    grade([Item("\\boxed{3}", "3")], workers=2)
    assert multiprocessing.active_children() == []


def test_verdicts_agree_with_real_labels():
    rows = shared_data.rows("openai_graded_gsm8k/graded.jsonl.gz")[::12]
    results = grade([Item(row["response"], row["answer"]) for row in rows])
    assert [bool(result.verdict) for result in results] == [row["correct"] for row in rows]


def test_responses_that_are_a_datasets_own_field_are_graded_with_ids_of_their_own(tmp_path, write_lines):
    from scripts import grade_responses
    from scripts.lib.jsonl import read_rows

    rows = [
        {"id": "a", "question": "2 + 2?", "answer": "4", "solution": "It is \\boxed{4}."},
        {"id": "b", "question": "Why?", "answer": None, "solution": "Because."},
    ]
    named = {
        "--responses": write_lines("d.jsonl", rows),
        "--graded": tmp_path / "g.jsonl",
        "--summary": tmp_path / "g.json",
    }
    words = [str(word) for pair in named.items() for word in pair]
    assert grade_responses.main(grade_responses.parse_args([*words, "--field", "solution"])) == 0
    graded = read_rows(tmp_path / "g.jsonl")
    assert [(row["id"], row["question_id"], row["response"], row["correct"]) for row in graded] == [
        ("a#0", "a", "It is \\boxed{4}.", True),
        ("b#0", "b", "Because.", None),
    ]


def test_responses_are_graded_as_their_dataset_says(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"question_id": "q", "question": "28 * 55 = ?", "answer": "1540", "tokens": 5, "finished": True}
    asked = {"grading": {"answer_type": "computed"}}
    texts = {"a": {**asked, "response": "28 * 55"}, "b": {**asked, "response": "1540"}, "c": {"response": "28 * 55"}}
    write_rows("responses.jsonl", [{"id": name, **row, **more} for name, more in texts.items()])
    files = ["--responses", "responses.jsonl", "--graded", "graded.jsonl", "--summary", "graded.json"]
    assert grade_responses.main(grade_responses.parse_args([*files, "--workers", "1"])) == 0
    assert [row["correct"] for row in read_rows("graded.jsonl", required=("id",))] == [False, True, True]
