"""Append-only journals, and the lock that keeps each state folder to one writer.

A journal holds what was generated or paid for, a JSON record a line, under a key made from its content. It is
flushed after each record, so a job that is killed at any instant loses at most the record in flight; its torn
line is dropped when the journal is opened again.
"""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from scripts.lib.jsonl import dumps

log = logging.getLogger(__name__)


@contextmanager
def held(folder: str | Path, poll_s: float = 5.0) -> Iterator[Path]:
    """Holds the state folder (made where missing) for this process, waiting for another holder to end.

    The lock belongs to the operating system: a holder that dies by any signal releases it. While it waits, each
    change of holder is logged with its pid and host.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / "owner"
    lock = FileLock(folder / "lock")
    announced = None
    while True:
        try:
            lock.acquire(timeout=0 if announced is None else poll_s)
            break
        except Timeout:
            holder = owner.read_text(encoding="utf-8").strip() if owner.exists() else "an unknown process"
            if holder != announced:
                log.warning("%s is held by %s: waiting until it ends (or end it)", folder, holder)
                announced = holder
    try:
        owner.write_text(f"pid {os.getpid()} on host {socket.gethostname()}\n", encoding="utf-8")
        yield folder
    finally:
        lock.release()


class Journal:
    """Records by key in one JSON Lines file; use it as a context manager while the state folder is held.

    `others` are journals of other writers: they are read, and written to by nobody here.

    >>> with held(state), Journal(state / "chunks.jsonl") as journal:
    ...     if key not in journal:
    ...         journal.add(key, {"rows": rows})
    """

    def __init__(self, path: str | Path, others: Iterable[str | Path] = ()) -> None:
        self.path = Path(path)
        self.others = [Path(other) for other in others]
        self._records: dict[str, Any] = {}

    def __enter__(self) -> "Journal":
        for other in self.others:
            with other.open("rb") as lines:
                self._read(lines)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab+")
        self._file.seek(0)
        self._file.truncate(self._read(self._file))
        return self

    def _read(self, lines: BinaryIO) -> int:
        """Takes in the records; returns the number of bytes before a torn last line."""
        end = 0
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                log.warning("%s, line %d is torn: dropped", lines.name, number)
                break
            end += len(line)
            try:
                record = json.loads(line)
                self._records[record["key"]] = record["value"]
            except (ValueError, TypeError, KeyError):
                log.warning("%s, line %d is not a record: passed over", lines.name, number)
        return end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def __getitem__(self, key: str) -> Any:
        return self._records[key]

    def __len__(self) -> int:
        return len(self._records)

    def add(self, key: str, value: Any) -> None:
        """Appends one record and gives it to the operating system at once."""
        self._file.write(dumps({"key": key, "value": value}).encode() + b"\n")
        self._file.flush()
        self._records[key] = value


class IndexedJournal:
    """Like `Journal`, but only the places of records are kept in memory: for text by the million, read where it lies.

    Args:
        path: the file that this process appends to (None: it only reads).
        others: files of other writers, read as they are now; one that is being written to may end in a torn line.
        seen: called with (file, value) of each record as the journals are read.
    """

    def __init__(
        self,
        path: str | Path | None,
        others: Iterable[str | Path] = (),
        seen: Callable[[Path, Any], None] = lambda file, value: None,
    ) -> None:
        self.writes = path is not None
        self.files = [*([Path(path)] if path is not None else []), *map(Path, others)]
        self._seen = seen
        # Key (16 hex digits, as a number) to file number and offset, in one number: 100,000 records take 15 MB.
        self._places: dict[int, int] = {}

    def __enter__(self) -> "IndexedJournal":
        if self.writes:
            self.files[0].parent.mkdir(parents=True, exist_ok=True)
            self.files[0].touch()
        self._open = [file.open("ab+" if self.writes and file == self.files[0] else "rb") for file in self.files]
        ends = [self._read(number) for number in range(len(self.files))]
        if self.writes:
            self._end = ends[0]
            self._open[0].truncate(self._end)
        return self

    def _read(self, number: int) -> int:
        """Takes in the places of a file's records; returns the number of bytes before a torn last line."""
        end = 0
        self._open[number].seek(0)
        for count, line in enumerate(self._open[number], 1):
            if not line.endswith(b"\n"):
                log.warning("%s, line %d is torn: dropped", self.files[number], count)
                break
            try:
                record = json.loads(line)
                self._places[int(record["key"], 16)] = number << 48 | end
                self._seen(self.files[number], record["value"])
            except (ValueError, TypeError, KeyError):
                log.warning("%s, line %d is not a record: passed over", self.files[number], count)
            end += len(line)
        return end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open:
            file.close()

    def __contains__(self, key: str) -> bool:
        return int(key, 16) in self._places

    def __getitem__(self, key: str) -> Any:
        place = self._places[int(key, 16)]
        file = self._open[place >> 48]
        file.seek(place & (1 << 48) - 1)
        return json.loads(file.readline())["value"]

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: str, value: Any) -> None:
        """Appends one record and gives it to the operating system at once."""
        line = dumps({"key": key, "value": value}).encode() + b"\n"
        self._open[0].write(line)
        self._open[0].flush()
        self._places[int(key, 16)] = self._end
        self._end += len(line)
