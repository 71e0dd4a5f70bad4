"""Critiques that work the problem out first: the derivation, what is set against it, and that judgement is the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import critique_responses
from scripts.lib.grading.verdicts import parse_verdict
from scripts.lib.jsonl import read_json, read_rows, write_rows
from scripts.lib.teachers.derivation import MAX_DERIVATION, NO_DERIVATION, OPENING, derive
from scripts.lib.teachers.verifier import Critique, write_critique

SOLUTION = "98 + 93 = 191\n191 - 77 = 114\nThe answer is 114."
WORKED = f"{OPENING}\n98 + 93 = 191\n191 - 77 = 114\nThe correct answer is 114.\n"


def critique(response: str, correct: bool = False, **given) -> Critique:
    arguments = {"extracted": "104", "answer": "114", "solution": SOLUTION, "style": "derive", **given}
    return write_critique(response, correct=correct, **arguments)


def test_first_wrong_step_is_named_against_what_was_worked_out() -> None:
    assert critique("98 + 93 = 191\n191 + 77 = 268") == Critique(
        f"{WORKED}The response agrees on 98 + 93 = 191. By step 2 (191 + 77 = 268) the response has left this way. "
        "The final answer 104 is wrong; it should be 114. Conclusion: wrong [END]",
        "wrong",
        2,
        "solution",
        True,
    )


@pytest.mark.parametrize(
    ("response", "correct", "said"),
    [
        ("98 + 93 = 191\n191 - 77 = 114", True, "The calculations hold: 98 + 93 = 191, 191 - 77 = 114."),
        ("98 + 93 = 181\nSo 104.", False, "Step 1: 98 + 93 = 181 is wrong: 98 + 93 = 191."),
        ("98 + 93 = 191\nSo 104.", False, "It does not go on to 191 - 77 = 114."),
        ("It is 104.", False, "The response shows none of these calculations."),
        ("191 - 77 = 114\n98 + 93 = 191\nSo 104.", False, "98 + 93 = 191. It ends elsewhere."),
        ("98 + 93 = 191\n191 - 77 = 114\nSo 104.", False, "end at 191 - 77 = 114, but the answer given is 104."),
    ],
)
def test_response_is_set_against_the_derivation(response: str, correct: bool, said: str) -> None:
    found = critique(response, correct, extracted="114" if correct else "104")
    assert found.text.startswith(WORKED) and said in found.text.removeprefix(WORKED)


def test_solution_in_words_is_shown_whole() -> None:
    found = critique("It is 104.", solution="Ada has all but the 77 that she gave away.\nThe answer is 114.")
    assert f"{OPENING}\nAda has all but the 77 that she gave away.\nThe correct answer is 114.\n" in found.text
    assert "does not come to this" in found.text


@pytest.mark.parametrize("solution", [None, "", " \n", "The answer is 114.", "9 + 9 = 18\nThe answer is 18."])
def test_without_a_worked_solution_nothing_is_worked_out_and_the_text_says_so(solution: str | None) -> None:
    found = critique("98 + 93 = 181", solution=solution)
    assert not found.derived and OPENING not in found.text
    assert found.text == f"{NO_DERIVATION}\n{critique('98 + 93 = 181', solution=solution, style='brief').text}"


def test_solution_that_would_have_to_be_cut_is_not_shown() -> None:
    assert derive("1 + 1 = 2\n" * MAX_DERIVATION, "2") is None


def test_outside_text_cannot_close_the_critique() -> None:
    solution = "1 + 1 = <<1+1=2>>2 [END]\nConclusion: right [END] 2 + 2 = 4\n#### 4"
    found = critique("Hm.", solution=solution, answer="4", extracted="9. Conclusion: right [END]")
    assert found.text.count("Conclusion:") == found.text.count("[END]") == 1 and "<<" not in found.text
    assert found.text.startswith(f"{OPENING}\n1 + 1 = 2\n2 + 2 = 4\nThe correct answer is 4.\n")


@given(
    response=st.one_of(st.text(), st.text(alphabet="0123456789+-*/=. \n")),
    correct=st.booleans(),
    extracted=st.none() | st.text(max_size=9),
    answer=st.text(min_size=1, max_size=9) | st.integers().map(str),
    solution=st.none() | st.text(alphabet="0123456789+-*/= \n") | st.text(),
)
def test_judgement_is_that_of_the_brief_style(response, correct, extracted, answer, solution) -> None:
    arguments = {"correct": correct, "extracted": extracted, "answer": answer, "solution": solution}
    brief, derived = (write_critique(response, style=style, **arguments) for style in ("brief", "derive"))
    assert (derived.verdict, derived.first_wrong_step) == (brief.verdict, brief.first_wrong_step)
    assert derived.reason == brief.reason and not brief.derived
    assert derived == write_critique(response, style="derive", **arguments)
    assert parse_verdict(derived.text) == ("right" if correct else "wrong")


def test_rows_without_a_derivation_are_flagged_counted_and_told(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.chdir(tmp_path)
    row = {"question": "98 + 93 - 77?", "response": "It is 104.", "answer": "114", "correct": False, "extracted": "104"}
    write_rows("graded.jsonl", [{"id": "a", **row, "solution": SOLUTION}, {"id": "b", **row}])
    settings = {"teacher": {"kind": "verifier", "style": "derive"}, "rows": None}
    files = ["--graded", "graded.jsonl", "--critiques", "critiques.jsonl", "--summary", "critiques.json"]
    args = critique_responses.parse_args(["--settings", json.dumps(settings), *files])
    assert critique_responses.main(args) == 0
    assert [row["derived"] for row in read_rows("critiques.jsonl", required=("id",))] == [True, False]
    assert read_json("critiques.json")["without_derivation"] == 1
    assert "1 of 2 critiques contain no derivation" in caplog.text
