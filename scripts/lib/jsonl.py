"""JSON Lines files: strict reading, and writing that shows a whole file (or folder) or none."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class BadInput(ValueError):
    """An input file is not what it should be; the message names the file, the row and the way out."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it takes the place of `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """The same for a folder, which the block makes and fills."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def dumps(value: Any) -> str:
    """One line of JSON: sorted keys, no escapes for Unicode, the same text for the same value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2) + "\n")


def write_rows(path: str | Path, rows: Iterable[dict]) -> int:
    """Writes `rows` as JSON Lines, whole or not at all, and returns how many there were."""
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(dumps(row) + "\n")
            count += 1
    return count


def read_json(path: str | Path) -> Any:
    """The value in a JSON file.

    Raises:
        BadInput: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Check the path, or run the rule that makes it.") from None
    except ValueError as error:
        raise BadInput(f"{path}: not JSON ({error}). Delete it and run again.") from None


def read_rows(path: str | Path, required: Iterable[str] = (), unique: str | None = "id") -> list[dict]:
    """All rows of a JSON Lines file, in file order.

    Args:
        path: the file; it may be gzipped (`.gz`).
        required: keys that every row must have.
        unique: the key whose values must differ from row to row, or None.

    Raises:
        BadInput: no such file, a line that is not a JSON object, a missing key, or a repeated `unique` value.
    """
    rows: list[dict] = []
    seen: dict[str, int] = {}
    for number, row in _numbered(Path(path), required):
        if unique and unique in row:
            value = dumps(row[unique])
            if value in seen:
                raise BadInput(
                    f"{path}, line {number}: {unique} {row[unique]!r} is also on line {seen[value]}. "
                    f"Give each row an {unique} of its own."
                )
            seen[value] = number
        rows.append(row)
    return rows


def each_row(path: str | Path, required: Iterable[str] = ()) -> Iterator[dict]:
    """The rows of a JSON Lines file one by one, in file order: for files that need not fit into memory.

    Raises:
        BadInput: as `read_rows`, as soon as the reading comes to it; repeated ids are not looked for.
    """
    for _, row in _numbered(Path(path), required):
        yield row


def _numbered(path: Path, required: Iterable[str]) -> Iterator[tuple[int, dict]]:
    """(line number, row) of each line that is not blank."""
    import gzip
    import zlib

    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                place = f"{path}, line {number}"
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise BadInput(
                        f"{place}: not a JSON object ({error}). The line may be torn: mend or delete it."
                    ) from None
                if not isinstance(row, dict):
                    raise BadInput(f"{place}: a {type(row).__name__}, not a JSON object. Write one object a line.")
                missing = [key for key in required if key not in row]
                if missing:
                    raise BadInput(f"{place}: no {', '.join(missing)} (there are: {', '.join(sorted(row))}).")
                yield number, row
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Check the path, or run the rule that makes it.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text ({error}). Convert the file to UTF-8.") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadInput(f"{path}: not a gzip file, or torn ({error}). Rename it or compress it again.") from None


def content_key(*parts: Any) -> str:
    """A hex digest (16 characters) that is the same for the same values, whatever the order of their keys."""
    return hashlib.sha256(dumps(parts).encode()).hexdigest()[:16]


def file_hash(path: str | Path) -> str:
    """The sha256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
