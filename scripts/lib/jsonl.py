"""JSON Lines files: strict reading, and writing that shows a whole file (or folder) or none.

What is written here is on the disk before its name counts: the data is synced, then renamed, then the folder is
synced. So a finished job has its outputs, whenever the power or the node fails.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

DAY_S = 86_400.0
# Reasons why a file cannot be written, and what to do.
UNWRITABLE = {
    errno.ENOSPC: ("the disk is full", "Make room there"),
    errno.EDQUOT: ("the quota is used up", "Delete files there, or ask for a larger quota"),
    errno.EFBIG: ("the file would be larger than is allowed", "Raise the limit (`ulimit -f` shows it)"),
    errno.EROFS: ("the file system is read-only", "Mount it for writing, or work in another folder"),
    errno.EACCES: ("you may not write there", "Change its permissions, or work in another folder"),
}
# Some file systems can sync files but not folders.
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


class BadInput(ValueError):
    """An input file is invalid; the message names the file, the row and the fix."""


class DiskFull(BadInput):
    """A file cannot be written: full disk, quota, size limit, or no permission. The old file is kept."""

    problem, way_out = UNWRITABLE[errno.ENOSPC]


def disk_full(error: BaseException | None, path: str | Path) -> DiskFull | None:
    """A `DiskFull` if an error, or one of its causes, says that `path` cannot be written; else None."""
    while error is not None:
        found = _unwritable(error, Path(path))
        if found:
            problem, way_out = found
            refusal = DiskFull(
                f"{path}: it cannot be written: {problem}. {way_out}, then run the same command again: what was "
                "written before is kept."
            )
            refusal.problem, refusal.way_out = problem, way_out
            return refusal
        error = error.__cause__ or error.__context__
    return None


def _unwritable(error: BaseException, path: Path) -> tuple[str, str] | None:
    """An error about `path` as an entry of UNWRITABLE; some libraries only say it in the message."""
    if isinstance(error, OSError):
        # An input without read permission is a different error.
        foreign = error.filename is not None and not str(error.filename).startswith(str(path.parent))
        return None if foreign and error.errno == errno.EACCES else UNWRITABLE.get(error.errno or 0)
    if found := re.search(r"\(os error (\d+)\)", str(error)):  # libraries in Rust
        return UNWRITABLE.get(int(found[1]))
    if "database or disk is full" in str(error):  # SQLite
        return UNWRITABLE[errno.ENOSPC]
    if isinstance(error, RuntimeError) and re.search("inline_container|iostream error", str(error)):  # torch.save
        return "the disk is full, or a quota or a limit on the size of files is reached", "Make room there"
    return None


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Converts errors of the block, if `path` cannot be written, to one line that says what to do.

    Raises:
        DiskFull: instead of the error.
    """
    try:
        yield
    except Exception as error:
        refusal = None if isinstance(error, BadInput) else disk_full(error, path)
        if refusal is None:
            raise
        raise refusal from None


def sync_file(path: str | Path) -> None:
    """Waits until a file's bytes are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: str | Path) -> None:
    """Waits until the names in a folder are on the disk."""
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def sync_tree(path: str | Path, since: float = 0.0) -> None:
    """Waits until a folder is on the disk, with all files in it that were written after `since` (as time.time())."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            file = os.path.join(folder, name)
            if not os.path.islink(file):
                with suppress(FileNotFoundError):  # a temporary file of another process in the same folder
                    if not since or os.stat(file).st_mtime >= since:
                        sync_file(file)
        sync_folder(folder)


def make_folder(path: str | Path) -> Path:
    """Makes a folder and its parents, if they are missing, and syncs their names to the disk."""
    path = Path(path)
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
    path.mkdir(exist_ok=True)  # raises if it is a file
    return path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it replaces `path` if the block ends without an error.

    Raises:
        DiskFull: it cannot be written.
    """
    path = Path(path)
    with writing(path):
        make_folder(path.parent)
        temporary = _temporary(path)
        try:
            yield temporary
            sync_file(temporary)
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """The same for a folder, which the block makes and fills."""
    path = Path(path)
    with writing(path):
        make_folder(path.parent)
        temporary = _temporary(path)
        before = temporary.with_suffix(".old.tmp")
        try:
            yield temporary
            sync_tree(temporary)
            if path.exists():
                os.replace(path, before)  # atomically: a folder that is being removed is neither complete nor gone
            os.replace(temporary, path)
            sync_folder(path.parent)
        finally:
            for folder in (temporary, before):
                shutil.rmtree(folder, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """The path of this process's temporary sibling, not yet made; leftovers of ended processes are removed."""
    host = socket.gethostname()
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(?P<pid>\d+)(?:@(?P<host>.+?))?(?:\.old)?\.tmp")
    for entry in os.scandir(path.parent):
        found = pattern.fullmatch(entry.name)
        if found and not _in_use(entry, int(found["pid"]), found["host"] in (None, host)):
            _remove(Path(entry.path))
    return path.with_name(f".{path.name}.{os.getpid()}@{host}.tmp")


def _in_use(entry: os.DirEntry, pid: int, here: bool) -> bool:
    """Whether the process that started a temporary file may still be writing it.

    A process on another host cannot be checked: it counts as ended a day after its last write.
    """
    import psutil

    try:
        changed = entry.stat(follow_symlinks=False).st_mtime
        if not here:
            return time.time() - changed < DAY_S
        # A process that started later has merely reused the pid.
        return pid != os.getpid() and psutil.Process(pid).create_time() <= changed + 1
    except (FileNotFoundError, psutil.Error):
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def dumps(value: Any) -> str:
    """One line of JSON: sorted keys, no Unicode escapes; equal values give equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2) + "\n")


def write_rows(path: str | Path, rows: Iterable[dict]) -> int:
    """Writes `rows` as JSON Lines, atomically, and returns their number.

    Without rows it writes one empty line: an empty file is never complete, and its reader rejects it.
    """
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(dumps(row) + "\n")
            count += 1
        if not count:
            out.write("\n")
    return count


def append_line(path: str | Path, text: str) -> None:
    """Appends a line to a file (made if missing) and syncs it to the disk.

    Raises:
        DiskFull: it cannot be written.
    """
    path = Path(path)
    with writing(path):
        before = path.stat().st_size if path.exists() else None
        try:
            with path.open("ab") as file:
                file.write(text.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if path.exists():
                os.truncate(path, before or 0)  # half a line would corrupt the next one
            raise
        if before is None:
            sync_folder(path.parent)


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


class AsWritten(float):
    """A number with a fraction or an exponent that keeps its original text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def read_rows(
    path: str | Path,
    required: Iterable[str] = (),
    unique: str | None = "id",
    may_be_empty: bool = False,
    number: Callable[[str], float] = float,
    mended: Counter | None = None,
) -> list[dict]:
    """All rows of a JSON Lines file, in file order.

    Args:
        path: the file; it may be gzipped (`.gz`) and may begin with a byte order mark.
        required: keys that every row must have.
        unique: the key whose values must be unique, or None.
        may_be_empty: whether a file may have no rows, as for a shard beyond the last chunk (an empty file never may).
        number: converts the text of a number with a fraction or an exponent; `AsWritten` keeps the text.
        mended: counts replaced characters: `lone_surrogates`, which UTF-8 cannot encode. They become
            U+FFFD in the rows.

    Raises:
        BadInput: no such file, no rows, a line that is not a JSON object (NaN and Infinity are not JSON), a missing
            key, or a repeated `unique` value.
    """
    rows: list[dict] = []
    seen: dict[str, int] = {}
    for line, row in _some(Path(path), may_be_empty, _numbered(Path(path), required, number, mended)):
        if unique and unique in row:
            value = dumps(row[unique])
            if value in seen:
                raise repeated(path, line, unique, value, seen[value])
            seen[value] = line
        rows.append(row)
    return rows


def each_row(path: str | Path, required: Iterable[str] = (), may_be_empty: bool = False) -> Iterator[dict]:
    """The rows of a JSON Lines file one by one, in file order, for files that may not fit into memory.

    Raises:
        BadInput: as `read_rows`, when the row is reached; repeated ids are not checked.
    """
    for _, row in _some(Path(path), may_be_empty, _numbered(Path(path), required)):
        yield row


def _some(path: Path, may_be_empty: bool, numbered: Iterable[tuple[int, dict]]) -> Iterator[tuple[int, dict]]:
    """The rows of `_numbered`; none is an error, unless the file may be without rows and is not empty."""
    last = 0
    for last, row in numbered:
        yield last, row
    if not last and not (may_be_empty and path.stat().st_size):
        raise no_rows(path)


def no_rows(path: str | Path) -> BadInput:
    """The error for a file without rows."""
    return BadInput(
        f"{path}: it has no rows, but must have some. If a rule made it, a disk may have lost its end (power, a lost "
        "node): delete the file and run the same command again."
    )


def repeated(path: str | Path, line: int, key: str, value: str, before: int) -> BadInput:
    """The error for a row that repeats the value (as JSON) of an earlier row."""
    return BadInput(
        f"{path}, line {line}: {key} {json.loads(value)!r} is also on line {before}. Give each row its own {key}."
    )


def _numbered(
    path: Path,
    required: Iterable[str],
    number: Callable[[str], float] = float,
    mended: Counter | None = None,
) -> Iterator[tuple[int, dict]]:
    """(line number, row) of each line that is not blank."""
    for place, line in lines_of(path):
        yield place, parsed(path, place, line, required, number, mended)


def parsed(
    path: str | Path,
    place: int,
    line: str,
    required: Iterable[str] = (),
    number: Callable[[str], float] = float,
    mended: Counter | None = None,
) -> dict:
    """The row in a line of a JSON Lines file; further arguments and errors as for `read_rows`.

    Args:
        path: the file, for messages.
        place: the line number, for messages.
        line: its text.
    """
    try:
        row = json.loads(line, parse_float=number, parse_constant=_refused)
    except _NoNumber as error:
        raise BadInput(f"{path}, line {place}: {error}, which JSON does not have. Write a number or null.") from None
    except ValueError as error:
        raise BadInput(
            f"{path}, line {place}: not a JSON object ({error}). The line may be cut off: fix or delete it."
        ) from None
    if not isinstance(row, dict):
        raise BadInput(f"{path}, line {place}: a {type(row).__name__}, not a JSON object. Write one object a line.")
    if _SURROGATE.search(line):
        row = without_lone_surrogates(row, Counter() if mended is None else mended)
    missing = [key for key in required if key not in row]
    if missing:
        raise BadInput(f"{path}, line {place}: no {', '.join(missing)} (there are: {', '.join(sorted(row))}).")
    return row


def lines_of(path: str | Path) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line that is not blank, without byte order marks; the file may be gzipped."""
    import gzip

    path = Path(path)
    with _reading(path), (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for place, line in enumerate(lines, 1):
            line = line.removeprefix("\ufeff")
            if line.strip():
                yield place, line


def placed_lines(path: str | Path) -> Iterator[tuple[int, int, str]]:
    """(line number, byte at which it begins, text) of each line that is not blank; the file is not gzipped."""
    path = Path(path)
    begin = 0
    with _reading(path), path.open("rb") as lines:
        for place, raw in enumerate(lines, 1):
            line = raw.decode().removeprefix("\ufeff")
            if line.strip():
                yield place, begin, line
            begin += len(raw)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Converts errors of the block, if `path` cannot be read, to one line that says what to do."""
    import gzip
    import zlib

    try:
        yield
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file. Check the path, or run the rule that makes it.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text ({error}). Convert the file to UTF-8.") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadInput(f"{path}: not a gzip file, or cut off ({error}). Rename it or compress it again.") from None


class _NoNumber(ValueError):
    """A word that Python's JSON parser accepts as a number, but JSON does not allow."""


def _refused(word: str) -> None:
    raise _NoNumber(word)


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")  # the parser has already joined escaped pairs


def without_lone_surrogates(value: Any, count: Counter) -> Any:
    """The value with U+FFFD for each lone surrogate in its texts, added up in `count` under `lone_surrogates`."""
    if isinstance(value, str):
        text, found = _LONE.subn("\ufffd", value)
        count["lone_surrogates"] += found
        return text
    if isinstance(value, list):
        return [without_lone_surrogates(item, count) for item in value]
    if isinstance(value, dict):
        pairs = value.items()
        return {without_lone_surrogates(key, count): without_lone_surrogates(item, count) for key, item in pairs}
    return value


def content_key(*parts: Any) -> str:
    """A hex digest (16 characters) of values; the order of keys does not matter."""
    return hashlib.sha256(dumps(parts).encode()).hexdigest()[:16]


def file_hash(path: str | Path) -> str:
    """The sha256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
