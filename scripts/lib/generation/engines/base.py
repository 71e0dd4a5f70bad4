"""What engines share: sampling, completions, where an answer ends."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Sampling:
    """How the next token is sampled, and where an answer ends.

    `temperature` 0 is greedy; `max_tokens` counts new tokens. An answer ends before the first of `stop` (texts) and of
    `stop_ids` (tokens in addition to those in the model's files).
    """

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()

    def key(self) -> dict:
        """The fields that enter a journal's key; stops are omitted if there are none."""
        return {name: value for name, value in asdict(self).items() if value != ()}


@dataclass(frozen=True)
class Completion:
    """One generated answer: its text without special tokens, its length in tokens, and whether it is complete.

    `error` says why there is no text, if the engine knows.
    """

    text: str
    tokens: int
    finished: bool
    error: str | None = None


class Engine(Protocol):
    """The interface of the engines in this folder."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[Completion]:
        """One completion for each prompt (token ids), in order."""

    def close(self) -> None:
        """Frees the memory, so that another model can be loaded. The engine cannot be used afterwards."""


def stop_ids(model: str | Path, tokenizer) -> list[int]:
    """The tokens that end an answer by the model's files: the tokenizer's end token and the model's own."""
    from transformers import AutoConfig, GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(model)
    except OSError:  # no generation_config.json: transformers derives one from config.json
        config = GenerationConfig.from_model_config(AutoConfig.from_pretrained(model, trust_remote_code=False))
    own = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return sorted({tokenizer.eos_token_id, *own} - {None})


def positions(config) -> int | None:
    """The context length of a model with this transformers configuration, or None if it sets no limit."""
    text = config.get_text_config()
    told = getattr(text, "max_position_embeddings", None) or 0
    rope = getattr(text, "rope_parameters", None) or {}
    stretched = 0.0
    if rope.get("rope_type") in ("linear", "dynamic", "yarn"):  # the other types already include their extension
        stretched = (rope.get("factor") or 1) * (rope.get("original_max_position_embeddings") or told)
    return max(told, int(stretched)) or None


def too_long(tokens: int, limit: int, name: str) -> Completion:
    """The completion for a prompt that is too long: an error instead of an answer.

    >>> too_long(600, 512, "max_model_len").error
    'the prompt has 600 tokens, which leaves none of max_model_len = 512'
    """
    return Completion("", 0, False, f"the prompt has {tokens} tokens, which leaves none of {name} = {limit}")


def ended(tokenizer, ids: Sequence[int], finished: bool, stop: Sequence[str]) -> Completion:
    """The completion from generated tokens (without an end token), cut before the first `stop` text.

    Tokens of the removed part are not counted; nor is an end token.
    """
    text = tokenizer.decode(ids, skip_special_tokens=True)
    places = [text.index(word) for word in stop if word in text]
    if not places:
        return Completion(text, len(ids), finished)
    kept = text[: min(places)]

    def holds(count: int) -> bool:
        return tokenizer.decode(ids[:count], skip_special_tokens=True).startswith(kept)

    return Completion(kept, bisect_left(range(len(ids)), True, key=holds), True)
