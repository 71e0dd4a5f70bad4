"""Rows whose texts stay in their files: what is chosen from may be larger than memory.

A `Row` holds what rows are chosen and ordered by (ids, verdicts, numbers), and of each text where it lies.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from scripts.lib.jsonl import dumps, no_rows, parsed, placed_lines, read_rows, repeated

SHORT = 64  # texts up to this many characters are kept in memory: ids, verdicts, answers
LINES = 4  # cached lines per file, since several texts of a row are read together


class Row(Mapping):
    """A row of a file, or one made from such rows. A value that is a function is called at each access.

    >>> Row({"id": "a", "text": lambda: "long"})["text"]
    'long'
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values: Mapping[str, Any] = values._values if isinstance(values, Row) else values

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        return value() if callable(value) else value

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __or__(self, more: Mapping[str, Any]) -> "Row":
        return Row({**self._values, **more})

    def unread(self, key: str) -> Any:
        """The stored value, to share it with another row without reading it."""
        return self._values[key]


class Text:
    """A value that is read from a file on access."""

    __slots__ = ("begin", "key", "line_at", "place")

    def __init__(self, line_at: Callable[[int, int], dict], place: int, begin: int, key: str) -> None:
        self.line_at, self.place, self.begin, self.key = line_at, place, begin, key

    def __call__(self) -> Any:
        return self.line_at(self.place, self.begin)[self.key]


def read(path: str | Path, required: Iterable[str] = ()) -> list[Row]:
    """All rows of a JSON Lines file, in file order, without their texts.

    Args:
        path: the file. It must not change while the rows are in use.
        required: keys that every row must have.

    Returns:
        The rows; those of a gzipped file keep their texts in memory.

    Raises:
        BadInput: as `jsonl.read_rows`, and if two rows have the same id.
    """
    path = Path(path)
    if path.suffix == ".gz":  # not seekable
        return [Row(row) for row in read_rows(path, required)]
    line_at = lines_at(path)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for place, begin, line in placed_lines(path):
        row = parsed(path, place, line, required)
        if "id" in row:
            name = dumps(row["id"])
            if name in seen:
                raise repeated(path, place, "id", name, seen[name])
            seen[name] = place
        rows.append(Row({sys.intern(key): _held(value, line_at, place, begin, key) for key, value in row.items()}))
    if not rows:
        raise no_rows(path)
    return rows


def lines_at(path: Path) -> Callable[[int, int], dict]:
    """A function that reads a row by the number of its line and the offset at which the line starts."""

    @lru_cache(maxsize=LINES)
    def line_at(place: int, begin: int) -> dict:
        with path.open("rb") as file:
            file.seek(begin)
            return parsed(path, place, file.readline().decode().removeprefix("\ufeff"))

    return line_at


def _held(value: Any, line_at: Callable[[int, int], dict], place: int, begin: int, key: str) -> Any:
    """A value as it is stored in a row."""
    short = value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= SHORT)
    return value if short else Text(line_at, place, begin, sys.intern(key))
