"""Preference pairs: which answer is chosen and which rejected, for DPO, SPIN and ThinkPO.

Each function gives rows `{"id", "question_id", "question", "chosen", "rejected"}` and counts of what was left out.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scripts.lib.grading import Grade, Item, grade
from scripts.lib.training.stored import Row

Draw = Callable[[Row], float]
ASKED = ("question", "system")  # keys that a prompt may use
GRADED_TOGETHER = 5_000  # answers whose texts are in memory at a time


def asked(row: Row) -> dict[str, str]:
    """The fields of a row that a prompt may use: its question and, if the dataset has one, its system message."""
    return {key: row[key] for key in ASKED if key in row}


def labelled_pairs(rows: Sequence[Row]) -> tuple[list[Row], dict[str, int]]:
    """Rows that already have `chosen` and `rejected` (a preference set from a file or the hub)."""
    return _different(_pair(row["id"], row["id"], row, "chosen", row, "rejected") for row in rows)


def graded_pairs(rows: Sequence[Row], draw: Draw, per_question: int) -> tuple[list[Row], dict[str, int]]:
    """DPO pairs from graded responses of one question: a right one is chosen, a wrong one rejected.

    Args:
        rows: graded responses.
        draw: orders the right and the wrong responses of a question.
        per_question: the most pairs per question; no response is in two of them.
    """
    questions: dict[str, tuple[list[Row], list[Row]]] = {}
    for row in sorted(rows, key=draw):
        if row["correct"] is not None and "error" not in row:
            questions.setdefault(row["question_id"], ([], []))[not row["correct"]].append(row)
    pairs, one_sided = [], 0
    for right, wrong in questions.values():
        one_sided += not (right and wrong)
        for good, bad in list(zip(right, wrong, strict=False))[:per_question]:
            name = f"{good['id']}>{bad['id']}"
            pairs.append(_pair(name, good["question_id"], good, "response", bad, "response"))
    kept, counts = _different(pairs)
    return kept, {**counts, "questions_without_contrast": one_sided}


def self_play_pairs(rows: Sequence[Row], iteration: int) -> tuple[list[Row], dict[str, int]]:
    """SPIN pairs: the dataset's answer is chosen, the previous checkpoint's is rejected (SPIN, algorithm 1).

    Args:
        rows: the checkpoint's responses, each with the dataset's `solution`.
        iteration: the iteration of the pairs; it is part of the ids, since two iterations may be mixed.
    """
    usable = [row for row in rows if row.get("solution") and row["response"].strip()]
    kept, counts = _different(
        _pair(f"t{iteration}:{row['id']}", row["question_id"], row, "solution", row, "response") for row in usable
    )
    return kept, {**counts, "empty_or_without_solution": len(rows) - len(usable)}


def length_pairs(
    long: Sequence[Row], short: Sequence[Row], keep: str, format_only: int, draw: Draw
) -> tuple[list[Row], dict[str, int]]:
    """ThinkPO pairs: the long answer to a question is chosen, a short one rejected (ThinkPO, section 2.3).

    Args:
        long: rows `{"question_id", "question", "answer" (reference or null), "text"}`, one per question.
        short: the same, any number per question; the first usable one in the order of `draw` is taken.
        keep: `all`; `agree`: the short answer's result equals the long one's; `both-right`: both equal the reference.
        format_only: number of additional pairs, drawn from those whose results differ but whose short answer has one.
        draw: orders the short answers of a question, and the pairs that format_only draws from.
    """
    by_question: dict[str, list[Row]] = {}
    for row in sorted(short, key=draw):
        by_question.setdefault(row["question_id"], []).append(row)
    candidates = [
        (row, other) for row in long for other in by_question.get(row["question_id"], ()) if other["text"].strip()
    ]
    if keep == "all":
        fits, has_result = [True] * len(candidates), [True] * len(candidates)
    elif keep == "agree":
        # Any reference will do here: only the answer that the grader extracts from the long text is needed.
        results = [made.extracted for made in _graded(Item(row["text"], "0") for row, _ in candidates)]
        grades = _graded(Item(other["text"], gold) for (_, other), gold in zip(candidates, results, strict=True))
        fits, has_result = [made.verdict is True for made in grades], [made.extracted is not None for made in grades]
    else:
        longs = _graded(Item(row["text"], row["answer"]) for row, _ in candidates)
        shorts = _graded(Item(other["text"], row["answer"]) for row, other in candidates)
        fits = [a.verdict is True and b.verdict is True for a, b in zip(longs, shorts, strict=True)]
        has_result = [made.extracted is not None for made in shorts]
    pairs, extra, taken = [], [], set()
    for (row, other), fit, result in zip(candidates, fits, has_result, strict=True):
        pair = _pair(row["question_id"], row["question_id"], row, "text", other, "text")
        if fit and row["question_id"] not in taken:
            taken.add(row["question_id"])
            pairs.append(pair)
        elif result:
            extra.append(pair)
    others = {pair["id"]: pair for pair in extra if pair["id"] not in taken}
    extra = sorted(others.values(), key=draw)[:format_only]
    kept, counts = _different([*pairs, *extra])
    return kept, {**counts, "format_only": len(extra), "filtered_out": len(long) - len(pairs) - len(extra)}


def length_gap(pairs: list[Row], lengths: Sequence[int], where: str, count: int) -> list[Row]:
    """`count` pairs by the gap of their answers' lengths (ThinkPO, section 4: 1,000 short, middle or long gaps).

    Args:
        pairs: the pairs.
        lengths: chosen minus rejected length of each, in tokens.
        where: `short`, `middle` or `long`: from the bottom, the middle or the top of the order by gap.
        count: number of pairs.
    """
    ordered = [
        pair for _, _, pair in sorted(zip(lengths, (p["id"] for p in pairs), pairs, strict=True), key=_first_two)
    ]
    first = {"short": 0, "middle": max(0, (len(ordered) - count) // 2), "long": max(0, len(ordered) - count)}[where]
    return ordered[first : first + count]


def _first_two(item: tuple) -> tuple:
    return item[:2]


def _pair(name: Any, question_id: Any, chosen: Row, chosen_key: str, rejected: Row, rejected_key: str) -> Row:
    """A pair of two rows' texts, with the first row's question."""
    texts = {"chosen": chosen.unread(chosen_key), "rejected": rejected.unread(rejected_key)}
    question = {key: chosen.unread(key) for key in ASKED if key in chosen}
    return Row({"id": name, "question_id": question_id, **question, **texts})


def _graded(items: Iterable[Item]) -> list[Grade]:
    """The grades of items, of which at most one batch is in memory."""
    items, grades = iter(items), []
    while batch := list(itertools.islice(items, GRADED_TOGETHER)):
        grades += grade(batch)
    return grades


def _different(pairs: Iterable[Row]) -> tuple[list[Row], dict[str, int]]:
    """The pairs whose two texts differ, and the number of the others."""
    pairs = list(pairs)
    kept = [pair for pair in pairs if pair["chosen"].strip() != pair["rejected"].strip()]
    return kept, {"equal_texts": len(pairs) - len(kept)}
