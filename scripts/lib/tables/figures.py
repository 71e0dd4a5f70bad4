"""The figures of a table's cells, each with its error and what the paper printed beside it."""

import math
import statistics
from collections.abc import Iterable, Mapping

from scripts.lib.grading.scoring import full_mark
from scripts.lib.jsonl import BadInput
from scripts.lib.study.cells import (
    METRICS,
    NO_SHARES_OF_QUESTIONS,
    UNITS,
    averaged,
    filled,
    is_score,
    metric_kind,
    spec,
)
from scripts.lib.tables.flags import of_score
from scripts.lib.tables.statistics import average_error, difference_to_best, mcnemar_to_best, wilson


class Cells:
    """The values of a table's cells, each computed once.

    Args:
        table: the resolved entry; `settings` has the resolved benchmarks whose settings it shows.
        scores: by checkpoint and benchmark: the summary, with `shares` (for each question, the share of right answers)
            if there are graded answers, and `accuracy_ours` if `verdict` is another grader's.
        facts: by (fact, run).
        paper: the paper's rows by label (empty: the table is not from a paper).
    """

    def __init__(self, table: Mapping, scores: Mapping, facts: Mapping, paper: Mapping[str, Mapping]) -> None:
        self.table, self.scores, self.facts, self.paper = table, scores, facts, paper
        self.rows = {row["name"]: row for row in table["rows"]}
        self.columns = {column["name"]: column for column in table["columns"]}
        self.done: dict[tuple[str, str], dict] = {}

    def all(self) -> list[dict]:
        """Every cell, row by row: row, column, value, se, n, unit, paper; the difference from the paper and its mark
        (within, above, below) if both are numbers; the reason for a gap; `best` if the table marks the best.
        """
        cells = [self.cell(row, column) for row in self.rows for column in self.columns]
        return best_in_columns(cells) if self.table.get("mark_best") else cells

    def cell(self, row: str, column: str) -> dict:
        """One cell."""
        if (row, column) not in self.done:
            figure = {
                "row": row,
                "column": column,
                "value": None,
                "se": None,
                "n": None,
                "unit": "number",
                "paper": None,
            }
            figure |= self._figure(row, column)
            figure["paper"] = self.paper.get(row, {}).get(column)
            self.done[row, column] = figure
            figure |= self._compared(figure, row, column)
        return self.done[row, column]

    def spec(self, row: str, column: str) -> dict:
        return spec(self.table, self.rows[row], self.columns[column])

    def _averaged(self, row: str, column: str, cell: Mapping) -> list[tuple[str, str]]:
        return averaged(self.table, self.rows[row], self.columns[column], cell)

    # --- figures ----------------------------------------------------------------------------------------------------

    def _figure(self, row: str, column: str) -> dict:
        cell = self.spec(row, column)
        unit = {"unit": cell["unit"]} if "unit" in cell else {}
        if "gap" in cell:
            return {"gap": cell["gap"]}
        if "text" in cell:
            return {"value": cell["text"], "unit": "text"}
        if "function" in cell:
            return {**getattr(self, f"_{cell['function']}")(row, column, cell), **unit}
        if "fact" in cell:
            value = self.facts[cell["fact"], cell["of"]]
            figure = {"value": value, "unit": UNITS.get(cell["fact"], "number"), **unit}
            return figure | ({"gap": f"the run's summary has no {cell['fact']}"} if value is None else {})
        if "setting" in cell:
            return {"value": _setting(self.table["settings"][cell["benchmark"]], cell["setting"]), **unit}
        return {**self._score(cell), **unit} if "benchmark" in cell else {}

    def _score(self, cell: Mapping) -> dict:
        """One metric of a checkpoint on a benchmark, with the number of questions or answers behind it."""
        if cell.get("best_of"):
            return self._minus_best(cell, [cell["benchmark"]], cell["benchmark"])
        score, metric = self.scores[cell["of"]][cell["benchmark"]], cell.get("metric", "accuracy")
        figure = {"checkpoint": cell["of"], "benchmark": cell["benchmark"], "metric": metric}
        if metric == "length":  # of the answers that were not cut off
            n = score["responses"] - score["cut_off"]
            figure |= {"value": score["mean_tokens_finished"], "n": n, "unit": "count"}
            return figure | ({} if n else {"gap": "no answer ended by itself"})
        if metric == "cut_off_share":
            return figure | {"value": 100 * score[metric], "n": score["responses"], "unit": UNITS[metric]}
        if metric not in score:
            known = ", ".join(["length", *sorted(key for key in score if not key.startswith("shares"))])
            raise BadInput(
                f"{cell['of']}, {cell['benchmark']}: no metric {metric!r} (there are: {known}). Correct the metric."
            )
        figure |= _flagged([of_score(score)])
        full = score.get("out_of", 100)  # of accuracy: ratings are out of 10
        is_share = metric == "accuracy" or metric_kind(metric) in METRICS
        unit = cell.get("unit", "points" if full == 10 else "percent" if is_share else UNITS.get(metric, "points"))
        factor = full if is_share and unit != "fraction" else 1
        error = score.get("standard_error" if metric == "accuracy" else f"{metric}_standard_error")
        figure |= {
            "value": _times(factor, score[metric]),
            "se": _times(factor, error),
            "n": score.get(f"{metric}_n", score["questions"]),
            "unit": unit,
        }
        if score[metric] is None:
            return figure | {"gap": "no answer that it applies to"}
        if is_share and metric not in NO_SHARES_OF_QUESTIONS and score[metric] in (0, 1) and full == 100:
            figure["at_edge"] = [factor * limit for limit in wilson(score[metric], figure["n"])]
        if metric == "accuracy" and "seeds" in score:
            figure |= _by_seed({run: factor * value for run, value in score["seeds"].items()})
        if "judged" in score:
            figure["judged"] = score["judged"]
        if metric == "accuracy" and "accuracy_ours" in score:
            figure |= {"by_our_grader": factor * score["accuracy_ours"], "verdict": score["verdict"]}
        if score.get("left_out"):
            figure["left_out"] = score["left_out"]
            figure["with_validation"] = factor * score["with_validation"]
        return figure

    def _minus_best(self, cell: Mapping, benchmarks: list[str], wanted: str | None) -> dict:
        """A checkpoint's score minus the best of others, paired by question if there are graded answers."""
        compared = [{slug: self.scores[of][slug] for slug in benchmarks} for of in (cell["of"], *cell["best_of"])]
        every = [score for scores in compared for score in scores.values()]
        full = full_mark(every)
        if full is None:
            return {"gap": f"{', '.join(benchmarks)} do not all have the same maximum score"}
        facts = {
            "n": sum(score["questions"] for score in compared[0].values()),
            "unit": "percent" if full == 100 else "points",
            **_flagged(map(of_score, every)),
        }
        if all("shares" in score for score in every):
            shares = [{slug: score["shares"] for slug, score in scores.items()} for scores in compared]
            difference = difference_to_best(shares[0], shares[1:])[wanted]
            tested = mcnemar_to_best(shares[0], shares[1:])[wanted]
            return {**{key: full * value for key, value in difference.items()}, **tested, **facts}
        means = [math.fsum(score["accuracy"] for score in scores.values()) / len(benchmarks) for scores in compared]
        errors = [average_error([score["standard_error"] for score in scores.values()]) for scores in compared]
        best = max(range(1, len(means)), key=means.__getitem__)
        error = math.hypot(errors[0], errors[best])
        return {"value": full * (means[0] - means[best]), "se": full * error, **facts}

    def _average(self, row: str, column: str, cell: Mapping) -> dict:
        """The plain mean of other columns in the row or, in a row of averages, of other rows in the column."""
        over = [self.cell(*place) for place in self._averaged(row, column, cell)]
        if cell.get("best_of") and "function" not in self.rows[row]:
            benchmarks = [self.spec(row, name)["benchmark"] for name in cell["over"]]
            return self._minus_best(cell, benchmarks, None)
        lacking = [item for item in over if not isinstance(item["value"], int | float)]
        if lacking or not over:
            reasons = dict.fromkeys(
                item.get("gap", f"{item['row']}, {item['column']}: not a number") for item in lacking
            )
            return {"gap": "; ".join(reasons)}
        units = dict.fromkeys(item["unit"] for item in over)
        if len(units) > 1:
            return {"gap": f"an average of {' and '.join(units)} means nothing"}
        errors = [item["se"] for item in over]
        counts = [item["n"] for item in over]
        figure = {
            "value": math.fsum(item["value"] for item in over) / len(over),
            "se": average_error(errors) if None not in errors else None,
            "n": sum(counts) if None not in counts else None,
            "unit": over[0]["unit"],
        }
        if all("at_edge" in item for item in over) and len({item["value"] for item in over}) == 1:
            full = 100 if figure["unit"] == "percent" else 1
            figure["at_edge"] = [full * limit for limit in wilson(figure["value"] / full, figure["n"])]
        figure |= _flagged(item.get("flags", {}) for item in over)
        seeds = {tuple(item.get("by_seed", ())) for item in over}
        if len(seeds) == 1 and () not in seeds:
            (runs,) = seeds
            figure |= _by_seed({run: math.fsum(item["by_seed"][run] for item in over) / len(over) for run in runs})
        if any("by_our_grader" in item for item in over):
            figure["by_our_grader"] = math.fsum(item.get("by_our_grader", item["value"]) for item in over) / len(over)
        return figure

    def _change(self, row: str, column: str, cell: Mapping) -> dict:
        """The change from one column to another in the row, in percent of the first."""
        before, after = (self.cell(row, name) for name in cell["over"])
        for item in (before, after):
            if item["value"] is None:
                return {"gap": item.get("gap", f"{item['column']} has no value"), "unit": "change"}
        value = 100 * (after["value"] - before["value"]) / before["value"] if before["value"] else None
        return {"value": value, "unit": "change"} | ({"gap": "a change from 0 has no size"} if value is None else {})

    def _gain(self, row: str, column: str, cell: Mapping) -> dict:
        """A column's value minus its value in the row named by `previous`, if there is one."""
        if "previous" not in cell:
            return {}
        (name,) = cell["over"]
        mine, other = self.cell(row, name), self.cell(cell["previous"], name)
        for item in (mine, other):
            if item["value"] is None:
                return {"gap": item.get("gap", f"{item['row']} has no value")}
        error = math.hypot(mine["se"], other["se"]) if None not in (mine["se"], other["se"]) else None
        return {"value": mine["value"] - other["value"], "se": error, "n": mine["n"], "unit": mine["unit"]}

    # --- beside the paper -------------------------------------------------------------------------------------------

    def _compared(self, figure: Mapping, row: str, column: str) -> dict:
        """The difference from the paper's value, and whether it is within the noise of both (1.96 standard errors).

        The paper's error is that of a share p of n questions, sqrt(p (1 − p) / n); averages and differences combine
        the errors of their parts as if those were independent.
        """
        if not all(isinstance(value, int | float) for value in (figure["value"], figure["paper"])):
            return {}
        difference = figure["value"] - figure["paper"]
        variance = self._printed_variance(row, column)
        if variance is None or figure["se"] is None:
            return {"difference": difference}
        limit = 1.96 * math.sqrt(figure["se"] ** 2 + variance)
        mark = "within" if abs(difference) <= limit else "above" if difference > 0 else "below"
        return {"difference": difference, "mark": mark}

    def _printed_variance(self, row: str, column: str) -> float | None:
        """The variance of a paper's share, average or difference, in the cell's unit; None if it is unknown."""
        if row not in self.rows or column not in self.columns:
            return None
        cell, value = self.spec(row, column), self.paper.get(row, {}).get(column)
        function = cell.get("function")
        if cell.get("best_of"):
            mine, others = self._rows_of([cell["of"]]), self._rows_of(cell["best_of"])
            others = [name for name in others if isinstance(self.paper[name].get(column), int | float)]
            best = max(others, key=lambda name: self.paper[name][column], default=None)
            return _sum([self._printed_variance(name, column) for name in (*mine, best) if name], 2)
        if function == "average":
            parts = [self._printed_variance(*place) for place in self._averaged(row, column, cell)]
            total = _sum(parts, len(parts))
            return None if total is None else total / len(parts) ** 2
        if function == "gain" and "previous" in cell:
            return _sum([self._printed_variance(name, cell["over"][0]) for name in (row, cell["previous"])], 2)
        if not is_score(cell) or cell.get("metric", "accuracy") != "accuracy" or not isinstance(value, int | float):
            return None
        figure = self.cell(row, column)
        scale = {"percent": 100, "fraction": 1}.get(figure["unit"])  # a rating is not a share
        return scale and scale**2 * (value / scale) * (1 - value / scale) / figure["n"]

    def _rows_of(self, checkpoints: list[str]) -> list[str]:
        """The rows that show these checkpoints."""
        plain = {
            filled(row["of"], self.table, row): name
            for name, row in reversed(self.rows.items())
            if "of" in row and "best_of" not in row
        }
        return [plain[slug] for slug in checkpoints if slug in plain and plain[slug] in self.paper]


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def _by_seed(values: dict[str, float]) -> dict:
    """The value for each training seed, and their standard deviation."""
    return {"by_seed": values, "seed_deviation": statistics.stdev(values.values())}


def _sum(parts: list[float | None], wanted: int) -> float | None:
    return None if None in parts or len(parts) != wanted else math.fsum(parts)


def _setting(entry: Mapping, path: str):
    """The setting at a dotted path of a benchmark's entry, such as `questions.rows`."""
    value = entry
    for key in path.split("."):
        value = value[key]
    return value


def _flagged(flags: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The `flags` of a cell made from several scores, each with its largest value; empty if there are none."""
    union: dict[str, float] = {}
    for each in flags:
        union |= {name: max(value, union.get(name, value)) for name, value in each.items()}
    return {"flags": union} if union else {}


def best_in_columns(cells: list[dict]) -> list[dict]:
    """The cells, with `best` on the highest score of each column; differences do not count.

    A column whose scores are all equal has no best.
    """
    columns: dict[str, list[float]] = {}
    for cell in cells:
        if _competes(cell):
            columns.setdefault(cell["column"], []).append(cell["value"])
    return [
        {**cell, "best": True}
        if _competes(cell) and cell["value"] == max(columns[cell["column"]]) > min(columns[cell["column"]])
        else cell
        for cell in cells
    ]


def _competes(cell: Mapping) -> bool:
    return cell["se"] is not None and "low" not in cell
