"""Teachers at some size, and through Snakemake: faults, kills, the key, the estimate, the budget."""

import contextlib
import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml

from scripts.lib.jsonl import read_json, read_rows, write_rows
from tests.fault_server import FaultServer
from tests.project import Project, copied
from tests.teacher_desk import KEY, Desk, graded

STUDY = """
study: api
engine: cpu
engines: {cpu: {kind: transformers}}
models: {base: {source: folder, path: base, family: llama}}
datasets:
  sums: {source: reasoning-gym, tasks: {chain_sum: {}}, rows: 12, seed: 1}
  more: {source: reasoning-gym, tasks: {chain_sum: {}}, rows: 12, seed: 2}
responses: {sums-self: {dataset: sums, model: base, prompt: prompts/answer.j2, samples: 4}}
critiques: {sums-api: {responses: sums-self, teacher: api, shards: 3}}
refinements: {sums-refined: {critiques: sums-api, teacher: api, shards: 2}}
answers: {more-api: {dataset: more, teacher: api, shards: 2}}
"""


def test_every_row_is_answered_once_whatever_fails_on_the_way(desk: Desk) -> None:
    desk.set_rows(graded(2000))
    with FaultServer(share=0.2) as server:
        rows = desk.run(server, concurrency=128)
    assert len(rows) == 2000 and not [row for row in rows if row.get("verdict") != "right"]
    assert len({record["key"] for record in desk.journal()}) == len(desk.journal()) == 2000
    assert len(server.delivered) == 2000 and set(server.delivered.values()) == {1}
    assert sum(server.seen.values()) > 2300, "the server met nobody with a fault"
    assert server.most_in_flight <= 128


def test_killed_at_random_moments_nothing_delivered_is_lost_or_asked_again(desk: Desk) -> None:
    desk.set_rows(graded(1500))
    concurrency, kills = 16, 0
    with FaultServer(latency=0.02, share=0.1) as server:
        for wait in (0.0, 0.15, 0.4, 0.05, 0.7, 0.3, 0.1, 0.5, 0.2, 0.6):
            before = len(desk.journal())
            process = desk.start(server, concurrency=concurrency)
            asked = sum(server.seen.values())
            # The first request goes alone, and may meet a fault: the others are under way once more are seen.
            while process.poll() is None and sum(server.seen.values()) <= asked + 3:
                time.sleep(0.005)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            killed = process.wait() == -signal.SIGKILL
            process.communicate()
            kills += killed
            time.sleep(0.1)  # the server sees the last connections go
            assert sum(server.delivered.values()) - len(desk.journal()) <= concurrency * kills
            assert len(desk.journal()) > before or wait < 0.1
        assert kills >= 5
        rows = desk.run(server, concurrency=concurrency)
    assert len(rows) == 1500 and not [row for row in rows if "error" in row]
    assert len({record["key"] for record in desk.journal()}) == len(desk.journal()) == 1500
    # Answers delivered twice were pending at a kill: no answer in the journal was requested again.
    twice = sum(count - 1 for count in server.delivered.values())
    assert twice <= concurrency * kills


def test_journalled_answers_are_not_asked_again_after_a_kill(desk: Desk) -> None:
    desk.set_rows(graded(300))
    with FaultServer(latency=0.05) as server:
        process = desk.start(server, concurrency=8)
        while len(desk.journal()) < 100:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        held = len(desk.journal())
        time.sleep(0.2)
        asked = sum(server.seen.values())
        desk.run(server)
        assert sum(server.seen.values()) - asked == 300 - held


def test_first_signal_keeps_what_is_under_way(desk: Desk) -> None:
    desk.set_rows(graded(500))
    with FaultServer(latency=0.3) as server:
        process = desk.start(server, concurrency=8)
        while not server.delivered:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
        assert process.returncode == 1 and "stopped by SIGTERM" in said
        assert len(desk.journal()) == sum(server.delivered.values()) == sum(server.seen.values())


def test_two_jobs_of_a_teacher_ask_one_after_the_other(desk: Desk) -> None:
    with FaultServer(latency=0.1) as server:
        jobs = [desk.start(server, shard=(shard, 2), concurrency=4) for shard in range(2)]
        assert [job.wait() for job in jobs] == [0, 0]
        for job in jobs:
            job.communicate()
    assert server.most_in_flight <= 4 and sum(server.seen.values()) == 20


def test_key_is_in_no_file_and_no_output_of_a_failing_run(desk: Desk) -> None:
    with FaultServer(status=401) as server:
        process = desk.start(server)
        said = "".join(process.communicate())
    assert process.returncode == 1 and "<key>" in said and KEY not in said
    for file in desk.folder.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_killed_while_it_waits_it_collects_the_same_batch(desk: Desk) -> None:
    with FaultServer(batch_polls=10**9) as server:
        process = desk.start(server, mode="batch")
        events = desk.folder / "state" / "teachers" / "t" / "batches" / "events.jsonl"
        while not (events.exists() and '"submitted"' in events.read_text()):
            time.sleep(0.02)
        process.kill()
        process.communicate()
        server.batch_polls = 1
        assert len(desk.run(server, mode="batch")) == 20
        assert len(server.batches) == 1


def test_killed_before_the_id_came_back_it_finds_the_batch_again(desk: Desk) -> None:
    killed = []

    def kill() -> None:
        if not killed:
            killed.append(process.kill())
            time.sleep(0.2)

    with FaultServer(after_batch=kill) as server:
        process = desk.start(server, mode="batch")
        process.communicate()
        assert process.returncode == -signal.SIGKILL and len(server.batches) == 1
        assert len(desk.run(server, mode="batch")) == 20
        assert len(server.batches) == 1 and set(server.delivered.values()) == {1}


class Api(Project):
    """A study whose teacher is the fault server, in a copy of the project; its graded responses are given."""

    study = "api"
    options = ("--cores", "2", "-p")

    def __init__(self, folder: Path) -> None:
        super().__init__(copied(folder), REDPEN_TEST_KEY=KEY)
        self.command_lines: set[str] = set()
        (folder / "base").mkdir()  # a model that nothing runs
        (folder / "base" / "config.json").write_text("{}")
        write_rows(self.results / "responses" / "sums-self" / "graded.jsonl", graded(30))

    def ask(self, server: FaultServer, target: str, status: int = 0, flags: tuple[str, ...] = (), **teacher) -> str:
        """Makes a target with a teacher of these settings, and returns what Snakemake printed."""
        price = {"input": 2.5, "output": 10.0, "date": "2026-05"}
        entry = {"kind": "openai", "model": "m-1", "base_url": server.url, "api_key_env": "REDPEN_TEST_KEY"}
        entry |= {"price": price, "budget": 20.0}
        study = {**yaml.safe_load(STUDY), "teachers": {"api": {**entry, **teacher}}}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(study))
        process = self.start(*flags, "--", target)
        watcher = threading.Thread(target=self._watch, args=(process,), daemon=True)
        watcher.start()
        ended, said = self.end(process, seconds=300)
        watcher.join()
        assert ended == status, said[-4000:]
        return said

    def _watch(self, process: subprocess.Popen) -> None:
        """Notes the command lines of all processes of a run, as any user of the machine sees them."""
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        self.command_lines.add(" ".join(child.cmdline()))
            time.sleep(0.02)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path / "tree")


CRITIQUES = "results/api/critiques/sums-api.jsonl"


def test_critiques_and_answers_are_made_in_shards_and_paid_for_once(api: Api) -> None:
    with FaultServer(share=0.1) as server:
        api.ask(server, CRITIQUES)
        assert len(server.delivered) == 30
        summary = read_json(api.folder / CRITIQUES.replace(".jsonl", ".json"))
        assert (summary["rows"], summary["right"], summary["shards"], summary["agreement"]) == (30, 30, 3, 0.5)
        api.ask(server, "results/api/answers/more-api.jsonl")
        assert len(read_rows(api.folder / "results/api/answers/more-api.jsonl")) == 12
        api.ask(server, "results/api/refinements/sums-refined.jsonl")
        refined = read_rows(api.folder / "results/api/refinements/sums-refined.jsonl")
        assert len(refined) == 30 and all(row["critique"] and row["refined"] for row in refined)
        assert len(server.delivered) == 30 + 12 + 30
        asked = sum(server.seen.values())
        # A higher budget and other rates change no text: nothing runs.
        assert "Nothing to be done" in api.ask(server, CRITIQUES, budget=50.0, concurrency=3)
        api.ask(server, CRITIQUES, temperature=0.9)
        assert sum(server.seen.values()) > asked
        asked = sum(server.seen.values())
        api.ask(server, CRITIQUES)
        assert sum(server.seen.values()) == asked


def test_password_in_a_url_stops_before_anything_is_written(api: Api) -> None:
    with FaultServer() as server:
        said = api.ask(server, CRITIQUES, status=1, base_url=server.url.replace("://", "://me:hunter2@"))
        assert "teachers.api.base_url: the URL holds a user name or a password" in said and "hunter2" not in said
    found = [file for file in api.folder.rglob("*") if file.is_file() and b"hunter2" in file.read_bytes()]
    assert found == [api.folder / "config.yaml"]


def test_estimate_prints_and_asks_nothing(api: Api) -> None:
    with FaultServer() as server:
        said = api.ask(server, "estimate", budget=1.0)
        assert "critiques.sums-api (api): 30 rows, 0 in the journal, 30 requests" in said
        assert "refinements.sums-refined (api): NOT COUNTED: it asks about critiques.sums-api" in said
        assert "answers.more-api (api): 12 rows" in said and "(prices of 2026-05)" in said
        assert "teacher api: $0.00 spent" in said and not server.seen
        assert not (api.folder / "state" / "teachers").exists()
        api.ask(server, CRITIQUES, budget=1.0)
        assert "30 rows, 30 in the journal, 0 requests" in api.ask(server, "estimate", budget=1.0)
        assert "NOT ENOUGH" in api.ask(server, "estimate", status=1, budget=0.01)


def test_budget_that_does_not_suffice_stops_before_the_first_request(api: Api) -> None:
    with FaultServer() as server:
        assert "teachers.api.budget" in api.ask(server, CRITIQUES, status=1, budget=0.01)
        assert not server.seen


@pytest.mark.parametrize("flags", [(), ("--verbose", "--show-failed-logs", "--keep-going")], ids=["plain", "verbose"])
@pytest.mark.parametrize("mode", ["live", "batch"])
def test_key_is_nowhere_after_a_failing_run(api: Api, mode: str, flags: tuple[str, ...]) -> None:
    """Not in what is printed, in no process's command line, in no file: logs, .snakemake, results, state."""
    with FaultServer(status=401, latency=0.5) as server:
        said = api.ask(server, CRITIQUES, status=1, flags=flags, mode=mode)
    jobs = [line for line in api.command_lines if "scripts.critique_responses" in line]
    assert jobs and not [line for line in api.command_lines if KEY in line]
    assert "401" in said and KEY not in said
    found = [file for file in api.folder.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
    assert not found
    assert list((api.folder / ".snakemake").rglob("*")) and list((api.folder / "logs").rglob("*.log"))
    assert json.dumps(KEY) not in json.dumps(server.bodies)
