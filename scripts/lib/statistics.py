"""Statistics of scores: standard errors of averages, and paired comparisons on the same questions."""

import math
from collections.abc import Mapping, Sequence

import numpy

Shares = Mapping[str, numpy.ndarray]  # benchmark → for each question, the share of its answers that is right


def average_error(errors: Sequence[float]) -> float:
    """The standard error of the plain mean of independent figures."""
    return math.sqrt(sum(error**2 for error in errors)) / len(errors)


def difference_to_best(
    mine: Shares, others: Sequence[Shares], draws: int = 10_000, seed: int = 0
) -> dict[str | None, dict[str, float]]:
    """Accuracy minus the best accuracy among `others`, with a paired bootstrap interval.

    Each resample draws questions with replacement, the same ones for every checkpoint, and takes the best of `others`
    anew: the interval covers the choice of the best as well. It covers question sampling only, not training seeds.

    Args:
        mine: shares of the checkpoint that is compared.
        others: shares of each checkpoint it is compared with, on the same questions.
        draws: number of resamples.
        seed: of the draws.

    Returns:
        By benchmark, and under None for the average over benchmarks: value, standard error (`se`) and 95 % interval
        (`low`, `high`), as fractions.
    """
    generator = numpy.random.default_rng(seed)
    resampled_mine, resampled_others, found = [], [], {}
    for benchmark, shares in mine.items():
        stacked = numpy.stack([shares, *(other[benchmark] for other in others)])
        # Resampled means without a (draws × questions) array of values: how often each question is drawn.
        weights = generator.multinomial(stacked.shape[1], numpy.full(stacked.shape[1], 1 / stacked.shape[1]), draws)
        means = weights @ stacked.T / stacked.shape[1]
        resampled_mine.append(means[:, 0])
        resampled_others.append(means[:, 1:])
        value = stacked[0].mean() - stacked[1:].mean(axis=1).max()
        found[benchmark] = _interval(value, means[:, 0] - means[:, 1:].max(axis=1))
    value = float(
        numpy.mean([shares.mean() for shares in mine.values()])
        - max(numpy.mean([other[benchmark].mean() for benchmark in mine]) for other in others)
    )
    averages = numpy.mean(resampled_mine, axis=0) - numpy.mean(resampled_others, axis=0).max(axis=1)
    return {**found, None: _interval(value, averages)}


def _interval(value: float, draws: numpy.ndarray) -> dict[str, float]:
    low, high = numpy.percentile(draws, [2.5, 97.5])
    return {"value": float(value), "se": float(draws.std()), "low": float(low), "high": float(high)}
