"""GPU memory that a training needs, from its settings alone. docs/planning.md explains the terms.

Gigabytes are 2^30 bytes, as nvidia-smi and the cards' makers count them.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from scripts.lib.jobs.planning import PREFERENCE

GB = 2**30
# Bytes per trained weight with its gradient and Adam's two moments. Autocast (mixed) adds a bfloat16 copy.
TRAINED = {"bfloat16": 2 + 2 + 4, "mixed": 4 + 4 + 8 + 2, "float32": 4 + 4 + 8}
REFERENCE = {"bfloat16": 2, "mixed": 4 + 2, "float32": 4}
FROZEN = {"bfloat16": 2, "mixed": 2, "float32": 4}  # a weight of a linear layer under LoRA
FOUR_BIT = 0.516  # the same in 4 bits, with a scale for every 64 weights, itself quantized (QLoRA, section 3)
MOMENT = {"bfloat16": 2, "mixed": 4, "float32": 4}  # of one moment; rmsprop has one instead of two
ADAPTER = 16  # peft keeps an adapter in float32
ACTIVATION = {"bfloat16": 2, "mixed": 2, "float32": 4}
LAYER_VALUES = 17  # activations per token and layer that the backward pass needs, in multiples of the model's width
LOGIT = 10  # bytes: a bfloat16 logit, its float32 copy, and the gradient of that
VOCABULARY = 152_000  # Qwen2.5's; smaller ones need less
CONTEXT = 1.0  # GB of the CUDA context
REFERENCE_FREE = ("simpo", "orpo")  # losses


class Need(NamedTuple):
    """The memory that a training needs on one GPU, in GB.

    Attributes:
        fixed: weights, gradients, optimizer, reference and CUDA context.
        row: one row of the recipe's max_tokens.
        share: rows per step on this GPU.
    """

    fixed: float
    row: float
    share: int

    def rows_in(self, memory: float) -> int:
        """The largest number of rows per pass that fits and divides the rows per step; 0 if not even one fits."""
        fits = (memory - self.fixed) / self.row
        return max((rows for rows in range(1, self.share + 1) if self.share % rows == 0 and rows <= fits), default=0)

    def of(self, rows: int) -> float:
        """GB with this many rows per pass."""
        return self.fixed + rows * self.row


def need(run: Mapping[str, Any], billions: float, gpus: int = 1) -> Need:
    """The memory that a run's training needs on each of `gpus` GPUs that share its weights.

    Args:
        run: a resolved run.
        billions: parameters of the model that it starts from, in billions.
        gpus: number of GPUs of one training.
    """
    recipe, weights = run["hyperparameters"], billions * 1e9
    precision, lora = recipe["precision"], recipe["lora"]
    if lora is None:
        each = TRAINED[precision] - (MOMENT[precision] if recipe["optimizer"] == "rmsprop" else 0)
        held = weights * each
        if has_reference(run):
            held += weights * REFERENCE[precision]
    else:
        held = frozen(precision, billions, gpus, lora.get("four_bit", False))
        held += adapter(lora["rank"], billions) * ADAPTER
    texts = 2 if run["method"] in PREFERENCE else 1  # a pair has two
    share = max(recipe["global_batch"] // gpus, 1)
    return Need(held / gpus / GB + CONTEXT, texts * row(recipe, billions) / GB, share)


def has_reference(run: Mapping[str, Any]) -> bool:
    """Whether full fine-tuning keeps a reference model besides the trained one."""
    recipe = run["hyperparameters"]
    return run["method"] in PREFERENCE and not (recipe["precompute_reference"] or recipe["loss"] in REFERENCE_FREE)


def frozen(precision: str, billions: float, gpus: int, four_bit: bool = False) -> float:
    """Bytes of the frozen weights below a LoRA adapter.

    With `mixed`, linear layers are kept in bfloat16 and embeddings in float32; on several GPUs that share the
    model, all weights are in float32 (scripts/lib/training/trainers.py). With 4 bits, embeddings and head stay whole.
    """
    weights = billions * 1e9
    if four_bit:
        whole = min(weights, 2 * VOCABULARY * shape(billions)[1])
        return whole * FROZEN["bfloat16" if precision == "bfloat16" else "float32"] + (weights - whole) * FOUR_BIT
    if precision != "mixed":
        return weights * FROZEN[precision]
    if gpus > 1:
        return weights * FROZEN["float32"]
    embeddings = min(weights, VOCABULARY * shape(billions)[1])
    return weights * FROZEN["mixed"] + embeddings * (FROZEN["float32"] - FROZEN["mixed"])


def adapter(rank: int, billions: float) -> float:
    """The size of a LoRA adapter on all linear layers (rank 16 on 0.135, 1.5 and 7.6 billion: 4.9, 18, 40 million)."""
    return 14.6e6 * rank / 16 * math.sqrt(billions)


def row(recipe: Mapping[str, Any], billions: float) -> float:
    """Bytes of the activations and logits of one row of max_tokens."""
    layers, width = shape(billions)
    values = layers + LAYER_VALUES if recipe["activation_checkpointing"] else layers * LAYER_VALUES
    return recipe["max_tokens"] * (values * width * ACTIVATION[recipe["precision"]] + LOGIT * VOCABULARY)


def shape(billions: float) -> tuple[int, float]:
    """Layers and width of a model of this size: weights are about 12 × layers × width²."""
    layers = next((count for size, count in ((10, 30), (20, 48), (40, 64)) if billions < size), 80)
    return layers, math.sqrt(billions * 1e9 / (12 * layers))
