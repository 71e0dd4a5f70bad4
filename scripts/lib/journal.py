"""Append-only journals, and the lock that keeps each state folder to one writer.

A journal holds what was generated or paid for, a JSON record a line, under a key made from its content. A chunk is on
disk before the next one is generated, a paid answer within half a second: a job that is killed at any moment, or loses
power, loses no more. A cut-off line at the end is dropped when the journal is opened again.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from scripts.lib.jsonl import BadInput, disk_full, dumps, make_folder, sync_folder, writing
from scripts.lib.record_index import RecordIndex, Tally

log = logging.getLogger(__name__)
# Seconds between two syncs of a journal that gets many answers per second: one sync covers them all.
GROUP_S = 0.3


@contextmanager
def held(folder: str | Path, poll_s: float = 5.0) -> Iterator[Path]:
    """Holds the state folder (made if missing) for this process, waiting for another holder to end.

    The lock belongs to the operating system: a holder that dies by any signal, or with its host, releases it. While
    this waits, each change of holder is logged with its pid and host.

    Raises:
        BadInput: the folder's file system does not support locks.
        DiskFull: the folder cannot be written to.
    """
    with writing(folder):
        folder = make_folder(folder)
    owner = folder / "owner"
    # No fallback to a soft lock: its marker file would outlive a host that dies.
    lock = FileLock(folder / "lock", fallback_to_soft=False)
    announced = None
    while not _acquired(lock, 0 if announced is None else poll_s):
        holder = _owner(owner) or "an unknown process"
        if holder != announced:
            log.warning("%s is in use by %s: waiting for it to end (or stop it)", folder, holder)
            announced = holder
    me = f"pid {os.getpid()} on host {socket.gethostname()}"
    try:
        _warn_of_other_host(folder, _owner(owner))
        with writing(folder):
            owner.write_text(f"{me}\n", encoding="utf-8")
        yield folder
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _acquired(lock: FileLock, timeout: float) -> bool:
    """Whether the lock was acquired within `timeout` seconds.

    Raises:
        BadInput: locks are not supported here.
    """
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        folder = Path(lock.lock_file).parent
        raise disk_full(error, folder / "lock") or BadInput(
            f"{folder}: its file system refuses locks (flock: {error}), so that two jobs could pay for the same rows. "
            "Mount it with locks (Lustre: -o flock; NFS: version 4), or make `state` a link to a folder on a file "
            "system that has them, seen by all nodes."
        ) from None
    return True


def _owner(file: Path) -> str:
    """The process that holds a folder, or held it when it died."""
    return file.read_text(encoding="utf-8").strip() if file.exists() else ""


def _warn_of_other_host(folder: Path, owner: str) -> None:
    """Warns of a holder on another host that did not release the lock: it is only ours if the hosts share locks."""
    host = owner.rpartition(" ")[2]
    if host and host != socket.gethostname():
        log.warning(
            "%s was in use by %s, which did not release it. If that is still running, the hosts do not share locks "
            "(mount options localflock, local_lock): stop one of the two",
            *(folder, owner),
        )


class _Tail:
    """Appends to a file and syncs its bytes to the disk.

    Args:
        path: the file; it is made if it is missing.
        end: the end of its last complete line; the rest is truncated.
        group_s: seconds between two syncs by a separate thread; 0 syncs each line before `add` returns.
    """

    def __init__(self, path: Path, end: int, group_s: float = 0.0) -> None:
        self.path, self.end, self.group_s = path, end, group_s
        self._fault: OSError | None = None
        self._unsynced = False
        self._closed = threading.Event()
        with writing(path):
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.ftruncate(self._handle, end)
            sync_folder(path.parent)
        self._thread = threading.Thread(target=self._sync_now_and_then, daemon=True) if group_s else None
        if self._thread:
            self._thread.start()

    def add(self, line: bytes) -> int:
        """Appends a line and returns its offset.

        Raises:
            DiskFull: the line could not be written, not even in part, so `add` may be called again with it.
        """
        with writing(self.path):
            if self._fault:
                raise self._fault
            try:
                self._write(line)
            except OSError:
                os.ftruncate(self._handle, self.end)
                raise
        begin, self.end = self.end, self.end + len(line)
        return begin

    def _write(self, line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[os.write(self._handle, left) :]
        if self.group_s:
            self._unsynced = True
        else:
            os.fsync(self._handle)

    def _sync_now_and_then(self) -> None:
        pause = self.group_s
        while not self._closed.wait(pause) and not self._fault:
            start = time.monotonic()
            self._sync()
            pause = max(0.0, self.group_s - (time.monotonic() - start))

    def _sync(self) -> None:
        if not self._unsynced:
            return
        self._unsynced = False  # before the sync: a line added during it waits for the next one
        try:
            os.fsync(self._handle)
        except OSError as error:
            self._fault = error  # permanently: data that the system has dropped cannot be synced again

    def close(self, error: BaseException | None) -> None:
        """Syncs the remaining lines; `error` is what ends the job, and takes precedence.

        Raises:
            DiskFull: they could not be synced.
        """
        self._closed.set()
        if self._thread:
            self._thread.join()
        self._sync()
        os.close(self._handle)
        if self._fault and error:
            log.error("%s", disk_full(self._fault, self.path) or self._fault)
        elif self._fault:
            with writing(self.path):
                raise self._fault


class Journal:
    """Records by key in one JSON Lines file; use it as a context manager while the state folder is held.

    `others` are journals of other writers, which are only read.

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
        with writing(self.path):
            make_folder(self.path.parent)
        end = 0
        if self.path.exists():
            with self.path.open("rb") as lines:
                end = self._read(lines)
        self._tail = _Tail(self.path, end)
        return self

    def _read(self, lines: BinaryIO) -> int:
        """Loads the records; returns the number of bytes before an incomplete last line."""
        end = 0
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                log.warning("%s, line %d is cut off: dropped", lines.name, number)
                break
            end += len(line)
            try:
                record = json.loads(line)
                self._records[record["key"]] = record["value"]
            except (ValueError, TypeError, KeyError):
                log.warning("%s, line %d is not a record: skipped", lines.name, number)
        return end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tail.close(error)

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def __getitem__(self, key: str) -> Any:
        return self._records[key]

    def __len__(self) -> int:
        return len(self._records)

    def add(self, key: str, value: Any) -> None:
        """Appends one record and syncs it to the disk.

        Raises:
            DiskFull: it could not be written; the caller may retry.
        """
        self._tail.add(dumps({"key": key, "value": value}).encode() + b"\n")
        self._records[key] = value


class IndexedJournal:
    """Like `Journal`, but with only offsets in memory, for millions of texts that are read on access.

    Args:
        path: the file that this process appends to (None: it only reads).
        others: files of other writers, read as they are now; one that is being written may end in an incomplete line.
        tally: called with (sums, value) of each record, to add it to the sums of its file: a dict that JSON can hold.
    """

    def __init__(self, path: str | Path | None, others: Iterable[str | Path] = (), tally: Tally | None = None) -> None:
        self.writes = path is not None
        self.files = [*([Path(path)] if path is not None else []), *map(Path, others)]
        self._tally = tally

    def __enter__(self) -> "IndexedJournal":
        if self.writes:
            with writing(self.files[0]):
                make_folder(self.files[0].parent)
                self.files[0].touch()
        self._indexes = [
            RecordIndex(file, self._tally, kept=self.writes and not number) for number, file in enumerate(self.files)
        ]
        if self.writes:
            self._tail = _Tail(self.files[0], self._indexes[0].end, GROUP_S)
        return self

    def sums(self) -> Iterator[tuple[Path, dict]]:
        """What `tally` made of each file's records."""
        for index in self._indexes:
            yield index.file, index.sums

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for index in self._indexes:
            index.close()
        if self.writes:
            self._tail.close(error)

    def __contains__(self, key: str) -> bool:
        number = int(key, 16)
        return any(index.has(number) for index in self._indexes)

    def __getitem__(self, key: str) -> Any:
        number = int(key, 16)
        for index in reversed(self._indexes):  # the file that is named last counts
            if record := index.record(number):
                return record["value"]
        raise KeyError(key)

    def __len__(self) -> int:
        return len(set().union(*self._indexes))

    def add(self, key: str, value: Any) -> None:
        """Appends one record, which is synced to the disk within half a second or when the journal is closed.

        Raises:
            DiskFull: it could not be written; the caller may retry.
        """
        begin = self._tail.add(dumps({"key": key, "value": value}).encode() + b"\n")
        self._indexes[0].add(int(key, 16), value, begin, self._tail.end)
