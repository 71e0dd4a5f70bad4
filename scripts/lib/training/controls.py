"""Which critique a row of CGD is shown: its own, or a control in its place.

none: no critique. other: that of a response to another question. without-answer: its own, with the final answer taken
out. The row's refined answer and all else stay as they are.
"""

import random
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import groupby

from scripts.lib.training.stored import Row

REMOVED = "[removed]"
SHOWN = ("own", "none", "other", "without-answer")

# A number on its own, with its sign unless it is a subtraction. The number of a step does not count.
_NUMBER = re.compile(
    r"(?<![\w.])(?<!step )(?:(?<![\d)\]}] )(?<![)\]}])[-−])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w)(?!\.\d)",
    re.IGNORECASE,
)
_MARKS = re.compile(r"^[\s$]+|[\s$.]+$")


def question_of(row: Mapping) -> str:
    """The key that rows of one question share: its id, or its text if the row is from a dataset."""
    return row["question_id"] if "question_id" in row else row["question"]


def shown(rows: list[Row], which: str, seed: int) -> list[Row]:
    """The rows with the critique that each one shows; `critique_unchanged` marks those that keep their own.

    Args:
        rows: with question, critique and, for `without-answer`, answer and extracted.
        which: one of SHOWN.
        seed: seed of the order in which `other` swaps critiques.
    """
    if which == "own":
        return rows
    given = {
        "none": lambda: (row | {"critique": ""} for row in rows),
        "other": lambda: of_other_questions(rows, seed),
        "without-answer": lambda: (row | {"critique": partial(without_answer, row)} for row in rows),
    }[which]()
    own = {row["id"]: row for row in rows}
    return [row | {"critique_unchanged": row["critique"] == own[row["id"]]["critique"]} for row in given]


def without_answer(row: Row) -> str:
    """The row's critique without the final answer."""
    return without(row["critique"], final_answers(row))


def of_other_questions(rows: list[Row], seed: int) -> Iterator[Row]:
    """Each row with another row's critique; each critique is used at most once, and rows that get none are dropped.

    The rows form a circle in which those of a question are adjacent; the seed draws the order of the questions.
    Each row takes the critique k places further, where k is the number of rows of the most frequent question. So it
    belongs to another question, unless a question has more than half of all rows.
    """
    circle = sorted(rows, key=lambda row: (_drawn(question_of(row), seed), question_of(row), row["id"]))
    most = max((len(list(group)) for _, group in groupby(circle, key=question_of)), default=0)
    for row, other in zip(circle, [*circle[most:], *circle[:most]], strict=True):
        if question_of(row) != question_of(other):
            yield row | {"critique": other.unread("critique")}


def _drawn(question: str, seed: int) -> float:
    return random.Random(f"other critique:{seed}:{question}").random()


def final_answers(row: Mapping) -> list[str]:
    """The reference answer, and a right response's own spelling of it."""
    own = [row["extracted"]] if row.get("correct") and row.get("extracted") else []
    return [answer for answer in ([row["answer"]] if row.get("answer") else []) + own if _bare(answer)]


def without(critique: str, answers: list[str]) -> str:
    """The critique with REMOVED in place of each of the answers, where it is not part of something longer.

    A number is found in all its spellings (1,250 for 1250.0), any other answer only as written. The derivation of the
    answer stays, and so does the verdict.

    >>> without("Step 5: 2 + 3 = 6 is wrong: 2 + 3 = 5. It should be 5.0, not 15 or -5.", ["5"])
    'Step 5: 2 + 3 = 6 is wrong: 2 + 3 = [removed]. It should be [removed], not 15 or -5.'
    """
    for answer in map(_bare, answers):
        critique = _without_text(critique, answer) if _value(answer) is None else _without_number(critique, answer)
    return critique


def _without_text(critique: str, answer: str) -> str:
    words = r"\s+".join(map(re.escape, answer.split()))
    return re.sub(rf"(?<!\w){words}(?!\w)", REMOVED, critique)


def _without_number(critique: str, answer: str) -> str:
    return _NUMBER.sub(lambda found: REMOVED if _value(found[0]) == _value(answer) else found[0], critique)


def _bare(answer: str) -> str:
    return _MARKS.sub("", answer)


def _value(text: str) -> Fraction | None:
    """The value of a plain number."""
    return Fraction(text.replace(",", "").replace("−", "-")) if _NUMBER.fullmatch(text) else None
