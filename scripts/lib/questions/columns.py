"""Where a field is in a row of a source: a column, a place inside it, or the text between two marks."""

import re
from collections.abc import Mapping
from typing import Any

_STEPS = re.compile(r"\[(-?\d+)\]|\.?([^.\[\]]+)")


def value_at(row: Mapping, place: str | Mapping) -> Any:
    """The value that `place` names in `row`.

    `messages[0].content` is the content of the first message; `{"column": "input", "after": "Solution:\\n"}` is the
    text after the mark.

    Raises:
        LookupError: the row has no such place, or its text lacks the mark.
    """
    path = place if isinstance(place, str) else place["column"]
    value: Any = row
    for index, key in [("", path)] if path in row else _STEPS.findall(path):
        try:
            value = value[int(index)] if index else value[key]
        except (LookupError, TypeError):
            raise LookupError(path) from None
    if isinstance(place, str):
        return value
    for key in ("after", "before"):
        if key in place:
            head, mark, tail = str(value).partition(place[key])
            if not mark:
                raise LookupError(f"{path} with {place[key]!r} in it")
            value = (tail if key == "after" else head).strip()
    return value
