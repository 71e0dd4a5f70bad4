"""Training rows by their length in tokens: which ones the trainer would drop, and which ones `data` chooses by
length."""

import bisect
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any

from scripts.lib.generation.prompts import Message
from scripts.lib.jsonl import BadInput
from scripts.lib.training import pairs
from scripts.lib.training.stored import Row

Conversation = tuple[list[Message], tuple[str, ...]]  # what is asked, and the answer or the two answers of a pair
Count = Callable[[Iterable[str]], list[int]]  # the number of tokens of each text
BATCH = 256  # rows, or texts, that are measured together and held at a time


class Ruler:
    """Says which rows a run's trainer would leave out, and counts tokens, of many texts at a time.

    Args:
        model: a model folder; its tokenizer counts. None if nothing is counted.
        limit: what the trainer goes by: `max_tokens` (null where it drops no long row), `end_inside`, `loss_on`, and
            `template`, a chat template file or null. None if it leaves out no row.
        workers: threads that tokenise.
    """

    def __init__(self, model: str | None, limit: dict[str, Any] | None, workers: int = 1) -> None:
        self.model, self.limit, self.workers = model, limit, workers

    @cached_property
    def tokenizer(self):
        """The tokenizer, with the run's chat template if conversations are counted."""
        from scripts.lib.generation.chat import file_tokenizer, load_tokenizer

        if self.model is None:
            raise BadInput("counting tokens needs a tokenizer. Name a model folder (--tokenizer).")
        return file_tokenizer(self.model) if self.limit is None else load_tokenizer(self.model, self.limit["template"])

    @cached_property
    def longest(self) -> float:
        """The most tokens of a row: the recipe's limit, or the model's if it is lower."""
        from transformers import AutoConfig

        from scripts.lib.generation.engines.base import positions

        if self.limit["max_tokens"] is None:
            return math.inf
        places = positions(AutoConfig.from_pretrained(self.model, trust_remote_code=False))
        return min(self.limit["max_tokens"], places or math.inf)

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text. The tokenizer runs outside of Python's lock, so that threads share the work."""
        from scripts.lib.generation.chat import token_ids

        size = max(1, math.ceil(len(texts) / self.workers))
        shares = [texts[begin : begin + size] for begin in range(0, len(texts), size)]
        with ThreadPoolExecutor(self.workers) as threads:
            return list(chain.from_iterable(threads.map(partial(token_ids, self.tokenizer), shares)))

    def tokens(self, texts: Iterable[str]) -> list[int]:
        """The number of tokens of each text."""
        return [len(ids) for batch in batches(texts) for ids in self.ids(batch)]

    def objections(self, conversations: Iterable[Conversation]) -> Iterator[str | None]:
        """Why the trainer would leave out each row with this answer, or these two; None if it would not.

        Yields:
            end_inside, equal_tokens or over_max_tokens. Rows that the trainer refuses, and all others with them, are
            not left out.
        """
        for batch in batches(conversations):
            texts = [self._texts(messages, answers) for messages, answers in batch]
            ids = iter(self.ids(list(chain.from_iterable(texts))))
            yield from (self._objection(list(islice(ids, len(of_row)))) for of_row in texts)

    def _texts(self, messages: list[Message], answers: tuple[str, ...]) -> list[str]:
        """What is tokenised of a row: the prompt (or, where all has the loss, the conversation), then its answers."""
        from scripts.lib.generation.chat import prompt_text, rendered

        if self.limit["end_inside"] == "delete":
            end = self.tokenizer.eos_token
            messages = [{**said, "content": said["content"].replace(end, "")} for said in messages]
            answers = tuple(text.replace(end, "") for text in answers)
        if self.limit["loss_on"] == "all":
            conversation = [*messages, {"role": "assistant", "content": answers[0]}]
            return [rendered(self.tokenizer, conversation, False), *answers]
        return [prompt_text(self.tokenizer, messages), *answers]

    def _objection(self, ids: list[list[int]]) -> str | None:
        """What is wrong with a row of these tokens, in the order of `_texts`."""
        first, *answers = ids
        if any(self.tokenizer.eos_token_id in answer for answer in answers):
            return "end_inside" if self.limit["end_inside"] == "drop" else None
        if len(answers) == 2 and answers[0] == answers[1]:
            return "equal_tokens"
        closed = 0 if self.limit["loss_on"] == "all" else max(map(len, answers)) + 1
        return "over_max_tokens" if len(first) + closed > self.longest else None


def batches(items: Iterable[Any]) -> Iterator[list]:
    """The items in lists, each short enough to be held whole."""
    items = iter(items)
    while batch := list(islice(items, BATCH)):
        yield batch


def gaps(rows: list[Row], count: Count) -> list[int]:
    """How much longer the chosen answer of each pair is than the rejected one, in tokens."""
    chosen, rejected = (count(row[key] for row in rows) for key in ("chosen", "rejected"))
    return [long - short for long, short in zip(chosen, rejected, strict=True)]


def by_gap(pool: list[Row], where: str, wanted: int, count: Count) -> list[Row]:
    """The pairs whose gap is where `length_gap` says (`short`, `middle` or `long`), as many as are wanted."""
    return pairs.length_gap(pool, gaps(pool, count), where, wanted)


def mean_gap(rows: list[Row], count: Count) -> float | None:
    """The mean gap of pairs, None if there are none."""
    return sum(gaps(rows, count)) / len(rows) if rows else None


def of_like_length(pool: list[Row], key: str, like: list[Row], wanted: int, count: Count) -> list[Row]:
    """`wanted` rows of the pool whose texts are about as long as those of another training set.

    The other set's completions are taken evenly from the shortest to the longest, and each gets the row of the pool
    that is nearest in length and still free.
    """
    targets = sorted(count(row["completion"] for row in like))
    wanted = min(wanted, len(pool))
    targets = [targets[place * len(targets) // wanted] for place in range(wanted)]
    measured = zip(count(row[key] for row in pool), (row["id"] for row in pool), pool, strict=True)
    free = sorted(measured, key=lambda item: item[:2])
    chosen = []
    for target in targets:
        place = bisect.bisect_left(free, target, key=lambda item: item[0])
        if place == len(free) or (place and target - free[place - 1][0] <= free[place][0] - target):
            place -= 1
        chosen.append(free.pop(place)[2])
    return chosen
