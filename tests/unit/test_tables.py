"""Tables of cells: what each cell shows, its figures, what the paper printed, and what is told of mistakes."""

import math

import numpy
import pytest

from scripts.lib.jsonl import BadInput
from scripts.lib.study import papers
from scripts.lib.study.cells import facts_needed, scores_needed
from scripts.lib.tables import figures, files, notes


def score(right: int, of: int = 100, **more) -> dict:
    share = right / of
    error = math.sqrt(share * (1 - share) / of)
    shares = numpy.array([1.0] * right + [0.0] * (of - right))
    return {
        "accuracy": share,
        "standard_error": error,
        "questions": of,
        "shares": shares,
        "accuracy_ours": share,
        "verdict": "authors-cft",
        **more,
    }


SCORES = {
    "base": {"a": score(50), "b": score(20)},
    "sft": {"a": score(60), "b": score(30, responses=100, cut_off=10, mean_tokens_finished=80.0)},
    "cft": {"a": score(80), "b": score(30, responses=100, cut_off=0, mean_tokens_finished=100.0)},
}
COLUMNS = [
    {"name": "A", "benchmark": "a"},
    {"name": "B", "benchmark": "b"},
    {"name": "AVG", "function": "average", "over": ["A", "B"]},
]
ROWS = [{"name": "SFT", "of": "sft"}, {"name": "CFT", "of": "cft"}, {"name": "Δ", "of": "cft", "best_of": ["sft"]}]


def cells(rows=ROWS, columns=COLUMNS, paper=None, facts=None, **table) -> dict:
    whole = {"rows": rows, "columns": columns, "with": {}, "verdict": "ours", "settings": {}, **table}
    made = figures.Cells(whole, SCORES, facts or {}, paper or {}).all()
    return {(cell["row"], cell["column"]): cell for cell in made}


def test_scores_averages_and_differences() -> None:
    found = cells()
    assert found["SFT", "A"]["value"] == 60 and found["SFT", "A"]["se"] == pytest.approx(4.899, abs=0.001)
    assert (found["SFT", "A"]["checkpoint"], found["SFT", "A"]["benchmark"]) == ("sft", "a")
    assert found["CFT", "AVG"]["value"] == 55 and found["CFT", "AVG"]["n"] == 200
    assert found["CFT", "AVG"]["se"] == pytest.approx(math.hypot(4, 4.5826) / 2, abs=0.001)
    assert found["Δ", "A"]["value"] == pytest.approx(20) and found["Δ", "AVG"]["value"] == pytest.approx(10)
    assert found["Δ", "A"]["low"] < 20 < found["Δ", "A"]["high"]


@pytest.mark.parametrize(("printed", "mark"), [(70.0, "within"), (60.0, "above"), (95.0, "below")])
def test_mark_is_within_where_the_difference_is_inside_both_errors(printed: float, mark: str) -> None:
    cell = cells(paper={"CFT": {"A": printed}})["CFT", "A"]
    limit = 1.96 * math.sqrt(4.0**2 + 100 * (printed / 100) * (1 - printed / 100) / 100 * 100)
    assert cell["paper"] == printed and cell["difference"] == pytest.approx(80 - printed)
    assert cell["mark"] == mark and (abs(80 - printed) <= limit) == (mark == "within")


def test_average_and_difference_have_marks_from_the_printed_parts() -> None:
    paper = {"SFT": {"A": 60.0, "B": 30.0, "AVG": 45.0}, "CFT": {"A": 60.0, "B": 30.0, "AVG": 45.0}, "Δ": {"A": 0.0}}
    found = cells(paper=paper)
    assert found["CFT", "AVG"]["mark"] == "above" or found["CFT", "AVG"]["difference"] == pytest.approx(10)
    limit = 1.96 * math.sqrt(found["Δ", "A"]["se"] ** 2 + 2 * 24.0)
    assert (found["Δ", "A"]["mark"] == "within") == (limit >= 20)
    # Without the printed parts the paper's error is unknown: there is a difference and no mark.
    alone = cells(paper={"CFT": {"AVG": 45.0}})["CFT", "AVG"]
    assert alone["difference"] == pytest.approx(10) and "mark" not in alone


def test_benchmarks_as_rows_with_changes_and_their_mean() -> None:
    columns = [
        {"name": "before", "of": "base"},
        {"name": "after", "of": "cft"},
        {"name": "change", "function": "change", "over": ["before", "after"]},
    ]
    rows = [{"name": "A", "benchmark": "a"}, {"name": "B", "benchmark": "b"}, {"name": "Avg.", "function": "average"}]
    found = cells(rows, columns)
    assert found["A", "change"]["value"] == pytest.approx(60) and found["B", "change"]["value"] == pytest.approx(50)
    # The mean of the percentages, not the change of the means (ThinkPO, Table 1).
    assert found["Avg.", "change"]["value"] == pytest.approx(55) and found["Avg.", "after"]["value"] == 55


def test_rating_is_out_of_ten_and_has_no_mark(monkeypatch) -> None:
    monkeypatch.setitem(SCORES, "rated", {"a": {**score(65), "out_of": 10, "turn_1": 7.0}})
    columns = [{"name": "mt", "benchmark": "a"}, {"name": "first", "benchmark": "a", "metric": "turn_1"}]
    found = cells([{"name": "R", "of": "rated"}], columns, paper={"R": {"mt": 6.0}})
    assert found["R", "mt"]["value"] == 6.5 and found["R", "mt"]["unit"] == "points" and "mark" not in found["R", "mt"]
    assert found["R", "mt"]["difference"] == 0.5 and found["R", "first"]["value"] == 7.0


def test_lengths_are_of_answers_that_ended() -> None:
    found = cells([{"name": "B", "benchmark": "b"}], [{"name": "len", "of": "sft", "metric": "length"}])["B", "len"]
    assert (found["value"], found["n"], found["se"], found["unit"]) == (80.0, 90, None, "count")


def test_figure_with_the_validation_questions_stands_beside_the_one_without(monkeypatch) -> None:
    monkeypatch.setitem(SCORES, "chosen", {"a": {**score(60), "left_out": 10, "with_validation": 0.65}})
    found = cells([{"name": "R", "of": "chosen"}], COLUMNS[:1])["R", "A"]
    assert (found["value"], found["with_validation"], found["left_out"]) == (60, 65, 10)


def test_length_of_answers_of_which_none_ended_is_a_gap(monkeypatch) -> None:
    endless = score(0, responses=100, cut_off=100, mean_tokens_finished=None)
    monkeypatch.setitem(SCORES, "endless", {"b": endless})
    found = cells([{"name": "B", "benchmark": "b"}], [{"name": "len", "of": "endless", "metric": "length"}])["B", "len"]
    assert found["value"] is None and found["gap"] == "no answer ended by itself"


def test_gain_is_over_the_row_that_is_named() -> None:
    rows = [{"name": "SFT", "of": "sft"}, {"name": "CFT", "of": "cft", "previous": "SFT"}]
    found = cells(rows, [*COLUMNS, {"name": "gain", "function": "gain", "over": ["AVG"]}])
    assert found["CFT", "gain"]["value"] == pytest.approx(10) and found["SFT", "gain"]["value"] is None
    errors = [found[row, "AVG"]["se"] for row in ("SFT", "CFT")]
    assert found["CFT", "gain"]["se"] == pytest.approx(math.hypot(*errors))


def test_gap_says_why_and_what_depends_on_it_is_a_gap_too() -> None:
    rows = [{"name": "closed", "gap": "no weights"}, {"name": "CFT", "of": "cft", "cells": {"B": {"gap": "not run"}}}]
    found = cells(rows)
    assert found["closed", "A"]["gap"] == "no weights" and found["closed", "A"]["value"] is None
    assert found["CFT", "A"]["value"] == 80 and found["CFT", "AVG"] == {**found["CFT", "AVG"], "gap": "not run"}
    assert "CFT (B, AVG): not run" in files.gaps(list(found.values()))


def test_row_of_one_column_overrides_and_placeholders_are_filled() -> None:
    rows = [{"name": "CFT", "of": "cft", "with": {"p": "a"}, "cells": {"rows": {"fact": "rows"}}}]
    columns = [
        {"name": "rows", "gap": "theirs"},
        {"name": "A", "benchmark": "$p"},
        {"name": "T", "setting": "temperature"},
    ]
    columns[2]["benchmark"] = "$p"
    found = cells(rows, columns, facts={("rows", "cft"): 50}, settings={"a": {"temperature": 0.3}})
    values = [found["CFT", name]["value"] for name in ("rows", "A", "T")]
    assert values == [50, 80, 0.3]


def test_only_what_the_cells_show_is_needed() -> None:
    study = {"suites": {"s": ["a"], "t": ["b"]}, "benchmarks": {"a": {"kind": "math"}, "b": {"kind": "harness"}}}
    table = {"rows": ROWS, "columns": COLUMNS[:1], "with": {}, "suites": ["s", "t"]}
    assert scores_needed(table, study) == [("sft", "s"), ("cft", "s")]
    # lm-eval's tasks have their own jobs: the benchmark takes the suite's place.
    assert scores_needed({**table, "columns": COLUMNS[1:2]}, study) == [("sft", "b"), ("cft", "b")]
    facts = {**table, "columns": [{"name": "r", "fact": "rows"}, {"name": "g", "fact": "mean_gap"}]}
    assert facts_needed(facts)[:2] == [("train", "sft"), ("train_set", "sft")]


def test_metric_that_the_scores_lack_is_told() -> None:
    with pytest.raises(BadInput, match="sft, a: no metric 'turn_9'"):
        cells(columns=[{"name": "A", "benchmark": "a", "metric": "turn_9"}])


def test_text_stands_beside_a_printed_number() -> None:
    found = cells([{"name": "R", "text": "2 epochs"}], [{"name": "size"}], paper={"R": {"size": 200}})["R", "size"]
    assert files.text(found) == "2 epochs [200]" and "difference" not in found


def test_files_show_ours_the_papers_and_the_mark(tmp_path) -> None:
    rows = [*ROWS[:2], {"name": "closed <b>", "gap": "no weights"}]
    made = list(cells(rows, paper={"CFT": {"A": 60.0}, "closed <b>": {"A": 70.0}}).values())
    files.write(tmp_path / "t", "t", "100 % of a_b", made, ["A note."])
    markdown = (tmp_path / "t.md").read_text()
    assert (
        "80.0 ± 4.0 [60.0, +20.0 ▲]" in markdown and "gap [70.0]" in markdown and "- closed <b>: no weights" in markdown
    )
    latex = (tmp_path / "t.tex").read_text()
    assert r"$\uparrow$" in latex and r"100 \% of a\_b" in latex
    page = (tmp_path / "t.html").read_text()
    assert "closed &lt;b&gt;" in page and 'class="above"' in page and "http" not in page
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0].startswith("row,column,unit,value,se,n") and len(lines) == 1 + len(made)


def test_printed_rows_are_told_apart_by_model_or_by_the_first_column() -> None:
    assert "Qwen2.5-7B: Base" in papers.printed("cft_table2_sft_vs_cft")
    assert papers.printed("cft_table11_self_critique")["Direct inference, 0.1"]["MATH"] == 78.8
    assert papers.printed("spin_fig5_training_size")["SPIN, 14k"]["Average"] == 59.55
    for table in papers.known_tables():
        rows = papers.printed(table)
        assert len(rows) == len(
            next(t for t in papers.paper(papers.paper_of(table))["tables"] if t["id"] == table)["rows"]
        )
    with pytest.raises(KeyError):
        papers.printed("cft_table99")


# --- in a config ------------------------------------------------------------------------------------------------------

TABLE = "tables: {t: {title: T, suites: [numbers], columns: [{name: GCD, benchmark: gcd}], rows: [%s]}}"


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ("{name: CFT, of: cff}", ["config.yaml: tables.t.rows", "'cff'", "not under models or runs"]),
        ("{name: CFT}", ["a score of no checkpoint"]),
        ("{name: CFT, of: cft, benchmark: gdc}", ["benchmark = 'gdc'", "not under benchmarks"]),
        ("{name: CFT, of: cft, cells: {LCM: {gap: none}}}", ["'LCM'", "not a column"]),
        ("{name: CFT, of: base, cells: {GCD: {fact: rows}}}", ["a fact of 'base', which is not a run"]),
        ("{name: CFT, of: cft, cells: {GCD: {function: change, over: [GCD]}}}", ["change is over 2 column(s)"]),
        ("{name: CFT, function: average, over: [SFT]}", ["over = ['SFT']", "rows of the table"]),
    ],
)
def test_mistake_in_a_cell_is_told(small, rows: str, parts: list[str]) -> None:
    found = small.mistakes(TABLE % rows)
    assert any(all(part in line for part in parts) for line in found), found


def test_rows_of_the_paper_must_all_be_there(small) -> None:
    rows = "{name: Base, of: base}, {name: Bass, of: base}"
    found = small.mistakes((TABLE % rows).replace("title: T", "title: T, paper: cft_table6_response_source"))
    assert any("'Original WebInstruct responses' lacks" in line for line in found)
    assert any("'MATH', 'Minerva-Math'" in line and "lacks" in line for line in found)
    assert any("'Bass' is not a row of cft_table6_response_source" in line for line in found)
    found = small.mistake((TABLE % rows).replace("title: T", "title: T, paper: cft_table66"))
    assert "no paper has it" in found


def test_family_makes_a_row_for_each_member(small) -> None:
    family = "runs: {'cft-$n': {for_each: {n: [1, 2]}, extends: cft, seed: $n}}\n"
    study = small.resolve(family + TABLE % "{name: $of, of: cft-$n}")
    assert [row["name"] for row in study["tables"]["t"]["rows"]] == ["cft-1", "cft-2"]


def test_where_none_or_all_are_right_wilsons_interval_stands_in_place_of_the_error(monkeypatch) -> None:
    monkeypatch.setitem(SCORES, "edge", {"a": score(0), "b": score(0)})
    monkeypatch.setitem(SCORES, "rated", {"a": {**score(70), "standard_error": 0.0, "out_of": 10}})
    found = cells([{"name": "R", "of": "edge"}])
    assert [files.figure(found["R", name]) for name in ("A", "AVG")] == ["0.0 (0.0 to 3.7)", "0.0 (0.0 to 1.9)"]
    rated = cells([{"name": "R", "of": "rated"}], COLUMNS[:1])["R", "A"]
    assert files.figure(rated) == "7.00 ± 0.00", "a rating that all share is at no edge"


def test_metrics_that_are_shares_are_told_in_percent_with_their_own_error_and_number() -> None:
    """pass@k, figures of a judge: like accuracy, not as the bare fraction of the summary."""
    judge = score(60, judged=240, pass_at_2=0.75, pass_at_2_standard_error=0.02, maj_at_8=1.0, f1_wrong=1.0)
    judge |= {"maj_at_8_standard_error": 0.0, "f1_wrong_standard_error": None, "balanced_accuracy": None}
    judge |= {"first_step_accuracy": 0.25, "first_step_accuracy_standard_error": 0.1, "first_step_accuracy_n": 40}
    names = ("pass_at_2", "maj_at_8", "f1_wrong", "first_step_accuracy", "balanced_accuracy")
    columns = [{"name": name, "benchmark": "a", "metric": name} for name in names]
    columns.append({"name": "fraction", "benchmark": "a", "metric": "pass_at_2", "unit": "fraction"})
    table = {"rows": [{"name": "CFT", "of": "cft"}], "columns": columns, "with": {}, "verdict": "ours", "settings": {}}
    made = figures.Cells(table, {"cft": {"a": judge}}, {}, {}).all()
    found = {cell["column"]: cell for cell in made}
    assert (found["pass_at_2"]["value"], found["pass_at_2"]["se"], found["pass_at_2"]["n"]) == (75, 2, 100)
    assert found["fraction"]["value"] == 0.75 and found["fraction"]["se"] == 0.02
    assert files.figure(found["maj_at_8"]) == "100.0 (96.3 to 100.0)"
    assert files.figure(found["f1_wrong"]) == "100.0"  # no share of questions: Wilson's interval does not apply
    assert found["first_step_accuracy"]["n"] == 40 and found["first_step_accuracy"]["value"] == 25
    assert found["balanced_accuracy"]["gap"] == "no answer that it applies to"
    said = notes.of_metrics(made)
    assert "pass@2 (pass_at_2, fraction): the chance that one of k answers is right" in said
    assert "first step accuracy (first_step_accuracy): of the wrong responses" in said
    assert notes.of_judges(made).startswith("Verdicts on responses with a known grade, not answers")
    assert "pass_at_2 240" in notes.of_judges(made)
    assert notes.of_metrics(cells().values()) == notes.of_judges(cells().values()) == ""
