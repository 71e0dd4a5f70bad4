"""From graded answers to accuracy, its standard error and the figures beside it."""

import json
from pathlib import Path

import pytest

from scripts import score
from scripts.lib.grading import GRADER_VERSION
from scripts.lib.grading.scoring import disagreements, grade_generations, read_scores, shares_of, summarise
from scripts.lib.jsonl import BadInput, read_json, read_rows


def answer(question: str, correct: bool | None, tokens: int = 10, finished: bool = True, **more) -> dict:
    row = {"question_id": question, "correct": correct, "tokens": tokens, "finished": finished, "extracted": "1"}
    return {**row, "authors_cft": correct, "authors_thinkpo": correct, "math_verify": correct, **more}


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


# --- three verdicts ---------------------------------------------------------------------------------------------------


def test_every_answer_keeps_the_three_verdicts_and_the_graders_version() -> None:
    (row,) = grade_generations(
        [{"id": "a#0", "question_id": "a", "response": "It is \\boxed{4}."}], {"a": {"answer": "4"}}, "math", 1
    )
    found = {
        key: row[key]
        for key in ("correct", "extracted", "math_verify", "authors_cft", "authors_thinkpo", "grader_version")
    }
    expected = {"correct": True, "extracted": "4", "math_verify": True, "authors_cft": True}
    expected |= {"authors_thinkpo": True}
    assert found == {**expected, "grader_version": GRADER_VERSION}


def test_what_the_benchmark_says_of_its_gold_reaches_the_grader() -> None:
    rows = [{"id": "a#0", "question_id": "a", "response": "\\boxed{2.04}"}]
    for grading, right in (({"error": "1e-1"}, True), ({}, False)):
        questions = {"a": {"answer": "2.0", "grading": grading}}
        assert grade_generations(rows, questions, "math", 1)[0]["correct"] is right


def test_choice_answers_are_graded_by_letter_and_by_the_choices_text() -> None:
    questions = {"a": {"answer": "B", "choices": ["a moral duty", "a moral impulse", "a rule"]}}
    said = {
        "(B)": True,
        "The answer is b.": True,
        "\\boxed{\\text{A moral impulse}}": True,
        "The answer is (C).": False,
    }
    rows = [{"id": f"a#{n}", "question_id": "a", "response": text} for n, text in enumerate(said)]
    graded = grade_generations(rows, questions, "choice", 1)
    assert [row["correct"] for row in graded] == list(said.values())
    assert all(row["math_verify"] is None for row in graded)


def test_disagreements_hold_what_one_needs_to_see_why() -> None:
    row = answer("a", True, math_verify=False, id="a#0", response="x" * 1000 + " is 5", grader_version=1)
    same = answer("b", False, id="b#0", response="", grader_version=1)
    hung = answer("c", True, math_verify=None, id="c#0", response="", grader_version=1)
    questions = {key: {"answer": "5"} for key in "abc"}
    (found,) = disagreements([row, same, hung], questions)
    assert (found["id"], found["gold"], found["extracted"]) == ("a#0", "5", "1")
    assert (found["ours"], found["math-verify"], found["authors-cft"]) == (True, False, True)
    assert found["response_tail"].endswith("is 5") and len(found["response_tail"]) == 300


def test_summary_states_each_graders_accuracy() -> None:
    rows = [answer("a", True, authors_cft=False, math_verify=None), answer("b", False, authors_cft=False)]
    found = summarise(rows)
    assert found["accuracy"] == 0.5 and found["verdicts"]["authors-cft"]["accuracy"] == 0
    assert found["verdicts"]["math-verify"] == {"questions": 2, "accuracy": 0, "standard_error": 0}
    letters = summarise([answer("a", True, math_verify=None)])
    assert letters["verdicts"]["math-verify"]["accuracy"] is None


# --- questions that the checkpoint was selected by --------------------------------------------------------------------


def test_validation_questions_are_left_out_and_both_scores_are_stated() -> None:
    rows = [answer("a", True, validation=True), answer("b", False), answer("c", True), answer("d", False)]
    found = summarise(rows)
    assert (found["questions"], found["accuracy"]) == (3, pytest.approx(1 / 3))
    assert found["validation_questions"] == 1
    assert (found["with_validation"]["questions"], found["with_validation"]["accuracy"]) == (4, 0.5)


def test_benchmark_that_is_the_validation_set_is_told_whole_and_marked() -> None:
    found = summarise([answer("a", True, validation=True), answer("b", False, validation=True)])
    assert (found["questions"], found["accuracy"], found["selected_by"]) == (2, 0.5, True)
    assert "with_validation" not in found


@pytest.fixture
def scored(tmp_path: Path, write_lines):
    """A function that scores generations with the script and returns the path of the summary."""

    def run(checkpoint: str, responses: dict[str, str], validation: tuple = ()) -> Path:
        questions = [{"id": key, "question": f"What is {key}?", "answer": "4"} for key in responses]
        file = write_lines("benchmarks/sums.jsonl", questions)
        held = write_lines("benchmarks/held.jsonl", [row for row in questions if row["id"] in validation])
        rows = [
            {"id": f"sums/{key}#0", "benchmark": "sums", "question_id": key, "response": text, "tokens": 3}
            for key, text in responses.items()
        ]
        made = write_lines(f"generations/{checkpoint}/all.jsonl", [{**row, "finished": True} for row in rows])
        out = tmp_path / "scores" / checkpoint / "all.json"
        flags = {
            "settings": json.dumps({"benchmarks": {"sums": "math"}}),
            "benchmarks": file,
            "generations": made,
            "graded": out.with_suffix(".jsonl"),
            "disagreements": out.with_suffix(".disagreements"),
            "summary": out,
            "workers": 1,
            **({"validation": held} if validation else {}),
        }
        args = score.parse_args([word for key, value in flags.items() for word in (f"--{key}", str(value))])
        assert score.main(args) == 0
        return out

    return run


def test_checkpoints_are_compared_on_the_same_questions(scored) -> None:
    """One of two was selected by a question: it counts for neither."""
    base = scored("base", {"a": "4", "b": "4", "c": "5"})
    best = scored("best", {"a": "4", "b": "5", "c": "4"}, validation=("a",))
    found = read_scores([base, best])
    assert [found[name]["sums"]["questions"] for name in ("base", "best")] == [2, 2]
    assert found["base"]["sums"]["shares"].tolist() == [1, 0] and found["best"]["sums"]["shares"].tolist() == [0, 1]
    kept = read_scores([base, best], validation="include")
    assert kept["best"]["sums"]["accuracy"] == pytest.approx(2 / 3) and len(kept["base"]["sums"]["shares"]) == 3
    assert read_json(best)["benchmarks"]["sums"]["with_validation"]["accuracy"] == pytest.approx(2 / 3)


def test_scores_are_read_with_the_verdict_that_is_named(scored) -> None:
    file = scored("base", {"a": "\\boxed{400\\%}", "b": "\\boxed{400}"})  # ThinkPO's grader forgives the factor of 100
    ours, lenient = (read_scores([file], verdict)["base"]["sums"] for verdict in ("ours", "authors-thinkpo"))
    assert (ours["accuracy"], lenient["accuracy"]) == (0.5, 1.0)
    assert lenient["accuracy_ours"] == 0.5 and lenient["standard_error"] == 0
    (differing,) = read_rows(file.with_suffix(".disagreements") / "sums.jsonl")
    assert differing["id"] == "sums/b#0" and (differing["ours"], differing["authors-thinkpo"]) == (False, True)


def test_grader_that_has_no_verdict_at_all_is_told(scored, write_lines) -> None:
    file = scored("base", {"a": "4"})
    write_lines(
        "scores/base/all.jsonl", [{**row, "math_verify": None} for row in read_rows(file.with_suffix(".jsonl"))]
    )
    with pytest.raises(BadInput, match="math-verify has no verdict on sums. Name another verdict"):
        read_scores([file], "math-verify")


def test_shares_of_rows_without_a_gold_are_none() -> None:
    assert shares_of([answer("a", None)]) == {}
