"""How a training runs on its machine: settings for memory and speed that change nothing in what is learned, beyond
rounding."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from accelerate.utils.memory import clear_device_cache
from torch import nn
from transformers.utils import is_bitsandbytes_available, is_kernels_available

from scripts.lib.jobs import cards
from scripts.lib.jsonl import BadInput, read_json, write_json

log = logging.getLogger(__name__)
NOTE = "micro-batch.json"
FOUND = "rows-that-fit.json"
USUAL_ROWS = 8  # rows per pass, if the most that fit cannot be tried
OPTIMIZER_COPIES = 2  # copies of the trained weights that the optimizer makes at its first step


@dataclass(frozen=True)
class Machine:
    """The settings of one training.

    Args:
        micro_batch: most rows per device and pass; None: the most that fit.
        processes: number of processes that train together.
        attention: an implementation that transformers knows (`sdpa`, `eager`, `flash_attention_2`); None: its choice.
        compiled: whether torch.compile compiles the model.
        recompute: whether activations are recomputed in the backward pass instead of being stored.
        padding_free: whether the rows of a pass are joined into one, without padding.
        kernels: whether layers use the kernels that transformers loads from the Hub (Liger's, for most models).
        offload: whether activations are kept in the CPU's memory until the backward pass.
        reported: the trainer's arguments for trackers (`tracking.begin`).
    """

    micro_batch: int | None = None
    processes: int = 1
    attention: str | None = None
    compiled: bool = False
    recompute: bool = False
    padding_free: bool = False
    kernels: bool = False
    offload: bool = False
    reported: Mapping[str, Any] = field(default_factory=lambda: {"report_to": "none"})


def has_four_bits(recipe: dict) -> bool:
    """Whether the frozen weights below the adapter are kept in 4 bits."""
    return bool((recipe.get("lora") or {}).get("four_bit"))


def refuse_missing(settings: Machine, recipe: dict) -> None:
    """Raises BadInput if a setting or the recipe needs a package or device that is missing."""
    if settings.kernels:
        _refuse_without_gpu("train:kernels=1", "set train:kernels=0", "transformers[kernels]", is_kernels_available())
    if settings.offload:
        _refuse_without_gpu("train:offload=1", "set train:offload=0")
    if has_four_bits(recipe):
        what = f"run {recipe['run']}: lora.four_bit: true"
        _refuse_without_gpu(what, "set it to false in the recipe", "bitsandbytes", is_bitsandbytes_available())


def _refuse_without_gpu(what: str, way_out: str, package: str = "", installed: bool = True) -> None:
    missing = None
    if not installed:
        missing = f"{package} is not installed. Install it in this environment (pip install '{package}')"
    elif not torch.cuda.is_available():
        missing = "it needs a GPU, and torch finds none. Train on one"
    if missing:
        raise BadInput(f"{what}: {missing}, or {way_out} (docs/performance.md).")


def take_kernels(model: nn.Module) -> int:
    """Replaces layers by kernels from the Hub, for training on the model's device; returns the number of layers.

    transformers keeps a layer for which it finds no kernel.

    Raises:
        BadInput: no layer was replaced.
    """
    model.train().set_use_kernels(True)
    taken = sum(hasattr(type(layer), "kernel_layer_name") and "forward" in vars(layer) for layer in model.modules())
    if not taken:
        raise BadInput(
            "train:kernels=1: transformers found no kernel for any layer of this model on this GPU. Set "
            "train:kernels=0, or fetch the kernels on a machine that reaches the Hub (docs/performance.md)."
        )
    log.info("%d layers use kernels from the Hub", taken)
    return taken


def split_batch(global_batch: int, micro_batch: int, processes: int) -> tuple[int, int]:
    """(rows per device and forward pass, accumulation steps), which multiply back to `global_batch`.

    >>> split_batch(global_batch=512, micro_batch=8, processes=8)
    (8, 8)

    Raises:
        BadInput: `global_batch` is not a multiple of `processes`.
    """
    if global_batch % processes:
        raise BadInput(f"global_batch {global_batch} is not a multiple of the {processes} processes. Change either.")
    share = global_batch // processes
    rows = max(size for size in range(1, min(micro_batch, share) + 1) if share % size == 0)
    return rows, share // rows


def largest_that_fits(share: int, attempt: Callable[[int], None]) -> int:
    """The largest number of rows that divides `share` and for which `attempt` succeeds; 1 if none does.

    Args:
        share: rows per step on this device.
        attempt: runs a pass over the given number of rows.
    """
    for size in range(share, 1, -1):
        if share % size == 0 and _fits(size, attempt):
            return size
    return 1


def _fits(size: int, attempt: Callable[[int], None]) -> bool:
    try:
        attempt(size)
    except RuntimeError as error:
        if not cards.is_out_of_memory(error):
            raise
        log.info("%d rows in a pass do not fit", size)
        return False
    finally:
        clear_device_cache(garbage_collection=True)
    return True


def pass_over_longest(trainer, rows: list[dict], size: int) -> None:
    """A training pass over the first `size` rows, with memory reserved for the optimizer's state.

    Args:
        trainer: a trainer that has not started.
        rows: the longest rows, longest first.
        size: number of rows.
    """
    trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    reserved = [torch.empty_like(weight) for weight in trained for _ in range(OPTIMIZER_COPIES)]
    if trainer.args.activation_checkpointing:
        trainer.model.activation_checkpointing_enable()
    inputs = send_to_device(trainer.data_collator(rows[:size]), trainer.args.device)
    with trainer.maybe_activation_offload_context:
        with trainer.accelerator.autocast():
            loss = trainer.compute_loss(trainer.model.train(), inputs)
        loss.backward()
    trainer.model.zero_grad(set_to_none=True)
    del reserved


def noted(state: Path) -> int | None:
    """The most rows per pass since memory ran out; None if it did not."""
    file = state / NOTE
    return read_json(file) if file.is_file() else None


def halve(state: Path, rows: int, recipe: dict, error: BaseException) -> None:
    """Records that a pass may have at most half of `rows`, since memory ran out.

    Raises:
        BadInput: the pass had a single row.
    """
    if rows == 1:
        raise BadInput(
            f"run {recipe['run']}: not enough memory for even one row per pass ({str(error)[:200]}). Set "
            "activation_checkpointing: true, lora, or a smaller max_tokens in the recipe, or train on more GPUs "
            "(docs/performance.md)."
        ) from None
    log.warning("memory ran out with %d rows in a pass: continuing with %d and more accumulation", rows, rows // 2)
    write_json(state / NOTE, rows // 2)


def halve_frozen(model: nn.Module) -> None:
    """Stores the frozen weights of linear layers in bfloat16: for a model under bfloat16 autocast.

    Autocast rounds these weights to bfloat16 in each product anyway, so the results are the same in half the memory.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}  # may be tied
    for module in model.modules():
        if isinstance(module, nn.Linear) and id(module.weight) not in embeddings and not module.weight.requires_grad:
            module.weight.data = module.weight.data.to(torch.bfloat16)
