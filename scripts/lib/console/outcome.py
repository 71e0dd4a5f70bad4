"""What came out of a job, in a few words, from the summary beside its output."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from scripts.lib.study import first


def outcome(rule: str, outputs: Sequence[str]) -> str:
    """The result of a finished job in words; empty if its rule has no entry here or its summary cannot be read."""
    words = WORDS.get(rule)
    file = next((Path(name) for name in outputs if name.endswith(".json")), None)
    try:
        summary = json.loads(file.read_text(encoding="utf-8")) if file else {}
        return words(summary, [*map(str, outputs)]) if words else ""
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""


def _rows(summary: dict, outputs: list[str]) -> str:
    return _many(summary["rows"], "row")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _lines(summary: dict, outputs: list[str], what: str = "answer") -> str:
    """The number of rows in an output that has no summary."""
    with Path(outputs[0]).open("rb") as file:
        return _many(sum(bool(line.strip()) for line in file), what)


def _graded(summary: dict, outputs: list[str]) -> str:
    return f"{summary['correct']:,} of {summary['rows']:,} right"


def _asked(summary: dict, outputs: list[str], what: str) -> str:
    """The number of texts requested from a teacher, and how many of them failed."""
    return _many(summary["rows"], what) + (f", {summary['errors']} failed" if summary["errors"] else "")


def _train(summary: dict, outputs: list[str]) -> str:
    losses = [entry["loss"] for entry in summary["losses"]]
    found = f"loss {losses[0]:.2f} → {losses[-1]:.2f}"
    early = summary.get("early_stopping")
    if early is None:
        return f"{_many(summary['steps'], 'step')}, {found}"
    steps = _many(summary["steps"], "step")
    if early["stopped"]:
        steps = f"stopped at step {summary['steps']} of {early['planned_steps']}"
    return f"{steps}, {found}, best step {early['best_step']}, validation loss {early['best_loss']:.2f}"


def _score(summary: dict, outputs: list[str]) -> str:
    shown = [f"{name} {100 * entry['accuracy']:.1f}" for name, entry in summary["benchmarks"].items()]
    return f"{', '.join(shown[:6])}{', …' if len(shown) > 6 else ''} %"


def _first_score(summary: dict, outputs: list[str]) -> str:
    lines = first.scores(next(name for name in outputs if name.endswith(".json")))
    return "; ".join(line.partition(", ")[2] for line in lines)  # the job is named before it


def _judged(summary: dict, outputs: list[str]) -> str:
    """The mean rating of conversations, with the maximum rating."""
    shown = [f"{entry['accuracy'] * entry['out_of']:.2f}" for entry in summary["benchmarks"].values()]
    return f"rating {', '.join(shown)}"


def _validated(summary: dict, outputs: list[str]) -> str:
    best = max(summary["curve"], key=lambda point: point["accuracy"])
    return f"best {100 * best['accuracy']:.1f} % at step {best['step']} of {summary['curve'][-1]['step']}"


def _overlap(summary: dict, outputs: list[str]) -> str:
    near = sum(summary["near"].values())
    return "no question was trained on" + (f", {_many(near, 'question')} near one that was" if near else "")


def _selected(summary: dict, outputs: list[str]) -> str:
    return str(summary["candidate"])


def _file(summary: dict, outputs: list[str]) -> str:
    return outputs[0]


CRITIQUES, ANSWERS = partial(_asked, what="critique"), partial(_asked, what="answer")
WORDS: dict[str, Callable[[dict, list[str]], str]] = {
    **dict.fromkeys(("prepare_dataset", "prepare_benchmark", "prepare_harness", "build_train_set"), _rows),
    **dict.fromkeys(("sample_responses", "generate", "generate_turns"), _lines),
    **dict.fromkeys(("critique_responses", "critique_by_model", "critique_by_api", "gather_critiques"), CRITIQUES),
    **dict.fromkeys(("refine_responses", "gather_refinements", "answer_questions", "gather_answers"), ANSWERS),
    **dict.fromkeys(("score", "evaluate_harness", "average_seeds"), _score),
    **dict.fromkeys(("make_table", "make_figure", "draw_curves", "check_claims", "study_page"), _file),
    **dict.fromkeys(("fetch_model", "fetch_punkt"), _file),
    "critique_answers": partial(_lines, what="critique"),
    "judge_turns": _judged,
    "validate": _validated,
    "check_overlap": _overlap,
    "grade_responses": _graded,
    "train": _train,
    "select_checkpoint": _selected,
}
# The rules of a quick look (rules/first.smk).
WORDS |= {
    f"{rule}_first": WORDS[rule] for rule in ("prepare_harness", "generate", "critique_answers", "generate_turns")
}
WORDS |= {f"{rule}_first": _first_score for rule in ("score", "average_seeds", "judge_turns", "evaluate_harness")}
WORDS["first_questions"] = partial(_lines, what="question")
