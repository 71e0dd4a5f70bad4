"""What teachers cost: what was spent, what a set of rows would cost, and whether the budget is enough."""

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field

from scripts.lib.cli import duration
from scripts.lib.journal import IndexedJournal
from scripts.lib.jsonl import BadInput
from scripts.lib.teachers.requests import Request

CHARACTERS_PER_TOKEN = 4.0  # of English text, until the journal has measurements
TOKENS_PER_SECOND = 50.0  # of one answer, until the journal has measurements
ESTIMATED = "estimated"  # marks a record whose tokens the endpoint did not report
ENOUGH = 20  # records after which the journal's own means are used


def tally(sums: dict, value: dict) -> None:
    """Adds a journal record to the sums of the model that was asked ("" where the record does not say which).

    The sums are {model: {"live": tokens in and out, "batch": the same of batches, "known": see Ledger.known}}. They
    are kept in index files: another form of them needs another VERSION in scripts/lib/record_index.py.
    """
    tokens = value["prompt_tokens"], value["completion_tokens"]
    measured = (
        ("prompt", value["prompt_tokens"], value["prompt_characters"]),
        ("completion", value["completion_tokens"], 1),
        ("seconds", value["seconds"], 1),
    )
    used = sums.setdefault(value.get("asked") or "", {"live": [0, 0], "batch": [0, 0], "known": {}})
    _add(used["batch" if value.get("batch", False) else "live"], tokens)
    for name, quantity, measure in measured:
        if quantity and measure and value.get("usage") != ESTIMATED:
            _add(used["known"].setdefault(name, [0, 0.0, 0.0]), (1, quantity, measure))


def _add(sums: list, numbers: Iterable[float]) -> None:
    sums[:] = map(operator.add, sums, numbers)


@dataclass
class Ledger:
    """What a teacher has cost, from the tokens in its journal and the prices in config (USD per million tokens)."""

    price: dict | None
    budget: float | None
    spent: float = 0.0
    # The journal's means, for estimates: name → (records, sum of the quantity, sum of its base).
    known: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    def cost(self, prompt_tokens: float, completion_tokens: float, batch: bool) -> float:
        """The price of tokens in USD (0 if no price is given)."""
        if self.price is None:
            return 0.0
        full = (prompt_tokens * self.price["input"] + completion_tokens * self.price["output"]) / 1e6
        return full * (self.price["batch_factor"] if batch else 1.0)

    def add(self, value: dict) -> float:
        """Adds one journal record and returns its cost."""
        sums: dict = {}
        tally(sums, value)
        return sum(map(self.add_sums, sums.values()))

    def add_sums(self, used: dict) -> float:
        """Adds the sums of one model's records (see `tally`) and returns their cost."""
        cost = self.cost(*used["live"], batch=False) + self.cost(*used["batch"], batch=True)
        self.spent += cost
        for name, sums in used["known"].items():
            self.known[name] = tuple(map(sum, zip(self.known.get(name, (0, 0.0, 0.0)), sums, strict=True)))
        return cost

    def with_tokens(self, value: dict, expected: int) -> dict:
        """The record with its tokens: those that the endpoint did not report are estimated, on the high side."""
        if value["prompt_tokens"] is not None:
            return value
        written = len(value["text"] or "") + len(value["thoughts"] or "")
        completion = max(self.completion_tokens(expected), written / CHARACTERS_PER_TOKEN)
        return {
            **value,
            "prompt_tokens": math.ceil(self.prompt_tokens(value["prompt_characters"])),
            "completion_tokens": math.ceil(completion),
            "usage": ESTIMATED,
        }

    def _ratio(self, name: str, until_known: float) -> float:
        count, above, below = self.known.get(name, (0, 0.0, 0.0))
        return above / below if count >= ENOUGH else until_known

    def prompt_tokens(self, characters: int) -> float:
        """Tokens of a prompt, estimated from its length."""
        return characters * self._ratio("prompt", 1 / CHARACTERS_PER_TOKEN)

    def completion_tokens(self, expected: int) -> float:
        """Tokens of an answer, estimated: the journal's mean or, until it has enough records, the config's value."""
        return self._ratio("completion", expected)

    def seconds(self, expected: int) -> float:
        """Estimated seconds for one answer."""
        return self._ratio("seconds", expected / TOKENS_PER_SECOND)


@dataclass
class Estimate:
    """The estimated cost of a set of rows."""

    rows: int = 0
    not_asked: int = 0  # rows that already have an error
    in_journal: int = 0
    requests: int = 0  # pending requests; rows with the same messages share one
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
    """The estimated cost of the requests (None: a row without one) that have no answer in the journal."""
    whole, keys = Estimate(), set()
    for request in requests:
        whole.rows += 1
        if request is None:
            whole.not_asked += 1
        elif request.key in journal:
            whole.in_journal += 1
        elif int(request.key, 16) not in keys:
            keys.add(int(request.key, 16))
            whole.prompt_tokens += ledger.prompt_tokens(request.characters)
    whole.requests = len(keys)
    expected = min(limits["expected_tokens"], teacher["max_tokens"])
    whole.completion_tokens = whole.requests * ledger.completion_tokens(expected)
    whole.cost = ledger.cost(whole.prompt_tokens, whole.completion_tokens, limits["mode"] == "batch")
    slowest = [whole.requests * ledger.seconds(expected) / limits["concurrency"]]
    if limits["requests_per_minute"]:
        slowest.append(60 * whole.requests / limits["requests_per_minute"])
    if limits["tokens_per_minute"]:
        slowest.append(60 * (whole.prompt_tokens + whole.completion_tokens) / limits["tokens_per_minute"])
    whole.seconds = max(slowest)
    return whole


def budget_for(cost: float) -> str:
    """A round budget in USD with a margin of a fifth above an estimate.

    >>> budget_for(351.2)
    '430'
    """
    digits = 1 - math.floor(math.log10(1.2 * cost))  # two significant digits
    return f"{math.ceil(1.2 * cost * 10**digits) / 10**digits:.{max(0, digits)}f}"


def check_budget(slug: str, whole: Estimate, ledger: Ledger) -> None:
    """Stops if the estimate exceeds the remaining budget, or costs something without a budget.

    Raises:
        BadInput: it does. Nothing was requested.
    """
    if ledger.budget is None and whole.cost > 0:
        raise BadInput(
            f"teacher {slug}: {whole.requests:,} requests would cost about ${whole.cost:,.2f}, and it has a price but "
            f"no budget. No request was made. Add the line `budget: {budget_for(ledger.spent + whole.cost)}` under "
            f"teachers.{slug}: it limits the cost of all its answers, including those so far."
        )
    if ledger.budget is not None and whole.requests and ledger.spent + whole.cost > ledger.budget:
        raise BadInput(
            f"teacher {slug}: ${ledger.spent:,.2f} is spent and {whole.requests:,} more requests would cost about "
            f"${whole.cost:,.2f}, but the budget is ${ledger.budget:,.2f}. No request was made. Raise "
            f"teachers.{slug}.budget, or lower the entry's rows."
        )


class Usage:
    """Counts for a summary: tokens and cost of the answers that rows use, each answer once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.keys = ledger, set[int]()
        self.estimated = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.cost = 0.0

    def add(self, request: Request, value: dict | None) -> None:
        """Adds the answer that one row uses."""
        if value is None or int(request.key, 16) in self.keys:
            return
        self.keys.add(int(request.key, 16))
        self.estimated += value.get("usage") == ESTIMATED
        tokens = value["prompt_tokens"], value["completion_tokens"]
        self.prompt_tokens += tokens[0]
        self.completion_tokens += tokens[1]
        self.cost += self.ledger.cost(*tokens, value.get("batch", False))

    def fields(self) -> dict:
        """The summary's fields."""
        return {
            "answers_used": len(self.keys),
            "answers_without_usage": self.estimated,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_usd": round(self.cost, 6),
        }
