"""Engines turn prompts into text. Each has one module here, and one entry in `load`.

An engine generates one chunk at a time: a list of prompts that share a seed. The same chunk gives the same outputs.
"""

from pathlib import Path

from scripts.lib.generation.engines.base import Completion, Engine, Sampling, positions
from scripts.lib.jobs import cards
from scripts.lib.jsonl import BadInput

__all__ = ["Completion", "Engine", "Sampling", "load", "positions"]


def load(settings: dict, model: str | Path, tokenizer) -> Engine:
    """The engine that an entry under `engines` in config describes, with `model` loaded.

    Args:
        settings: the entry, for example `{"kind": "transformers", "dtype": "bfloat16", "chunk_rows": 64}`. For vllm
            `gpus` may say how many GPUs the model is spread over.
        model: the model folder.
        tokenizer: the tokenizer whose end token stops generation.
    """
    cards.take(settings.get("gpus") or 1)
    if settings["kind"] == "transformers":
        from scripts.lib.generation.engines.transformers_engine import TransformersEngine

        return TransformersEngine(model, tokenizer, settings["dtype"])
    if settings["kind"] == "vllm":
        from scripts.lib.generation.engines.vllm_engine import VllmEngine

        return VllmEngine(model, tokenizer, settings)
    raise BadInput(f"engine kind {settings['kind']!r} is unknown: it must be transformers or vllm.")
