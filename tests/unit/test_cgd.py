"""Critique-guided distillation: what a row shows and what it is trained to write, and the controls of the critique."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import build_train_set
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput, read_json, read_rows
from scripts.lib.page.provenance import needed
from scripts.lib.page.training import critiques_of
from scripts.lib.study.settings import Study
from scripts.lib.training import controls
from scripts.lib.training.stored import Row

PART = {"method": "cgd", "kind": "critiques", "keep": "all", "weight": 1, "files": 1, "refined": "solution"}
PART |= {"critique_shown": "own", "prompt": str(ROOT / "prompts" / "refine.j2")}


def criticised(question: int, sample: int, **more) -> dict:
    """A wrong response to `question + 10`, with its critique and the worked solution."""
    answer = question + 10
    return {
        **{"id": f"q{question}#{sample}", "question_id": f"q{question}", "question": f"What is {question} + 10?"},
        **{"answer": str(answer), "solution": f" {question} + 10 = {answer}.\n", "response": f"It is {answer + 1}."},
        **{"extracted": str(answer + 1), "correct": False, "verdict": "wrong"},
        "critique": f"Sample {sample} is off: it should be {answer}. Conclusion: wrong [END]",
        **more,
    }


POOL = [criticised(question, sample) for question in range(5) for sample in range(3)]
ROWS = [Row(row) for row in POOL]


@pytest.fixture
def build(tmp_path: Path, write_lines):
    """A function that builds a training set of one part: its rows by id, and its summary."""

    def run(pool: list[dict], rows: int | None = None, seed: int = 1, **part) -> tuple[dict[str, dict], dict]:
        out, summary = tmp_path / "t.jsonl", tmp_path / "t.json"
        words = ["--settings", "{}", "--data", str(write_lines("data.jsonl", pool))]
        args = build_train_set.parse_args([*words, "--train-set", str(out), "--summary", str(summary)])
        args.settings = {"run": "cgd", "seed": seed, "rows": rows, "when_short": "fail", "parts": [{**PART, **part}]}
        assert build_train_set.main(args) == 0
        return {row["id"]: row for row in read_rows(out)}, read_json(summary)

    return run


def asked(row: dict) -> str:
    """What the model reads of a training row."""
    (message,) = row["messages"]
    return message["content"]


def test_row_shows_question_response_and_critique_and_writes_the_worked_solution(build) -> None:
    rows, summary = build([criticised(4, 0)])
    assert asked(rows["q4#0"]) == (
        "Improve the following solution to the question. A critique of it stands below.\n\n"
        "Question:\nWhat is 4 + 10?\n\nSolution:\nIt is 15.\n\n"
        "Critique:\nSample 0 is off: it should be 14. Conclusion: wrong [END]"
    )
    assert rows["q4#0"]["completion"] == "4 + 10 = 14."
    assert "critiques_unchanged" not in summary


def test_refined_answer_may_be_a_column_or_a_teachers(build) -> None:
    rows, _ = build([criticised(4, 0, refined="By the critique, 14.")], kind="refinements", refined="refined")
    assert rows["q4#0"]["completion"] == "By the critique, 14."
    rows, _ = build([criticised(4, 0, terse="14")], kind="dataset", refined="terse")
    assert rows["q4#0"]["completion"] == "14"


def test_rows_without_a_refined_answer_or_a_critique_are_left_out_and_counted(build) -> None:
    odd = [criticised(1, 0, solution=None), criticised(2, 0, critique=" "), criticised(3, 0, error="cut off")]
    for shown in controls.SHOWN[:2]:
        rows, summary = build([criticised(4, 0), *odd], critique_shown=shown)
        assert list(rows) == ["q4#0"] and summary["left_out"] == {"error": 1, "empty": 2}


# --- controls ---------------------------------------------------------------------------------------------------------


def test_controls_have_the_same_rows_and_refined_answers(build) -> None:
    own, _ = build(POOL, rows=8)
    for shown in controls.SHOWN[1:]:
        rows, summary = build(POOL, rows=8, critique_shown=shown)
        assert {name: row["completion"] for name, row in rows.items()} == {
            name: row["completion"] for name, row in own.items()
        }
        assert all(asked(rows[name]) != asked(own[name]) for name in own)
        assert summary["critiques_unchanged"] == summary["parts"][0]["critiques_unchanged"] == 0


def test_no_critique_leaves_no_trace_of_one(build) -> None:
    rows, _ = build([criticised(4, 0)], critique_shown="none")
    assert asked(rows["q4#0"]) == (
        "Improve the following solution to the question.\n\nQuestion:\nWhat is 4 + 10?\n\nSolution:\nIt is 15."
    )


def test_other_critiques_are_of_other_questions_and_each_is_shown_once() -> None:
    for seed in range(20):
        made = controls.shown(ROWS, "other", seed)
        owners = {row["critique"]: row["id"] for row in ({**row, "critique": number(row)} for row in POOL)}
        assert sorted(row["id"] for row in made) == sorted(row["id"] for row in POOL)
        assert sorted(map(number, made)) == sorted(owners)
        assert all(owners[number(row)].split("#")[0] != row["question_id"] for row in made)


def number(row: dict) -> str:
    """The key that distinguishes the critiques of POOL."""
    return row["critique"].removesuffix(". Conclusion: wrong [END]")


def test_other_critiques_depend_on_the_seed_alone(build) -> None:
    first = controls.shown(ROWS, "other", 1)
    assert {row["id"]: row["critique"] for row in controls.shown(ROWS[::-1], "other", 1)} == {
        row["id"]: row["critique"] for row in first
    }
    assert any(controls.shown(ROWS, "other", seed) != first for seed in (2, 3))
    few, _ = build(POOL, rows=5, critique_shown="other")
    many, _ = build(POOL, rows=11, critique_shown="other")
    assert {name: many[name] for name in few} == few


def test_rows_for_which_no_other_critique_is_left_are_counted(build) -> None:
    pool = [*(criticised(1, sample) for sample in range(4)), criticised(2, 0)]
    rows, summary = build(pool, critique_shown="other")
    assert len(rows) == 2 and "q2#0" in rows
    assert summary["left_out"] == {"no_other_critique": 3}
    with pytest.raises(BadInput, match=r"'no_other_critique': 3"):
        build(pool[:3], critique_shown="other")


@pytest.mark.parametrize(
    ("critique", "answers", "expected"),
    [
        ("3*x = 19 - 4 = 15, x = 15/3 = 5.", ["5"], "3*x = 19 - 4 = 15, x = 15/3 = [removed]."),
        ("1,250 or 1250.00, no 21250, 1250.5, 3.1250", ["1250"], "[removed] or [removed], no 21250, 1250.5, 3.1250"),
        ("7-2 = 5, (-5), x = -5 and 9 -5", ["-5"], "7-2 = 5, ([removed]), x = [removed] and 9 -5"),
        ("Step 2 and step 2: $2$, 2x, x2, 2.", ["2."], "Step 2 and step 2: $[removed]$, 2x, x2, [removed]."),
        ("(B) is right, ABBA is not", ["B"], "([removed]) is right, ABBA is not"),
        (r"\frac{1}{2} is 0.5", [r"$\frac{1}{2}$", "0.5"], "[removed] is [removed]"),
        ("the set  of both", ["set of"], "the [removed] both"),
        ("nothing to find", ["7", ""], "nothing to find"),
    ],
)
def test_answer_is_taken_out_wherever_it_stands_by_itself(critique: str, answers: list[str], expected: str) -> None:
    assert controls.without(critique, answers) == expected


def test_answer_is_the_reference_and_a_right_responses_own_spelling() -> None:
    row = criticised(4, 0)
    assert controls.final_answers(row) == ["14"]
    assert controls.final_answers({**row, "correct": True, "extracted": "28/2"}) == ["14", "28/2"]
    assert controls.final_answers({**row, "answer": None}) == []


def test_rows_whose_critique_holds_no_answer_are_counted_and_told(build, caplog) -> None:
    pool = [criticised(4, 0), criticised(5, 0, critique="No step is right. Conclusion: wrong [END]")]
    rows, summary = build(pool, critique_shown="without-answer")
    assert "it should be [removed]. Conclusion: wrong" in asked(rows["q4#0"])
    assert summary["critiques_unchanged"] == 1 and len(rows) == 2
    assert "run cgd: 1 of its 2 rows keep their own critique unchanged" in caplog.text


# --- the study page ---------------------------------------------------------------------------------------------------

RUNS = """
teachers: {paid: {kind: openai, model: m, critique_prompt: ask.j2, refine_prompt: ask.j2, answer_prompt: ask.j2}}
refinements: {sums-refined: {critiques: sums-verifier, teacher: paid}}
runs:
  cgd: {extends: cft, method: cgd}
  refined: {extends: cgd, data: {critiques: null, refinements: sums-refined}}
  cgd-$shown: {extends: cgd, data: {critique_shown: $shown}, for_each: {shown: [none, other, without-answer]}}
"""


def test_critiques_lead_to_the_runs_that_show_them_and_refined_answers_to_their_critiques(small) -> None:
    results = SimpleNamespace(study=Study(small.resolve(RUNS), {}), folder=Path("results/small"))
    found = {name: critiques_of(results, run) for name, run in results.study["runs"].items()}
    shown = {"cft", "cgd", "refined", "cgd-without-answer"}
    assert found == {name: ["sums-verifier"] if name in shown else [] for name in found}
    assert needed(results, Path("results/small/train_sets/refined.jsonl")) == [
        "<results>/refinements/sums-refined.jsonl"
    ]
    assert needed(results, Path("results/small/refinements/sums-refined.jsonl")) == [
        "<results>/critiques/sums-verifier.jsonl"
    ]
