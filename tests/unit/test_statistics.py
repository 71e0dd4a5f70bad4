"""Standard errors and paired differences, against figures worked out by hand and by brute force."""

import itertools
import math

import numpy
import pytest

from scripts.lib.tables.statistics import average_error, difference_to_best, mcnemar, mcnemar_to_best


def test_error_of_an_average_of_independent_figures() -> None:
    assert average_error([3.0, 4.0]) == 2.5  # sqrt(9 + 16) / 2
    assert average_error([0.3]) == 0.3


def every_resample(mine: list[float], others: list[list[float]]) -> numpy.ndarray:
    """The difference in each of the n^n equally likely resamples."""
    found = []
    for drawn in itertools.product(range(len(mine)), repeat=len(mine)):
        drawn = list(drawn)
        best = max(numpy.mean(numpy.array(other)[drawn]) for other in others)
        found.append(numpy.mean(numpy.array(mine)[drawn]) - best)
    return numpy.array(found)


def shares(*values: float) -> dict:
    return {"gcd": numpy.array(values, dtype=float)}


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        ([1, 1, 0, 1, 0], [[0, 1, 0, 0, 0]]),
        ([1, 1, 0, 1, 0], [[0, 1, 0, 0, 1], [1, 0, 0, 0, 1]]),
        ([0.5, 1, 0, 0.25, 0], [[0, 1, 0.5, 0, 0], [0.5, 0.5, 0, 0.5, 0]]),
    ],
)
def test_difference_equals_the_full_bootstrap(mine: list, others: list) -> None:
    exact = every_resample(mine, others)
    found = difference_to_best(shares(*mine), [shares(*other) for other in others], draws=100_000)["gcd"]
    assert found["value"] == pytest.approx(numpy.mean(mine) - max(numpy.mean(other) for other in others))
    assert found["se"] == pytest.approx(exact.std(), abs=0.003)
    low, high = numpy.percentile(exact, [2.5, 97.5])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.003)


def test_best_is_taken_anew_in_each_resample() -> None:
    """Two rivals that are right on opposite halves: the best of them in a resample is better than either alone."""
    half = [1] * 10 + [0] * 10
    found = difference_to_best(shares(*[0.5] * 20), [shares(*half), shares(*half[::-1])], draws=20_000)["gcd"]
    fixed = difference_to_best(shares(*[0.5] * 20), [shares(*half)], draws=20_000)["gcd"]
    assert found["value"] == fixed["value"] == 0
    assert fixed["high"] == pytest.approx(0.2, abs=0.06)
    assert found["high"] == pytest.approx(0, abs=1e-9)  # never positive: one of the two is always at least as good


def test_pairs_cancel_what_both_have_in_common() -> None:
    mine = [1, 0] * 50
    assert difference_to_best(shares(*mine), [shares(*mine)])["gcd"] == {"value": 0, "se": 0, "low": 0, "high": 0}


def test_average_compares_with_the_checkpoint_whose_average_is_best() -> None:
    mine = {"a": numpy.array([1.0, 1.0]), "b": numpy.array([0.0, 0.0, 1.0, 1.0])}
    first = {"a": numpy.array([1.0, 0.0]), "b": numpy.zeros(4)}
    second = {"a": numpy.zeros(2), "b": numpy.array([1.0, 0.0, 0.0, 0.0])}
    found = difference_to_best(mine, [first, second])
    assert found["a"]["value"] == 0.5 and found["b"]["value"] == 0.25
    assert found[None]["value"] == pytest.approx(0.75 - 0.25)  # first averages 1/4, second 1/8


def test_same_seed_gives_the_same_interval() -> None:
    arguments = shares(1, 0, 0.5), [shares(0, 0, 1)]
    assert difference_to_best(*arguments) == difference_to_best(*arguments)


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (5, 0, 2 / 2**5),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),  # C(10,0) + C(10,1) + C(10,2)
        (59, 121, 2 * sum(math.comb(180, count) for count in range(60)) / 2**180),
    ],
)
def test_mcnemar_is_the_exact_two_sided_binomial_test(better: int, worse: int, p: float) -> None:
    mine = [1] * better + [0] * worse + [1, 0] * 20
    other = [0] * better + [1] * worse + [1, 0] * 20
    found = mcnemar(shares(*mine), shares(*other))
    assert found["gcd"] == found[None] == {"better": better, "worse": worse, "p": pytest.approx(p)}
    assert mcnemar(shares(*other), shares(*mine))["gcd"]["p"] == found["gcd"]["p"]


def test_mcnemar_of_a_set_of_twelve_thousand_questions_is_finite() -> None:
    found = mcnemar(shares(*[1] * 6000, *[0] * 6000), shares(*[0] * 6000, *[1] * 6000))
    assert found[None] == {"better": 6000, "worse": 6000, "p": 1.0}


def test_mcnemar_over_benchmarks_counts_all_questions_together() -> None:
    mine = {"a": numpy.array([1.0, 0.5]), "b": numpy.array([1.0, 0.25])}
    other = {"a": numpy.array([0.0, 0.5]), "b": numpy.array([0.0, 0.75])}
    found = mcnemar(mine, other)
    assert (found["a"]["better"], found["a"]["worse"]) == (1, 0)
    assert (found[None]["better"], found[None]["worse"]) == (2, 1)


def test_mcnemar_to_the_best_takes_the_best_of_each_column_and_of_the_average() -> None:
    mine = {"a": numpy.array([1.0, 1.0]), "b": numpy.array([0.0, 1.0, 1.0])}
    first = {"a": numpy.array([1.0, 0.0]), "b": numpy.array([0.0, 0.0, 0.0])}
    second = {"a": numpy.array([0.0, 0.0]), "b": numpy.array([1.0, 1.0, 0.0])}
    found = mcnemar_to_best(mine, [first, second])
    assert (found["a"]["better"], found["a"]["worse"]) == (1, 0)  # against first
    assert (found["b"]["better"], found["b"]["worse"]) == (1, 1)  # against second
    assert (found[None]["better"], found[None]["worse"]) == (3, 1)  # second averages 1/3, first 1/4
