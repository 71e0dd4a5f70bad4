"""Engines turn prompts into text. Each has one module here, and one entry in `load`.

An engine generates one chunk at a time: a list of prompts that share a seed. The same chunk gives the same outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.lib.jsonl import BadInput


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. `temperature` 0 is greedy; `max_tokens` counts new tokens."""

    temperature: float
    top_p: float
    max_tokens: int


@dataclass(frozen=True)
class Completion:
    """One generated answer: its text without special tokens, its length in tokens, and whether it ended by itself.

    `error` says why there is no text, where the engine knows.
    """

    text: str
    tokens: int
    finished: bool
    error: str | None = None


class Engine(Protocol):
    """What a module in this folder provides."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[Completion]:
        """One completion for each prompt (token ids), in order."""

    def close(self) -> None:
        """Gives the memory back, so that another model can be loaded. Nothing is generated afterwards."""


def stop_ids(model: str | Path, tokenizer) -> list[int]:
    """The tokens that end an answer: the tokenizer's end token and the model's own."""
    from transformers import AutoConfig, GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(model)
    except OSError:  # no generation_config.json: transformers makes one of config.json
        config = GenerationConfig.from_model_config(AutoConfig.from_pretrained(model, trust_remote_code=False))
    own = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    return sorted({tokenizer.eos_token_id, *own} - {None})


def load(settings: dict, model: str | Path, tokenizer) -> Engine:
    """The engine that an entry under `engines` in config describes, with `model` loaded.

    Args:
        settings: the entry, for example `{"kind": "transformers", "dtype": "bfloat16", "chunk_rows": 64}`. For vllm
            `gpus` may say how many GPUs the model is spread over.
        model: the model folder.
        tokenizer: the tokenizer whose end token stops generation.
    """
    if settings["kind"] == "transformers":
        from scripts.lib.generation.engines.transformers_engine import TransformersEngine

        return TransformersEngine(model, tokenizer, settings["dtype"])
    if settings["kind"] == "vllm":
        from scripts.lib.generation.engines.vllm_engine import VllmEngine

        return VllmEngine(model, tokenizer, settings)
    raise BadInput(f"engine kind {settings['kind']!r} is unknown: it must be transformers or vllm.")
