"""Asks a teacher request by request: many at a time, within its rate limits, with retries if worthwhile.

The SDK's own retries are off: they ignore the rate limits, cannot pause the other requests, repeat what will not change
(an empty account answers 429 too), and give up on a body that is not JSON.
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import Iterator

import httpx2
import openai

from scripts.lib.cli import Progress
from scripts.lib.jsonl import BadInput
from scripts.lib.teachers.endpoints import MOST_BYTES, TooLarge, client_of, endpoint_of
from scripts.lib.teachers.faults import lasting_fault, one_line, retry_after, row_fault
from scripts.lib.teachers.replies import body_of_bytes, unreadable_record, value_of
from scripts.lib.teachers.requests import Request, body_of
from scripts.lib.teachers.teaching import Teaching

log = logging.getLogger(__name__)

ATTEMPTS = 8
LONGEST_WAIT_S = 60.0  # between two attempts, if the endpoint names no time
LONGEST_RETRY_AFTER_S = 900.0
HEAD_START_S = 10.0  # of the first request before the others
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
GIVEN_UP_IN_A_ROW = 10  # rows; then the endpoint is assumed to be down


class Unanswered(Exception):
    """One row gets no answer; the others continue."""


class Pace:
    """Evenly spaced turns: at most so many units per minute (None: no limit), and pauses for all."""

    def __init__(self, per_minute: float | None) -> None:
        self.each = 60 / per_minute if per_minute else 0.0
        self.free_at = 0.0

    def delay(self, amount: float = 1.0) -> float:
        """Reserves a turn of `amount` units; returns the seconds until it starts."""
        now = time.monotonic()
        start = max(now, self.free_at)
        self.free_at = start + amount * self.each
        return start - now

    def correct(self, amount: float) -> None:
        """Corrects a turn's units by the difference to the reserved amount."""
        self.free_at += amount * self.each

    def pause(self, seconds: float) -> None:
        """Delays everybody's next turn by at least `seconds`."""
        self.free_at = max(self.free_at, time.monotonic() + seconds)


def ask_all(teaching: Teaching, requests: Iterator[Request], progress: Progress) -> dict[str, str]:
    """Sends all requests and journals each answer on arrival; returns the errors of the others, by key.

    Raises:
        BadInput: a permanent fault, or the budget is used up. Pending answers are
            awaited and kept.
    """
    return asyncio.run(_Client(teaching, progress).run(requests))


class _Client:
    def __init__(self, teaching: Teaching, progress: Progress) -> None:
        self.teaching, self.progress, self.limits = teaching, progress, teaching.limits
        self.endpoint = endpoint_of(teaching.slug, self.limits)
        self.requests_pace = Pace(self.limits["requests_per_minute"])
        self.tokens_pace = Pace(self.limits["tokens_per_minute"])
        self.errors: dict[str, str] = {}
        self.given_up = 0  # consecutive rows
        self.tried = False  # whether the endpoint has answered a request, or refused one because of its content
        self.reserved = 0.0  # estimated cost of pending requests
        self.fault: BadInput | None = None

    async def run(self, requests: Iterator[Request]) -> dict[str, str]:
        """Sends the first request alone, then all others concurrently.

        So a wrong URL, key, account or model is reported after one request, not after many. Refusals are fast, so
        the others start after HEAD_START_S even without an answer.
        """
        self.stopped, opened = asyncio.Event(), asyncio.Event()
        self._watch_signals()
        workers = self.limits["concurrency"]
        queue: asyncio.Queue[Request | None] = asyncio.Queue(maxsize=workers)
        async with (
            client_of(self.teaching.slug, self.endpoint, self.limits["timeout"], retries=0) as self.client,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._open(next(requests), opened, queue))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(opened.wait(), HEAD_START_S)
            for _ in range(workers - 1):
                group.create_task(self._work(queue))
            await self._feed(queue, requests)
        if self.fault:
            raise self.fault
        return self.errors

    async def _open(self, request: Request, opened: asyncio.Event, queue: asyncio.Queue) -> None:
        """Sends the first request, and then works like the other workers."""
        await self._take(request)
        opened.set()
        await self._work(queue)

    async def _feed(self, queue: asyncio.Queue, requests: Iterator[Request]) -> None:
        for request in requests:
            if self.stopped.is_set():
                break
            await queue.put(request)
        for _ in range(self.limits["concurrency"]):
            await queue.put(None)

    def _watch_signals(self) -> None:
        """The first Ctrl-C or SIGTERM stops new requests, and pending answers are kept; the second one kills."""
        loop = asyncio.get_running_loop()

        def stop(name: str) -> None:
            self._stop(f"stopped by {name}. The answers so far are kept: start again to resume.")
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number.name)

    def _stop(self, message: str) -> None:
        """Stops further requests; the first reason is reported."""
        self.fault = self.fault or BadInput(f"teacher {self.teaching.slug}: {self.endpoint.without_secrets(message)}")
        self.stopped.set()

    async def _work(self, queue: asyncio.Queue) -> None:
        while (request := await queue.get()) is not None:
            if not self.stopped.is_set():
                await self._take(request)

    async def _take(self, request: Request) -> None:
        """Sends one request and keeps its result."""
        try:
            value = await self._answer(request)
        except Unanswered as error:
            self.errors[request.key] = self.endpoint.without_secrets(str(error))
            return
        if value is None:
            return
        if self.teaching.keep(request.key, value):
            self.progress.add(1)
        else:
            # Reported by `write_again`, after all pending answers.
            self._stop("answers can no longer be written to disk")

    async def _answer(self, request: Request) -> dict | None:
        """The journal record of one request, after as many attempts as needed; None if everything stops."""
        ledger, expected = self.teaching.ledger, self.teaching.expected_tokens
        tokens = ledger.prompt_tokens(request.characters) + ledger.completion_tokens(expected)
        cost = ledger.cost(ledger.prompt_tokens(request.characters), ledger.completion_tokens(expected), False)
        if ledger.budget is not None and ledger.spent + self.reserved + cost > ledger.budget:
            self._stop(
                f"the budget of ${ledger.budget:,.2f} is used up: ${ledger.spent:,.2f} is spent, and only requests "
                f"already under way may exceed it. Raise teachers.{self.teaching.slug}.budget and start again: the "
                "answers so far are kept."
            )
            return None
        self.reserved += cost
        try:
            return await self._attempts(request, tokens)
        finally:
            self.reserved -= cost

    async def _attempts(self, request: Request, tokens: float) -> dict | None:
        for attempt in range(1, ATTEMPTS + 1):
            await self._sleep(max(self.requests_pace.delay(), self.tokens_pace.delay(tokens)))
            if self.stopped.is_set():
                return None
            try:
                value = await self._once(request)
            except (openai.APIStatusError, openai.APIConnectionError, httpx2.HTTPError, ValueError) as error:
                wait = self._wait(error, attempt)
                if attempt == ATTEMPTS:
                    self._give_up(error)
                await self._sleep(wait)
            else:
                self.given_up, self.tried = 0, True
                used = (value["prompt_tokens"] or 0) + (value["completion_tokens"] or 0)
                self.tokens_pace.correct(used - tokens if used else 0)
                return value
        return None

    async def _once(self, request: Request) -> dict:
        start = time.monotonic()
        # Not chat.completions.create: validating each body against the SDK's types takes a third of the client's time.
        body = body_of(self.teaching.teacher, request)
        try:
            response = await self.client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        except TooLarge:
            problem = f"it is larger than {MOST_BYTES // 10**6} MB"
            return unreadable_record(problem, request.characters, time.monotonic() - start)
        return value_of(body_of_bytes(response.content), request.characters, time.monotonic() - start)

    async def _sleep(self, seconds: float) -> None:
        """Waits, but returns early if everything stops."""
        if seconds > 0 and not self.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), seconds)

    def _wait(self, error: Exception, attempt: int) -> float:
        """Seconds until the next attempt.

        Raises:
            Unanswered: the fault concerns this row only. A fault that concerns all rows stops everything.
        """
        own = row_fault(error)
        if own:
            self.tried = True
            raise Unanswered(own)
        slug, model = self.teaching.slug, self.teaching.teacher["model"]
        lasting = lasting_fault(error, slug, model, self.endpoint, self.limits["api_key_env"])
        if lasting:
            self._stop(lasting)
            return 0.0
        backoff = random.uniform(0.5, 1.0) * min(LONGEST_WAIT_S, 2.0 ** (attempt - 1))
        asked = retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None
        if asked is None:
            return backoff
        if asked > LONGEST_RETRY_AFTER_S:
            self._stop(
                f"the endpoint answered {error.status_code} and asks to wait {asked:.0f} s. The answers so far are "
                "kept: start again later."
            )
            return 0.0
        self.requests_pace.pause(asked)
        # Waiting requests must not all return at once.
        return asked + random.uniform(0.0, min(1.0, asked))

    def _give_up(self, error: Exception) -> None:
        self.given_up += 1
        unreachable = isinstance(error, openai.APIConnectionError) and not self.tried
        if unreachable or self.given_up >= GIVEN_UP_IN_A_ROW:
            what = "the first request" if unreachable else f"{self.given_up} requests in a row"
            proxies = [name for name in PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
            through = f" and the proxy in {', '.join(proxies)}" if proxies else ""
            self._stop(
                f"{what} got no answer in {ATTEMPTS} attempts each; the last one: {one_line(error)} Check that "
                f"{self.endpoint.shown}{through} can be reached, and start again: the answers so far are kept."
            )
        raise Unanswered(f"no answer in {ATTEMPTS} attempts: {one_line(error)}")
