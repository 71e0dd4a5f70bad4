"""Batches that go wrong: what is wrong with a part ends that part, and its rows are open again."""

import json
from pathlib import Path

import pytest

from scripts.lib.jsonl import BadInput
from scripts.lib.teachers import batch
from tests.fault_server import FaultServer
from tests.teacher_desk import Desk, graded

EVENTS = Path("state/teachers/t/batches/events.jsonl")


def sizes(server: FaultServer) -> list[int]:
    """Requests of each batch that was made."""
    return [made["requests"] for made in server.batches.values()]


def send(desk: Desk, server: FaultServer) -> None:
    """Sends a batch and ends while it is under way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch._Batches, "_collect", interrupted)
        with pytest.raises(KeyboardInterrupt):
            desk.run(server, mode="batch")


async def interrupted(self) -> None:
    if self.events.in_state("submitted"):
        raise KeyboardInterrupt


def right(rows: list[dict]) -> bool:
    return [row.get("verdict") for row in rows] == ["right"] * len(rows) and len(rows) == 20


def test_batch_that_the_endpoint_does_not_know_is_sent_again(desk: Desk, caplog) -> None:
    with FaultServer() as server:
        send(desk, server)
        server.lost |= server.batches.keys()
        assert right(desk.run(server, mode="batch"))
        assert len(server.batches) == 2 and "knows no batch batch-2" in caplog.text


def test_output_that_the_endpoint_has_lost_is_asked_for_again(desk: Desk, caplog) -> None:
    with FaultServer() as server:
        send(desk, server)
        for name in server.batches:
            server._poll(name)
            server.lost.add(server.batches[name]["output_file_id"])
        assert right(desk.run(server, mode="batch"))
        assert len(server.batches) == 2 and "has lost file" in caplog.text


def test_batch_of_another_endpoint_is_left_to_it(desk: Desk, caplog) -> None:
    """A batch of another endpoint: its id is unknown here, and it is neither polled nor dropped."""
    with FaultServer() as first, FaultServer() as other:
        send(desk, first)
        assert right(desk.run(other, mode="batch", teacher={"temperature": 0.9}))
        assert len(other.batches) == 1 and "knows no batch" not in caplog.text
        assert right(desk.run(first, mode="batch")) and len(first.batches) == 1


@pytest.mark.parametrize("other", [{"name": "other"}, {"name": "other", "mode": "batch"}, {"mode": "live"}])
def test_what_is_under_way_in_a_batch_is_not_asked_by_another_way(desk: Desk, other: dict) -> None:
    with FaultServer() as server:
        send(desk, server)
        with pytest.raises(BadInput, match="20 of its requests are under way in batches of teacher t"):
            desk.run(server, **{"mode": "live", **other})
        desk.run(server, teacher={"temperature": 0.9}, **{"mode": "live", **other})  # other requests are
        assert right(desk.run(server, mode="batch"))
        assert right(desk.run(server, **{"mode": "live", **other}))
        assert set(server.delivered.values()) == {1}


def test_endpoint_without_batches_gives_up_none(desk: Desk) -> None:
    class NoBatches(FaultServer):
        async def _one(self, reader, writer):
            self.files.clear()
            return await super()._one(reader, writer)

    with FaultServer() as server:
        send(desk, server)
        paths, server.api_version = server.paths, "none"  # every path is a 404 now
        with pytest.raises(BadInput, match="404"):
            desk.run(server, mode="batch")
        server.api_version = None
        assert right(desk.run(server, mode="batch")) and len(server.batches) == 1
        assert paths["/batches"] >= 2


def bent(bend) -> FaultServer:
    """A server whose first output file has its third line bent."""
    done = []

    def output(lines: list[bytes]) -> bytes:
        if not done:
            done.append(True)
            lines[2] = bend(lines[2])
        return b"".join(line + b"\n" for line in lines)

    return FaultServer(output=output)


ODD_LINES = {
    "torn": lambda line: line[:30],
    "not an object": lambda line: b"[1]",
    "a key of nobody": lambda line: line.replace(b'"custom_id": "', b'"custom_id": "x'),
    "a response that is a text": lambda line: json.dumps({**json.loads(line), "response": "none"}).encode(),
    "nested too deeply": lambda line: b"[" * 100_000,
    "an error in place of an answer": lambda line: json.dumps(
        {**json.loads(line), "response": {"status_code": 200, "body": {"error": {"message": "busy"}}}}
    ).encode(),
}


@pytest.mark.parametrize("bend", ODD_LINES.values(), ids=ODD_LINES)
def test_line_that_cannot_be_read_opens_its_row_again(desk: Desk, bend, caplog) -> None:
    with bent(bend) as server:
        assert right(desk.run(server, mode="batch"))
        assert sizes(server) == [20, 1] and "1 lines of file" in caplog.text


def test_answer_that_cannot_be_read_is_an_error_of_its_row_also_in_a_batch(desk: Desk) -> None:
    def bend(line: bytes) -> bytes:
        answer = json.loads(line)
        answer["response"]["body"]["choices"] = [None]
        return json.dumps(answer).encode()

    with bent(bend) as server:
        for _ in range(2):
            rows = desk.run(server, mode="batch", max_errors=0.1)
            assert [row["error"] for row in rows if "error" in row] == [
                "the response cannot be read: its first choice has no message, but a null"
            ]
        assert sizes(server) == [20]


def test_file_that_is_cut_off_opens_the_rest_again(desk: Desk) -> None:
    cuts = [0.5, 1]
    whole = FaultServer().output
    with FaultServer(output=lambda lines: whole(lines)[: int(len(whole(lines)) * cuts.pop(0))]) as server:
        assert right(desk.run(server, mode="batch"))
        assert sizes(server) == [20, 11] or sizes(server) == [20, 10]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0c", "\x1e"])
def test_separator_of_lines_within_a_text_ends_no_line(desk: Desk, separator: str) -> None:
    text = f"One{separator}two.\nConclusion: right [END]"

    def output(lines: list[bytes]) -> bytes:
        return b"".join(json.dumps(json.loads(line), ensure_ascii=False).encode() + b"\n" for line in lines)

    with FaultServer(answer=lambda asked: (text, "stop"), output=output) as server:
        rows = desk.run(server, mode="batch")
        assert right(rows) and sizes(server) == [20] and {row["critique"] for row in rows} == {text}


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [b"\x00\x00\x00", b"[1]", b'{"state": "ended"}', b'{"part": "000'])
def test_bad_line_among_the_events_is_passed_over_and_nothing_is_rewritten(desk: Desk, bad: bytes, caplog) -> None:
    with FaultServer() as server:
        send(desk, server)
        before = (desk.folder / EVENTS).read_bytes() + bad
        (desk.folder / EVENTS).write_bytes(before + b"\n")
        assert right(desk.run(server, mode="batch"))
        assert len(server.batches) == 1 and "is not an event: skipped" in caplog.text
        assert (desk.folder / EVENTS).read_bytes().startswith(before + b"\n")


def test_torn_last_event_stays_and_the_next_one_begins_a_line(desk: Desk) -> None:
    with FaultServer() as server:
        send(desk, server)
        whole = (desk.folder / EVENTS).read_bytes()
        torn = whole[:-20]  # the batch's id is lost
        (desk.folder / EVENTS).write_bytes(torn)
        inode = (desk.folder / EVENTS).stat().st_ino
        assert right(desk.run(server, mode="batch")) and len(server.batches) == 1
        after = (desk.folder / EVENTS).read_bytes()
        assert after.startswith(torn + b"\n") and (desk.folder / EVENTS).stat().st_ino == inode


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_key_sets_the_size_of_a_batch(desk: Desk) -> None:
    with FaultServer() as server:
        assert right(desk.run(server, mode="batch", batch_size=8))
        assert sizes(server) == [8, 8, 4]


def test_batch_beyond_the_limit_of_waiting_tokens_is_halved_until_it_fits(desk: Desk, caplog) -> None:
    with FaultServer(most_waiting=6) as server:
        assert right(desk.run(server, mode="batch"))
    assert sizes(server) == [20, 10, 5, 5, 5, 5] or sizes(server) == [20, 10, 5, 5, 5, 5, 5]
    assert set(server.delivered.values()) == {1} and "refused for its size" in caplog.text


def test_batch_whose_file_is_refused_for_its_size_is_halved(desk: Desk) -> None:
    class Server(FaultServer):
        async def _send(self, writer, status, body, headers="", cut=None):
            if isinstance(body, dict) and body.get("object") == "file" and body["bytes"] > self.most_bytes:
                return await super()._send(writer, 413, {"error": {"message": "File is too large.", "code": None}})
            return await super()._send(writer, status, body, headers, cut)

    Server.most_bytes = 6_000
    with Server() as server:
        assert right(desk.run(server, mode="batch"))
    assert max(sizes(server)) <= 10


def test_not_even_one_request_fits_and_that_is_told(desk: Desk) -> None:
    desk.set_rows(graded(4))
    with FaultServer(most_waiting=0) as server, pytest.raises(BadInput) as caught:
        desk.run(server, mode="batch")
    assert "a batch of one request was refused: Enqueued token limit" in str(caught.value)
    assert "start again" in str(caught.value) and sizes(server)[-1] == 1


class Bent(FaultServer):
    """A server whose batches have odd fields."""

    fields: dict = {}

    async def _send(self, writer, status, body, headers="", cut=None):
        if isinstance(body, dict) and body.get("object") == "batch":
            body = {**body, **self.fields}
        return await super()._send(writer, status, body, headers, cut)


@pytest.mark.parametrize("fields", [{"id": ""}, {"id": None}, {"status": None}, {"status": 5}, {"status": {}}], ids=str)
def test_batch_that_is_none_stops_at_once(desk: Desk, fields: dict) -> None:
    with Bent() as server, pytest.raises(BadInput, match="did not return a batch"):
        server.fields = fields
        desk.run(server, mode="batch")
    assert len(server.batches) == 1


@pytest.mark.parametrize("errors", [5, {"data": 5}, {"data": [None, 5]}, {"data": None}], ids=str)
def test_reasons_in_no_known_form_are_passed_over(desk: Desk, errors) -> None:
    with Bent() as server, pytest.raises(BadInput, match="batch batch-2 failed. What the other batches gave is kept"):
        server.fields = {"status": "failed", "errors": errors}
        desk.run(server, mode="batch")


def test_reason_of_a_batch_is_safe_to_show(desk: Desk) -> None:
    with Bent() as server, pytest.raises(BadInput) as caught:
        server.fields = {"status": "failed", "errors": {"data": [{"message": "\x1b[2J\ud800 no", "code": None}]}}
        desk.run(server, mode="batch")
    assert "batch batch-2 failed: \ufffd[2J\ufffd no." in str(caught.value)
