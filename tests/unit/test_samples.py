"""pass@k, maj@k and the best of n by the checkpoint's own critique."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.lib.grading.samples import majority, normal_form, pass_at, summarise_samples


def answers(question: str, *given_: tuple) -> list[dict]:
    """Graded answers to a question: (extracted, correct) or (extracted, correct, own verdict) each."""
    fields = ("extracted", "correct", "own_verdict")
    return [
        {"question_id": question, "sample": sample, **dict(zip(fields, values, strict=False))}
        for sample, values in enumerate(given_)
    ]


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_pass_at_k_is_the_mean_over_all_subsets_of_k(right: list[bool], data) -> None:
    k = data.draw(st.integers(1, len(right)))
    subsets = [any(subset) for subset in itertools.combinations(right, k)]
    assert math.isclose(pass_at(len(right), sum(right), k), sum(subsets) / len(subsets), rel_tol=1e-15)


def test_pass_at_k_is_exact_where_the_binomials_are_no_floats() -> None:
    # The product form, 1 - prod(1 - k / i) for i from n - c + 1 to n, of the paper that the estimator is from.
    for n, c, k in ((10_000, 3, 100), (2_000, 1_000, 1), (5_000, 1, 4_999)):
        product = 1 - math.prod(1 - k / i for i in range(n - c + 1, n + 1))
        assert math.isclose(pass_at(n, c, k), product, rel_tol=1e-9)
    assert (pass_at(5, 0, 5), pass_at(5, 5, 1), pass_at(5, 1, 5)) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("k", [0, 5])
def test_pass_at_more_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k} of 4 samples"):
        pass_at(4, 2, k)


def test_pass_at_one_is_the_accuracy() -> None:
    rows = [*answers("a", ("1", True), ("2", False)), *answers("b", ("3", False), ("4", False))]
    found = summarise_samples(rows, {"pass_at": [1, 2]})
    assert found["pass_at_1"] == 0.25 and found["pass_at_1_standard_error"] == pytest.approx(0.25 / 2**0.5)
    assert found["pass_at_2"] == 0.5 and found["pass_at_2_standard_error"] == pytest.approx(0.5 / 2**0.5)


# --- majority ---------------------------------------------------------------------------------------------------------


def test_the_most_frequent_answer_counts() -> None:
    assert majority(answers("a", ("4", True), ("5", False), ("4", True))) == (1.0, False)
    assert majority(answers("a", ("4", True), ("5", False), ("5", False))) == (0.0, False)


def test_tied_answers_count_their_share_and_are_told() -> None:
    assert majority(answers("a", ("4", True), ("5", False))) == (0.5, True)
    assert majority(answers("a", ("4", True), ("5", False), ("6", False))) == (pytest.approx(1 / 3), True)
    assert majority(answers("a", ("6", False), ("5", False))) == (0.0, True)


def test_texts_without_an_answer_do_not_vote() -> None:
    assert majority(answers("a", (None, False), (None, False), ("4", True))) == (1.0, False)
    assert majority(answers("a", (None, False))) == (0.0, False)


@pytest.mark.parametrize(
    ("one", "other"),
    [("0.5", "\\frac{1}{2}"), ("1/2", ".50"), ("x = 4", "4"), ("1,234", "1234"), ("2^{3}", "2 ^ {3}"), ("4.0", "4")],
)
def test_votes_for_one_answer_in_two_spellings_add_up(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(("one", "other"), [("4", "-4"), ("1/2", "1/3"), ("x+1", "x-1"), ("a", "b"), ("1/0", "0")])
def test_different_answers_stay_apart(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_maj_at_k_is_of_the_first_k_samples() -> None:
    rows = [
        *answers("a", ("4", True), ("5", False), ("5", False)),
        *answers("b", ("7", True), ("7", True), ("8", False)),
    ]
    found = summarise_samples(rows[::-1], {"majority_at": [1, 2, 3]})
    assert (found["maj_at_1"], found["maj_at_2"], found["maj_at_3"]) == (1.0, 0.75, 0.5)
    assert (found["maj_at_1_ties"], found["maj_at_2_ties"], found["maj_at_3_ties"]) == (0.0, 0.5, 0.0)


# --- best of n --------------------------------------------------------------------------------------------------------


def test_best_of_n_is_the_first_that_the_checkpoint_calls_right_else_the_first() -> None:
    rows = [
        *answers("a", ("1", False, "wrong"), ("2", True, "right"), ("3", False, "right")),
        *answers("b", ("1", True, None), ("2", False, "wrong"), ("3", False, "wrong")),
        *answers("c", ("1", True, "wrong"), ("2", False, "right"), ("3", True, "right")),
    ]
    found = summarise_samples(rows, {"best_of_n": True})
    assert found["best_of_n"] == pytest.approx(2 / 3) and found["best_of_n_none_right"] == pytest.approx(1 / 3)
    # Of nine verdicts on its own answers five are right, and one is lacking.
    assert found["own_verdict_accuracy"] == pytest.approx(5 / 9)
    assert found["own_no_verdict_share"] == pytest.approx(1 / 9)


def test_questions_that_selected_the_checkpoint_and_those_without_a_gold_are_left_out() -> None:
    rows = [*answers("a", ("1", True)), *answers("b", ("1", False)), *answers("c", (None, None))]
    assert summarise_samples(rows, {"pass_at": [1]}, without={"a"})["pass_at_1"] == 0.0
    assert summarise_samples(rows, {"pass_at": [1]})["pass_at_1"] == 0.5
    assert summarise_samples(rows, {"pass_at": [1]}, without={"a", "b"})["pass_at_1"] == 0.5
