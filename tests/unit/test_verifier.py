"""Critiques by the verifier teacher: verdict, pointed step, wording, and agreement with people on real traces."""

import pytest

from scripts.lib.teachers.verifier import Critique, split_steps, write_critique
from tests.shared_data import rows


def critique(response: str, correct: bool = False, **given) -> Critique:
    return write_critique(response, correct=correct, **{"extracted": "8", "answer": "7", **given})


def test_first_false_calculation_is_named_with_what_it_should_be() -> None:
    found = critique("There are 3 and 4.\n3 + 4 = 8\n8 * 2 = 17")
    assert found == Critique(
        "Step 2: 3 + 4 = 8 is wrong: 3 + 4 = 7. The final answer 8 is wrong; it should be 7. Conclusion: wrong [END]",
        "wrong",
        2,
        "arithmetic",
    )


def test_right_answer_lists_its_calculations() -> None:
    found = critique("3 + 4 = <<3+4=7>>7\n7 * 2 = 14", correct=True, extracted="14", answer="14")
    text = "The calculations hold: 3 + 4 = 7, 7 * 2 = 14. The final answer 14 is right. Conclusion: right [END]"
    assert found == Critique(text, "right", None, None)


def test_right_answer_with_a_slip_stays_right_and_mentions_it() -> None:
    found = critique("3 + 4 = 8\nSo 7.", correct=True, extracted="7")
    assert (found.verdict, found.first_wrong_step, found.reason) == ("right", 1, "arithmetic")
    assert "3 + 4 = 8 is wrong: 3 + 4 = 7" in found.text and found.text.endswith("Conclusion: right [END]")


def test_verdict_is_the_graders_even_against_the_arithmetic() -> None:
    assert critique("3 + 4 = 7", correct=False, extracted="7", answer="7").verdict == "wrong"
    assert critique("1 + 1 = 3", correct=True, extracted="3", answer="2").verdict == "right"


def test_solution_names_the_departing_step_and_the_way_from_there() -> None:
    found = critique(
        "4 * 4 = 16\n16 * 4 = 64\n64 - 4 = 60", extracted="60", answer="17", solution="4*4 = 16\n16-4 = 12\n12+5 = 17"
    )
    assert (found.first_wrong_step, found.reason) == (2, "solution")
    assert "16 * 4 = 64" in found.text and "16-4 = 12, then 12+5 = 17" in found.text and "4*4" not in found.text


def test_a_long_way_is_cut_in_the_middle_not_at_its_result() -> None:
    solution = "\n".join(f"{n} * 7 = {n * 7}" for n in range(2, 9))
    assert (
        "2 * 7 = 14, then 3 * 7 = 21, then 4 * 7 = 28, and so on to 8 * 7 = 56."
        in critique("Hm.", solution=solution).text
    )


def test_solution_without_calculations_is_quoted() -> None:
    found = critique("It is 8.", solution="Let x be it. Then x + 1 = 8, so x = 7.")
    assert (found.first_wrong_step, found.reason) == (None, "solution")
    assert "x + 1 = 8" in found.text


def test_steps_that_reach_the_answer_but_give_another_are_found() -> None:
    found = critique("3 + 4 = 7\nSo the answer is 8.")
    assert found.reason == "answer" and "3 + 4 = 7, but the answer given is 8" in found.text


def test_missing_answer_is_said() -> None:
    assert "gives no final answer; it should be 7" in critique("Hm.", extracted=None).text


def test_long_equation_is_not_written_twice() -> None:
    found = critique("((3 * 4 * 5) * (7 - -7 * 4)) = ((3 * 4 * 5) * (7 - 28))")
    assert found.text.count("(7 - -7 * 4)") == 1 and "the left side is 2100, the right side -1260" in found.text


def test_outside_text_cannot_close_the_critique() -> None:
    found = critique("Hm.", extracted="8. Conclusion: right [END]\nmore", solution="See. Conclusion: right [END] = 1")
    assert found.text.count("Conclusion:") == 1 and found.text.count("[END]") == 1


def test_same_arguments_give_the_same_bytes() -> None:
    arguments = {"correct": False, "extracted": "9", "answer": "7", "solution": "3 + 4 = 7"}
    assert write_critique("4 + 5 = 9", **arguments) == write_critique("4 + 5 = 9", **arguments)


@pytest.mark.parametrize(
    "response", ["", " \n ", "\0", "=" * 9, "(" * 100_000, "1+1=3 " * 100_000, "9" * 100_000 + " = 1"]
)
def test_any_text_gets_a_short_critique(response: str) -> None:
    found = critique(response, extracted=response, solution=response)
    assert found.text.endswith("Conclusion: wrong [END]") and len(found.text) < 600


@pytest.mark.parametrize(
    ("response", "steps"),
    [
        ("", []),
        ("one line", ["one line"]),
        ("a\n\nb\nc", ["a", "b", "c"]),
        ("x = 3 + 4\n  = 7\nDone", ["x = 3 + 4\n  = 7", "Done"]),
        ("Step 1: a\nmore\nStep 2: b", ["Step 1: a\nmore", "Step 2: b"]),
        ("1. a\n2. b\n3. c", ["1. a", "2. b", "3. c"]),
        ("Step 1: a. Step 2: b.", ["Step 1: a.", "Step 2: b."]),
        (
            "He has 3.5 cups. Mr. Li drinks 2. So 1.5 are left.",
            ["He has 3.5 cups.", "Mr. Li drinks 2.", "So 1.5 are left."],
        ),
    ],
)
def test_steps(response: str, steps: list[str]) -> None:
    assert split_steps(response) == steps


def test_points_at_the_step_that_people_marked() -> None:
    traces = [row for row in rows("bigbench_mistake/traces.jsonl.gz") if row["subject"] == "multistep_arithmetic"]
    labelled = [row for row in traces if row.get("first_error_step")]
    hits = sum(
        critique(row["response"], extracted=row["model_answer"], answer=row["answer"]).first_wrong_step
        == row["first_error_step"]
        for row in labelled
    )
    assert len(labelled) == 238 and hits / len(labelled) >= 0.95, hits
