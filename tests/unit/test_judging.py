"""A checkpoint as judge: what its verdicts are compared with, and what is told of them."""

import pytest

from scripts import score
from scripts.lib.grading.judging import grade_verdicts, summarise_verdicts
from scripts.lib.grading.scoring import read_scores, summarise
from scripts.lib.grading.verdicts import parse_wrong_step
from scripts.lib.jsonl import read_json, read_rows, write_rows
from scripts.lib.teachers.verifier import write_critique
from tests import shared_data

RIGHT, WRONG, NEITHER = "All hold. Conclusion: right [END]", "Step 2 is wrong. Conclusion: wrong [END]", "Hm."


def judged(*labels: str, steps: dict[int, int] | None = None) -> dict[str, dict]:
    """Responses with these labels, two to a question."""
    rows = {}
    for number, label in enumerate(labels):
        rows[f"r{number}"] = {"question": f"What is {number // 2} + 1?", "response": "…", "answer": label}
        rows[f"r{number}"] |= {"first_wrong_step": steps[number]} if number in (steps or {}) else {}
    return rows


def critiques(*texts: str) -> list[dict]:
    """A critique of each response, as generated."""
    fields = {"benchmark": "judging", "sample": 0, "tokens": 9, "finished": True}
    return [
        {"id": f"judging/r{number}#0", "question_id": f"r{number}", "response": text, **fields}
        for number, text in enumerate(texts)
    ]


def figures(labels: list[str], texts: list[str], steps: dict[int, int] | None = None) -> dict:
    return summarise_verdicts(grade_verdicts(critiques(*texts), judged(*labels, steps=steps)))


def test_verdict_that_is_the_label_is_right_and_none_is_not() -> None:
    graded = grade_verdicts(critiques(RIGHT, RIGHT, WRONG, NEITHER), judged("right", "wrong", "wrong", "right"))
    assert [row["correct"] for row in graded] == [True, False, True, False]
    assert [row["extracted"] for row in graded] == ["right", "right", "wrong", None]


def test_figures_of_a_judge() -> None:
    # Right responses: 2 of 3 recognised; wrong ones: 1 of 3, and one critique says nothing.
    labels = ["right", "right", "right", "wrong", "wrong", "wrong"]
    found = figures(labels, [RIGHT, RIGHT, WRONG, WRONG, RIGHT, NEITHER])
    assert found["recall_right"] == pytest.approx(2 / 3) and found["recall_wrong"] == pytest.approx(1 / 3)
    assert found["balanced_accuracy"] == pytest.approx(1 / 2)
    # "wrong" is said twice and right once; 2 * 1 / (2 + 3).
    assert found["f1_wrong"] == pytest.approx(2 / 5)
    assert found["no_verdict_share"] == pytest.approx(1 / 6) and found["wrong_share"] == pytest.approx(1 / 2)
    assert found["judged"] == 6 and found["balanced_accuracy_standard_error"] > 0


def test_judge_who_always_says_wrong_is_no_better_than_chance() -> None:
    found = figures(["wrong", "wrong", "wrong", "right"], [WRONG] * 4)
    assert found["balanced_accuracy"] == 0.5 and found["wrong_share"] == 0.75
    assert found["f1_wrong"] == pytest.approx(6 / 7)


def test_responses_of_one_label_have_no_balanced_accuracy() -> None:
    found = figures(["wrong", "wrong"], [WRONG, NEITHER])
    assert found["balanced_accuracy"] is None and found["recall_right"] is None and found["recall_wrong"] == 0.5


def test_first_wrong_step_counts_only_with_the_verdict_and_only_where_it_is_known() -> None:
    labels, steps = ["wrong"] * 5 + ["right"], {0: 2, 1: 1, 2: 2, 3: 2}
    lone = "Step 2 is wrong."
    found = figures(labels, [WRONG, WRONG, lone, RIGHT, WRONG, RIGHT], steps)
    assert found["first_step_labels"] == 4 and found["first_step_accuracy"] == 0.25
    assert found["first_step_accuracy_n"] == 2  # questions
    assert figures(["wrong"], [WRONG])["first_step_accuracy"] is None


def test_responses_to_one_question_are_one_cluster() -> None:
    # Two questions, two responses each, all four verdicts the same within a question: as two answers, not four.
    graded = grade_verdicts(critiques(WRONG, WRONG, RIGHT, RIGHT), judged(*["wrong"] * 4))
    found = summarise(graded)
    assert found["questions"] == 2 and found["responses"] == 4
    assert found["accuracy"] == 0.5 and found["standard_error"] == pytest.approx(0.5 / 2**0.5)
    # The bootstrap of two questions draws 0, 1/2, 1/2 or 1: its deviation is sqrt(1/8).
    assert summarise_verdicts(graded)["recall_wrong_standard_error"] == pytest.approx(0.125**0.5, abs=0.01)


def test_questions_that_selected_the_checkpoint_are_left_out_of_every_figure() -> None:
    graded = grade_verdicts(critiques(WRONG, WRONG, RIGHT, RIGHT), judged(*["wrong"] * 4))
    for row in graded[:2]:
        row["validation"] = True
    assert (summarise(graded)["questions"], summarise(graded)["accuracy"]) == (1, 0.0)
    assert summarise_verdicts(graded, {"r0", "r1"})["recall_wrong"] == 0.0


def test_score_writes_the_figures_and_tables_read_the_clusters(tmp_path) -> None:
    write_rows(tmp_path / "judging.jsonl", ({"id": id, **row} for id, row in judged("wrong", "right", "wrong").items()))
    write_rows(tmp_path / "generations.jsonl", critiques(WRONG, WRONG, NEITHER))
    summary, graded = tmp_path / "cft" / "judges.json", tmp_path / "cft" / "judges.jsonl"
    files = {"benchmarks": "judging.jsonl", "generations": "generations.jsonl", "disagreements": "disagreements"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(tmp_path / file))]
    words += [
        "--settings",
        '{"benchmarks": {"judging": "critique"}}',
        "--graded",
        str(graded),
        "--summary",
        str(summary),
    ]
    assert score.main(score.parse_args(words)) == 0
    found = read_json(summary)["benchmarks"]["judging"]
    assert found["judged"] == 3 and found["no_verdict_share"] == found["no_answer_share"] == pytest.approx(1 / 3)
    assert found["accuracy"] == 0.25 and found["questions"] == 2 and found["verdicts"] == {}
    assert read_scores([summary])["cft"]["judging"]["shares"].tolist() in ([0.5, 0.0], [0.0, 0.5])
    assert [row["label"] for row in read_rows(graded)] == ["wrong", "right", "wrong"]


# --- the step that a critique names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("Step 1 is right. Step 2: 3 + 4 = 8 is wrong: 3 + 4 = 7. Conclusion: wrong [END]", 2),
        ("First error step: Step 4\nError analysis: step 2 is fine.", 4),
        ("**First Error Step:** 3", 3),
        ("The first mistake is in step 5. Conclusion: wrong", 5),
        ("Step 1 is correct.\nStep 2 is not correct, since 2 is missing.", 2),
        ("Step 1 has no error. In step 3 the student makes a mistake.", 3),
        ("Step 2 adds the numbers. This is incorrect. Step 3 is wrong too.", 2),
        ("Steps 1 and 2 hold. Conclusion: wrong [END]", None),
        ("The final answer 8 is wrong; it should be 7. Conclusion: wrong [END]", None),
        ("", None),
    ],
)
def test_step_that_a_critique_calls_wrong(text: str, step: int | None) -> None:
    assert parse_wrong_step(text) == step


def test_step_that_the_exact_teacher_names_is_read_from_its_critique() -> None:
    for response in ("3 + 4 = 7\n7 * 2 = 15", "2 + 2 = 5\n5 + 1 = 6", "1 + 1 = 2\n2 + 2 = 4\n4 + 4 = 9"):
        made = write_critique(response, correct=False, extracted="9", answer="14")
        assert parse_wrong_step(made.text) == made.first_wrong_step


def test_step_is_read_from_what_people_and_models_write() -> None:
    stated = read = 0
    for row in shared_data.rows("mr_gsm8k/human_critiques.jsonl.gz"):
        assert parse_wrong_step(row["critique"]) == row["first_error_step"], row["critique"]
        for critique in row["model_critiques"]:
            if str(critique["error_step"]).strip().removeprefix("Step ").isdigit():
                stated += 1
                read += parse_wrong_step(critique["critique"]) == int(str(critique["error_step"]).removeprefix("Step "))
    assert stated > 800 and read / stated > 0.99, (read, stated)
