"""Metrics of several samples of an answer: pass@k, maj@k, and the best of n by the checkpoint's own critique."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

from scripts.lib.grading.compare import prepared
from scripts.lib.grading.scoring import accuracy_of
from scripts.lib.grading.typography import fold

_VARIABLE = re.compile(r"[A-Za-z]\s*=\s*(?=[^=])")
_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:/\d+)?")
Samples = Sequence[dict]  # the graded answers to one question, by sample


def summarise_samples(graded: Sequence[dict], settings: Mapping, without: Iterable[str] = ()) -> dict:
    """The figures that a benchmark asks for over the samples of each question, as fractions with standard errors.

    Args:
        graded: rows of one benchmark.
        settings: `pass_at` and `majority_at`, lists of k, and `best_of_n`, where the benchmark has them.
        without: ids of questions that are left out, unless nothing would be left.

    Returns:
        `pass_at_<k>`, `maj_at_<k>`, `best_of_n`, each with `…_standard_error` (of a mean over questions); beside them
        `maj_at_<k>_ties` and `best_of_n_none_right`, shares of questions.
    """
    questions = by_question(graded, without)
    found: dict[str, float | None] = {}
    for k in settings.get("pass_at", ()):
        values = mean_over(questions, lambda rows, k=k: pass_at(len(rows), sum(map(is_right, rows)), k))
        found |= figure(f"pass_at_{k}", values)
    for k in settings.get("majority_at", ()):
        votes = {id: majority(rows[:k]) for id, rows in questions.items()}
        found |= figure(f"maj_at_{k}", {id: credit for id, (credit, _) in votes.items()})
        found[f"maj_at_{k}_ties"] = sum(tied for _, tied in votes.values()) / len(votes) if votes else None
    if "best_of_n" in settings:
        found |= figure("best_of_n", mean_over(questions, lambda rows: float(is_right(chosen(rows)))))
        none = [all(row["own_verdict"] != "right" for row in rows) for rows in questions.values()]
        found["best_of_n_none_right"] = sum(none) / len(none) if none else None
        found |= own_critiques([row for rows in questions.values() for row in rows])
    return found


def by_question(graded: Sequence[dict], without: Iterable[str]) -> dict[str, Samples]:
    """The rows of each question with a gold, by id, in the order of the samples."""
    without, groups = set(without), {}
    for row in sorted(graded, key=lambda row: row["sample"]):
        groups.setdefault(row["question_id"], []).append(row)
    rated = {id: rows for id, rows in sorted(groups.items()) if any(row["correct"] is not None for row in rows)}
    return {id: rows for id, rows in rated.items() if id not in without} or rated


def mean_over(questions: Mapping[str, Samples], value: Callable[[Samples], float]) -> dict[str, float]:
    """A figure of each question's samples."""
    return {id: value(rows) for id, rows in questions.items()}


def figure(name: str, values: Mapping[str, float]) -> dict[str, float | None]:
    """The mean over questions, and its standard error, under a metric's name."""
    found = accuracy_of(values)
    return {name: found["accuracy"], f"{name}_standard_error": found["standard_error"]}


def is_right(row: Mapping) -> bool:
    """Whether an answer counts as right; one that could not be graded does not."""
    return bool(row["correct"])


def pass_at(n: int, right: int, k: int) -> float:
    """The probability that at least one of k answers is right, drawn without replacement from n of which `right` are.

    The unbiased estimate of pass@k from n samples (Chen et al., 2021, https://arxiv.org/abs/2107.03374, equation 1).

    >>> pass_at(4, 1, 2)
    0.5
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} of {n} samples")
    return float(1 - Fraction(math.comb(n - right, k), math.comb(n, k)))


def majority(rows: Samples) -> tuple[float, bool]:
    """What the most frequent answer counts, and whether several are equally frequent.

    Of tied answers each counts the same share: what a draw among them gets right on average. Texts without an answer
    do not vote; where there are only such, the question is wrong.
    """
    votes: dict[str, list[bool]] = {}
    for row in rows:
        if row["extracted"] is not None:
            votes.setdefault(normal_form(row["extracted"]), []).append(is_right(row))
    most = max(map(len, votes.values()), default=0)
    winners = [ballots for ballots in votes.values() if len(ballots) == most]
    credit = math.fsum(sum(ballots) / most for ballots in winners) / len(winners) if winners else 0.0
    return credit, len(winners) > 1


def normal_form(answer: str) -> str:
    """One spelling of an answer, so that votes for the same add up: `x = 0.50`, `\\frac{1}{2}` and `1/2` are one.

    Formulas are compared as they are written, not by their values: right answers and wrong ones alike.
    """
    text = re.sub(r"\s+", "", prepared(fold(answer)))
    text = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    text = _FRACTION.sub(r"\1\2/\3", _VARIABLE.sub("", text, count=1))
    try:
        return str(Fraction(text)) if _NUMBER.fullmatch(text) else text
    except ZeroDivisionError:
        return text


def chosen(rows: Samples) -> dict:
    """The first answer that the checkpoint itself judges right; the first of all where it judges none so."""
    return next((row for row in rows if row["own_verdict"] == "right"), rows[0])


def own_critiques(rows: Samples) -> dict[str, float | None]:
    """How often the checkpoint's verdict on its own answers is right, and how often there is none."""
    judged = [(row["own_verdict"] == "right") == is_right(row) for row in rows if row["own_verdict"] is not None]
    return {
        "own_verdict_accuracy": sum(judged) / len(rows) if rows else None,
        "own_no_verdict_share": 1 - len(judged) / len(rows) if rows else None,
    }
