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
NO_STEP = ("", "n/a", "na", "none", "null", "nan", "-1")  # how sets say that no step is wrong
_NUMBERED = re.compile(r"\W*step\s+\d", re.IGNORECASE)


def of_responses(path: str, noted: Counter) -> Iterator[dict]:
    """The graded responses in a file with their grade as the label, by question and sample.

    Those without a grade, and empty ones, are left out and counted in `noted`.
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
    """`response` as text, the label as `answer`, and `first_wrong_step` counted from 1, of a row that people labelled.

    Without a label of its own, a row is wrong where it has a first wrong step.

    Args:
        row: response (a text, or a list of steps), label and first_wrong_step as the set has them.
        steps_from: what the set counts its steps from, 0 or 1.
        place: what an error message calls the row.

    Raises:
        BadInput: a label or a step that cannot be read.
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
    """The number in a column of steps; tables of numbers hold 3.0, and some sets say "Step 3"."""
    text = str(value).strip().lower()
    if text in NO_STEP:
        return None
    number = re.fullmatch(r"(?:step\s*)?(\d+)(?:\.0)?", text)
    if not number:
        raise BadInput(f"{place}: the first wrong step is {value!r}, not a number. Correct fields.first_wrong_step.")
    return int(number[1])


def _text(response: object) -> str:
    """A response as one text. Steps of a list get their numbers, unless they have them."""
    if isinstance(response, str) and response.lstrip().startswith("["):
        response = _from_table(response)
    if not isinstance(response, list):
        return str(response)
    numbered = all(_NUMBERED.match(str(step)) for step in response)
    return "\n".join(str(step) if numbered else f"Step {number}: {step}" for number, step in enumerate(response, 1))


def _from_table(text: str) -> str | list:
    """The list of steps that a table's cell holds as Python text; the text where it is none."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return found if isinstance(found, list) else text
