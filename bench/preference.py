"""Step time and memory of preference training with a shared reference (LoRA: the model with its adapter off).

Time: the `train` script's steps against the sum of their necessary passes timed bare: the reference's forward pass on
chosen and rejected, the policy's forward and backward pass on both. Memory: the peak of a process that trains on pairs
against one that does SFT on the same tokens in the same batch (each in a fresh process).

    python -m bench.preference --model results/laptop/models/smollm2-135m \\
        --pairs results/laptop/train_sets/spin.t0.jsonl
"""

import argparse
import resource
import subprocess
import sys
import time

import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM
from trl.trainer.dpo_trainer import DataCollatorForPreference

from bench.training import RECIPE, fit, tokenised
from scripts.lib import cli
from scripts.lib.generation.chat import load_tokenizer
from scripts.lib.jsonl import read_rows
from scripts.lib.training import preference, trainers

BATCH = 8  # pairs
PREFERENCE = {**RECIPE, "method": "dpo", "beta": 0.1, "gamma": 0.5, "loss": "logistic", "precompute_reference": False}


def main() -> None:
    """Prints both ratios; with --peak, it runs as the child process that measures one peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peak", choices=["sft", "dpo"], default=None)
    args = parser.parse_args()
    cli.quiet()
    tokenizer = load_tokenizer(args.model)
    pairs = tokenised(read_rows(args.pairs)[: args.steps * BATCH], tokenizer, PREFERENCE)
    if args.peak:
        method = PREFERENCE if args.peak == "dpo" else {**RECIPE, "global_batch": 2 * BATCH}
        rows = pairs if args.peak == "dpo" else as_answers(pairs)
        fit(method, rows, args.model, tokenizer, method["global_batch"])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    # First, since a child's peak starts from its parent's memory at the fork.
    peaks = {}
    for method in ("sft", "dpo"):
        command = [sys.executable, "-m", "bench.preference", "--peak", method, "--steps", "2"]
        command += ["--model", args.model, "--pairs", args.pairs]
        peaks[method] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])
    print(f"peak memory: pairs {peaks['dpo']:.0f} MiB, SFT {peaks['sft']:.0f} MiB, {peaks['dpo'] / peaks['sft']:.2f} ×")
    times = {"script": float("inf"), "passes": float("inf")}
    for _ in range(args.rounds):
        times["passes"] = min(times["passes"], bare_passes(args.model, pairs, tokenizer))
        times["script"] = min(times["script"], fit(PREFERENCE, pairs, args.model, tokenizer, BATCH))
    steps = -(-len(pairs) // BATCH)
    print(f"{len(pairs)} pairs, batch {BATCH}, {cli.device_name()}, torch {torch.__version__}")
    print(f"train script      {times['script'] / steps:6.2f} s/step   {times['script'] / times['passes']:.2f} × passes")
    print(f"necessary passes  {times['passes'] / steps:6.2f} s/step")


def as_answers(pairs: list[dict]) -> list[dict]:
    """The same sequences as SFT rows."""
    return [
        {
            "input_ids": pair["prompt_ids"] + pair[key],
            "labels": [-100] * len(pair["prompt_ids"]) + pair[key],
        }
        for pair in pairs
        for key in ("chosen_ids", "rejected_ids")
    ]


def bare_passes(model_folder: str, pairs: list[dict], tokenizer) -> float:
    """Seconds of the bare passes, without optimizer, data loading and trainer."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
    model = get_peft_model(model, trainers.lora_config(RECIPE["lora"])).train()
    collate = DataCollatorForPreference(pad_token_id=tokenizer.pad_token_id)
    batches = [collate(pairs[at : at + BATCH]) for at in range(0, len(pairs), BATCH)]
    start = time.perf_counter()
    for batch in batches:
        with torch.no_grad(), model.disable_adapter():
            reference = preference.answer_log_probs(model, batch)
        policy = preference.answer_log_probs(model, batch)
        preference.preference_loss(policy, reference, 0.1, "logistic")[0].mean().backward()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
