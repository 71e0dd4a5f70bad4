"""A partial table: what there is, what is outdated, and the target of what is not run."""

from pathlib import Path

import pytest

from scripts import make_table
from scripts.lib.jobs.dag import Graph, Job
from scripts.lib.jsonl import write_json
from scripts.lib.study.expand import as_cells
from scripts.lib.study.settings import Study
from scripts.lib.tables import files as table_files
from scripts.lib.tables import partial

STUDY = {
    "study": "s",
    "models": {"base": {}},
    "runs": {"sft": {}, "cft": {}},
    "suites": {"numbers": ["gcd", "lcm"]},
    "tables": {"main": {"suites": ["numbers"], "verdict": "ours", "validation_questions": "exclude"}},
}
BENCHMARKS = {"gcd": {"title": "GCD"}, "lcm": {"title": "LCM"}}
SHORT = {
    "title": "Main",
    "note": "",
    "layout": "checkpoints-as-rows",
    "verdict": "ours",
    "suites": ["numbers"],
    "rows": [
        {"name": "Base", "of": "base"},
        {"name": "SFT", "of": "sft"},
        {"name": "CFT", "of": "cft"},
        {"name": "Δ", "difference": "cft", "best_of": ["sft"]},
    ],
}
SCORES = {**as_cells(SHORT, {**STUDY, "benchmarks": BENCHMARKS, "seeds": {}}), "settings": {}, "unpinned": []}
CELLS = {
    "title": "Main",
    "note": "",
    "layout": "cells",
    "paper": None,
    "verdict": "ours",
    "suites": ["numbers"],
    "scaled": None,
    "columns": [
        {"name": "GCD", "benchmark": "gcd"},
        {"name": "LCM", "benchmark": "lcm"},
        {"name": "Mean", "function": "average", "over": ["GCD", "LCM"]},
        {"name": "Steps", "fact": "steps"},
    ],
    "rows": [{"name": "SFT", "of": "sft"}, {"name": "CFT", "of": "cft"}],
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch, write_lines):
    """A function that makes the files of checkpoints and gives them as Files, those in `pending` outdated."""
    monkeypatch.chdir(tmp_path)

    def make(there: list[str], pending: tuple[str, ...] = ()) -> partial.Files:
        inputs, stale = [], []
        for checkpoint in ("base", "sft", "cft"):
            score, training = (
                f"results/s/scores/{checkpoint}/numbers.json",
                f"results/s/checkpoints/{checkpoint}/train.json",
            )
            inputs += [score, score + "l", *([training] if checkpoint != "base" else [])]
            stale += [score, score + "l", training] if checkpoint in pending else []
            if checkpoint not in there:
                continue
            figures = {"accuracy": 0.5, "standard_error": 0.25, "questions": 4, "responses": 4, "cut_off": 0}
            figures |= {"mean_tokens_finished": 12.0, "cut_off_share": 0.0}
            write_json(score, {"benchmarks": {"gcd": figures, "lcm": figures}})
            rows = [
                {"benchmark": b, "question_id": f"q{n}", "correct": n < 2} for b in ("gcd", "lcm") for n in range(4)
            ]
            write_lines(score + "l", [{"id": f"{n}", **row} for n, row in enumerate(rows)])
            counts = {"rows_trained": 8, "prompt_tokens": 100, "completion_tokens": 20}
            recipe = {"learning_rate": 1.0, "global_batch": 2, "beta": 0.1, "epochs": 1}
            facts = {"counts": counts, "recipe": recipe, "train_seconds": 36, "processes": 1, "steps": 4}
            write_json(training, facts)
        job = Job("make_table", {"table": "main"}, ("results/s/tables/main.md",), True, inputs=tuple(inputs))
        return partial.Files(Graph(Study(STUDY, {}), [job, Job("score", {}, tuple(stale), True)]), job)

    return make


def by_place(cells) -> dict[tuple[str, str], dict]:
    return {(cell["row"], cell["column"]): cell for cell in cells}


def test_what_is_there_is_shown_as_the_whole_table_shows_it(files) -> None:
    cells = by_place(partial.of_cells(SCORES, files(["base", "sft", "cft"])))
    assert not any("state" in cell for cell in cells.values())
    assert cells["SFT", "GCD"]["value"] == 50 and cells["SFT", "GCD"]["se"] == 25
    assert cells["SFT", "Average"]["value"] == 50 and cells["SFT", "Tokens"]["value"] == 120
    assert cells["Δ", "GCD"]["value"] == 0 and cells["Base", "Rows"]["value"] is None


def test_cell_that_is_not_run_names_the_target_that_makes_it(files) -> None:
    cells = by_place(partial.of_cells(SCORES, files(["base", "sft"])))
    lacking = {place for place, cell in cells.items() if cell.get("state") == partial.NOT_RUN}
    score = {(row, column) for row in ("CFT", "Δ") for column in ("GCD", "LCM", "Average")}
    assert lacking == score | {("CFT", "Rows"), ("CFT", "Epochs"), ("CFT", "Tokens")}
    assert "`snakemake -- results/s/scores/cft/numbers.json`" in cells["Δ", "LCM"]["gap"]
    assert "`snakemake -- results/s/checkpoints/cft/train.json`" in cells["CFT", "Rows"]["gap"]


def test_cell_of_a_file_that_would_be_made_again_is_outdated(files) -> None:
    cells = by_place(partial.of_cells(SCORES, files(["base", "sft", "cft"], pending=("sft",))))
    outdated = {row for (row, _), cell in cells.items() if cell.get("state") == partial.OUTDATED}
    assert outdated == {"SFT", "Δ"}  # the difference is to SFT
    assert cells["SFT", "GCD"]["value"] == 50 and table_files.figure(cells["SFT", "GCD"]) == "50.0 ± 25.0 (outdated)"
    assert cells["SFT", "Tokens"]["state"] == partial.OUTDATED and "state" not in cells["CFT", "Average"]


def test_table_of_cells_says_the_same_of_scores_functions_and_facts(files) -> None:
    cells = by_place(partial.of_cells(CELLS, files(["sft"], pending=("sft",))))
    assert {cell.get("state") for (row, _), cell in cells.items() if row == "SFT"} == {partial.OUTDATED}
    assert {cell.get("state") for (row, _), cell in cells.items() if row == "CFT"} == {partial.NOT_RUN}
    assert cells["SFT", "Mean"]["value"] == 50 and cells["SFT", "Steps"]["value"] == 4


def test_benchmarks_as_rows_show_each_checkpoint_that_is_there(files) -> None:
    short = {**SHORT, "layout": "benchmarks-as-rows", "rows": SHORT["rows"][1:3]}
    settings = {**as_cells(short, {**STUDY, "benchmarks": BENCHMARKS, "seeds": {}}), "settings": {}, "unpinned": []}
    cells = by_place(partial.of_cells(settings, files(["sft"])))
    assert cells["GCD", "Accuracy SFT"]["value"] == 50 and cells["GCD", "Length SFT"]["value"] == 12
    assert cells["GCD", "Accuracy CFT"]["state"] == cells["GCD", "Accuracy change %"]["state"] == partial.NOT_RUN
    whole = by_place(partial.of_cells(settings, files(["sft", "cft"])))
    assert whole["LCM", "Length change %"]["value"] == 0 and not any("state" in cell for cell in whole.values())


def test_partial_and_whole_are_two_ways_to_call_it() -> None:
    for wrong in ([], ["--table", "x"], ["--table", "x", "--partial", "x"]):
        with pytest.raises(SystemExit):
            make_table.parse_args(wrong)
    assert make_table.parse_args(["--partial", "x", "--configfile", "a.yaml"]).configfile == ["a.yaml"]
