"""Claims: an expression over cells of tables, its 95 % interval, and the verdict that follows from it.

The interval comes from draws of all cells. Cells measured here are resampled by question, the same questions for every
checkpoint, so what they have in common cancels. A figure of which only a percentage and the number of questions are
known is drawn from the binomial distribution; one with a standard error from the normal distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from scripts.lib.grading import scoring
from scripts.lib.jsonl import BadInput, read_rows
from scripts.lib.study.expressions import evaluate

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
DRAWS = 10_000
_CHUNK = 500  # resamples in memory at once: 500 × 14,042 questions of MMLU are 56 MB


@dataclass(frozen=True)
class Cell:
    """A value and how it varies: by `questions`, `error`, `exact` or `items`; without any, its error is unknown.

    Attributes:
        value: as the table shows it (percent, tokens, points).
        questions: number of questions behind a percentage (binomial draws).
        error: its standard error (normal draws).
        exact: whether it is a count or a setting, without error.
        items: for each question, the sum of its answers' scores and their number; `ids` names the questions. The
            value is the ratio of the two totals, times `scale`.
    """

    value: float
    questions: int | None = None
    error: float | None = None
    exact: bool = False
    items: numpy.ndarray | None = None
    ids: tuple[str, ...] = ()
    scale: float = 1.0

    @property
    def has_error(self) -> bool:
        """Whether the value's error is known."""
        return self.exact or any(part is not None for part in (self.questions, self.error, self.items))


def judge(
    expression: str, above: float, cells: Mapping[str, Sequence[Cell]], draws: int = DRAWS, seed: int = 0
) -> dict:
    """The expression's value with its 95 % interval, and the verdict on `value > above`.

    Args:
        expression: arithmetic over the names (scripts/lib/study/expressions.py).
        above: the threshold.
        cells: the cells that each name stands for.
        draws: number of draws.
        seed: seed of the draws.

    Returns:
        `value`, `low`, `high` and `verdict`: reproduced if the whole interval is above the threshold, not reproduced if
        the whole interval is below it, else inconclusive. If a cell's error is unknown there is no interval (`low` and
        `high` are None), so the verdict is inconclusive.

    Raises:
        ValueError: the expression is invalid, or its value is not a single number.
    """
    point = evaluate(expression, {name: numpy.array([[cell.value for cell in row]]) for name, row in cells.items()})
    found = {"value": float(point[0, 0]), "low": None, "high": None, "verdict": INCONCLUSIVE}
    flat = [cell for row in cells.values() for cell in row]
    if not all(cell.has_error for cell in flat):
        return found
    drawn = sample(flat, draws, seed)
    values, start = {}, 0
    for name, row in cells.items():
        values[name] = drawn[:, start : start + len(row)]
        start += len(row)
    # A change from nothing is infinite: no interpolation between draws.
    low, high = numpy.percentile(evaluate(expression, values)[:, 0], [2.5, 97.5], method="inverted_cdf")
    verdict = REPRODUCED if low > above else NOT_REPRODUCED if high < above else INCONCLUSIVE
    return {**found, "low": float(low), "high": float(high), "verdict": verdict}


def sample(cells: Sequence[Cell], draws: int, seed: int) -> numpy.ndarray:
    """Draws of the cells' values, shape (draws, cells). Cells on the same questions share their resamples."""
    generator = numpy.random.default_rng(seed)
    drawn = numpy.empty((draws, len(cells)))
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, cell in enumerate(cells):
        if cell.items is not None:
            groups.setdefault(cell.ids, []).append(index)
        elif cell.questions is not None:
            shares = generator.binomial(cell.questions, min(max(cell.value / 100, 0.0), 1.0), draws) / cell.questions
            drawn[:, index] = 100 * shares
        elif cell.error is not None:
            drawn[:, index] = generator.normal(cell.value, cell.error, draws)
        else:
            drawn[:, index] = cell.value
    for ids, members in groups.items():
        sums = numpy.stack([cells[index].items[0] for index in members])
        counts = numpy.stack([cells[index].items[1] for index in members])
        scales = numpy.array([cells[index].scale for index in members])
        for start in range(0, draws, _CHUNK):
            size = min(_CHUNK, draws - start)
            weights = generator.multinomial(len(ids), numpy.full(len(ids), 1 / len(ids)), size)
            with numpy.errstate(invalid="ignore"):
                drawn[start : start + size, members] = scales * (weights @ sums.T) / (weights @ counts.T)
    return drawn


# --- cells of tables --------------------------------------------------------------------------------------------------


def verdict_of(claim: dict, tables: dict[str, list[dict]], cell_of) -> dict:
    """The verdict on one claim, with the `flags` of its cells.

    Args:
        claim: its entry.
        tables: the cells of each table.
        cell_of: maps a table and one of its cells to a `Cell`.

    Raises:
        BadInput: a cell that the claim names is missing, or its expression is not a single number.
    """
    cells, raised, outdated = {}, set(), []
    missing: dict[str, list[str]] = {}  # by reason
    for name, where in claim["cells"].items():
        cells[name] = []
        for at in places(claim, where):
            cell = look_up(tables, at)
            raised |= set(cell.get("flags", {}))
            outdated += [f"{at['row']}, {at['column']}"] if cell.get("state") == "outdated" else []
            if cell["value"] is None:
                missing.setdefault(cell.get("gap") or "no value", []).append(f"{at['row']}, {at['column']}")
            elif where.get("exact"):
                cells[name].append(Cell(cell["value"], exact=True))
            else:
                cells[name].append(cell_of(at["table"], cell))
    flagged = {"flags": sorted(raised)} if raised else {}
    if missing:
        nothing = {"value": None, "low": None, "high": None, "verdict": INCONCLUSIVE, **flagged}
        return {**nothing, "why": "; ".join(f"{listed(where)}: {reason}" for reason, where in missing.items())}
    try:
        verdict = judge(claim["value"], claim["above"], cells)
    except ValueError as error:
        raise BadInput(f"{error}. Correct the claim's value.") from None
    reasons = ["the error of its cells is not known"] if verdict["low"] is None else []
    reasons += [f"outdated: {'; '.join(outdated)}"] if outdated else []
    return {**verdict, **flagged, "why": "; ".join(reasons)}


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and the number of further ones."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def places(claim: dict, where: dict) -> list[dict]:
    """Table, row and column of each cell that a name stands for; the claim supplies the defaults."""
    at = {key: where.get(key, claim.get(key)) for key in ("table", "row", "column")}
    lists = {key: value if isinstance(value, list) else [value] for key, value in at.items()}
    return [{"table": at["table"], "row": row, "column": column} for row in lists["row"] for column in lists["column"]]


def look_up(tables: dict[str, list[dict]], at: dict) -> dict:
    """The cell of a table.

    Raises:
        BadInput: there is no such cell; the message lists the rows and columns.
    """
    cells = tables.get(at["table"], [])
    for cell in cells:
        if cell["row"] == at["row"] and cell["column"] == at["column"]:
            return cell
    rows, columns = (list(dict.fromkeys(cell[key] for cell in cells)) for key in ("row", "column"))
    raise BadInput(
        f"{at['table']} has no cell in row {at['row']!r}, column {at['column']!r} (rows: {', '.join(rows)}; columns: "
        f"{', '.join(columns)}). Correct the claim's row or column."
    )


# The fields that are read from a graded answer.
KEPT = ("question_id", "cluster", "validation", "tokens", "finished", *scoring.VERDICTS.values())


class Items:
    """Cells with the graded answers behind them; each file is read once, on demand.

    Args:
        files: scores/<checkpoint>/<suite>.json, with the graded answers beside them.
        made_of: by table: its checkpoints, the verdict that counts, and how it treats validation questions.
    """

    def __init__(self, files: list[str], made_of: dict[str, dict]) -> None:
        self.files, self.made_of = files, made_of
        self._rows: dict[str, dict[str, list[dict]]] = {}

    def cell(self, table: str, cell: dict) -> Cell:
        """A table's cell, resampled by question if its answers are available, else with its standard error.

        Raises:
            BadInput: the answers do not yield the cell's value.
        """
        rows = self._answers(cell.get("checkpoint"), cell.get("benchmark"))
        unit, shares = cell.get("unit", "percent"), {}
        if rows and cell["metric"] == "length":
            sums: dict[str, list[float]] = {row["question_id"]: [0.0, 0.0] for row in rows}
            for row in rows:
                if row["finished"]:
                    sums[row["question_id"]][0] += row["tokens"]
                    sums[row["question_id"]][1] += 1
            items = numpy.array([sums[key] for key in sorted(sums)]).T
            # Of several seeds the table has the mean of means, so the ratio of the sums is brought to it.
            scale = cell["value"] * items[1].sum() / items[0].sum()
            return Cell(cell["value"], items=items, ids=tuple(sorted(sums)), scale=scale)
        if rows and cell["metric"] == "accuracy" and unit in ("percent", "fraction"):
            made_of = self.made_of[table]
            without = set()
            if made_of["validation_questions"] == "exclude":  # as the table does: those of any checkpoint, for all
                others = [self._answers(name, cell["benchmark"]) for name in made_of["checkpoints"]]
                without = set().union(*map(scoring.validation_ids, others))
            shares = scoring.shares_of(rows, made_of["verdict"], without)
        if not shares:
            return Cell(cell["value"], error=cell["se"])
        items, scale = numpy.array([list(shares.values()), [1.0] * len(shares)]), 1.0 if unit == "fraction" else 100.0
        value = scale * items[0].mean()
        if not math.isclose(value, cell["value"], rel_tol=1e-6, abs_tol=1e-9):
            raise BadInput(
                f"{table}, {cell['row']}, {cell['column']}: the table has {cell['value']:g}, its graded answers give "
                f"{value:g}. Rebuild the table (snakemake {table})."
            )
        return Cell(cell["value"], items=items, ids=tuple(shares), scale=scale)

    def _answers(self, checkpoint: str | None, benchmark: str | None) -> list[dict]:
        for file in self.files:
            if Path(file).parent.name != checkpoint or not Path(file).with_suffix(".jsonl").is_file():
                continue
            if file not in self._rows:
                self._rows[file] = {}
                for row in read_rows(Path(file).with_suffix(".jsonl"), required=("benchmark", "question_id")):
                    kept = {key: row[key] for key in KEPT if key in row}
                    self._rows[file].setdefault(row["benchmark"], []).append(kept)
            if benchmark in self._rows[file]:
                return self._rows[file][benchmark]
        return []
