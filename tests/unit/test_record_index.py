"""The index file of a journal says what the journal says, whatever was torn, damaged, deleted or killed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib import record_index
from scripts.lib.cli import ROOT
from scripts.lib.journal import IndexedJournal
from scripts.lib.jsonl import DiskFull
from scripts.lib.teachers.ledger import Ledger
from scripts.lib.teachers.teaching import journals

# Adds a record each millisecond; with an index file from three records on.
WRITE = """
import sys, time
from scripts.lib import record_index
from scripts.lib.journal import IndexedJournal
record_index.FEW = 3
def tally(sums, value): sums["n"] = sums.get("n", 0) + 1
with IndexedJournal(sys.argv[1], tally=tally) as journal:
    first = len(journal)
    print(first, flush=True)
    for number in range(first, 1_000_000):
        journal.add(f"{number:016x}", number)
        time.sleep(0.001)
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index file from three records on."""
    monkeypatch.setattr(record_index, "FEW", 3)
    monkeypatch.setattr(record_index, "MANY", 5)


def line(key: int, value: object) -> bytes:
    return json.dumps({"key": f"{key:016x}", "value": value}).encode() + b"\n"


def count(sums: dict, value: object) -> None:
    sums["n"] = sums.get("n", 0) + 1


def read_plainly(file: Path) -> dict[int, object]:
    """What a journal holds, by reading every line."""
    records = {}
    for text in file.read_bytes().splitlines(keepends=True):
        try:
            record = json.loads(text) if text.endswith(b"\n") else {}
            if int(record["key"], 16) < 1 << 64:
                records[int(record["key"], 16)] = record["value"]
        except (ValueError, TypeError, KeyError):
            continue
    return records


def check(file: Path, writes: bool = True, keys: int = 60) -> None:
    """Asserts that a journal, opened, holds what its lines say."""
    plain = read_plainly(file)
    with IndexedJournal(file if writes else None, [] if writes else [file], count) as journal:
        # First what it says, then what it gives: each must find out for itself that an index does not fit.
        assert {key for key in range(keys) if f"{key:016x}" in journal} == plain.keys()
        assert {key: journal[f"{key:016x}"] for key in plain} == plain and len(journal) == len(plain)


def indexed(file: Path, records: int = 20) -> bytes:
    """Writes a journal and its index file; returns the index file's bytes."""
    with IndexedJournal(file, tally=count) as journal:
        for number in range(records):
            journal.add(f"{number:016x}", {"text": "é" * number})
    return file.with_suffix(".index").read_bytes()


@pytest.mark.parametrize("seed", range(30))
def test_whatever_its_lines_are_a_journal_with_an_index_says_what_they_say(tmp_path: Path, seed: int) -> None:
    draw, file = random.Random(seed), tmp_path / "j.jsonl"
    odd = [b"not json\n", b"[1]\n", b"\n", b'{"value": 1}\n', b'{"key": "' + b"f" * 17 + b'", "value": 1}\n']
    for _ in range(6):
        with file.open("ab") as out:
            for number in range(draw.randrange(12)):
                out.write(draw.choice(odd) if draw.random() < 0.2 else line(draw.randrange(40), [seed, number]))
            out.write(line(41, "torn")[: draw.randrange(20)])
        with IndexedJournal(file, tally=count) as journal:
            plain = read_plainly(file)
            assert {key for key in range(60) if f"{key:016x}" in journal} == plain.keys()
            for key in draw.sample(range(42, 60), draw.randrange(9)):
                if key not in plain:
                    journal.add(f"{key:016x}", plain.setdefault(key, f"added {key}"))
            assert {key: journal[f"{key:016x}"] for key in plain} == plain
        check(file)
        check(file, writes=False)


def test_opening_with_an_index_reads_no_more_than_what_it_does_not_cover(tmp_path: Path) -> None:
    read = []

    def tally(sums: dict, value: object) -> None:
        read.append(value)
        count(sums, value)

    indexed(tmp_path / "j.jsonl", 20)
    with IndexedJournal(None, [tmp_path / "j.jsonl"], tally) as journal:
        assert len(read) < 3 and len(journal) == 20
        assert [sums for _, sums in journal.sums()] == [{"n": 20}]
        assert journal[f"{7:016x}"] == {"text": "é" * 7}


def test_journal_of_few_records_has_no_index_and_readers_write_none(tmp_path: Path) -> None:
    with IndexedJournal(tmp_path / "few.jsonl") as journal:
        journal.add("1" * 16, 1)
    (tmp_path / "many.jsonl").write_bytes(b"".join(line(number, number) for number in range(9)))
    check(tmp_path / "many.jsonl", writes=False)
    assert not list(tmp_path.glob("*.index"))
    check(tmp_path / "many.jsonl")
    assert [file.name for file in tmp_path.glob("*.index")] == ["many.index"]


def test_bad_lines_that_an_index_covers_are_told_at_each_opening(tmp_path: Path, caplog) -> None:
    file = tmp_path / "j.jsonl"
    file.write_bytes(line(1, 1) + b"bad\n" + line(2, 2) + line(3, 3))
    for _ in range(2):
        caplog.clear()
        check(file)
        assert "j.jsonl, line 2 is not a record: skipped" in caplog.text
    with file.open("ab") as out:
        out.write(b"worse\n" + b'{"torn')
    caplog.clear()
    check(file)
    assert "line 5 is not a record: skipped" in caplog.text and "line 6 is cut off: dropped" in caplog.text


def test_index_cut_off_or_damaged_at_any_byte_is_told_and_made_anew(tmp_path: Path, caplog) -> None:
    file = tmp_path / "j.jsonl"
    whole = indexed(file, 8)
    kinds = [whole[:at] for at in range(len(whole))]
    kinds += [whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :] for at in range(len(whole))]
    for index in kinds:
        caplog.clear()
        file.with_suffix(".index").write_bytes(index)
        check(file, writes=False)
        assert "j.index does not fit" in caplog.text and "the journal is read as a whole" in caplog.text
    check(file)
    assert file.with_suffix(".index").read_bytes() not in kinds
    caplog.clear()
    check(file)
    assert not caplog.text


def test_journal_cut_off_at_any_byte_says_what_is_left(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    index, whole = indexed(file, 8), file.read_bytes()
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        file.with_suffix(".index").write_bytes(index)
        check(file, writes=length % 25 == 0)  # not each time: that syncs two files


def test_journal_that_lost_its_end_and_grew_again_says_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    index, whole = indexed(file), file.read_bytes()
    file.write_bytes(whole[:100])
    with IndexedJournal(file) as journal:
        for number in range(30, 55):
            journal.add(f"{number:016x}", "x" * 40)
    file.with_suffix(".index").write_bytes(index)
    check(file)


def test_line_deleted_by_hand_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    indexed(file)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:4] + lines[5:]))
    check(file)
    with IndexedJournal(file) as journal:
        assert f"{4:016x}" not in journal and f"{5:016x}" in journal


@pytest.mark.parametrize("damage", [b"\0" * 20, b'{"key": "00000000000000ff"'], ids=["zeros", "another key"])
@pytest.mark.parametrize("look", ["in", "get"])
def test_record_damaged_far_from_both_ends_is_found_out_when_it_is_looked_up(
    tmp_path: Path, monkeypatch, caplog, damage: bytes, look: str
) -> None:
    monkeypatch.setattr(record_index, "EDGE", 10)
    file = tmp_path / "j.jsonl"
    indexed(file)
    text = file.read_bytes()
    at = text.index(line(7, 0)[:26])
    file.write_bytes(text[:at] + damage + text[at + len(damage) :])
    with IndexedJournal(file, tally=count) as journal:
        assert not caplog.text
        if look == "in":
            assert f"{7:016x}" not in journal
        else:
            with pytest.raises(KeyError):
                _ = journal[f"{7:016x}"]
        assert "j.index does not fit" in caplog.text
        journal.add(f"{7:016x}", "again")
        assert journal[f"{7:016x}"] == "again" and journal[f"{8:016x}"] == {"text": "é" * 8}
        assert (f"{255:016x}" in journal) == (b"ff" in damage)
    with IndexedJournal(file, tally=count) as journal:
        assert journal[f"{7:016x}"] == "again" and journal[f"{19:016x}"] == {"text": "é" * 19}


def test_index_that_finds_no_room_costs_nothing_but_time(tmp_path: Path, monkeypatch, caplog) -> None:
    def full(path: Path):
        raise DiskFull(f"{path}: it cannot be written: the disk is full.")

    monkeypatch.setattr(record_index, "replacing", full)
    with IndexedJournal(tmp_path / "j.jsonl") as journal:
        for number in range(20):
            journal.add(f"{number:016x}", number)
        assert [journal[f"{number:016x}"] for number in range(20)] == list(range(20))
    assert "j.index could not be written" in caplog.text and not list(tmp_path.glob("*.index"))
    check(tmp_path / "j.jsonl")


def test_writer_killed_at_any_moment_loses_no_record_and_leaves_no_wrong_index(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    for wait in (0.0, 0.01, 0.03, 0.06, 0.1):
        with subprocess.Popen([sys.executable, "-c", WRITE, file], cwd=ROOT, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        plain = read_plainly(file)
        assert plain == {number: number for number in range(len(plain))}
        check(file, keys=len(plain) + 5)
    assert file.with_suffix(".index").exists()


def test_reader_beside_a_writer_sees_whole_records_and_their_sums(tmp_path: Path, caplog) -> None:
    file = tmp_path / "j.jsonl"
    with subprocess.Popen([sys.executable, "-c", WRITE, file], cwd=ROOT, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        records = 0
        while records < 100:
            with IndexedJournal(None, [file], count) as journal:
                records = sum(sums.get("n", 0) for _, sums in journal.sums())
                assert len(journal) == records
                assert all(journal[f"{number:016x}"] == number for number in range(0, records, 7))
        writer.kill()
    assert file.with_suffix(".index").exists() and "does not fit" not in caplog.text


def test_ledger_is_the_same_with_an_index(tmp_path: Path) -> None:
    def ledger_of(slug: str, model: str) -> Ledger:
        ledger = Ledger({"input": 2.0, "output": 8.0, "batch_factor": 0.5}, None)
        with journals(tmp_path / slug, ledger, model, writes=False):
            return ledger

    draw = random.Random(0)
    for slug in ("ours", "theirs"):
        (tmp_path / slug).mkdir()
        with IndexedJournal(tmp_path / slug / "answers.jsonl") as journal:
            for number in range(50):
                value = {"asked": draw.choice("ab"), "batch": number % 2 == 0, "seconds": 2.0, "prompt_characters": 90}
                value |= {"prompt_tokens": draw.randrange(99), "completion_tokens": draw.randrange(99)}
                journal.add(f"{draw.randrange(1 << 63):016x}", value | ({"usage": "estimated"} if number > 40 else {}))
    read = ledger_of("ours", "a")
    for slug in ("ours", "theirs"):
        (tmp_path / slug / "answers.index").unlink()
        with journals(tmp_path / slug, Ledger(None, None), "a"):
            assert (tmp_path / slug / "answers.index").exists()
    again = ledger_of("ours", "a")
    assert again == read and again.spent > ledger_of("theirs", "c").spent > 0
    assert again.known["prompt"][0] > 50 > ledger_of("theirs", "c").known["prompt"][0] > 0
