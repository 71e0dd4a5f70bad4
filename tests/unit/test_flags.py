"""Flags: what raises each, and where the reader sees it."""

import pytest

from scripts.lib.grading.scoring import duplicates
from scripts.lib.tables import claims, claims_page, figures, files, flags, latex

SOUND = {"accuracy": 0.5, "standard_error": 0.05, "questions": 100, "responses": 100, "cut_off": 0}
SOUND |= {"cut_off_share": 0.20, "no_answer_share": 0.05, "mean_tokens_finished": 9.0}
SOUND |= {"verdicts": {"math-verify": {"accuracy": 0.52}, "authors-cft": {"accuracy": 0.75}}}
TABLE = {
    "columns": [
        {"name": "A", "benchmark": "a"},
        {"name": "B", "benchmark": "b"},
        {"name": "Average", "function": "average", "over": ["A", "B"]},
    ],
    "rows": [{"name": "CFT", "of": "cft"}, {"name": "Δ", "of": "cft", "best_of": ["sft"]}],
    "with": {},
    "settings": {},
}


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ({}, {}),
        ({"cut_off_share": 0.21}, {"cut_off": 0.21}),
        ({"no_answer_share": 0.06}, {"no_answer": 0.06}),
        ({"verdicts": {"math-verify": {"accuracy": 0.25}}}, {"graders_apart": 0.25}),
        ({"verdicts": {"math-verify": {"accuracy": None}}}, {}),  # a grader that does not apply
        ({"verdict": "authors-cft"}, {"graders_apart": 0.25}),  # an author's grader counts where the table is by it
        ({"accuracy": 0.25, "accuracy_ours": 0.5}, {}),  # the table counts another grader, which is among the verdicts
        ({"duplicate_share": 0.75}, {"duplicates": 0.75}),
        ({"selected_by": True}, {"selected_by": 1.0}),
    ],
)
def test_a_score_raises_a_flag_beyond_its_limit(change: dict, raised: dict) -> None:
    assert flags.of_score({**SOUND, **change}) == raised


def shown(cut_off: float) -> list[dict]:
    scores = {"cft": {"a": SOUND, "b": {**SOUND, "cut_off_share": cut_off}}, "sft": {"a": SOUND, "b": SOUND}}
    return figures.Cells(TABLE, scores, {}, {}).all()


def test_a_flag_stands_in_the_cell_in_what_is_made_of_it_and_below() -> None:
    cells = {(cell["row"], cell["column"]): cell for cell in shown(0.85)}
    assert {place for place, cell in cells.items() if "flags" in cell} == {
        (row, column) for row in ("CFT", "Δ") for column in ("B", "Average")
    }
    assert files.text(cells["CFT", "B"]) == "50.0 ± 5.0ᶜ" and latex.escaped("5.0ᶜ") == "5.0$^{c}$"
    (note,) = flags.notes_of(cells.values())
    assert note.startswith("ᶜ more than 20% of the answers are cut off") and "CFT: B 85 %, Average 85 %" in note
    assert flags.notes_of(shown(0.2)) == []


def test_a_training_is_flagged_for_rows_left_out_and_a_falling_loss() -> None:
    counts = {"rows_in": 100, "rows_trained": 99}
    level = [{"step": step, "loss": 1.0} for step in range(100)]
    assert flags.of_training({"counts": counts, "losses": level}) == {}
    falling = [{"step": step, "loss": 2.0 - step / 100} for step in range(100)]
    raised = flags.of_training({"counts": {**counts, "rows_trained": 90}, "losses": falling})
    assert raised["rows_left_out"] == pytest.approx(0.1) and raised["loss_falling"] == pytest.approx(0.087, abs=0.01)
    note = flags.note_of_trainings({"cft": {"counts": {**counts, "rows_trained": 90}, "losses": level}})
    assert note == "Of a run: more than 1% of the rows were dropped from its training (cft 10 %)."


def test_answers_that_repeat_another_are_counted_where_a_question_has_several() -> None:
    rows = [{"question_id": "q", "response": text} for text in ("a", "a", "b", "a")]
    assert duplicates(rows) == {"duplicate_share": 0.5}
    assert duplicates([{"question_id": str(n), "response": "a"} for n in range(3)]) == {}


def test_a_claim_on_a_flagged_cell_says_so() -> None:
    claim = {"says": "It wins.", "section": "", "cells": {"cft": {"table": "t", "row": "CFT", "column": "B"}}}
    claim |= {"value": "cft", "above": 10}
    verdict = claims.verdict_of(claim, {"t": shown(0.85)}, lambda _, cell: claims.Cell(cell["value"], error=cell["se"]))
    assert verdict["flags"] == ["cut_off"]
    assert "; of a cell, more than 20% of the answers are cut off" in claims_page.page(
        {"wins": claim}, {"wins": verdict}
    )


def test_a_table_says_which_training_sets_are_short_and_what_they_lost() -> None:
    whole = {"rows": 50_000, "rows_asked": 50_000, "left_out": {"too_long": 9}, "datasets": {}}
    short = {"rows": 49_987, "rows_asked": 50_000, "left_out": {}, "datasets": {"web": {"rows": 90, "left_out": {}}}}
    lossy = {"rows": 900, "rows_asked": None, "left_out": {"too_long": 80, "repeated": 0}}
    lossy["datasets"] = {"web": {"rows": 980, "left_out": {"in_a_benchmark": 20}}}
    control = {**whole, "critiques_unchanged": 7}
    untouched = {**whole, "critiques_unchanged": 0}
    named = {"sft": whole, "cft": short, "dpo": lossy, "cgd-without": control, "cgd-other": untouched}
    notes = flags.notes_of_train_sets(named)
    assert notes == [
        "Fewer training rows than requested: cft 49,987 of 50,000.",
        "Dropped before training: dpo: 80 too long, 20 in a benchmark of web.",
        "Rows of a control that keep their own critique unchanged: cgd-without 7 of 50,000.",
    ]
