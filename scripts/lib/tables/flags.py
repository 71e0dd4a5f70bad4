"""Flags: conditions of a measurement that readers of a cell must know. Each is defined here, once.

A score has its own flags (cut off, no answer …), a row those of its training. Tables, claims and the study page read
them from the cells' `flags`: the flag's name to the value that raised it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CUT_OFF_SHARE = 0.20
NO_ANSWER_SHARE = 0.05
APART = 0.02  # of accuracy, between the most and the least lenient grader
DUPLICATE_SHARE = 0.50
LEFT_OUT_SHARE = 0.01
EPSILON = 1e-9  # the difference of two shares is not exact in floating point
FALLING = 0.05  # relative drop of the mean loss from the second-last to the last tenth of the steps


@dataclass(frozen=True)
class Flag:
    """One condition.

    Attributes:
        mark: the mark behind the value of a flagged cell.
        says: what it means, for the note under the table.
        percent: whether the value that raises it is a share.
    """

    mark: str
    says: str
    percent: bool = True


FLAGS = {
    "cut_off": Flag("ᶜ", f"more than {CUT_OFF_SHARE:.0%} of the answers are cut off at the token limit"),
    "no_answer": Flag("ⁿ", f"more than {NO_ANSWER_SHARE:.0%} of the responses have no answer"),
    "graders_apart": Flag("ᵍ", f"the graders' accuracies differ by more than {100 * APART:g} points"),
    "selected_by": Flag("ᵛ", "the checkpoint was selected on these questions", percent=False),
    "duplicates": Flag("ᵈ", f"more than {DUPLICATE_SHARE:.0%} of the sampled answers repeat another one"),
    "rows_left_out": Flag("ʳ", f"more than {LEFT_OUT_SHARE:.0%} of the rows were dropped from its training"),
    "loss_falling": Flag("ˡ", "its training loss was still falling at the end"),
}


def of_score(score: Mapping[str, Any]) -> dict[str, float]:
    """The flags of a checkpoint's score on a benchmark, with the value that raised each.

    Args:
        score: the benchmark's entry in a score summary.
    """
    figures = {
        "cut_off": (score.get("cut_off_share"), CUT_OFF_SHARE),
        "no_answer": (score.get("no_answer_share"), NO_ANSWER_SHARE),
        "graders_apart": (_apart(score), APART),
        "duplicates": (score.get("duplicate_share"), DUPLICATE_SHARE),
    }
    flags = {name: value for name, (value, limit) in figures.items() if value is not None and value > limit + EPSILON}
    return flags | ({"selected_by": 1.0} if score.get("selected_by") else {})


def _apart(score: Mapping[str, Any]) -> float:
    """The largest difference between the graders' accuracies, as a fraction; 0 if there is only one grader.

    An authors' grader counts only in tables that use its verdicts: it is known to be more lenient in general.
    """
    others = score.get("verdicts", {}).items()
    named = [found["accuracy"] for name, found in others if name in ("math-verify", score.get("verdict"))]
    ours = score.get("accuracy_ours", score.get("accuracy"))
    accuracies = [accuracy for accuracy in (ours, *named) if accuracy is not None]
    return max(accuracies) - min(accuracies) if accuracies else 0.0


def of_training(training: Mapping[str, Any]) -> dict[str, float]:
    """The flags of a run, from its training summary."""
    counts = training["counts"]
    left_out = counts["rows_in"] - counts["rows_trained"] - counts.get("rows_held_out", 0)
    share = left_out / counts["rows_in"] if counts["rows_in"] else 0.0
    fall = loss_fall([entry["loss"] for entry in training["losses"] if "loss" in entry])
    flags = {"rows_left_out": share} if share > LEFT_OUT_SHARE else {}
    return flags | ({"loss_falling": fall} if fall is not None and fall > FALLING else {})


def loss_fall(losses: Sequence[float]) -> float | None:
    """The relative drop of the mean loss from the second-last to the last tenth of the losses.

    None for fewer than 40 losses, whose tenths are too short.
    """
    tenth = len(losses) // 10
    if tenth < 4:
        return None
    before, last = (sum(part) / tenth for part in (losses[-2 * tenth : -tenth], losses[-tenth:]))
    return 1 - last / before if before > 0 else None


def marks_of(cell: Mapping[str, Any]) -> str:
    """The marks of a cell's flags, in the order of FLAGS."""
    flags = cell.get("flags", {})
    return "".join(flag.mark for name, flag in FLAGS.items() if name in flags)


def notes_of(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for each flag in a table: what it means, and which cells have it, with their values."""
    cells, notes = list(cells), []
    for name, flag in FLAGS.items():
        rows: dict[str, list[str]] = {}
        for cell in cells:
            figure = cell.get("flags", {}).get(name)
            if figure is not None:
                shown = f" {100 * figure:.0f} %" if flag.percent else ""
                rows.setdefault(cell["row"], []).append(f"{cell['column']}{shown}")
        if rows:
            listed = "; ".join(f"{row}: {', '.join(columns)}" for row, columns in rows.items())
            notes.append(f"{flag.mark} {flag.says} ({listed}).")
    return notes


def note_of_trainings(trainings: Mapping[str, Mapping[str, Any]]) -> str:
    """The flags of the trainings behind a table, by run; empty if there are none."""
    lines = []
    for name, flag in FLAGS.items():
        figures = {run: of_training(training).get(name) for run, training in trainings.items()}
        listed = ", ".join(f"{run} {100 * figure:.0f} %" for run, figure in figures.items() if figure is not None)
        lines += [f"{flag.says} ({listed})"] if listed else []
    return f"Of a run: {'; '.join(lines)}." if lines else ""


def note_of_stops(trainings: Mapping[str, Mapping[str, Any]]) -> str:
    """Which runs could stop early: where they ended, and which step is the checkpoint; empty where there is none."""
    listed = "; ".join(
        f"{run} step {early['best_step']}, {training['steps']} of {early['planned_steps']} steps trained, "
        f"{training['counts']['rows_held_out']:,} rows held out"
        for run, training in trainings.items()
        if (early := training.get("early_stopping"))
    )
    what = "Checkpoints of the step with the lowest loss on held-out rows, which Rows and Tokens do not count"
    return f"{what} ({listed})." if listed else ""


def notes_of_train_sets(train_sets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Notes on training sets: fewer rows than requested, more than a trace of rows dropped, and critiques that controls
    of CGD left unchanged.
    """
    short = [
        f"{run} {summary['rows']:,} of {summary['rows_asked']:,}"
        for run, summary in train_sets.items()
        if (summary.get("rows_asked") or 0) > summary["rows"]
    ]
    lost = [f"{run}: {listed}" for run, summary in train_sets.items() if (listed := losses_of(summary))]
    same = [
        f"{run} {summary['critiques_unchanged']:,} of {summary['rows']:,}"
        for run, summary in train_sets.items()
        if summary.get("critiques_unchanged")
    ]
    notes = [f"Fewer training rows than requested: {'; '.join(short)}."] if short else []
    notes += [f"Dropped before training: {'; '.join(lost)}."] if lost else []
    return notes + ([f"Rows of a control that keep their own critique unchanged: {'; '.join(same)}."] if same else [])


def losses_of(summary: Mapping[str, Any]) -> str:
    """What was dropped from a training set and the datasets behind it, if it is more than a trace."""
    parts = {"": summary, **{f" of {name}": dataset for name, dataset in summary.get("datasets", {}).items()}}
    listed = []
    for place, part in parts.items():
        counts = {reason: count for reason, count in part.get("left_out", {}).items() if count}
        if sum(counts.values()) > LEFT_OUT_SHARE * (part["rows"] + sum(counts.values())):
            reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items())
            listed.append(reasons + place)
    return ", ".join(listed)
