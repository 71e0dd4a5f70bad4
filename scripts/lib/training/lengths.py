"""Training rows by their length in tokens: which ones the trainer would drop, and which ones `data` chooses by
length."""

import bisect
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

from scripts.lib.generation.prompts import Message
from scripts.lib.jsonl import BadInput
from scripts.lib.training import pairs
from scripts.lib.training.stored import Row


class Ruler:
    """Tells which rows a run's trainer would drop, and counts tokens.

    Args:
        model: a model folder with the tokenizer. None if nothing is counted.
        limit: the trainer's limits: `max_tokens` (null if it drops no long row), `end_inside`, `loss_on`, and
            `template`, a chat template file or null. None if it drops no row.
    """

    def __init__(self, model: str | None, limit: dict[str, Any] | None) -> None:
        self.model, self.limit = model, limit

    @cached_property
    def tokenizer(self):
        """The tokenizer, with the run's chat template if conversations are counted."""
        from scripts.lib.generation.chat import file_tokenizer, load_tokenizer

        if self.model is None:
            raise BadInput("counting tokens needs a tokenizer. Name a model folder (--tokenizer).")
        return file_tokenizer(self.model) if self.limit is None else load_tokenizer(self.model, self.limit["template"])

    def tokens(self, text: str) -> int:
        """The number of tokens in a text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @cached_property
    def longest(self) -> float:
        """The most tokens of a row: the recipe's limit, or the model's if it is lower."""
        from transformers import AutoConfig

        from scripts.lib.generation.engines.base import positions

        if self.limit["max_tokens"] is None:
            return math.inf
        places = positions(AutoConfig.from_pretrained(self.model, trust_remote_code=False))
        return min(self.limit["max_tokens"], places or math.inf)

    def objection(self, messages: list[Message], *answers: str) -> str | None:
        """Why the trainer would drop a row with this answer, or these two; None if it would not.

        Returns:
            end_inside, equal_tokens or over_max_tokens. Rows for which the trainer would stop altogether are not
            dropped.
        """
        if self.limit is None:
            return None
        from scripts.lib.generation.chat import EndInside, answer_ids

        if self.limit["end_inside"] == "delete":
            end = self.tokenizer.eos_token
            messages = [{**said, "content": said["content"].replace(end, "")} for said in messages]
            answers = tuple(text.replace(end, "") for text in answers)
        try:
            ids = [answer_ids(self.tokenizer, text) for text in answers]
        except EndInside:
            return "end_inside" if self.limit["end_inside"] == "drop" else None
        if len(ids) == 2 and ids[0] == ids[1]:
            return "equal_tokens"
        return "over_max_tokens" if self._length(messages, answers, max(map(len, ids))) > self.longest else None

    def _length(self, messages: list[Message], answers: tuple[str, ...], longest_answer: int) -> int:
        """The tokens of the conversation with its longest answer, as the trainer counts them."""
        from scripts.lib.generation.chat import prompt_ids, rendered

        if self.limit["loss_on"] == "all":
            return self.tokens(
                rendered(self.tokenizer, [*messages, {"role": "assistant", "content": answers[0]}], False)
            )
        return longest_answer + len(prompt_ids(self.tokenizer, messages))


def gap(pair: Row, tokens: Callable[[str], int]) -> int:
    """How much longer the chosen answer is than the rejected one, in tokens."""
    return tokens(pair["chosen"]) - tokens(pair["rejected"])


def by_gap(pool: list[Row], where: str, wanted: int, tokens: Callable[[str], int]) -> list[Row]:
    """`wanted` pairs from the `short`, `middle` or `long` end of the order by gap."""
    return pairs.length_gap(pool, [gap(row, tokens) for row in pool], where, wanted)


def mean_gap(rows: list[Row], tokens: Callable[[str], int]) -> float | None:
    """The mean gap of pairs, None if there are none."""
    return sum(gap(row, tokens) for row in rows) / len(rows) if rows else None


def of_like_length(pool: list[Row], key: str, like: list[Row], wanted: int, tokens: Callable[[str], int]) -> list[Row]:
    """`wanted` rows of the pool whose texts are about as long as those of another training set.

    The other set's completions are taken evenly from the shortest to the longest, and each gets the row of the pool
    that is nearest in length and still free.
    """
    targets = sorted(tokens(row["completion"]) for row in like)
    wanted = min(wanted, len(pool))
    targets = [targets[place * len(targets) // wanted] for place in range(wanted)]
    free = sorted(((tokens(row[key]), row["id"], row) for row in pool), key=lambda item: item[:2])
    chosen = []
    for target in targets:
        place = bisect.bisect_left(free, target, key=lambda item: item[0])
        if place == len(free) or (place and target - free[place - 1][0] <= free[place][0] - target):
            place -= 1
        chosen.append(free.pop(place)[2])
    return chosen
