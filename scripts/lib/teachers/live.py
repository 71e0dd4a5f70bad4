"""Asks a teacher request by request: many at a time, within its rates, and again where it is worth it.

The SDK's own retries are off: they pass over the rate limits, cannot pause the other requests, repeat what will not
change (an empty account answers 429 too), and give up on a body that is not JSON.
"""

import asyncio
import contextlib
import json
import logging
import random
import signal
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx2
import openai

from scripts.lib.cli import Progress
from scripts.lib.jsonl import BadInput
from scripts.lib.teachers.endpoints import endpoint_of
from scripts.lib.teachers.replies import value_of
from scripts.lib.teachers.requests import Request, body_of
from scripts.lib.teachers.teaching import Teaching

log = logging.getLogger(__name__)

ATTEMPTS = 8
LONGEST_WAIT_S = 60.0  # between two attempts, where the endpoint names no time
LONGEST_RETRY_AFTER_S = 900.0
GIVEN_UP_IN_A_ROW = 10  # then the endpoint is taken to be down
# 400s that concern one row only: it keeps its place with an error.
ROW_CODES = {"context_length_exceeded", "content_filter", "content_policy_violation", "string_above_max_length"}
ADVICE = {
    400: "Check teachers.{slug}: model, max_tokens, token_parameter, temperature and top_p must suit the endpoint.",
    401: "The key in {key_env} is not accepted: check it, and that it belongs to {url}.",
    403: "The key in {key_env} may not use model {model}: check the account's rights, or choose another model.",
    404: "There is no model {model} at {url}: check teachers.{slug}.model and base_url (it mostly ends in /v1).",
    429: "The account has no credit left, or its hard limit is reached: see to that at the provider.",
}


class Unanswered(Exception):
    """One row gets no answer; the others go on."""


class Pace:
    """Evenly spaced turns: at most so many units a minute (None: no limit), and pauses that hold for everybody."""

    def __init__(self, per_minute: float | None) -> None:
        self.each = 60 / per_minute if per_minute else 0.0
        self.free_at = 0.0

    def delay(self, amount: float = 1.0) -> float:
        """Takes a turn of `amount` units; returns the seconds until it comes."""
        now = time.monotonic()
        start = max(now, self.free_at)
        self.free_at = start + amount * self.each
        return start - now

    def correct(self, amount: float) -> None:
        """Books units that a turn took beyond what was asked for (or fewer)."""
        self.free_at += amount * self.each

    def pause(self, seconds: float) -> None:
        """Nobody's next turn comes before that."""
        self.free_at = max(self.free_at, time.monotonic() + seconds)


def ask_all(teaching: Teaching, requests: Iterator[Request], progress: Progress) -> dict[str, str]:
    """Asks all requests and journals each answer as it comes; returns why the others have none, by key.

    Raises:
        BadInput: a fault that another attempt would not mend, or the budget is used up. Answers that were under way
            are waited for and kept.
    """
    return asyncio.run(_Client(teaching, progress).run(requests))


class _Client:
    def __init__(self, teaching: Teaching, progress: Progress) -> None:
        self.teaching, self.progress, self.limits = teaching, progress, teaching.limits
        self.url, self.key = endpoint_of(teaching.slug, self.limits)
        self.requests_pace = Pace(self.limits["requests_per_minute"])
        self.tokens_pace = Pace(self.limits["tokens_per_minute"])
        self.errors: dict[str, str] = {}
        self.given_up = 0  # rows in a row
        self.reserved = 0.0  # estimated cost of what is under way
        self.fault: BadInput | None = None

    async def run(self, requests: Iterator[Request]) -> dict[str, str]:
        """Feeds a bounded queue from `requests` to as many workers as `concurrency`."""
        self.stopped = asyncio.Event()
        self._watch_signals()
        workers = self.limits["concurrency"]
        queue: asyncio.Queue[Request | None] = asyncio.Queue(maxsize=workers)
        timeout = openai.Timeout(self.limits["timeout"], connect=min(30.0, self.limits["timeout"]))
        async with (
            openai.AsyncOpenAI(api_key=self.key, base_url=self.url, max_retries=0, timeout=timeout) as self.client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(workers):
                group.create_task(self._work(queue))
            for request in requests:
                await queue.put(request)
                if self.stopped.is_set():
                    break
            for _ in range(workers):
                await queue.put(None)
        if self.fault:
            raise self.fault
        return self.errors

    def _watch_signals(self) -> None:
        """The first Ctrl-C or SIGTERM stops asking, and answers under way are still kept; the second one kills."""
        loop = asyncio.get_running_loop()

        def stop(name: str) -> None:
            self._stop(f"stopped by {name}. The answers so far are kept: start again to go on.")
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number.name)

    def _stop(self, message: str) -> None:
        """No further request; the first reason is the one that is told."""
        clean = message.replace(self.key, "<key>") if self.key != "none" else message
        self.fault = self.fault or BadInput(f"teacher {self.teaching.slug}: {clean}")
        self.stopped.set()

    async def _work(self, queue: asyncio.Queue) -> None:
        while (request := await queue.get()) is not None:
            if self.stopped.is_set():
                continue
            try:
                value = await self._answer(request)
            except Unanswered as error:
                self.errors[request.key] = str(error).replace(self.key, "<key>") if self.key != "none" else str(error)
            else:
                if value:
                    self.teaching.keep(request.key, value)
                    self.progress.add(1)

    async def _answer(self, request: Request) -> dict | None:
        """The journal record of one request, after as many attempts as it takes; None where all is to stop."""
        ledger = self.teaching.ledger
        expected = min(self.limits["expected_tokens"], self.teaching.teacher["max_tokens"])
        tokens = ledger.prompt_tokens(request.characters) + ledger.completion_tokens(expected)
        cost = ledger.cost(ledger.prompt_tokens(request.characters), ledger.completion_tokens(expected), False)
        if ledger.budget is not None and ledger.spent + self.reserved + cost > ledger.budget:
            self._stop(
                f"${ledger.spent:,.2f} are spent, the budget of ${ledger.budget:,.2f} up to the requests under "
                f"way. Raise teachers.{self.teaching.slug}.budget and start again: the answers so far are kept."
            )
            return None
        self.reserved += cost
        try:
            for attempt in range(1, ATTEMPTS + 1):
                await self._sleep(max(self.requests_pace.delay(), self.tokens_pace.delay(tokens)))
                if self.stopped.is_set():
                    return None
                try:
                    value = await self._once(request)
                except (openai.APIStatusError, openai.APIConnectionError, ValueError) as error:
                    wait = self._wait(error, attempt)
                    if attempt == ATTEMPTS:
                        self._give_up(error)
                    await self._sleep(wait)
                else:
                    self.given_up = 0
                    self.tokens_pace.correct(value["prompt_tokens"] + value["completion_tokens"] - tokens)
                    return value
        finally:
            self.reserved -= cost
        return None

    async def _once(self, request: Request) -> dict:
        start = time.monotonic()
        # Not chat.completions.create: checking each body against the SDK's types takes a third of the client's time.
        body = body_of(self.teaching.teacher, request)
        response = await self.client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        return value_of(json.loads(response.content), request.characters, time.monotonic() - start)

    async def _sleep(self, seconds: float) -> None:
        """Waits, but no longer than until all is to stop."""
        if seconds > 0 and not self.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), seconds)

    def _wait(self, error: Exception, attempt: int) -> float:
        """Seconds until the next attempt.

        Raises:
            Unanswered: the fault concerns this row only. A fault that concerns all rows stops everything.
        """
        backoff = random.uniform(0.5, 1.0) * min(LONGEST_WAIT_S, 2.0 ** (attempt - 1))
        if not isinstance(error, openai.APIStatusError):
            return backoff
        status, code = error.status_code, getattr(error, "code", None)
        if status == 400 and code in ROW_CODES:
            raise Unanswered(f"refused by the endpoint: {code}")
        lasting = status == 429 and code in ("insufficient_quota", "billing_hard_limit_reached")
        if lasting or (status not in (408, 409, 429) and status < 500):
            advice = ADVICE.get(status, ADVICE[400]).format(
                slug=self.teaching.slug, url=self.url, model=self.teaching.teacher["model"],
                key_env=self.limits["api_key_env"] or "no environment variable",
            )  # fmt: skip
            self._stop(f"the endpoint answered {status}: {_said(error)} {advice}")
            return 0.0
        asked = retry_after(error.response.headers)
        if asked is None:
            return backoff
        if asked > LONGEST_RETRY_AFTER_S:
            self._stop(
                f"the endpoint answered {status} and asks to wait {asked:.0f} s. The answers so far are kept: start "
                "again later."
            )
            return 0.0
        self.requests_pace.pause(asked)
        # Whoever waited must not come back all at once.
        return asked + random.uniform(0.0, min(1.0, asked))

    def _give_up(self, error: Exception) -> None:
        self.given_up += 1
        what = _said(error)
        if self.given_up >= GIVEN_UP_IN_A_ROW:
            self._stop(
                f"{self.given_up} requests in a row got no answer in {ATTEMPTS} attempts each; the last one: {what} "
                f"Check that {self.url} is up, and start again: the answers so far are kept."
            )
        raise Unanswered(f"no answer in {ATTEMPTS} attempts: {what}")


def _said(error: Exception) -> str:
    """What an error says, in one short line that ends in a full stop."""
    text = " ".join(str(getattr(error, "message", None) or error).split())
    return f"{type(error).__name__}: {text[:300].rstrip('.')}."


def retry_after(headers) -> float | None:
    """Seconds that a response's headers ask to wait (Retry-After as a number or a date, or in milliseconds)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except ValueError:
                continue
        if seconds == seconds:
            return max(0.0, seconds)
    return None
