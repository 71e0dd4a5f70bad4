"""Responses whose verdict is known: a benchmark of kind `critique` shows them and asks for the verdict.

{"id": "gcd-000007#2", "question": "…", "response": "…", "answer": "wrong", "first_wrong_step": 3 or absent}

They are a study's own graded responses, or rows that people labelled, such as those of MR-GSM8K and BIG-Bench-Mistake.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.lib.jsonl import BadInput, read_rows

LABELS = {
    **dict.fromkeys(("right", "correct", "true", "yes", "1"), "right"),
    **dict.fromkeys(("wrong", "incorrect", "false", "no", "0"), "wrong"),
}
NO_STEP = ("", "n/a", "na", "none", "null", "nan", "-1")  # how datasets say that no step is wrong
_NUMBERED = re.compile(r"\W*step\s+\d", re.IGNORECASE)


def of_responses(path: str, noted: Counter) -> Iterator[dict]:
    """The graded responses in a file, ordered by question and sample, with the grade as the label.

    Responses without a grade and empty responses are skipped and counted in `noted`.
    """
    for row in read_rows(path, required=("id", "question", "response", "correct")):
        if row["correct"] is None:
            noted["without_a_grade"] += 1
        elif not row["response"].strip():
            noted["empty_response"] += 1
        else:
            label = "right" if row["correct"] else "wrong"
            yield {"id": row["id"], "question": row["question"], "response": row["response"], "answer": label}


def labelled(row: Mapping[str, Any], steps_from: int, place: str) -> dict[str, Any]:
    """A human-labelled row: `response` as text, the label as `answer`, and `first_wrong_step` counted from 1.

    A row without a label counts as wrong if it has a first wrong step.

    Args:
        row: response (a text, or a list of steps), label and first_wrong_step as in the dataset.
        steps_from: the number of the dataset's first step, 0 or 1.
        place: the row's name in error messages.

    Raises:
        BadInput: a label or a step cannot be read.
    """
    step = _step(row.get("first_wrong_step"), place)
    step = None if step is None else step + 1 - steps_from
    label = _label(row["label"], place) if "label" in row else "right" if step is None else "wrong"
    made = {"response": _text(row["response"]), "answer": label}
    return made if step is None else {**made, "first_wrong_step": step}


def _label(value: object, place: str) -> str:
    word = str(value).strip().lower()
    if word not in LABELS:
        known = ", ".join(LABELS)
        raise BadInput(f"{place}: the label is {value!r}, not one of {known}. Correct fields.label or the row.")
    return LABELS[word]


def _step(value: object, place: str) -> int | None:
    """The number in a column of steps, also if it is stored as 3.0 or "Step 3"."""
    text = str(value).strip().lower()
    if text in NO_STEP:
        return None
    number = re.fullmatch(r"(?:step\s*)?(\d+)(?:\.0)?", text)
    if not number:
        raise BadInput(f"{place}: the first wrong step is {value!r}, not a number. Correct fields.first_wrong_step.")
    return int(number[1])


def _text(response: object) -> str:
    """A response as one text; the steps of a list are numbered unless they already are."""
    if isinstance(response, str) and response.lstrip().startswith("["):
        response = _from_table(response)
    if not isinstance(response, list):
        return str(response)
    numbered = all(_NUMBERED.match(str(step)) for step in response)
    return "\n".join(str(step) if numbered else f"Step {number}: {step}" for number, step in enumerate(response, 1))


def _from_table(text: str) -> str | list:
    """The list of steps that a table cell stores as a Python literal; other text is unchanged."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return found if isinstance(found, list) else text
