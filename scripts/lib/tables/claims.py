"""Claims: an expression over cells of tables, its 95 % interval, and the verdict that follows from it.

The interval comes from draws of all cells. Cells measured here are resampled by question, the same questions for every
checkpoint, so what they have in common cancels. A figure of which only a percentage and the number of questions are
known is drawn from the binomial distribution; one with a standard error from the normal distribution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from scripts.lib.study.expressions import evaluate

REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE = "reproduced", "not reproduced", "inconclusive"
DRAWS = 10_000
_CHUNK = 500  # resamples held in memory at once: 500 × 14,042 questions of MMLU are 56 MB


@dataclass(frozen=True)
class Cell:
    """One figure and how it varies. Exactly one of the ways is given; with none its error is not known.

    Attributes:
        value: as the table shows it (percent, tokens, points).
        questions: how many questions a percentage is the share of (binomial draws).
        error: its standard error (normal draws).
        exact: it is a count or a setting and has no error.
        items: for each question the sum of what its answers scored and their number; `ids` names the questions. The
            value is the ratio of the two sums, times `scale`.
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
        """Whether it is known how the figure varies."""
        return self.exact or any(part is not None for part in (self.questions, self.error, self.items))


def judge(
    expression: str, above: float, cells: Mapping[str, Sequence[Cell]], draws: int = DRAWS, seed: int = 0
) -> dict:
    """The expression's value with its 95 % interval, and the verdict on `value > above`.

    Args:
        expression: arithmetic over the names (scripts/lib/study/expressions.py).
        above: the threshold.
        cells: what each name stands for.
        draws: number of draws.
        seed: of the draws.

    Returns:
        `value`, `low`, `high` and `verdict`: reproduced where the interval lies wholly above the threshold, not
        reproduced where it lies wholly below, else inconclusive. Where a cell's error is not known there is no interval
        (`low` and `high` are None), so the verdict is inconclusive.

    Raises:
        ValueError: the expression is not one, or is not a single figure.
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
