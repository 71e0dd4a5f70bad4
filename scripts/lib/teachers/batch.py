"""Asks a teacher through the Batches endpoint: half the price, answers within a day.

What was sent lies beside the journal in `batches/events.jsonl`. Before a batch is created it is written down there,
and its id as soon as the endpoint names it. A batch whose id was lost in between (a kill in that moment) is found again
by the name that it carries in its metadata. So no request is ever paid for twice, whenever the job ends.
"""

import json
import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import openai

from scripts.lib.cli import Progress
from scripts.lib.jsonl import BadInput, append_line, content_key, dumps
from scripts.lib.teachers.endpoints import endpoint_of
from scripts.lib.teachers.replies import value_of
from scripts.lib.teachers.requests import Request, body_of
from scripts.lib.teachers.teaching import Teaching

log = logging.getLogger(__name__)

# The endpoint's limits for one batch.
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
ROUNDS = 3  # times that a request is sent before its row ends with an error
PATH = "/v1/chat/completions"
ENDED = {"completed", "failed", "expired", "cancelled"}


def ask_all(teaching: Teaching, requests: Iterator[Request], progress: Progress) -> dict[str, str]:
    """Sends all requests in batches, waits, and journals the answers; returns why the others have none, by key.

    Raises:
        BadInput: the endpoint refuses a batch or somebody cancelled it. What others gave is kept.
    """
    url, key = endpoint_of(teaching.slug, teaching.limits)
    timeout = teaching.limits["timeout"]
    with openai.OpenAI(api_key=key, base_url=url, max_retries=8, timeout=timeout) as client:
        try:
            return _Batches(teaching, client, progress).run(requests)
        except (openai.APIError, ValueError) as error:
            said = " ".join(str(error).split())[:400]
            said = said.replace(key, "<key>") if key != "none" else said
            raise BadInput(
                f"teacher {teaching.slug}: {type(error).__name__}: {said} Check key, base_url and model of "
                f"teachers.{teaching.slug}; batches that were sent are written down and will be collected."
            ) from None


class Events:
    """What happened to each part, in an append-only file: the last state of each is what counts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / "events.jsonl"
        self.parts: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            whole, _, torn = self.path.read_bytes().rpartition(b"\n")
            if torn:
                self.path.write_bytes(whole + b"\n" if whole else b"")
            for line in whole.splitlines():
                event = json.loads(line)
                self.parts.setdefault(event["part"], {}).update(event)

    def add(self, part: str, **values: Any) -> None:
        """Writes down what happened; it is on the disk before anything else is done."""
        append_line(self.path, dumps({"part": part, **values}))
        self.parts.setdefault(part, {}).update(values)

    def those(self, state: str) -> list[str]:
        """The parts in a state, in the order in which they were made."""
        return [part for part, values in self.parts.items() if values["state"] == state]


class _Batches:
    def __init__(self, teaching: Teaching, client: openai.OpenAI, progress: Progress) -> None:
        self.teaching, self.client, self.progress = teaching, client, progress
        self.events = Events(teaching.folder / "batches")
        self.refused: dict[str, str] = {}  # requests that the endpoint will never answer
        self.faults: list[str] = []

    def run(self, requests: Iterator[Request]) -> dict[str, str]:
        """Collects what an earlier run sent, then sends what is missing, at most ROUNDS times."""
        self._find_lost()
        self._collect()
        missing: Iterable[Request] = (request for request in requests if self._open(request))
        for _ in range(ROUNDS):
            sent = []
            for part, keys in self._build(missing):
                self._submit(part)
                sent += keys
            if not sent:
                return self.refused
            self._collect()
            left = [request for request in sent if self._open(request)]
            log.info("%s: %d of %d requests are answered", self.teaching.slug, len(sent) - len(left), len(sent))
            missing = left
        return self.refused | {request.key: f"no answer in {ROUNDS} batches" for request in missing}

    def _open(self, request: Request) -> bool:
        return request.key not in self.teaching.journal and request.key not in self.refused

    def _build(self, requests: Iterable[Request]) -> Iterator[tuple[str, list[Request]]]:
        """Writes the files of the requests, split at the endpoint's limits, and gives each one's name and requests."""
        lines: list[bytes] = []
        keys: list[Request] = []
        size = 0
        for request in requests:
            body = body_of(self.teaching.teacher, request)
            line = dumps({"custom_id": request.key, "method": "POST", "url": PATH, "body": body}).encode() + b"\n"
            if lines and (len(lines) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
                yield self._write(lines, keys), keys
                lines, keys, size = [], [], 0
            lines.append(line)
            keys.append(request)
            size += len(line)
        if lines:
            yield self._write(lines, keys), keys

    def _write(self, lines: list[bytes], requests: list[Request]) -> str:
        part = f"{len(self.events.parts):05d}-{content_key([request.key for request in requests])}"
        (self.events.folder / f"{part}.jsonl").write_bytes(b"".join(lines))
        self.events.add(part, state="built", requests=len(requests))
        return part

    def _submit(self, part: str) -> None:
        file = self.events.folder / f"{part}.jsonl"
        with file.open("rb") as body:
            uploaded = self.client.files.create(file=(file.name, body), purpose="batch")
        self.events.add(part, state="submitting", file=uploaded.id)
        # No retry by the SDK: a request that did arrive would make a second batch.
        batch = self.client.with_options(max_retries=0).batches.create(
            input_file_id=uploaded.id, endpoint=PATH, completion_window="24h", metadata={"redpen_part": part}
        )
        self.events.add(part, state="submitted", batch=batch.id)
        log.info("%s: batch %s with %d requests", self.teaching.slug, batch.id, self.events.parts[part]["requests"])

    def _find_lost(self) -> None:
        """Parts of an earlier run without an id: adopted where the endpoint knows them, dropped otherwise."""
        for part in self.events.those("built"):
            self._end(part, "dropped")
        lost = {self.events.parts[part]["file"]: part for part in self.events.those("submitting")}
        if not lost:
            return
        for batch in self.client.batches.list(limit=100):
            part = lost.get(batch.input_file_id)
            if part and (batch.metadata or {}).get("redpen_part") == part:
                self.events.add(part, state="submitted", batch=batch.id)
                log.info("%s: found batch %s again", self.teaching.slug, batch.id)
                del lost[batch.input_file_id]
            if not lost:
                break
        for part in lost.values():
            self._end(part, "dropped")

    def _end(self, part: str, state: str, **values: Any) -> None:
        self.events.add(part, state=state, **values)
        (self.events.folder / f"{part}.jsonl").unlink(missing_ok=True)

    def _collect(self) -> None:
        """Waits until every batch that was sent has ended, and takes in what each gave.

        Raises:
            BadInput: a batch failed or was cancelled.
        """
        waiting = self.events.those("submitted")
        while waiting:
            for part in list(waiting):
                batch = self.client.batches.retrieve(self.events.parts[part]["batch"])
                if batch.status in ENDED:
                    self._take(part, batch)
                    waiting.remove(part)
            if waiting:
                log.info("%s: waiting for %d batches", self.teaching.slug, len(waiting))
                time.sleep(self.teaching.limits["poll_seconds"])
        if self.faults:
            raise BadInput(
                f"teacher {self.teaching.slug}: {'; '.join(self.faults)}. What the other batches gave is kept: mend "
                "the cause and start again."
            )

    def _take(self, part: str, batch) -> None:
        """Journals what a batch gave. Only then is it written down as ended."""
        for file in (batch.output_file_id, batch.error_file_id):
            if not file:
                continue
            with self.client.files.with_streaming_response.content(file) as content:
                for line in content.iter_lines():
                    if line.strip():
                        self._take_line(json.loads(line))
        if batch.status in ("failed", "cancelled"):
            found = getattr(batch.errors, "data", None) or []
            why = "; ".join(error.message or error.code or "no reason given" for error in found[:3])
            self.faults.append(f"batch {batch.id} {batch.status}{': ' + why if why else ''}")
        self._end(part, "ended", status=batch.status)

    def _take_line(self, line: dict) -> None:
        key, response = line["custom_id"], line.get("response") or {}
        status = response.get("status_code")
        if status == 200:
            if key not in self.teaching.journal:
                self.teaching.keep(key, {**value_of(response["body"], 0, 0.0), "batch": True})
                self.progress.add(1)
        elif status is not None and 400 <= status < 500 and status not in (408, 409, 429):
            said = ((response.get("body") or {}).get("error") or {}).get("message") or status
            self.refused[key] = f"refused by the endpoint: {status}: {said}"[:300]
