"""Speed of training, preference training and generation on this GPU (or CPU): tokens/s, memory, share of peak.

Runs what the rules run, on a model folder and training sets of a study. Training is full fine-tuning in bfloat16; it is
measured once more with each setting of the machine (docs/performance.md), one at a time, and with LoRA, its base as it
is and in 4 bits.
Tokens are prompt and answer, without padding; for pairs each answer counts with its prompt. The share of peak is
operations (6 a weight and token in training, 4 with LoRA, 8 with a reference's forward pass, 2 in generation) over
`--peak-tflops`, which the card's maker states for dense bfloat16 (989 for an H100 SXM).

    python -m bench.gpu --peak-tflops 989 --model results/laptop/models/smollm2-135m \\
        --rows results/laptop/train_sets/sft-teacher.jsonl --pairs results/laptop/train_sets/dpo.jsonl
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import torch
from transformers.utils import is_bitsandbytes_available, is_flash_attn_2_available, is_kernels_available

from scripts.lib import cli
from scripts.lib.generation import engines
from scripts.lib.generation.chat import load_tokenizer, prompt_ids
from scripts.lib.generation.engines import Sampling
from scripts.lib.jsonl import read_rows, write_rows
from scripts.lib.training import fitting, rows
from scripts.lib.training.machine import Machine

RECIPE = {
    **{"run": "bench", "template": None, "seed": 1, "learning_rate": 1e-5, "epochs": 1, "scheduler": "linear"},
    **{"warmup": 0.1, "weight_decay": 0.0, "max_grad_norm": 1.0, "optimizer": "adamw_torch", "precision": "bfloat16"},
    **{"order": "sequential", "save_steps": 10_000, "candidate_steps": [], "activation_checkpointing": False},
    **{"max_tokens": 100_000, "too_long": "error", "end_inside": "error", "loss_on": "answer", "packing": False},
    **{"schedule_epochs": None},
    **{"beta": 0.1, "gamma": 0.5, "loss": "logistic", "precompute_reference": False, "lora": None},
}
# The settings of the machine, one by one; `auto` finds the rows per pass, if there is a GPU.
LEVERS = {
    "rows in a pass: auto": {"micro_batch": None},
    "attention: eager": {"attention": "eager"},
    "attention: sdpa": {"attention": "sdpa"},
    "recomputed activations": {"recompute": True},
    "compiled": {"compiled": True},
    "padding-free": {"padding_free": True},
}
if is_flash_attn_2_available():
    LEVERS["attention: flash_attention_2"] = {"attention": "flash_attention_2"}
    LEVERS["padding-free, flash_attention_2"] = {"attention": "flash_attention_2", "padding_free": True}
if torch.cuda.is_available():
    LEVERS["offloaded activations"] = {"offload": True}
    if is_kernels_available():
        LEVERS["kernels"] = {"kernels": True}
LORA = {"rank": 16, "alpha": 32, "dropout": 0.0, "targets": "all-linear"}
# Recipes: what they change is no rounding. Each is measured beside the one before.
ADAPTERS = {"LoRA": {"lora": LORA}}
if torch.cuda.is_available() and is_bitsandbytes_available():
    ADAPTERS["LoRA, 4-bit base"] = {"lora": {**LORA, "four_bit": True}}


def main() -> None:
    """Prints one line for each kind of work, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model folder")
    parser.add_argument("--rows", required=True, help="training set of an SFT or CFT run")
    parser.add_argument("--pairs", help="training set of a preference run (left out: it is not measured)")
    parser.add_argument("--batch", type=int, default=64, help="rows in a step, and prompts in a batch")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--max-tokens", type=int, default=256, help="new tokens of an answer")
    parser.add_argument("--only", nargs="+", default=["*"], help="kinds of work, as they are printed (`*`: any text)")
    parser.add_argument("--peak-tflops", type=float, default=None, help="the card's, for the share of peak")
    args = parser.parse_args()
    cli.quiet()
    plain = Machine(args.batch)
    works = {
        "train": partial(train_sft, machine=plain),
        **{f"train, {name}": partial(train_sft, machine=replace(plain, **lever)) for name, lever in LEVERS.items()},
        **{f"train, {name}": partial(train_sft, machine=plain, **recipe) for name, recipe in ADAPTERS.items()},
        **({"train_dpo": partial(train_dpo, machine=plain)} if args.pairs else {}),
        "generate": generate,
    }
    train_sft(argparse.Namespace(**{**vars(args), "steps": 2}), plain)  # the first kernels of a process are slow
    chosen = [name for name in works if any(fnmatch(name, pattern) for pattern in args.only)]
    failed = 0
    for name in chosen:
        try:
            line = measured(args, works[name])
        except Exception as error:  # the other kinds of work are measured all the same
            line, failed = {"failed": f"{type(error).__name__}: {error}"[:500]}, failed + 1
        print(json.dumps({"work": name, "device": cli.device_name(), **line}), flush=True)
    if failed or not chosen:
        raise SystemExit(f"{failed} of {len(chosen)} kinds of work failed")


def measured(args: argparse.Namespace, work: Callable[[argparse.Namespace], tuple[int, float, int]]) -> dict:
    """Speed and memory of one kind of work."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    tokens, seconds, passes = work(args)
    speed = tokens / seconds
    line = {"tokens_per_s": round(speed), "peak_memory_gb": memory_gb()}
    if args.peak_tflops:
        line["share_of_peak"] = round(passes * parameters(args.model) * speed / (args.peak_tflops * 1e12), 4)
    return line


def parameters(model: str) -> int:
    """The number of weights in a model folder."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model).num_parameters()


def memory_gb() -> float:
    """The most memory in use so far: the GPU's since the last reset, else this process's."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


def repeated(given: list[dict], count: int) -> list[dict]:
    """`count` rows, repeated from the first if there are fewer."""
    return [{**given[index % len(given)], "id": str(index)} for index in range(count)]


def trained(args: argparse.Namespace, given: list[dict], machine: Machine, **recipe) -> tuple[int, float]:
    """(tokens, seconds) of `--steps` steps of `train`."""
    recipe = {**RECIPE, "global_batch": args.batch, "max_steps": args.steps, **recipe}
    tokenizer = load_tokenizer(args.model)
    with tempfile.TemporaryDirectory() as folder:
        data, state = Path(folder) / "rows.jsonl", Path(folder) / "state"
        write_rows(data, given)
        rows.prepare(data, state / "rows", tokenizer, recipe)
        seconds = fitting.fit(recipe, args.model, tokenizer, state, machine)["train_seconds"]
        return rows.tokens_of(rows.load(state / "rows")[0]), seconds


def train_sft(args: argparse.Namespace, machine: Machine, **recipe) -> tuple[int, float, int]:
    """(tokens, seconds, floating-point operations per weight and token) of supervised training."""
    given = repeated(read_rows(args.rows), args.steps * args.batch)
    tokens, seconds = trained(args, given, machine, method="sft", **recipe)
    return tokens, seconds, 4 if recipe else 6  # frozen weights have no gradient


def train_dpo(args: argparse.Namespace, machine: Machine) -> tuple[int, float, int]:
    """The same for preference training, which also runs the reference forward."""
    given = repeated(read_rows(args.pairs), args.steps * args.batch)
    tokens, seconds = trained(args, given, machine, method="dpo")
    return tokens, seconds, 8


def generate(args: argparse.Namespace) -> tuple[int, float, int]:
    """The same for new tokens of greedy answers to the training questions."""
    tokenizer = load_tokenizer(args.model)
    engine = engines.load({"kind": "transformers", "dtype": "bfloat16"}, args.model, tokenizer)
    given = repeated(read_rows(args.rows), args.batch)
    prompts = [prompt_ids(tokenizer, row["messages"]) for row in given]
    engine.generate(prompts[:1], Sampling(0.0, 1.0, 2), 1)  # the first call is slower
    start = time.perf_counter()
    done = engine.generate(prompts, Sampling(0.0, 1.0, args.max_tokens), 1)
    return sum(answer.tokens for answer in done), time.perf_counter() - start, 2


if __name__ == "__main__":
    main()
