"""Writes docs/memory.md: the GPU memory of a training by method and model size, as `snakemake plan` estimates it.

python -m scripts.describe_memory --out docs/memory.md
"""

from scripts.lib import cli
from scripts.lib.jobs.memory import need

SIZES = (0.5, 1.5, 7, 14, 32)  # billions
TOKENS = 2048
SHARING = 8  # GPUs in the second table
RECIPE = {"optimizer": "adamw_torch", "max_tokens": TOKENS, "activation_checkpointing": True, "global_batch": 64}
RECIPE |= {"loss": "logistic", "precompute_reference": False, "lora": None}
LORA = {"lora": {"rank": 16}}
FOUR_BIT = {"lora": {"rank": 16, "four_bit": True}}
# Method, its text in the first column, and settings.
WORKS = (
    ("sft", "SFT, CFT", "full", {}),
    ("sft", "SFT, CFT", "LoRA", LORA),
    ("sft", "SFT, CFT", "LoRA, `four_bit`", FOUR_BIT),
    ("dpo", "DPO, SPIN, ThinkPO", "full", {}),
    ("dpo", "the same, `precompute_reference: true` or the loss `simpo` or `orpo`", "full", {"loss": "simpo"}),
    ("dpo", "DPO, SPIN, ThinkPO", "LoRA", LORA),
    ("dpo", "DPO, SPIN, ThinkPO", "LoRA, `four_bit`", FOUR_BIT),
)

INTRO = f"""# Memory by method and size

Made by `python -m scripts.describe_memory --out docs/memory.md` from the estimate of `snakemake
plan`; do not edit it here.

**These are estimates. None of them was measured on a card.** [planning.md](planning.md#gpu-memory)
says how they are counted. Leave a margin of a tenth or more, and try a training before you count on
it.

Gigabytes (2^30 bytes) on each card, with AdamW, one row of {TOKENS:,} tokens in a pass (of a pair,
two) and `activation_checkpointing: true`; LoRA of rank 16. The last columns are model sizes in
billions of parameters. For each further row in a pass, add what the last table says. Usual cards
have 24, 48, 80 or 141 GB.
"""


def page() -> str:
    """The whole page as Markdown."""
    shared = f"## {SHARING} GPUs that share one model\n\nWith `parallel: fsdp` or `zero3` ([slurm.md](slurm.md)).\n"
    parts = [INTRO, "## One GPU\n", table(1), shared, table(SHARING), "## A further row in a pass\n", table_of_rows()]
    return "\n".join(parts)


def table(gpus: int) -> str:
    """Memory of each kind of training with one row per pass, on each of `gpus` GPUs."""
    lines = [
        [title, weights, f"`{precision}`", *(f"{memory(method, size, gpus, precision, given):.0f}" for size in SIZES)]
        for method, title, weights, given in WORKS
        if gpus == 1 or given is not FOUR_BIT  # weights in 4 bits are not shared
        for precision in ("bfloat16", "mixed")
    ]
    return markdown(["method", "trained", "`precision`", *map(sized, SIZES)], lines)


def table_of_rows() -> str:
    """Memory of each further row."""
    lines = [
        [title, *(f"{need(run(method, 'bfloat16', {}), size).row:.1f}" for size in SIZES)]
        for method, title in (("sft", "SFT, CFT"), ("dpo", "DPO, SPIN, ThinkPO"))
    ]
    return markdown(["method", *map(sized, SIZES)], lines)


def memory(method: str, billions: float, gpus: int, precision: str, given: dict) -> float:
    """GB on each GPU with one row per pass."""
    return need(run(method, precision, given), billions, gpus).of(1)


def run(method: str, precision: str, given: dict) -> dict:
    """A resolved run with the keys that the estimate reads."""
    return {"method": method, "hyperparameters": {**RECIPE, "precision": precision, **given}}


def sized(billions: float) -> str:
    """
    >>> sized(1.5)
    '1.5B'
    """
    return f"{billions:g}B"


def markdown(head: list[str], lines: list[list[str]]) -> str:
    """A table as Markdown."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))


if __name__ == "__main__":
    cli.run_page(page, __doc__)
