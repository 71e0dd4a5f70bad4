"""Teachers behind an OpenAI-compatible endpoint: what is asked, what it costs, and where the answers are kept.

Everything that a teacher wrote lies in its journal under `state/teachers/<teacher>/`, one record for each response,
under a key made from the model, the messages, the sampling and the sample number. All journals under `state/teachers/`
are searched, so no study, shard or renamed teacher asks again for what was paid for once.
"""

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from scripts.lib.cli import Progress, duration
from scripts.lib.generation.prompts import Message
from scripts.lib.journal import IndexedJournal, held
from scripts.lib.jsonl import BadInput, content_key

log = logging.getLogger(__name__)

OPENAI = "https://api.openai.com/v1"
CHARACTERS_PER_TOKEN = 4.0  # of English text, until the journal knows better
TOKENS_PER_SECOND = 50.0  # of one answer, until the journal knows better
ENOUGH = 20  # records after which the journal's own means are used
SAMPLING = ("temperature", "top_p")


@dataclass(frozen=True)
class Request:
    """One question to a teacher; `key` names its answer in the journal."""

    key: str
    messages: list[Message]

    @property
    def characters(self) -> int:
        """Length of all messages."""
        return sum(len(message["content"]) for message in self.messages)


def request_of(teacher: dict, messages: list[Message], sample: int = 0) -> Request:
    """The request of `messages` to a teacher, as its config entry has it."""
    sampling = {name: teacher[name] for name in (*SAMPLING, "max_tokens")}
    return Request(content_key(teacher["model"], messages, sampling, sample), messages)


def body_of(teacher: dict, request: Request) -> dict:
    """What is sent: the body of a chat completion."""
    sampling = {name: teacher[name] for name in SAMPLING if teacher[name] is not None}
    limit = {teacher["token_parameter"]: teacher["max_tokens"]}
    return {"model": teacher["model"], "messages": request.messages, **sampling, **limit}


def value_of(body: dict, request_characters: int, seconds: float) -> dict:
    """What the journal keeps of a response body.

    Raises:
        ValueError: the body is no chat completion.
    """
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise ValueError("no chat completion (it has no choices)")
    usage = body.get("usage") or {}
    choice = body["choices"][0] if body["choices"] else {}
    message = choice.get("message") or {}
    return {
        "text": message.get("content"),
        "refusal": message.get("refusal"),
        "finish": choice.get("finish_reason") if choice else "empty choices",
        "model": body.get("model"),
        "prompt_tokens": usage.get("prompt_tokens") or 0,
        "completion_tokens": usage.get("completion_tokens") or 0,
        "prompt_characters": request_characters,
        "seconds": round(seconds, 3),
    }


def problem_of(value: dict) -> str | None:
    """Why a response cannot be used, or None. It was paid for and stays in the journal all the same."""
    if value["finish"] == "empty choices":
        return "the teacher's response has no choices"
    if value["finish"] == "content_filter":
        return "the endpoint's content filter removed the response"
    if value["refusal"]:
        return "the teacher refused to answer"
    if value["finish"] == "length":
        return "cut off at max_tokens"
    if not (value["text"] or "").strip():
        return "empty response"
    return None


@dataclass
class Ledger:
    """What a teacher has cost, from the tokens in its journal and the prices in config (USD per million tokens)."""

    price: dict | None
    budget: float | None
    spent: float = 0.0
    # What the journal teaches for estimates: name to (records, sum of the quantity, sum of what it is measured by).
    known: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    def cost(self, prompt_tokens: float, completion_tokens: float, batch: bool) -> float:
        """The price of tokens in USD (0 where no price is given)."""
        if self.price is None:
            return 0.0
        full = (prompt_tokens * self.price["input"] + completion_tokens * self.price["output"]) / 1e6
        return full * (self.price["batch_factor"] if batch else 1.0)

    def add(self, value: dict) -> float:
        """Takes in one journal record and returns what it cost."""
        cost = self.cost(value["prompt_tokens"], value["completion_tokens"], value.get("batch", False))
        self.spent += cost
        for name, quantity, measure in (
            ("prompt", value["prompt_tokens"], value["prompt_characters"]),
            ("completion", value["completion_tokens"], 1),
            ("seconds", value["seconds"], 1),
        ):
            if quantity and measure:
                count, above, below = self.known.get(name, (0, 0.0, 0.0))
                self.known[name] = (count + 1, above + quantity, below + measure)
        return cost

    def _ratio(self, name: str, until_known: float) -> float:
        count, above, below = self.known.get(name, (0, 0.0, 0.0))
        return above / below if count >= ENOUGH else until_known

    def prompt_tokens(self, characters: int) -> float:
        """Tokens of a prompt, estimated from its length."""
        return characters * self._ratio("prompt", 1 / CHARACTERS_PER_TOKEN)

    def completion_tokens(self, expected: int) -> float:
        """Tokens of an answer, estimated: the journal's mean, before that what config expects."""
        return self._ratio("completion", expected)

    def seconds(self, expected: int) -> float:
        """Seconds that one answer takes, estimated."""
        return self._ratio("seconds", expected / TOKENS_PER_SECOND)


@dataclass
class Estimate:
    """What a set of rows would take."""

    rows: int = 0
    not_asked: int = 0  # rows that came with an error
    in_journal: int = 0
    requests: int = 0  # still to be asked; rows with the same messages are asked once
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    cost: float = 0.0
    seconds: float = 0.0

    def text(self, ledger: Ledger, limits: dict) -> str:
        """The estimate in one line."""
        price = f"${self.cost:,.2f}" if ledger.price else "no price given"
        if ledger.price:
            price += f" (prices of {ledger.price['date']}{', batch' if limits['mode'] == 'batch' else ''})"
        batch = limits["mode"] == "batch" and self.requests
        return (
            f"{self.rows:,} rows, {self.in_journal:,} in the journal, {self.requests:,} requests to make: about "
            f"{self.prompt_tokens:,.0f} tokens in and {self.completion_tokens:,.0f} out, {price}, "
            f"{'up to 24 h' if batch else duration(self.seconds)}"
        )


def estimate(
    teacher: dict, limits: dict, requests: Iterable[Request | None], journal: IndexedJournal, ledger: Ledger
) -> Estimate:
    """What the requests (None: a row that is not asked) would take beyond what the journal holds."""
    made, keys = Estimate(), set()
    for request in requests:
        made.rows += 1
        if request is None:
            made.not_asked += 1
        elif request.key in journal:
            made.in_journal += 1
        elif int(request.key, 16) not in keys:
            keys.add(int(request.key, 16))
            made.prompt_tokens += ledger.prompt_tokens(request.characters)
    made.requests = len(keys)
    expected = min(limits["expected_tokens"], teacher["max_tokens"])
    made.completion_tokens = made.requests * ledger.completion_tokens(expected)
    made.cost = ledger.cost(made.prompt_tokens, made.completion_tokens, limits["mode"] == "batch")
    slowest = [made.requests * ledger.seconds(expected) / limits["concurrency"]]
    if limits["requests_per_minute"]:
        slowest.append(60 * made.requests / limits["requests_per_minute"])
    if limits["tokens_per_minute"]:
        slowest.append(60 * (made.prompt_tokens + made.completion_tokens) / limits["tokens_per_minute"])
    made.seconds = max(slowest)
    return made


def endpoint_of(slug: str, limits: dict) -> tuple[str, str]:
    """(base URL, key) of a teacher, from config and the environment.

    Raises:
        BadInput: the variable that shall hold the key is not set.
    """
    url = os.environ.get(limits["base_url_env"] or "") or limits["base_url"] or OPENAI
    name = limits["api_key_env"]
    if name is None:
        return url, "none"
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(
            f"teacher {slug}: the environment variable {name} is not set. Set it to the endpoint's key (export "
            f"{name}=…), or write teachers.{slug}.api_key_env: null for an endpoint that needs none."
        )
    return url, key


class Teaching:
    """One teacher at work: its journals, what it has cost, and the way to ask it. Use it as a context manager.

    The teacher's folder is locked: all its jobs, whatever their shard or study, ask one after the other, so its limits
    and its budget hold over all of them.

    Args:
        slug: the entry's name under teachers.
        teacher: what decides the answers: model, temperature, top_p, max_tokens, token_parameter.
        limits: what does not: endpoint, mode, concurrency, rates, price, budget.
        state: the folder of all teachers' journals, `state/teachers`.
    """

    def __init__(self, slug: str, teacher: dict, limits: dict, state: str | Path) -> None:
        self.slug, self.teacher, self.limits, self.state = slug, teacher, limits, Path(state)
        self.folder = self.state / slug
        self.ledger = Ledger(limits["price"], limits["budget"])
        self.errors: dict[str, str] = {}

    def __enter__(self) -> "Teaching":
        self._stack = ExitStack()
        self._stack.enter_context(held(self.folder))
        self.journal = self._stack.enter_context(journals(self.folder, self.ledger))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def ask(self, requests: Callable[[], Iterator[Request | None]], shard: tuple[int, int] = (0, 1)) -> None:
        """Asks for every answer that the journal does not hold; what could not be answered is in `errors` afterwards.

        Args:
            requests: makes an iterator over the requests of all rows of the entry; None for a row not to be asked.
            shard: (i, n): the rows i, i + n, i + 2n, … are this job's. In batch mode it asks for all rows: a part that
                waits a day must not wait for another part.

        Raises:
            BadInput: the estimate for all rows exceeds the budget, or the endpoint cannot be used.
        """
        whole = estimate(self.teacher, self.limits, requests(), self.journal, self.ledger)
        log.info("%s: %s; spent so far: $%.2f", self.slug, whole.text(self.ledger, self.limits), self.ledger.spent)
        self.check_budget(whole)
        if not whole.requests:
            return
        batch = self.limits["mode"] == "batch"
        rows = requests() if batch else itertools.islice(requests(), shard[0], None, shard[1])
        missing = self._missing(rows)
        if batch:
            from scripts.lib.teachers.batch import ask
        else:
            from scripts.lib.teachers.live import ask
        first = next(missing, None)
        if first is None:
            return
        total = whole.requests if batch else -(-whole.requests // shard[1])
        progress = Progress("answered", total, unit="requests")
        self.errors = ask(self, itertools.chain([first], missing), progress)

    def _missing(self, requests: Iterable[Request | None]) -> Iterator[Request]:
        """The requests without an answer, each once."""
        seen: set[int] = set()
        for request in requests:
            if request is None or request.key in self.journal or int(request.key, 16) in seen:
                continue
            seen.add(int(request.key, 16))
            yield request

    def check_budget(self, whole: Estimate) -> None:
        """Stops where the estimate exceeds what is left of the budget."""
        budget = self.limits["budget"]
        if budget is not None and whole.requests and self.ledger.spent + whole.cost > budget:
            raise BadInput(
                f"teacher {self.slug}: ${self.ledger.spent:,.2f} are spent and {whole.requests:,} more requests would "
                f"cost about ${whole.cost:,.2f}, but the budget is ${budget:,.2f}. No request was made. Raise "
                f"teachers.{self.slug}.budget, or lower the entry's rows."
            )

    def keep(self, key: str, value: dict) -> None:
        """Writes one response into the journal, before anything else is done with it."""
        self.journal.add(key, value)
        self.ledger.add(value)

    def answer(self, request: Request) -> tuple[dict | None, str | None]:
        """(journal record, why it cannot be used) of a request that was asked."""
        if request.key in self.journal:
            value = self.journal[request.key]
            return value, problem_of(value)
        return None, self.errors.get(request.key, "not answered")


def journals(folder: Path, ledger: Ledger, writes: bool = True) -> IndexedJournal:
    """The journal of a teacher's folder, searched with all the others; `ledger` takes in what this teacher has cost.

    To write, the folder must be held.
    """

    def seen(file: Path, value: dict) -> None:
        if file.parent == folder:
            ledger.add(value)

    own = folder / "answers.jsonl"
    others = sorted(file for file in folder.parent.glob("*/*.jsonl") if file != own or not writes)
    return IndexedJournal(own if writes else None, others, seen)


class Usage:
    """Counts for a summary: tokens and cost of the answers that rows use, each answer once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.keys = ledger, set[int]()
        self.prompt_tokens = self.completion_tokens = 0
        self.cost = 0.0

    def add(self, request: Request, value: dict | None) -> None:
        """Takes in the answer that one row uses."""
        if value is None or int(request.key, 16) in self.keys:
            return
        self.keys.add(int(request.key, 16))
        tokens = value["prompt_tokens"], value["completion_tokens"]
        self.prompt_tokens += tokens[0]
        self.completion_tokens += tokens[1]
        self.cost += self.ledger.cost(*tokens, value.get("batch", False))

    def fields(self) -> dict:
        """The summary's fields."""
        return {
            "answers_used": len(self.keys),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_usd": round(self.cost, 6),
        }


def check_errors(what: str, errors: int, asked: int, allowed: float, reasons: dict[str, int]) -> None:
    """Stops where a larger share of the rows than `allowed` has no usable answer.

    Raises:
        BadInput: with the most frequent reasons.
    """
    if asked and errors / asked > allowed:
        often = sorted(reasons.items(), key=lambda item: -item[1])[:3]
        listed = "; ".join(f"{count} × {reason}" for reason, count in often)
        raise BadInput(
            f"{what}: {errors} of {asked} rows have no usable answer, more than max_errors = {allowed:g} allows "
            f"({listed}). The answers are kept. Mend the cause and start again, or raise max_errors."
        )
