"""Journals survive a kill at any instant, and a state folder has one writer."""

import errno
import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.journal import IndexedJournal, Journal, held
from scripts.lib.jsonl import BadInput, DiskFull
from tests.disk_image import small_disk, why_not

HOLD = """
import logging, sys
from scripts.lib.journal import held
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
with held(sys.argv[1], poll_s=0.1):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen:
    """A process that holds the folder until its standard input is closed; it prints `held` when it does."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, text=True, **pipes)


def record(key: str, value: object) -> str:
    return json.dumps({"key": key, "value": value}) + "\n"


def test_records_are_there_when_the_journal_is_opened_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.add("a", {"text": "né"})
        journal.add("b", [1, 2])
    with Journal(tmp_path / "j.jsonl") as journal:
        assert ("a" in journal, "c" in journal, len(journal)) == (True, False, 2)
        assert journal["a"] == {"text": "né"} and journal["b"] == [1, 2]


def test_record_is_on_disk_before_the_journal_is_closed(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.add("a", 1)
        assert (tmp_path / "j.jsonl").read_text() == record("a", 1)


def test_torn_last_line_is_dropped_at_every_length(tmp_path: Path) -> None:
    file, second = tmp_path / "j.jsonl", record("b", "größer").encode()
    for length in range(len(second)):
        file.write_bytes(record("a", 1).encode() + second[:length])
        with Journal(file) as journal:
            assert "a" in journal and "b" not in journal
            journal.add("c", 3)
        assert file.read_text() == record("a", 1) + record("c", 3)


def test_torn_last_line_is_told(tmp_path: Path, caplog) -> None:
    (tmp_path / "j.jsonl").write_text(record("a", 1) + '{"key"')
    with Journal(tmp_path / "j.jsonl"):
        pass
    assert "j.jsonl, line 2 is cut off: dropped" in caplog.text


def test_bad_line_in_the_middle_is_passed_over_and_kept(tmp_path: Path, caplog) -> None:
    bad = ["not json\n", "[1]\n", '{"value": 1}\n', "\n", "\udcff\n"]
    text = record("a", 1) + "".join(bad) + record("b", 2)
    (tmp_path / "j.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
    with Journal(tmp_path / "j.jsonl") as journal:
        assert len(journal) == 2 and journal["b"] == 2
    assert "line 2 is not a record: skipped" in caplog.text
    assert (tmp_path / "j.jsonl").read_bytes() == text.encode("utf-8", "surrogateescape")


def test_journals_of_others_are_read_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(record("a", 1) + '{"torn')
    before = other.read_bytes()
    with Journal(tmp_path / "mine.jsonl", others=[other]) as journal:
        assert journal["a"] == 1
        journal.add("b", 2)
    assert other.read_bytes() == before
    assert (tmp_path / "mine.jsonl").read_text() == record("b", 2)


def test_second_writer_waits_and_names_the_first_then_goes_on(tmp_path: Path) -> None:
    with holder(tmp_path / "state") as first:
        assert first.stdout.readline() == "held\n"
        with holder(tmp_path / "state") as second:
            told = second.stderr.readline()
            assert f"is in use by pid {first.pid} on host {socket.gethostname()}: waiting" in told
            assert first.poll() is None and second.poll() is None
            first.stdin.close()
            assert second.stdout.readline() == "held\n"
            second.stdin.close()
            assert second.wait(timeout=60) == 0


def test_killed_holder_releases_the_folder(tmp_path: Path, caplog) -> None:
    with holder(tmp_path / "state") as first:
        assert first.stdout.readline() == "held\n"
        first.kill()
        first.wait(timeout=60)
    with caplog.at_level(logging.INFO), held(tmp_path / "state") as folder:
        assert (folder / "owner").read_text() == f"pid {os.getpid()} on host {socket.gethostname()}\n"
    assert "is in use by" not in caplog.text


def test_error_while_it_is_held_releases_the_folder(tmp_path: Path) -> None:
    try:
        with held(tmp_path / "state"):
            raise RuntimeError("broken")
    except RuntimeError:
        pass
    with holder(tmp_path / "state") as second:
        assert second.stdout.readline() == "held\n"
        second.stdin.close()


# --- what is on the disk ----------------------------------------------------------------------------------------------


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """When the journal `j.jsonl` was synced, and how many records it held then (how fast the disk is matters not)."""
    seen = []

    def fsync(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith("j.jsonl"):
            seen.append((time.monotonic(), (tmp_path / "j.jsonl").read_bytes().count(b"\n")))

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_each_chunk_is_on_the_disk_when_it_is_added(tmp_path: Path, synced: list) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        for number in range(3):
            journal.add(f"{number}", [])
    assert [count for _, count in synced] == [1, 2, 3]


def test_paid_answer_is_on_the_disk_within_half_a_second_and_many_share_a_sync(tmp_path: Path, synced: list) -> None:
    added = []
    with IndexedJournal(tmp_path / "j.jsonl") as journal:
        for number in range(200):
            journal.add(f"{number:016x}", {"text": "x"})
            added.append(time.monotonic())
            time.sleep(0.005)
        time.sleep(0.5)
        for count, moment in enumerate(added, 1):
            assert next(when for when, held_then in synced if held_then >= count) - moment < 0.5
        assert len(synced) < 40


def test_closed_journal_is_on_the_disk(tmp_path: Path, synced: list) -> None:
    with IndexedJournal(tmp_path / "j.jsonl") as journal:
        journal.add("a" * 16, 1)
    assert synced[-1][1] == 1


@pytest.mark.parametrize("kind", [Journal, IndexedJournal])
def test_record_that_finds_no_room_may_be_added_again(tmp_path: Path, kind: type) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with small_disk(tmp_path / "small", "1m") as folder:
        with kind(folder / "j.jsonl") as journal:
            journal.add("1" * 16, "first")
            (folder / "filler").write_bytes(b"x" * 900_000)
            with pytest.raises(DiskFull, match=r"j.jsonl: it cannot be written: the disk is full"):
                journal.add("2" * 16, "x" * 500_000)
            assert "2" * 16 not in journal
            (folder / "filler").unlink()
            journal.add("2" * 16, "x" * 500_000)
            journal.add("3" * 16, "third")
            assert journal["2" * 16] == "x" * 500_000 and journal["3" * 16] == "third"
        with kind(folder / "j.jsonl") as journal:
            assert len(journal) == 3 and journal["1" * 16] == "first"


def test_sync_that_fails_is_told_by_the_next_record_and_at_the_end(tmp_path: Path, monkeypatch) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    told = pytest.raises(DiskFull, match="j.jsonl: it cannot be written: the quota is used up")
    with told, IndexedJournal(tmp_path / "j.jsonl") as journal:
        monkeypatch.setattr(os, "fsync", fsync)
        journal.add("1" * 16, 1)
        time.sleep(0.5)
        with pytest.raises(DiskFull):
            journal.add("2" * 16, 2)


def test_error_of_the_job_is_not_hidden_by_a_sync_that_fails(tmp_path: Path, monkeypatch, caplog) -> None:
    def fsync(handle: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with pytest.raises(BadInput, match="^mine$"), IndexedJournal(tmp_path / "j.jsonl") as journal:
        monkeypatch.setattr(os, "fsync", fsync)
        journal.add("1" * 16, 1)
        raise BadInput("mine")
    assert "the quota is used up" in caplog.text


# --- locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_file_system_without_locks_is_refused_with_what_to_do(tmp_path: Path, monkeypatch, number: int) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    told = pytest.raises(BadInput, match=r"state: its file system refuses locks .*-o flock; NFS.*make `state` a link")
    with told, held(tmp_path / "state"):
        pass


def test_marker_of_a_host_that_died_does_not_hold(tmp_path: Path, caplog) -> None:
    for name in ("lock", "owner"):
        (tmp_path / name).write_text("pid 7 on host gone\n")
    with held(tmp_path, poll_s=0.1) as folder:
        assert (folder / "owner").read_text() == f"pid {os.getpid()} on host {socket.gethostname()}\n"
    assert "was in use by pid 7 on host gone, which did not release it" in caplog.text
    caplog.clear()
    with held(tmp_path):
        pass
    assert not caplog.text, "who let go of it is not told"
