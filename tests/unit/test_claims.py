"""Claims: expressions, intervals and verdicts, against figures worked out by hand and against what the papers print."""

import itertools
import re

import numpy
import pytest

from scripts import check_claims, describe_claims
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput, read_json, write_json
from scripts.lib.study.expressions import evaluate, names_in
from scripts.lib.tables import claims
from scripts.lib.tables.claims import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, Cell, judge, sample


def figures(**values: list[float]) -> dict:
    return {name: numpy.array([row], dtype=float) for name, row in values.items()}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("mean(x) - max(mean(y), mean(z))", 2.5 - 4.5),
        ("mean(max(y, z))", 4.5),  # of 5 and 4
        ("max(mean(y), mean(z))", 4.5),
        ("min(x)", 2),
        ("-abs(mean(x) - mean(y))", -1),
        ("mean(change(x, y))", (50 + 100 / 3) / 2),
        ("change(mean(x), mean(y))", 40),
        ("2 * mean(x) / 5 + 1", 2),
    ],
)
def test_value_of_an_expression(expression: str, expected: float) -> None:
    found = evaluate(expression, figures(x=[2, 3], y=[3, 4], z=[5, 4]))
    assert found.shape == (1, 1) and found[0, 0] == pytest.approx(expected)


def test_change_from_nothing() -> None:
    values = figures(zero=[0], five=[5])
    assert evaluate("change(zero, zero)", values)[0, 0] == 0
    assert evaluate("change(zero, five)", values)[0, 0] == numpy.inf


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("mean(x) +", "is not an expression"),
        ("x.real", "'x.real' has no meaning here"),
        ("__import__('os')", "has no meaning here"),
        ("mean(x, y)", "mean takes 1 arguments, not 2"),
        ("x ** 2", "has no meaning here"),
        ("x > 3", "has no meaning here"),
        ("'x'", "has no meaning here"),
    ],
)
def test_other_python_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        names_in(expression)


def test_several_figures_are_not_one() -> None:
    with pytest.raises(ValueError, match="is 2 figures, not one"):
        evaluate("x - y", figures(x=[1, 2], y=[1, 2]))


# --- intervals --------------------------------------------------------------------------------------------------------


def answered(*right: float) -> Cell:
    """A cell of graded answers to questions q0, q1, …"""
    ids = tuple(f"q{number}" for number in range(len(right)))
    return Cell(100 * sum(right) / len(right), items=numpy.array([right, [1.0] * len(right)]), ids=ids, scale=100.0)


def test_interval_of_graded_answers_is_that_of_every_resample() -> None:
    before, after = [0, 1, 0, 0, 1], [1, 1, 0, 1, 1]
    every = [100 * numpy.mean([after[i] - before[i] for i in drawn]) for drawn in itertools.product(range(5), repeat=5)]
    found = judge("y - x", 0, {"x": [answered(*before)], "y": [answered(*after)]}, draws=50_000)
    assert found["value"] == pytest.approx(40)
    assert (found["low"], found["high"]) == pytest.approx(tuple(numpy.percentile(every, [2.5, 97.5])))


def test_answers_to_the_same_questions_are_paired_and_others_are_not() -> None:
    rows = [0.0, 1.0] * 20
    same = judge("y - x", -1, {"x": [answered(*rows)], "y": [answered(*rows)]})
    assert (same["low"], same["high"], same["verdict"]) == (0, 0, REPRODUCED)
    other = Cell(50.0, items=answered(*rows).items, ids=tuple(f"r{i}" for i in range(40)), scale=100.0)
    assert judge("y - x", -1, {"x": [answered(*rows)], "y": [other]})["high"] > 10


def test_length_is_weighed_by_the_answers_that_ended() -> None:
    # Two answers ended to q0 (10 and 20 tokens), one to q1 (60).
    cell = Cell(30.0, items=numpy.array([[30.0, 60.0], [2.0, 1.0]]), ids=("q0", "q1"))
    assert set(sample([cell], 200, seed=1)[:, 0].round(6)) == {15.0, 30.0, 60.0}


def test_printed_percentages_have_binomial_errors() -> None:
    drawn = sample([Cell(80.0, questions=400), Cell(50.0, questions=100)], 50_000, seed=0)
    assert drawn.mean(axis=0) == pytest.approx([80, 50], abs=0.1)
    assert drawn.std(axis=0) == pytest.approx([2.0, 5.0], rel=0.02)  # 100 sqrt(p (1 - p) / n)
    assert abs(numpy.corrcoef(drawn.T)[0, 1]) < 0.02


@pytest.mark.parametrize(
    ("above", "verdict"), [(-5, REPRODUCED), (0, INCONCLUSIVE), (2, INCONCLUSIVE), (10, NOT_REPRODUCED)]
)
def test_verdict_follows_from_the_interval(above: float, verdict: str) -> None:
    found = judge("x", above, {"x": [Cell(2.0, error=2.0)]})
    assert found["low"] == pytest.approx(2 - 3.92, abs=0.15) and found["high"] == pytest.approx(2 + 3.92, abs=0.15)
    assert found["verdict"] == verdict


def test_without_a_known_error_there_is_no_interval() -> None:
    found = judge("y / x", 1, {"x": [Cell(2.0)], "y": [Cell(6.0, exact=True)]})
    assert found == {"value": 3.0, "low": None, "high": None, "verdict": INCONCLUSIVE}
    assert judge("y / x", 1, {"x": [Cell(2.0, exact=True)], "y": [Cell(6.0, exact=True)]})["verdict"] == REPRODUCED


ROW = r"^\| ([A-Z][\w -]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$"

# --- the papers' own figures ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed() -> dict[str, dict]:
    """What the printed figures give for every claim."""
    verdicts: dict[str, dict] = {}
    for paper in describe_claims.PAPERS:
        verdicts |= describe_claims.printed_verdicts(paper, describe_claims.claims_of(paper))
    return verdicts


def test_page_of_claims_is_up_to_date() -> None:
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert page == describe_claims.page(), "run python -m scripts.describe_claims --out docs/claims.md"


def test_page_of_findings_counts_what_the_printed_figures_give(printed) -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    found = {name: list(map(int, counts)) for name, *counts in re.findall(ROW, page, re.MULTILINE)}
    names = {"Critique Fine-Tuning": "cft", "SPIN": "spin", "ThinkPO": "thinkpo"}
    assert found.keys() == names.keys()
    for name, paper in names.items():
        verdicts = [printed[claim]["verdict"] for claim in describe_claims.claims_of(paper)]
        expected = [verdicts.count(kind) for kind in (REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED)]
        assert found[name] == [len(verdicts), *expected]


def test_quoted_values_of_the_findings_are_those_of_the_claims() -> None:
    findings, page = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("findings.md", "claims.md"))
    quoted = " ".join(findings.split()).replace("points ", "")
    for value, low, high in (("10.4", "5.45", "14.5"), ("6.70", "1.80", "11.7"), ("3.47", "0.08", "6.80")):
        assert f"{value} [{low}, {high}]" in page
        assert f"{float(value):.1f} [{float(low):.1f}, {float(high):.1f}]" in quoted


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("cft_beats_sft_deepseek_math", 27.5 - 24.0),  # the paper's own AVG column: short of the 4 points it claims
        ("cft_beats_sft_qwen", 48.6 - 38.2),
        ("cft_beats_sft_qwen_math", 57.1 - 50.4),
        ("cft_robust_to_response_source", 55.1 - 57.1),
        ("spin_improves_at_iteration_0", 2.66),
        ("spin_improves_at_iteration_3", 0.19),
        ("spin_gains_ten_points_on_gsm8k", 8.34),
        ("spin_then_dpo_adds", 1.57),  # the six printed scores; the printed averages differ by 0.89
        ("thinkpo_raises_accuracy_by_8_percent", 8.6),
        ("thinkpo_raises_average_by_8_percent", 100 * (57.4 - 55.3) / 55.3),
        ("thinkpo_raises_length", 25.9),
        ("thinkpo_improves_r1_distill", -1.34),
        ("spin_keeps_other_tasks", -1.6),
        ("cft_self_critique_does_not_help", -0.5),
    ],
)
def test_printed_figures_give_the_papers_own_differences(printed: dict, claim: str, value: float) -> None:
    assert printed[claim]["value"] == pytest.approx(value, abs=0.1)


def test_printed_intervals_are_those_of_independent_shares(printed: dict) -> None:
    """By hand: the error of a mean of six differences is the root of the summed variances over six."""
    sizes = [1172, 817, 1267, 1319, 10042, 14042]
    rows = [[60.41, 43.73, 74.19, 26.76, 82.85, 60.92], [63.40, 49.18, 72.69, 35.10, 84.38, 60.03]]
    variance = sum(p * (100 - p) / n for row in rows for p, n in zip(row, sizes))
    half = 1.96 * variance**0.5 / 6
    found = printed["spin_improves_at_iteration_0"]
    assert (found["low"], found["high"]) == pytest.approx((2.65 - half, 2.65 + half), abs=0.06)
    assert found["verdict"] == REPRODUCED


def test_printed_lengths_settle_nothing(printed: dict) -> None:
    found = printed["thinkpo_raises_length"]
    assert found["verdict"] == INCONCLUSIVE and found["low"] is None and "error" in found["why"]


def test_printed_scores_are_whole_numbers_of_questions() -> None:
    """The sizes in papers/benchmark_sizes.yaml fit what the SPIN paper prints to two digits."""
    sizes = describe_claims.read_yaml("papers/benchmark_sizes.yaml")
    cells = describe_claims.printed_tables("spin")["spin_table4_leaderboard_by_iteration"]
    for column in ("Arc", "Winogrande", "GSM8k", "HellaSwag"):
        for cell in (cell for cell in cells if cell["column"] == column):
            right = round(cell["value"] * sizes[column] / 100)
            assert 100 * right / sizes[column] == pytest.approx(cell["value"], abs=0.0051), cell


# --- the script -------------------------------------------------------------------------------------------------------


def entry(**changes) -> dict:
    claim = {"says": "After beats before.", "section": "Table 1", "table": "t", "column": "GCD", "above": 0.0}
    claim |= {"cells": {"a": {"row": "Before"}, "b": {"row": "After"}}, "value": "b - a"}
    return {**claim, **changes}


@pytest.fixture
def check(tmp_path, write_lines):
    """Runs the script on one table of two checkpoints, 0 and 3 of 4 questions right."""
    cells = []
    for row, checkpoint, right in (("Before", "base", 0), ("After", "sft", 3)):
        made_of = {"checkpoint": checkpoint, "benchmark": "gcd", "metric": "accuracy"}
        cells.append({"row": row, "column": "GCD", "value": 25.0 * right, "se": 1.0, "n": 4, "paper": None, **made_of})
        answers = []
        for i in range(5):  # the last is a question that `sft` was selected by
            verdicts = {"correct": i < right, "authors_cft": True, "authors_thinkpo": True, "math_verify": i < right}
            selected = {"validation": True} if (i, checkpoint) == (4, "sft") else {}
            answers.append({"id": f"q{i}", "question_id": f"q{i}", "benchmark": "gcd", **verdicts, **selected})
        write_lines(f"scores/{checkpoint}/numbers.jsonl", answers)
    cells.append({"row": "Gap", "column": "GCD", "value": None, "se": None, "n": None, "paper": 1, "gap": "no weights"})
    write_json(tmp_path / "t.json", cells)

    def run(verdict: str = "ours", **claims) -> list[dict]:
        import json

        scores = [f"{tmp_path}/scores/{name}/numbers.json" for name in ("base", "sft")]
        made_of = {"t": {"checkpoints": ["base", "sft"], "verdict": verdict, "validation_questions": "exclude"}}
        arguments = ["--claims", json.dumps(claims), "--tables", f"{tmp_path}/t.json", "--scores", *scores]
        arguments += ["--made-of", json.dumps(made_of)]
        assert check_claims.main(check_claims.parse_args([*arguments, "--out", f"{tmp_path}/claims"])) == 0
        return read_json(tmp_path / "claims.json")

    return run


def test_claim_over_graded_answers_is_judged_by_their_resamples(check, tmp_path) -> None:
    (found,) = check(wins=entry())
    assert found["claim"] == "wins" and found["value"] == 75 and found["verdict"] == REPRODUCED
    assert (found["low"], found["high"]) == (25, 100)  # of 4 questions, 3 of which moved
    page = (tmp_path / "claims.md").read_text()
    assert "MEAN NOTHING" not in page
    assert "| After beats before. (Table 1; `wins`) | 75.0 [25.0, 100.0] | > 0 | **reproduced** |" in page
    assert "1 reproduced, 0 not reproduced, 0 inconclusive." in page


def test_answers_that_do_not_give_the_table_are_refused(check) -> None:
    with pytest.raises(BadInput, match=r"t, Before, GCD: the table has 0, its graded answers give 100. Rebuild"):
        check(verdict="authors-cft", wins=entry())


def test_gap_in_a_table_leaves_a_claim_open_and_says_why(check) -> None:
    (found,) = check(open=entry(cells={"a": {"row": "Gap"}, "b": {"row": "After"}}))
    assert found["verdict"] == INCONCLUSIVE and found["value"] is None and found["why"] == "Gap, GCD: no weights"


def test_cells_that_lack_the_same_are_listed_together() -> None:
    lacking = {"value": None, "gap": "not run, `snakemake -- x` makes what is missing"}
    columns = ["A", "B", "C", "D"]
    cells = [{"row": row, "column": column, **lacking} for row in ("Before", "After") for column in columns]
    found = claims.verdict_of(entry(column=columns), {"t": cells}, None)
    assert found["why"] == f"Before, A; Before, B; Before, C and 5 more: {lacking['gap']}"


def test_verdict_on_an_outdated_cell_says_so() -> None:
    cells = [{"row": row, "column": "GCD", "value": 1.0} for row in ("Before", "After")]
    cells[1]["state"] = "outdated"
    found = claims.verdict_of(entry(), {"t": cells}, lambda table, cell: claims.Cell(cell["value"], error=0.1))
    assert found["why"] == "outdated: After, GCD"


def test_cell_that_is_not_there_is_named_with_those_that_are(check) -> None:
    with pytest.raises(BadInput, match=r"t has no cell in row 'Aftr', column 'GCD' \(rows: Before, After, Gap"):
        check(wrong=entry(cells={"a": {"row": "Aftr"}, "b": {"row": "After"}}))


def test_study_without_claims_says_so(check, tmp_path) -> None:
    assert check() == [] and "has no claims" in (tmp_path / "claims.md").read_text()
