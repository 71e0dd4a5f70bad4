"""Answers as endpoints send them: every form is read, or is the error of its row, kept and paid for once."""

import gzip
import json
import math
import resource
import time
from pathlib import Path

import pytest

from scripts import critique_responses
from scripts.lib.jsonl import BadInput, read_json, read_rows
from scripts.lib.teachers import live
from scripts.lib.teachers.replies import problem_of, thoughts_and_answer, value_of, whole_text
from tests.fault_server import FaultServer
from tests.teacher_desk import Desk, graded

GOOD = "Fine.\nConclusion: right [END]"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


def completion(message: object = None, finish: object = "stop", **other: object) -> dict:
    """A chat completion, to be bent."""
    message = {"role": "assistant", "content": GOOD} if message is None else message
    return {"model": "m", "choices": [{"message": message, "finish_reason": finish}], "usage": USAGE, **other}


def said(content: object, **other: object) -> dict:
    return {"role": "assistant", "content": content, **other}


def for_one_row(body: object) -> FaultServer:
    """A server that answers the row "What is 3 + 1?" with `body` (bytes as they are), the others as usual."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return FaultServer(raw=lambda asked: content if "What is 3 " in asked["messages"][-1]["content"] else None)


def deep(levels: int) -> bytes:
    return b'{"choices": ' + b"[" * levels + b"]" * levels + b"}"


def deep_thoughts(levels: int) -> bytes:
    """A completion that JSON readers take in, and whose content cannot be followed to its end."""
    content = b'[{"type": "thinking", "thinking": ' * levels + b'"x"' + b"}]" * levels
    return b'{"choices": [{"finish_reason": "stop", "message": {"content": ' + content + b"}}]}"


UNREADABLE = {
    "a choice that is null": (completion(choices=[None]), "its first choice has no message"),
    "choices that are a text": (completion(choices="none"), "its choices are a str"),
    "a message that is null": (completion(choices=[{"message": None, "finish_reason": "stop"}]), "has no message"),
    "content that is a number": (completion(said(7)), "its content is a int"),
    "a part of another kind": (completion(said([{"type": "image_url", "image_url": {}}])), "a part of type image_url"),
    "a part that is null": (completion(said([None])), "a null for a part"),
    "thoughts within thoughts": (deep_thoughts(400), "nested too deeply"),
    "nested 100,000 deep": (deep(100_000), "nested too deeply"),
}


@pytest.mark.parametrize("body, reason", UNREADABLE.values(), ids=UNREADABLE)
def test_answer_that_cannot_be_read_is_an_error_of_its_row_and_not_asked_again(desk: Desk, body, reason) -> None:
    with for_one_row(body) as server:
        rows = desk.run(server, max_errors=0.5)
        asked = sum(server.seen.values())
        assert desk.run(server, max_errors=0.5) == rows
        assert asked == sum(server.seen.values()) == 20
    errors = [row["error"] for row in rows if "error" in row]
    assert len(errors) == 1 and "cannot be read" in errors[0] and reason in errors[0]


READABLE = {
    "a list of parts": (
        completion(said([{"type": "text", "text": "Fine.\n"}, {"text": "Conclusion: wrong"}])),
        "wrong",
    ),
    "parts that are texts": (completion(said(["Conclusion: ", "wrong"])), "wrong"),
    "half a pair of surrogates": (
        b'{"usage": {}, "choices": [{"finish_reason": "stop", "message": {"content": "\\ud83d. Conclusion: wrong"}}]}',
        "wrong",
    ),
    "bytes that are no UTF-8": (
        json.dumps(completion(said("? Conclusion: wrong"))).encode().replace(b"?", b"\xff"),
        "wrong",
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(completion(said("Conclusion: wrong"))).encode(), "wrong"),
    "usage that is a text": (completion(said("Conclusion: wrong"), usage="much"), "wrong"),
    "another choice after it": (
        completion(choices=[*completion(said("Conclusion: wrong"))["choices"], None]),
        "wrong",
    ),
}


@pytest.mark.parametrize("body, verdict", READABLE.values(), ids=READABLE)
def test_answer_in_another_form_is_read(desk: Desk, body, verdict: str) -> None:
    with for_one_row(body) as server:
        rows = desk.run(server)
    assert [row["verdict"] for row in rows].count(verdict) == 1
    assert "\ud83d" not in json.dumps(desk.journal(), ensure_ascii=False)


def test_gigabyte_is_an_error_of_its_row_and_is_not_taken_in(desk: Desk) -> None:
    class Server(FaultServer):
        sent = 0

        def _fault_of(self, content: str):
            return "huge" if len(self.seen) == 3 and self.seen[content] == 1 else None

    desk.set_rows(graded(6))
    with Server() as server:
        rows = desk.run(server, concurrency=1, max_errors=0.5)
        desk.run(server, max_errors=0.5)
        assert sum(server.seen.values()) == 6
    assert [row["error"] for row in rows if "error" in row] == ["the response cannot be read: it is larger than 8 MB"]


def test_response_that_comes_byte_by_byte_is_given_up_in_time(desk: Desk) -> None:
    class Server(FaultServer):
        def _fault_of(self, content: str):
            return "drip" if self.seen[content] == 1 else None

    desk.set_rows(graded(2))
    with Server() as server:
        rows = desk.run(server, timeout=0.5)
    assert [row["verdict"] for row in rows] == ["right"] * 2 and set(server.seen.values()) == {2}


def test_body_that_unpacks_to_a_gigabyte_is_an_error_of_its_row(desk: Desk) -> None:
    packed = gzip.compress(bytes(10**9), compresslevel=1)

    class Server(FaultServer):
        async def _chat(self, body, headers, writer):
            if "What is 3 " not in body["messages"][-1]["content"]:
                return await super()._chat(body, headers, writer)
            self.seen["packed"] += 1
            return await self._send(writer, 200, packed, "Content-Encoding: gzip\r\n")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Server() as server:
        rows = desk.run(server, max_errors=0.5)
        assert server.seen["packed"] == 1
    assert [row["error"] for row in rows if "error" in row] == ["the response cannot be read: it is larger than 8 MB"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KB


@pytest.mark.parametrize("status", [400, 500])
def test_what_an_endpoint_says_is_safe_to_show_and_to_keep(desk: Desk, monkeypatch, status: int) -> None:
    monkeypatch.setattr(live, "LONGEST_WAIT_S", 0.01)
    message = b'{"error": {"message": "\\u001b]0;owned\\u0007\\u202e half \\ud800 of a pair\\u0000"}}'

    class Server(FaultServer):
        async def _chat(self, body, headers, writer):
            if "What is 3 " in body["messages"][-1]["content"]:
                return await self._send(writer, status, message)
            return await super()._chat(body, headers, writer)

    with Server() as server:
        if status == 400:
            with pytest.raises(BadInput) as caught:
                desk.run(server)
            said = str(caught.value)
        else:
            (said,) = (row["error"] for row in desk.run(server, max_errors=0.5) if "error" in row)
    assert said.isprintable() and "\ufffd]0;owned\ufffd\ufffd half \ufffd of a pair\ufffd." in said


def test_error_in_place_of_an_answer_is_asked_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_WAIT_S", 0.01)
    replies = [b'{"error": {"message": "busy", "code": 503}}', b"[]", b"<html>", None, None]
    desk.set_rows(graded(2))
    with FaultServer(raw=lambda body: replies.pop(0)) as server:
        assert [row["verdict"] for row in desk.run(server)] == ["right"] * 2
    assert sum(server.seen.values()) == 5


# --- how it ended -----------------------------------------------------------------------------------------------------

NOT_WHOLE = {
    "error": "finish_reason error",
    "insufficient_system_resource": "finish_reason insufficient_system_resource",
    "abort": "finish_reason abort",
    "tool_calls": "finish_reason tool_calls",
    None: "finish_reason null",
    "max_tokens": "cut off at max_tokens",
    "MAX_TOKENS": "cut off at max_tokens",
    "model_length": "cut off at max_tokens",
    "length": "cut off at max_tokens",
    "SAFETY": "content filter",
    "content_filter: RECITATION": "content filter",
}


@pytest.mark.parametrize("finish, reason", NOT_WHOLE.items(), ids=map(str, NOT_WHOLE))
def test_only_an_answer_that_came_to_its_end_is_whole(desk: Desk, finish, reason: str) -> None:
    with for_one_row(completion(said(GOOD), finish)) as server:
        rows = desk.run(server, max_errors=0.5)
    broken = [row for row in rows if "error" in row]
    assert len(broken) == 1 and reason in broken[0]["error"] and "verdict" not in broken[0]


@pytest.mark.parametrize("finish", ["stop", "STOP", "eos", "end_turn"])
def test_ends_under_other_names_are_whole(finish: str) -> None:
    assert problem_of(value_of(completion(finish=finish), 1, 0.0)) is None


# --- thoughts ---------------------------------------------------------------------------------------------------------

THOUGHT = "Conclusion: wrong. Hm."
WITH_THOUGHTS = {
    "in tags": said(f"<think>\n{THOUGHT}\n</think>\n\n{GOOD}"),
    "in tags that the prompt opened": said(f"{THOUGHT}\n</think>\n\n{GOOD}"),
    "in a field": said(GOOD, reasoning_content=THOUGHT),
    "in another field": said(GOOD, reasoning=THOUGHT),
    "in a part": said([{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}, {"text": GOOD}]),
}


@pytest.mark.parametrize("message", WITH_THOUGHTS.values(), ids=WITH_THOUGHTS)
def test_thoughts_have_a_field_of_their_own_and_are_not_judged(desk: Desk, message: dict) -> None:
    with for_one_row(completion(message)) as server:
        rows = desk.run(server)
        both = desk.run(server, teacher={"with_thoughts": True})
        assert sum(server.seen.values()) == 20
    row = next(row for row in rows if row.get("thoughts"))
    assert (row["thoughts"], row["critique"], row["verdict"]) == (THOUGHT, GOOD, "right")
    assert len([row for row in rows if "thoughts" in row]) == 1
    row = next(row for row in both if row.get("thoughts"))
    assert row["critique"] == whole_text(THOUGHT, GOOD) and row["verdict"] == "right"


def test_thoughts_without_an_answer_are_no_answer() -> None:
    value = value_of(completion(said(f"<think>{GOOD}")), 1, 0.0)
    assert thoughts_and_answer(value) == (GOOD, "") and problem_of(value) == "thoughts, but no answer"
    value = value_of(completion(said(f"<think>{GOOD}"), "length"), 1, 0.0)
    assert problem_of(value) == "cut off at max_tokens"


def test_a_megabyte_of_thoughts_is_read_in_no_time() -> None:
    for text in ("<think></think>" * 70_000, "<think>" * 140_000, "</think>" * 130_000, "x" * 10**6):
        start = time.monotonic()
        thoughts_and_answer({"text": text, "thoughts": None})
        assert time.monotonic() - start < 2


def test_text_about_thoughts_is_an_answer() -> None:
    text = "The response opens with <think> and ends with </think>. Conclusion: right"
    assert thoughts_and_answer(value_of(completion(said(text)), 1, 0.0)) == ("", text)


# --- what it cost -----------------------------------------------------------------------------------------------------

ANSWERS_OF_A_MODEL = {
    "thoughts before the critique": ("<think>Is it 4? [END] Conclusion: wrong</think>Conclusion: right [END] 4", True),
    "thoughts that the template opened": ("Is it 4? Conclusion: wrong</think>\nConclusion: right [END]", True),
    "no thoughts": ("Conclusion: right [END]", True),
    "cut off while it thinks": ("<think>Is it 4? Conclusion: right", False),
    "thoughts alone": ("<think>Is it 4? Conclusion: right</think>", True),
}


@pytest.mark.parametrize("with_thoughts", [False, True])
def test_thoughts_of_a_model_of_the_study_are_kept_apart_too(desk: Desk, monkeypatch, with_thoughts: bool) -> None:
    class Generator:
        def __init__(self, *_: object) -> None: ...

        def answers(self, rows: list[dict], *_: object, **__: object) -> list[dict]:
            said = zip(rows, ANSWERS_OF_A_MODEL.values(), strict=True)
            return [{"question_id": row["id"], "response": text, "finished": end} for row, (text, end) in said]

    monkeypatch.setattr("scripts.lib.generation.generator.Generator", Generator)
    desk.set_rows(graded(len(ANSWERS_OF_A_MODEL)))
    teacher = {"kind": "vllm", "critique_prompt": "ask.j2", "with_thoughts": with_thoughts}
    settings = {"rows": None, "teacher": teacher, "engine": {}}
    words = {"--graded": "graded.jsonl", "--critiques": "c.jsonl", "--summary": "c.json", "--state": "state"}
    monkeypatch.chdir(desk.folder)
    Path("ask.j2").write_text("{% block user %}{{ response }}{% endblock %}")
    arguments = ["--settings", json.dumps(settings), "--limits", '{"max_errors": 1}', "--model", "m"]
    arguments += [word for pair in words.items() for word in pair]
    assert critique_responses.main(critique_responses.parse_args(arguments)) == 0
    apart, opened, plain, cut, alone = read_rows("c.jsonl")
    assert [row["verdict"] for row in (apart, opened, plain)] == ["right"] * 3 and "thoughts" not in plain
    assert (
        apart["thoughts"] == "Is it 4? [END] Conclusion: wrong" and opened["thoughts"] == "Is it 4? Conclusion: wrong"
    )
    before = "<think>\nIs it 4? Conclusion: wrong\n</think>\n\n" if with_thoughts else ""
    assert opened["critique"] == f"{before}Conclusion: right [END]"
    assert (cut["error"], alone["error"]) == ("cut off at max_tokens", "thoughts, but no answer")


ODD_USAGE = {
    "none": None,
    "a text": "12 tokens",
    "texts": {"prompt_tokens": "10", "completion_tokens": "5"},
    "negative": {"prompt_tokens": -10, "completion_tokens": 5},
    "not a number": {"prompt_tokens": math.nan, "completion_tokens": 5},
    "endless": {"prompt_tokens": 10, "completion_tokens": math.inf},
    "half": {"prompt_tokens": 10},
    "larger than any": {"prompt_tokens": 10**400, "completion_tokens": 5},
    "more digits than Python reads": {"prompt_tokens": "DIGITS", "completion_tokens": 5},
    "nought": {"prompt_tokens": 0, "completion_tokens": 0},
}


@pytest.mark.parametrize("usage", ODD_USAGE.values(), ids=ODD_USAGE)
def test_answer_without_usage_counts_by_the_estimate_and_that_is_said(desk: Desk, usage, caplog) -> None:
    body = json.dumps(completion(said(GOOD), usage=usage)).encode().replace(b'"DIGITS"', b"9" * 5000)
    with FaultServer(raw=lambda asked: body) as server:
        desk.run(server)
        assert sum(server.seen.values()) == 20
    summary = read_json(desk.folder / "shard-0.json")
    assert summary["answers_without_usage"] == 20
    assert summary["completion_tokens"] == 400 and summary["cost_usd"] > 0.004  # expected_tokens: 20
    assert caplog.text.count("reports no usage") == 1


def test_budget_holds_at_an_endpoint_that_says_no_usage(desk: Desk) -> None:
    body = json.dumps(completion(said(GOOD), usage=None)).encode()
    with FaultServer(raw=lambda asked: body) as server:
        for count in (100, 200, 300):
            desk.set_rows(graded(count))
            if count == 100:
                desk.run(server, budget=0.06)
                continue
            with pytest.raises(BadInput, match="budget"):
                desk.run(server, budget=0.06)
        assert sum(server.seen.values()) == 100
