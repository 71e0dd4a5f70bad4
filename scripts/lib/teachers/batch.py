"""Asks a teacher through the Batches endpoint: half the price, answers within a day.

Sent batches are recorded beside the journal in `batches/events.jsonl`, which is append-only: a batch before it is
created, its id as soon as the endpoint returns it. If a kill in between loses the id, the batch is found by the name in
its metadata. So no request is ever paid for twice, whenever the job ends. If one part fails (a batch that the endpoint
lost, a line that cannot be read), only that part ends: its rows will be asked again.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpx2
import openai

from scripts.lib.cli import Progress
from scripts.lib.jsonl import BadInput, content_key, dumps, replacing
from scripts.lib.teachers.endpoints import MOST_BYTES as MOST_LINE_BYTES
from scripts.lib.teachers.endpoints import Endpoint, TooLarge, client_of, endpoint_of
from scripts.lib.teachers.events import Events
from scripts.lib.teachers.faults import lasting_fault, one_line, shown
from scripts.lib.teachers.replies import value_of
from scripts.lib.teachers.requests import Request, body_of
from scripts.lib.teachers.teaching import Teaching

log = logging.getLogger(__name__)

# The endpoint's limits for one batch.
MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
ROUNDS = 3  # times that a request is sent before its row gets an error
DOWNLOADS = 3  # times that an answer file is fetched before it is left for the next start
DOWNLOAD_S = 3600.0
RETRIES = 8  # of one call by the SDK
PATH = "/v1/chat/completions"
ENDED = {"completed", "failed", "expired", "cancelled"}
# Errors that refuse a batch because of already queued ones, or because of its size.
TOO_MUCH_WAITS = re.compile("token_limit|enqueued", re.IGNORECASE)
TOO_BIG = re.compile(
    r"token_limit|enqueued|too (?:large|many|big)"
    r"|(?:exceed|maximum|limit)\w*\b.*\b(?:tokens?|requests|size|bytes|lines)",
    re.IGNORECASE,
)


def ask_all(teaching: Teaching, requests: Iterator[Request], progress: Progress) -> dict[str, str]:
    """Sends all requests in batches, waits, and journals the answers; returns the errors of the others, by key.

    Raises:
        BadInput: the endpoint refuses a batch, or somebody cancelled it. Answers of other batches are kept.
    """
    return asyncio.run(_ask_all(teaching, requests, progress))


async def _ask_all(teaching: Teaching, requests: Iterator[Request], progress: Progress) -> dict[str, str]:
    slug, limits = teaching.slug, teaching.limits
    endpoint = endpoint_of(slug, limits)
    async with client_of(slug, endpoint, limits["timeout"], RETRIES) as client:
        try:
            return await _Batches(teaching, client, endpoint, progress).run(requests)
        except (openai.APIError, httpx2.HTTPError, TooLarge) as error:
            model, key_env = teaching.teacher["model"], limits["api_key_env"]
            advice = lasting_fault(error, slug, model, endpoint, key_env) or (
                f"{one_line(error)} Check key, base_url and model of teachers.{slug}."
            )
            problem = endpoint.without_secrets(advice)
            raise BadInput(
                f"teacher {slug}: {problem} Batches that were sent are recorded and will be collected."
            ) from None


class _Batches:
    def __init__(self, teaching: Teaching, client: openai.AsyncOpenAI, endpoint: Endpoint, progress: Progress) -> None:
        self.teaching, self.client, self.endpoint, self.progress = teaching, client, endpoint, progress
        self.events = Events(teaching.folder / "batches")
        self.most = min(MOST_REQUESTS, teaching.limits.get("batch_size") or MOST_REQUESTS)
        self.one_at_a_time = False  # after the endpoint has refused a batch because of its size
        self.refused: dict[str, str] = {}  # requests that the endpoint will never answer
        self.faults: list[str] = []

    async def run(self, requests: Iterator[Request]) -> dict[str, str]:
        """Collects the batches of an earlier run, then sends missing requests, at most ROUNDS times."""
        await self._ask_once()
        await self._find_lost()
        await self._collect()
        missing: Iterable[Request] = (request for request in requests if self._open(request))
        rounds = 0
        while rounds < ROUNDS:
            size = self.most
            sent = await self._send(missing)
            if not sent:
                return self.refused
            await self._collect()
            missing = [request for request in sent if self._open(request)]
            log.info("%s: %d of %d requests are answered", self.teaching.slug, len(sent) - len(missing), len(sent))
            rounds += self.most == size  # a round that only found the right size does not count
        return self.refused | {request.key: f"no answer in {ROUNDS} batches" for request in missing}

    async def _ask_once(self) -> None:
        """Checks for permanent errors first, before the SDK's retries and the upload of a file."""
        try:
            await self.client.with_options(max_retries=0).batches.list(limit=1)
        except (openai.APIStatusError, openai.APIConnectionError) as error:
            listed = getattr(error, "status_code", None) not in (404, 405)  # some endpoints cannot list batches
            if listed and lasting_fault(error, self.teaching.slug, "", self.endpoint, None):
                raise

    def _open(self, request: Request) -> bool:
        return request.key not in self.teaching.journal and request.key not in self.refused

    async def _send(self, requests: Iterable[Request]) -> list[Request]:
        """Sends the requests in as many parts as needed; returns the requests."""
        sent: list[Request] = []
        for part, asked in self._build(requests):
            await self._submit(part)
            sent += asked
            if self.one_at_a_time:
                await self._collect()
        return sent

    def _build(self, requests: Iterable[Request]) -> Iterator[tuple[str, list[Request]]]:
        """Writes the request files, split at the limits, and yields each one's name and requests."""
        lines: list[bytes] = []
        asked: list[Request] = []
        size = 0
        for request in requests:
            body = body_of(self.teaching.teacher, request)
            line = dumps({"custom_id": request.key, "method": "POST", "url": PATH, "body": body}).encode() + b"\n"
            if lines and (len(lines) >= self.most or size + len(line) > MOST_BYTES):
                yield self._write(lines, asked), asked
                lines, asked, size = [], [], 0
            lines.append(line)
            asked.append(request)
            size += len(line)
        if lines:
            yield self._write(lines, asked), asked

    def _write(self, lines: list[bytes], requests: list[Request]) -> str:
        part = f"{len(self.events.parts):05d}-{content_key([request.key for request in requests])}"
        with replacing(self.events.file(part)) as temporary:
            temporary.write_bytes(b"".join(lines))
        self.events.add(part, state="built", requests=len(requests))
        return part

    async def _submit(self, part: str) -> None:
        """Sends one part; if it is refused because of its size, it is dropped and later parts are smaller."""
        try:
            with self.events.file(part).open("rb") as body:
                uploaded = await self.client.files.create(file=(f"{part}.jsonl", body), purpose="batch")
                self._check(uploaded)
            self.events.add(part, state="submitting", file=uploaded.id, endpoint=self.endpoint.shown)
            # No retry by the SDK: if the request did arrive, a retry would make a second batch.
            batch = await self.client.with_options(max_retries=0).batches.create(
                input_file_id=uploaded.id, endpoint=PATH, completion_window="24h", metadata={"redpen_part": part}
            )
        except openai.APIStatusError as error:
            reason = f"{error.code} {error.message}"
            by_size = error.status_code in (400, 413, 422) and TOO_BIG.search(reason)
            if not by_size and not (error.status_code == 429 and TOO_MUCH_WAITS.search(reason)):
                raise
            self._halve(part, one_line(error))
            return
        self._check(batch, "status")
        self.events.add(part, state="submitted", batch=batch.id)
        log.info("%s: batch %s with %d requests", self.teaching.slug, batch.id, self.events.parts[part]["requests"])

    def _check(self, answer: Any, *also: str) -> Any:
        """The endpoint's answer, if the SDK parsed it as an object: a gateway's error page becomes plain text."""
        if all(isinstance(getattr(answer, name, None), str) and getattr(answer, name) for name in ("id", *also)):
            return answer
        raise BadInput(
            f"teacher {self.teaching.slug}: {self.endpoint.shown} did not return a batch. Check that it has the "
            "Batches endpoint, and start again: what was sent is recorded and will be collected."
        )

    def _halve(self, part: str, why: str) -> None:
        """Drops a part that was refused because of its size; later parts are half as large and sent one at a time."""
        count = self.events.parts[part].get("requests", self.most)
        if count <= 1:
            self.faults.append(f"a batch of one request was refused: {self.endpoint.without_secrets(why)}")
        self.most, self.one_at_a_time = max(1, min(self.most, count // 2)), True
        self._end(part, "refused")
        log.warning(
            "%s: a batch of %d requests is refused for its size (%s): now %d at most, one batch at a time",
            *(self.teaching.slug, count, self.endpoint.without_secrets(why), self.most),
        )

    async def _find_lost(self) -> None:
        """Parts of an earlier run without an id: adopted if the endpoint knows them, else dropped."""
        for part in self.events.in_state("built"):
            self._end(part, "dropped")
        parts = self.events.in_state("submitting", self.endpoint.shown)
        lost = {self.events.parts[part].get("file"): part for part in parts}
        if not lost:
            return
        async for batch in self.client.batches.list(limit=100):
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
        self.events.file(part).unlink(missing_ok=True)

    async def _collect(self) -> None:
        """Waits until all batches sent to this endpoint have ended, and collects their answers.

        Raises:
            BadInput: a batch failed or was cancelled.
        """
        waiting = self.events.in_state("submitted", self.endpoint.shown)
        while waiting:
            waiting = [part for part in waiting if not await self._has_ended(part)]
            if waiting:
                log.info("%s: waiting for %d batches", self.teaching.slug, len(waiting))
                await asyncio.sleep(self.teaching.limits["poll_seconds"])
        if self.faults:
            raise BadInput(
                f"teacher {self.teaching.slug}: {'; '.join(self.faults)}. What the other batches gave is kept: fix the "
                "cause and start again."
            )

    async def _has_ended(self, part: str) -> bool:
        """Polls a batch, and collects its answers once it has ended; returns whether it has."""
        name = self.events.parts[part].get("batch")
        try:
            batch = self._check(await self.client.batches.retrieve(name), "status") if name else None
        except openai.NotFoundError:
            await self.client.batches.list(limit=1)  # fails if it is the endpoint that is missing, not the batch
            batch = None
        if batch is None:
            log.warning("%s: the endpoint knows no batch %s: its rows will be asked again", self.teaching.slug, name)
            self._end(part, "lost")
        elif batch.status in ENDED:
            await self._take(part, batch)
        return batch is None or batch.status in ENDED

    async def _take(self, part: str, batch) -> None:
        """Journals a batch's answers, and only then records it as ended."""
        asked = self._characters(part)
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            try:
                await self._take_file(file, asked)
            except openai.NotFoundError:
                log.warning("%s: the endpoint has lost file %s of batch %s", self.teaching.slug, file, batch.id)
            except (openai.APIConnectionError, httpx2.HTTPError, TimeoutError) as error:
                why = self.endpoint.without_secrets(one_line(error))
                self.faults.append(f"the answers of batch {batch.id} cannot be fetched now ({why})")
                return
        why, codes = _reasons(batch)
        if batch.status == "failed" and TOO_BIG.search(f"{why} {codes}"):
            self._halve(part, why)
            return
        if batch.status in ("failed", "cancelled"):
            self.faults.append(f"batch {batch.id} {batch.status}{': ' + why if why else ''}")
        self._end(part, "ended", status=batch.status)

    def _characters(self, part: str) -> dict[str, int]:
        """The length of each request's messages in a part, by key; empty if its file is gone."""
        if not self.events.file(part).exists():
            return {}
        with self.events.file(part).open("rb") as lines:
            requests = map(json.loads, lines)
            return {one["custom_id"]: Request("", one["body"]["messages"]).characters for one in requests}

    async def _take_file(self, file: str, asked: dict[str, int]) -> None:
        """Journals the answers in a file; unreadable lines are skipped."""
        for attempt in range(1, DOWNLOADS + 1):
            odd = 0
            try:
                async with asyncio.timeout(DOWNLOAD_S):
                    async for line in self._lines(file):
                        odd += not self._take_line(line, asked)
                break
            except (openai.APIConnectionError, httpx2.HTTPError):
                if attempt == DOWNLOADS:
                    raise
        if odd:
            log.warning(
                "%s: %d lines of file %s cannot be read: their rows will be asked again", self.teaching.slug, odd, file
            )

    async def _lines(self, file: str) -> AsyncIterator[bytes]:
        """The lines of a file, split at line feeds only, since a text may contain U+2028 and the like.

        Of a line larger than any answer, only an unreadable part is returned.
        """
        async with self.client.files.with_streaming_response.content(file) as content:
            rest = b""
            async for piece in content.iter_bytes():
                *lines, last = piece.split(b"\n")
                for line in lines:
                    yield rest + line
                    rest = b""
                if len(rest) <= MOST_LINE_BYTES:
                    rest += last
            yield rest

    def _take_line(self, line: bytes, asked: dict[str, int]) -> bool:
        """Journals one line of answers; returns False if it is unreadable."""
        if not line.strip():
            return True
        try:
            answer = json.loads(line.decode("utf-8", "replace"))
            key, response = answer["custom_id"], answer.get("response") or {}
            status, body = response.get("status_code"), response.get("body")
            if asked and key not in asked or not re.fullmatch("[0-9a-f]{16}", key):
                return False
            self._take_answer(key, status, body, asked.get(key, 0))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if isinstance(error, BadInput):
                raise
            return False
        return True

    def _take_answer(self, key: str, status: Any, body: Any, characters: int) -> None:
        """Journals one answer, or records that the endpoint will never give it.

        Raises:
            NoAnswer: it has no answer.
        """
        if status == 200:
            if key not in self.teaching.journal:
                value = {**value_of(body, characters, 0.0), "batch": True}
                if not self.teaching.keep(key, value):
                    raise self.teaching.disk_fault()
                self.progress.add(1)
        elif isinstance(status, int) and 400 <= status < 500 and status not in (408, 409, 429):
            error = body.get("error") if isinstance(body, dict) else None
            message = error.get("message") if isinstance(error, dict) else error
            self.refused[key] = self.endpoint.without_secrets(
                f"refused by the endpoint: {status}: {shown(str(message or status))}"
            )[:300]


def _reasons(batch: Any) -> tuple[str, str]:
    """(why a batch failed, all codes) as the endpoint reports them; unknown formats are skipped."""
    listed = getattr(batch.errors, "data", None)
    errors = [error for error in listed if hasattr(error, "message")] if isinstance(listed, list) else []
    reasons = [str(error.message or error.code or "no reason given") for error in errors]
    return shown("; ".join(reasons[:3])[:300]), " ".join(str(error.code) for error in errors)
