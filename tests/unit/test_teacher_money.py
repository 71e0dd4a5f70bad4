"""Paid for once: who waits for whom, budgets, and disks that take no answers."""

import contextlib
import errno
import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from scripts import estimate_cost
from scripts.lib.jsonl import BadInput, DiskFull, read_json
from scripts.lib.teachers.ledger import budget_for
from scripts.lib.teachers.teaching import Teaching, lock_folder
from tests.disk_image import small_disk
from tests.fault_server import FaultServer
from tests.teacher_desk import LIMITS, TEACHER, Desk, graded


def test_teachers_of_one_model_wait_for_each_other_and_pay_once(desk: Desk) -> None:
    """Each with a folder of its own for its rows, as two entries of critiques have; the state is one."""
    desk.set_rows(graded(48))
    with FaultServer(latency=0.1) as server:
        jobs = [desk.start(server, name=name, concurrency=8) for name in ("gpt-4o", "gpt-4o-capped")]
        assert [job.wait() for job in jobs] == [0, 0]
        said = "".join("".join(job.communicate()) for job in jobs)
    assert sum(server.seen.values()) == 48 and server.most_in_flight <= 8
    assert "is in use by" in said  # its pid, or an unknown process where it has just begun


def test_teachers_of_other_models_do_not_wait(desk: Desk) -> None:
    folders = {
        lock_folder(Path("s"), model) for model in ("gpt-4o", "gpt-4o-mini", "Gpt-4o", "org/gpt-4o", "org-gpt-4o")
    }
    assert len(folders) == 5


def test_budget_counts_what_other_teachers_of_the_model_paid(desk: Desk) -> None:
    with FaultServer() as server:
        desk.run(server, name="gpt-4o")
        spent = read_json(desk.folder / "shard-0.json")["cost_usd"]
        desk.set_rows(graded(40))
        with pytest.raises(BadInput, match="gpt-4o-capped.budget"):
            desk.run(server, name="gpt-4o-capped", budget=1.5 * spent)
        assert sum(server.seen.values()) == 20
        desk.run(server, name="gpt-4o-capped", budget=2.2 * spent)
        assert sum(server.seen.values()) == 40


def test_teacher_with_a_price_and_no_budget_asks_nothing_and_names_the_line(desk: Desk) -> None:
    with FaultServer() as server:
        with pytest.raises(BadInput) as caught:
            desk.run(server, budget=None)
        said = str(caught.value)
        assert "20 requests would cost about $0.0" in said and "No request was made" in said and not server.seen
        line = said.partition("`budget: ")[2].partition("`")[0]
        assert "under teachers.t" in said and len(desk.run(server, budget=float(line))) == 20
        desk.run(server, budget=None)  # nothing is left to ask
        desk.run(server, teacher={"temperature": 0.9}, budget=None, price=None)
        free = {**LIMITS["price"], "input": 0.0, "output": 0.0}
        desk.run(server, teacher={"temperature": 0.8}, budget=None, price=free)


@pytest.mark.parametrize("cost, budget", [(351.2, "430"), (0.0123, "0.015"), (1.0, "1.2"), (82.0, "99"), (9.9, "12")])
def test_budget_that_is_proposed_is_round_and_above_the_estimate(cost: float, budget: str) -> None:
    assert budget_for(cost) == budget


def test_estimate_names_the_budget_that_is_missing(desk: Desk, capsys) -> None:
    limits = {**LIMITS, "budget": None, "base_url": "http://localhost/v1"}
    settings = {"rows": None, "teacher": TEACHER}
    entry = {"name": "critiques.x", "file": str(desk.folder / "graded.jsonl"), "settings": settings, "limits": limits}
    entry["after"] = None
    words = ["--entries", json.dumps([entry]), "--state", str(desk.folder / "state")]
    assert estimate_cost.main(estimate_cost.parse_args(words)) == 0
    assert "NO BUDGET: no request is made until you add `budget: 0.0" in capsys.readouterr().out


# --- disks ------------------------------------------------------------------------------------------------------------


def test_limit_on_the_size_of_files_stops_before_the_first_request(desk: Desk) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with FaultServer() as server:
        process = desk.start(server, before=limited)
        said = process.communicate()[1]
    assert process.returncode == 1 and "no more requests are made, 0 answers are kept" in said, said
    assert "Traceback" not in said and not server.seen


@pytest.fixture
def small(desk: Desk):
    """Mounts a disk in memory at the desk's state."""
    with contextlib.ExitStack() as stack:

        def mounted(*options: str) -> None:
            try:
                stack.enter_context(small_disk(desk.folder / "state", "2m", options))
            except (OSError, subprocess.SubprocessError) as error:
                pytest.skip(f"no disk can be mounted here: {error}")

        yield mounted


def test_disk_that_is_full_before_the_first_request(desk: Desk, small) -> None:
    small()
    (desk.folder / "state" / "large").write_bytes(bytes(1_500_000))
    with FaultServer() as server, pytest.raises(BadInput) as caught:
        desk.run(server)
    assert "state/ is full: no more requests are made, 0 answers are kept" in str(caught.value) and not server.seen


def test_disk_that_becomes_full_while_answers_come(desk: Desk, small) -> None:
    """On a real full disk: kept answers are complete, and once there is space the rest is requested."""
    small()
    desk.set_rows(graded(200))
    text = "x" * 20_000 + "\nConclusion: right [END]"
    with FaultServer(latency=0.05, answer=lambda asked: (text, "stop")) as server:
        process = desk.start(server, concurrency=8)
        said = process.communicate()[1]
        kept = len(desk.journal())
        assert process.returncode == 1 and "Traceback" not in said
        assert f"state/ is full: no more requests are made, {kept} answers are kept" in said and 50 < kept < 110
        asked = sum(server.seen.values())
        assert asked <= kept + 2 * 8
        subprocess.run(["mount", "-o", "remount,size=16m", str(desk.folder / "state")], check=True)
        assert len(desk.run(server)) == 200
        assert sum(server.seen.values()) - asked == 200 - kept


def test_state_that_is_read_only_is_told_before_the_first_request(desk: Desk, small) -> None:
    small("ro")
    with FaultServer() as server:
        process = desk.start(server)
        said = process.communicate()[1]
    assert process.returncode == 1 and "read-only" in said and "Traceback" not in said and not server.seen


def test_quota_that_is_used_up_ends_the_asking_as_a_full_disk_does(desk: Desk, monkeypatch) -> None:
    write, left = os.write, iter(range(30))

    def limited(handle: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{handle}").endswith("answers.jsonl") and next(left, None) is None:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return write(handle, data)

    desk.set_rows(graded(100))
    with FaultServer(latency=0.01) as server:
        with monkeypatch.context() as patched, pytest.raises(BadInput) as caught:
            patched.setattr(os, "write", limited)
            desk.run(server, concurrency=8)
        said = str(caught.value)
        assert "state/: the quota is used up: no more requests are made, 30 answers are kept; " in said
        assert "Delete files there, or ask for a larger quota, and run the same command again." in said
        assert len(desk.journal()) == 30
        asked = sum(server.seen.values())
        assert asked <= 30 + 2 * 8 and len(desk.run(server)) == 100
        assert sum(server.seen.values()) == asked + 70


class FullAfter:
    """A journal's `add` that finds the disk full after so many answers, and room again after so many refusals."""

    def __init__(self, journal, room: int, refusals: int = 10**9) -> None:
        self.add, self.room, self.refusals = journal.add, room, refusals

    def __call__(self, key: str, value: dict) -> None:
        if self.room == 0 and self.refusals:
            self.refusals -= 1
            raise DiskFull("state: it cannot be written: the disk is full. Make room there.")
        self.room = max(0, self.room - 1)
        self.add(key, value)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch):
    """Makes the journals of teachings that are entered from now on run into a full disk."""
    enter = Teaching.__enter__

    def fill(**options) -> None:
        def entered(teaching: Teaching) -> Teaching:
            enter(teaching)
            teaching.journal.add = FullAfter(teaching.journal, **options)
            return teaching

        monkeypatch.setattr(Teaching, "__enter__", entered)

    yield fill


def test_full_disk_ends_the_asking_with_what_is_kept(desk: Desk, disk) -> None:
    disk(room=7)
    desk.set_rows(graded(200))
    with FaultServer(latency=0.05) as server, pytest.raises(BadInput) as caught:
        desk.run(server, concurrency=4)
    assert "is full: no more requests are made, 7 answers are kept; " in str(caught.value)
    assert len(desk.journal()) == 7 and sum(server.seen.values()) <= 7 + 2 * 4
    lost = sum(server.seen.values()) - 7
    assert f"{lost} could not be written and will be asked again" in str(caught.value)


def test_answers_under_way_are_written_once_there_is_room_again(desk: Desk, disk) -> None:
    disk(room=7, refusals=2)
    desk.set_rows(graded(200))
    with FaultServer(latency=0.05) as server:
        with pytest.raises(BadInput) as caught:
            desk.run(server, concurrency=4)
        asked = sum(server.seen.values())
        assert f"no more requests are made, {asked} answers are kept." in str(caught.value)
        assert len(desk.journal()) == asked < 20


def test_full_disk_ends_a_batch_and_its_answers_are_fetched_again(desk: Desk, monkeypatch) -> None:
    enter = Teaching.__enter__

    def entered(teaching: Teaching) -> Teaching:
        enter(teaching)
        teaching.journal.add = FullAfter(teaching.journal, room=7)
        return teaching

    with FaultServer() as server:
        with monkeypatch.context() as patch, pytest.raises(BadInput, match="no more requests are made, 7 answers"):
            patch.setattr(Teaching, "__enter__", entered)
            desk.run(server, mode="batch")
        assert len(desk.run(server, mode="batch")) == 20 and len(server.batches) == 1
