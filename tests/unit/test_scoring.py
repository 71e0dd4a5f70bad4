"""From graded answers to accuracy, its standard error and the figures beside it."""

import pytest

from scripts.lib.scoring import grade_generations, summarise


def answer(question: str, correct: bool | None, tokens: int = 10, finished: bool = True, **more) -> dict:
    row = {"question_id": question, "correct": correct, "tokens": tokens, "finished": finished, "extracted": "1"}
    return {**row, **more}


def test_accuracy_and_its_error_for_one_sample_a_question() -> None:
    found = summarise([answer("a", True), answer("b", False), answer("c", False), answer("d", False)])
    assert found["accuracy"] == 0.25
    assert found["standard_error"] == pytest.approx((0.25 * 0.75 / 4) ** 0.5)
    assert (found["questions"], found["responses"]) == (4, 4)


def test_several_samples_count_as_a_share_of_their_question() -> None:
    # Shares 1/2 and 1: mean 3/4, each 1/4 away from it, so the error is 1/4 / sqrt(2).
    found = summarise([answer("a", True), answer("a", False), answer("b", True), answer("b", True)])
    assert found["accuracy"] == 0.75 and found["standard_error"] == pytest.approx(0.25 / 2**0.5)
    assert (found["questions"], found["responses"]) == (2, 4)


def test_answers_that_could_not_be_graded_count_neither_way() -> None:
    found = summarise([answer("a", True), answer("b", None, error="grading: deadline")])
    assert (found["accuracy"], found["questions"], found["responses"], found["errors"]) == (1.0, 1, 2, 1)


def test_nothing_graded_gives_no_accuracy() -> None:
    found = summarise([answer("a", None)])
    assert found["accuracy"] is None and found["standard_error"] is None


def test_lengths_and_shares() -> None:
    rows = [answer("a", True, 10), answer("b", False, 20, extracted=None), answer("c", False, 60, finished=False)]
    found = summarise(rows)
    assert (found["mean_tokens"], found["mean_tokens_finished"]) == (30, 15)
    assert found["cut_off_share"] == pytest.approx(1 / 3) and found["no_answer_share"] == pytest.approx(1 / 3)


def test_lengths_when_every_answer_was_cut_off() -> None:
    assert summarise([answer("a", False, finished=False)])["mean_tokens_finished"] is None


def test_answers_are_graded_against_their_own_question() -> None:
    questions = {"a": {"answer": "4"}, "b": {"answer": "5"}}
    rows = [
        {"id": "b#0", "question_id": "b", "response": "2 + 3 = 5"},
        {"id": "a#0", "question_id": "a", "response": "5"},
    ]
    graded = grade_generations(rows, questions, "math", 1)
    assert [(row["id"], row["correct"], row["extracted"]) for row in graded] == [
        ("b#0", True, "5"),
        ("a#0", False, "5"),
    ]
