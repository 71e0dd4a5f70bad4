"""Journals survive a kill at any instant, and a state folder has one writer."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

from scripts.lib.cli import ROOT
from scripts.lib.journal import Journal, held

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
    assert "j.jsonl, line 2 is torn: dropped" in caplog.text


def test_bad_line_in_the_middle_is_passed_over_and_kept(tmp_path: Path, caplog) -> None:
    bad = ["not json\n", "[1]\n", '{"value": 1}\n', "\n", "\udcff\n"]
    text = record("a", 1) + "".join(bad) + record("b", 2)
    (tmp_path / "j.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
    with Journal(tmp_path / "j.jsonl") as journal:
        assert len(journal) == 2 and journal["b"] == 2
    assert "line 2 is not a record: passed over" in caplog.text
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
            assert f"is held by pid {first.pid} on host {socket.gethostname()}: waiting" in told
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
    assert "is held by" not in caplog.text


def test_error_while_it_is_held_releases_the_folder(tmp_path: Path) -> None:
    try:
        with held(tmp_path / "state"):
            raise RuntimeError("broken")
    except RuntimeError:
        pass
    with holder(tmp_path / "state") as second:
        assert second.stdout.readline() == "held\n"
        second.stdin.close()
