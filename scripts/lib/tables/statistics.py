"""Statistics of scores: standard errors of averages, and paired comparisons on the same questions."""

import math
from collections.abc import Mapping, Sequence

import numpy

Shares = Mapping[str, numpy.ndarray]  # benchmark → for each question, the share of right answers


def average_error(errors: Sequence[float]) -> float:
    """The standard error of the plain mean of independent values."""
    return math.sqrt(sum(error**2 for error in errors)) / len(errors)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` questions, as fractions.

    It is informative at the edge, where the standard error is 0: none of 100 right is 0 to 3.7 %.

    >>> tuple(round(100 * limit, 1) for limit in wilson(0.0, 100))
    (0.0, 3.7)
    """
    z = 1.959964
    centre = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((centre + side * half) / (1 + z * z / count) for side in (-1, 1))
    return max(0.0, low), min(1.0, high)


def difference_to_best(
    mine: Shares, others: Sequence[Shares], draws: int = 10_000, seed: int = 0
) -> dict[str | None, dict[str, float]]:
    """Accuracy minus the best accuracy among `others`, with a paired bootstrap interval.

    Each resample draws questions with replacement, the same ones for every checkpoint, and picks its own best of
    `others`, so the interval covers the choice of the best. It covers question sampling only, not training seeds. A
    benchmark's draws depend on its name alone, so its error is the same in every table.

    Args:
        mine: shares of the checkpoint that is compared.
        others: shares of each checkpoint it is compared with, on the same questions.
        draws: number of resamples.
        seed: seed of the draws.

    Returns:
        By benchmark, and under None for the average over benchmarks: value, standard error (`se`) and 95 % interval
        (`low`, `high`), as fractions.
    """
    resampled_mine, resampled_others, found = [], [], {}
    for benchmark, shares in mine.items():
        generator = numpy.random.default_rng([seed, *benchmark.encode()])
        stacked = numpy.stack([shares, *(other[benchmark] for other in others)])
        # Resampled means from the number of times that each question is drawn, without a (draws × questions) array.
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


def mcnemar(mine: Shares, other: Shares) -> dict[str | None, dict[str, float]]:
    """McNemar's exact test: whether one checkpoint is right on more questions than another, on the same questions.

    Only the questions on which the two differ count. Under the null hypothesis each of them is equally likely to go
    either way (Binomial(n, 1/2), two-sided). With several samples per question, the checkpoint with the larger share of
    right answers wins the question, which is the sign test.

    Returns:
        By benchmark, and under None for all questions together: the questions that `mine` answers `better` and `worse`
        (counts), and the p-value `p`.
    """
    counts = {
        benchmark: (int((shares > other[benchmark]).sum()), int((shares < other[benchmark]).sum()))
        for benchmark, shares in mine.items()
    }
    total = tuple(map(sum, zip(*counts.values(), strict=True)))
    return {
        benchmark: {"better": better, "worse": worse, "p": _two_sided(better, worse)}
        for benchmark, (better, worse) in {**counts, None: total}.items()
    }


def mcnemar_to_best(mine: Shares, others: Sequence[Shares]) -> dict[str | None, dict[str, float]]:
    """McNemar's test against the best of `others`, chosen per column as in `difference_to_best`.

    Returns:
        As `mcnemar`; under None, all questions against the checkpoint with the best average over benchmarks.
    """
    found = {}
    for benchmark, shares in mine.items():
        best = max(others, key=lambda other: other[benchmark].mean())
        found[benchmark] = mcnemar({benchmark: shares}, best)[benchmark]
    best = max(others, key=lambda other: numpy.mean([other[benchmark].mean() for benchmark in mine]))
    return {**found, None: mcnemar(mine, best)[None]}


def _two_sided(better: int, worse: int) -> float:
    """The probability of a split at least as uneven if both sides are equally likely (exact, in integers)."""
    total, term, tail = better + worse, 1, 0
    for count in range(min(better, worse) + 1):
        tail += term
        term = term * (total - count) // (count + 1)  # the next binomial coefficient
    return min(1.0, 2 * tail / 2**total)


def _interval(value: float, draws: numpy.ndarray) -> dict[str, float]:
    low, high = numpy.percentile(draws, [2.5, 97.5])
    return {"value": float(value), "se": float(draws.std()), "low": float(low), "high": float(high)}
