"""A checkpoint as judge: its verdicts on responses whose verdict is known, and how good they are.

A critique without a verdict is not right: it is counted, and never left out.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from scripts.lib.grading import GRADER_VERSION
from scripts.lib.grading.verdicts import parse_verdict, parse_wrong_step
from scripts.lib.questions.fingerprints import fingerprint

DRAWS = 1000  # resamples for a standard error
SIDES = ("right", "wrong")
NONE = "none"
STEPS = ("step labelled", "step right")
# What can be counted of one response: (its label, the verdict on it), and the first wrong step.
KINDS = (*((label, verdict) for label in SIDES for verdict in (*SIDES, NONE)), *STEPS)
Counts = Mapping[object, float]


def grade_verdicts(rows: Sequence[dict], questions: Mapping[str, dict]) -> list[dict]:
    """The rows with the verdict that each critique states, and whether it is the label.

    Args:
        rows: generations of one benchmark: critiques.
        questions: the responses that they judge, by id.

    Returns:
        The rows with `correct`, `extracted` (right, wrong, or null where none is stated), `label`, `cluster` (what
        responses to one question have in common) and, where the response is wrong and its first wrong step is known,
        `step_right`: whether the critique says "wrong" and names that step.
    """
    clusters = {id: fingerprint(question["question"]) for id, question in questions.items()}
    return [_graded(row, questions[row["question_id"]], clusters[row["question_id"]]) for row in rows]


def _graded(row: dict, judged: Mapping, cluster: str) -> dict:
    verdict, label = parse_verdict(row["response"]), judged["answer"]
    made = {**row, "correct": verdict == label, "extracted": verdict, "label": label, "cluster": cluster}
    if label == "wrong" and "first_wrong_step" in judged:
        named = parse_wrong_step(row["response"]) if verdict == "wrong" else None
        made["step_right"] = named == judged["first_wrong_step"]
    return {**made, "grader_version": GRADER_VERSION}


def summarise_verdicts(graded: Sequence[dict], without: Iterable[str] = ()) -> dict:
    """A judge's metrics besides accuracy, each a fraction with its standard error; None if undefined.

    They are of all critiques together (accuracy is the mean over questions). A standard error is that of a bootstrap
    over questions, each with all its responses; `…_n` is the number of questions with
    such a response, where not all have one.

    Args:
        graded: rows of `grade_verdicts`.
        without: ids of rows in the benchmark that are left out, unless nothing would be left.
    """
    without = set(without)
    rows = [row for row in graded if row["question_id"] not in without] or graded
    clusters: dict[str, Counter] = {}
    for row in rows:
        clusters.setdefault(row["cluster"], Counter()).update(_counted(row))
    total = sum(clusters.values(), Counter())
    errors = _errors([clusters[name] for name in sorted(clusters)])
    found: dict[str, float | int | None] = {"judged": len(rows), "first_step_labels": total["step labelled"]}
    for name, figure in FIGURES.items():
        found |= {name: figure(total), f"{name}_standard_error": errors[name]}
        if name in ("recall_right", "recall_wrong", "first_step_accuracy"):
            found[f"{name}_n"] = sum(figure(counts) is not None for counts in clusters.values())
    return found


def _counted(row: Mapping) -> list:
    """What one graded row adds to the counts."""
    counted: list = [(row["label"], row["extracted"] or NONE)]
    if "step_right" in row:
        counted += STEPS[: 1 + row["step_right"]]
    return counted


def _errors(clusters: Sequence[Counter]) -> dict[str, float | None]:
    """The standard error of each figure; None if no two resamples differ, or the figure is not always there."""
    import numpy

    counts = numpy.array([[cluster[kind] for kind in KINDS] for cluster in clusters])
    draws = numpy.random.default_rng(0).multinomial(len(clusters), [1 / len(clusters)] * len(clusters), DRAWS) @ counts
    resampled = [dict(zip(KINDS, map(float, draw), strict=True)) for draw in draws]
    errors = {}
    for name, figure in FIGURES.items():
        values = [value for value in map(figure, resampled) if value is not None]
        error = float(numpy.std(values)) if len(values) > DRAWS / 2 else 0.0
        errors[name] = error or None
    return errors


# --- figures ----------------------------------------------------------------------------------------------------------


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _of_label(counts: Counts, label: str) -> float:
    return math.fsum(counts[label, verdict] for verdict in (*SIDES, NONE))


def recall(label: str) -> Callable[[Counts], float | None]:
    """Of the responses with this label, the share that is judged so."""
    return lambda counts: _share(counts[label, label], _of_label(counts, label))


def balanced_accuracy(counts: Counts) -> float | None:
    """The mean of both recalls: 0.5 for a judge who always says the same."""
    recalls = [recall(label)(counts) for label in SIDES]
    return None if None in recalls else math.fsum(recalls) / 2


def f1_wrong(counts: Counts) -> float | None:
    """The F1 of "wrong": harmonic mean of its recall and of the share of "wrong" verdicts that are right."""
    said = counts["wrong", "wrong"] + counts["right", "wrong"]
    return _share(2 * counts["wrong", "wrong"], said + _of_label(counts, "wrong"))


def no_verdict_share(counts: Counts) -> float | None:
    """The share of critiques that state no verdict."""
    every = math.fsum(_of_label(counts, label) for label in SIDES)
    return _share(counts["right", NONE] + counts["wrong", NONE], every)


def wrong_share(counts: Counts) -> float | None:
    """The share of responses that are wrong: what a judge who always says "wrong" gets right."""
    return _share(_of_label(counts, "wrong"), math.fsum(_of_label(counts, label) for label in SIDES))


def first_step_accuracy(counts: Counts) -> float | None:
    """Of the wrong responses whose first wrong step is known, the share that is called wrong for that step."""
    return _share(counts["step right"], counts["step labelled"])


FIGURES: dict[str, Callable[[Counts], float | None]] = {
    "balanced_accuracy": balanced_accuracy,
    "f1_wrong": f1_wrong,
    "recall_right": recall("right"),
    "recall_wrong": recall("wrong"),
    "no_verdict_share": no_verdict_share,
    "wrong_share": wrong_share,
    "first_step_accuracy": first_step_accuracy,
}
