"""Where the records of a long journal are, by key, so that opening it does not mean reading it.

The writer of `answers.jsonl` keeps `answers.index` beside it: what a reading of its first lines gave. A journal of few
records has none. It is a copy of what the journal says and never more: it is used only if its own checksum and both
ends of the lines that it covers are right, each record that it points to is read before it counts, and whatever does
not fit is told and leads to a reading of the whole journal. It may be deleted at any time.
"""

import hashlib
import json
import logging
import os
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from scripts.lib.jsonl import DiskFull, dumps, replacing

log = logging.getLogger(__name__)
VERSION = 1  # raise by hand when the file, or the sums of a tally in it, change
# Records that are kept in a dict until they are sorted in and the index file is written: so many, or this share.
FEW = 65_536
SHARE = 1 / 16
MANY = 1_048_576  # records that are sorted in at once where a journal is read: they wait in 16 bytes each
EDGE = 65_536  # bytes at either end of the covered lines that must be those that were read
NOT_RECORDS = (ValueError, TypeError, KeyError, OverflowError)
Tally = Callable[[dict, Any], None]


class RecordIndex:
    """The places of the records of one journal file; 16 bytes a record, the newest ones more.

    Args:
        file: the journal, which is there.
        tally: called with (sums, value) of each record, to add it to the file's sums: a dict that JSON can hold.
        kept: whether the index file is written; only the writer of the journal may do that.

    Attributes:
        end: where the last whole line ends.
        sums: what `tally` made of the records.
    """

    def __init__(self, file: Path, tally: Tally | None = None, kept: bool = False) -> None:
        self.file, self.kept = file, kept
        self._tally = tally
        self._index = file.with_suffix(".index")
        self._lines = file.open("rb")
        self._clear()
        self._load()
        self._read()

    def _clear(self) -> None:
        self._keys = self._places = memoryview(b"").cast("Q")
        self._recent: dict[int, int] = {}
        self.end = self._count = 0
        self._skipped: list[int] = []
        self.sums: dict = {}

    def close(self) -> None:
        """Closes the journal."""
        self._lines.close()

    # --- the journal --------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Takes in the lines from `end` on."""
        keys, places = array("Q"), array("Q")
        self._lines.seek(self.end)
        for line in self._lines:
            if not line.endswith(b"\n"):
                log.warning("%s, line %d is cut off: dropped", self.file, self._count + 1)
                break
            self._count += 1
            try:
                record = json.loads(line)
                value = record["value"]
                keys.append(int(record["key"], 16))
                places.append(self.end)
                self._add_up(value)
            except NOT_RECORDS:
                self._skipped.append(self._count)
                log.warning("%s, line %d is not a record: skipped", self.file, self._count)
            self.end += len(line)
            if len(keys) == MANY:
                self._sort_in(keys, places)
                keys, places = array("Q"), array("Q")
        if len(keys) < FEW:
            self._recent = dict(zip(keys, places, strict=True))
        else:
            self._sort_in(keys, places)

    def _add_up(self, value: Any) -> None:
        if self._tally:
            self._tally(self.sums, value)

    def _tell_misfit(self) -> None:
        log.warning("%s does not fit %s: the journal is read as a whole", self._index, self.file)

    def record(self, key: int) -> dict | None:
        """The record of a key, read from the journal; None where there is none."""
        place = self._place(key)
        if place is None:
            return None
        record = self._record_at(place, key)
        if record is None:
            self._tell_misfit()
            self._clear()
            self._read()
            place = self._place(key)
            record = None if place is None else self._record_at(place, key)
        return record

    def has(self, key: int) -> bool:
        """Whether the journal has a record of a key."""
        return key in self._recent or self.record(key) is not None

    def _place(self, key: int) -> int | None:
        if key in self._recent:
            return self._recent[key]
        at = bisect_right(self._keys, key) - 1  # of several records of a key the last one counts
        return self._places[at] if at >= 0 and self._keys[at] == key else None

    def _record_at(self, place: int, key: int) -> dict | None:
        """The record at a place; None where it is not that of the key."""
        self._lines.seek(place)
        try:
            record = json.loads(self._lines.readline())
            return record if int(record["key"], 16) == key and "value" in record else None
        except NOT_RECORDS:
            return None

    def __iter__(self) -> Iterator[int]:
        """The keys; that of several records may come several times."""
        yield from self._keys
        yield from self._recent

    def add(self, key: int, value: Any, begin: int, end: int) -> None:
        """Takes in a record that was appended to the journal."""
        self._recent[key] = begin
        self.end, self._count = end, self._count + 1
        self._add_up(value)
        if len(self._recent) >= max(FEW, SHARE * len(self._keys)):
            recent, self._recent = self._recent, {}
            self._sort_in(array("Q", recent), array("Q", recent.values()))

    def _sort_in(self, keys: array, places: array) -> None:
        """Sorts records in behind those before, in as little memory as it takes, and writes the index file."""
        import numpy

        order = numpy.argsort(numpy.frombuffer(keys, "u8"), kind="stable")
        new = numpy.frombuffer(keys, "u8")[order]
        where = numpy.searchsorted(numpy.asarray(self._keys), new, side="right")
        self._keys = _merged(self._keys, where, new)
        self._places = _merged(self._places, where, numpy.frombuffer(places, "u8")[order])
        if self.kept:
            self._write()

    # --- the index file -----------------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Writes the index file; where that fails, the next opening reads more."""
        header = {
            "version": VERSION,
            "end": self.end,
            "lines": self._count,
            "ends": _ends(self._lines, self.end),
            "skipped": self._skipped,
            "sums": self.sums if self._tally else None,
            "records": len(self._keys),
        }
        parts = (dumps(header).encode() + b"\n", self._keys, self._places)
        try:
            with replacing(self._index) as temporary, temporary.open("wb") as out:
                out.writelines((*parts, _checksum(parts)))
        except (DiskFull, OSError) as error:
            log.warning("%s could not be written: %s", self._index, error)

    def _load(self) -> None:
        """Takes in the index file where there is one that fits."""
        try:
            with self._index.open("rb") as file:
                fits = self._take(file)
        except FileNotFoundError:
            return
        except (OSError, *NOT_RECORDS):
            fits = False
        if not fits:
            self._clear()
            self._tell_misfit()
            if self.kept:
                self._index.unlink(missing_ok=True)

    def _take(self, file: BinaryIO) -> bool:
        """Takes in an index file; whether it is whole and fits the journal."""
        line = file.readline()
        header = json.loads(line)
        if header["version"] != VERSION or header["ends"] != _ends(self._lines, header["end"]):
            return False
        if self._tally and header["sums"] is None:
            return False
        parts = (line, *(file.read(8 * header["records"]) for _ in range(2)))
        if file.read() != _checksum(parts):
            return False
        self._keys, self._places = (memoryview(part).cast("Q") for part in parts[1:])
        self.end, self._count = header["end"], header["lines"]
        self._skipped, self.sums = header["skipped"], header["sums"] or {}
        for number in self._skipped:
            log.warning("%s, line %d is not a record: skipped", self.file, number)
        return True


def _checksum(parts: Iterable[bytes | memoryview]) -> bytes:
    """What stands at the end of an index file."""
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return checksum.to_bytes(4, "big")


def _merged(old: memoryview, where: Any, new: Any) -> memoryview:
    """An array with the new numbers put in before the given places of the old ones."""
    import numpy

    return memoryview(numpy.insert(numpy.asarray(old), where, new))


def _ends(lines: BinaryIO, end: int) -> str | None:
    """A hash of the first and the last bytes before `end`; None where the file is shorter."""
    if os.fstat(lines.fileno()).st_size < end:
        return None
    first = os.pread(lines.fileno(), min(EDGE, end), 0)
    last = os.pread(lines.fileno(), min(EDGE, end), max(0, end - EDGE))
    return hashlib.sha256(first + last).hexdigest()
