"""Generation speed: our engine on sorted chunks against `model.generate` in arrival order at batch 32.

Both answer the same questions greedily with the same model. Speed is in useful tokens per second: those up to the end
token of each answer.

    python -m bench.generation --model results/laptop/models/smollm2-135m --questions results/laptop/benchmarks/*.jsonl
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from scripts.lib import cli
from scripts.lib.generation.chat import load_tokenizer, prompt_ids
from scripts.lib.generation.generator import Generator
from scripts.lib.generation.prompts import render
from scripts.lib.journal import Journal
from scripts.lib.jsonl import read_rows


def main() -> None:
    """Runs both ways in turn, twice, and prints the best of each and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", nargs="+", required=True)
    parser.add_argument("--prompt", default="prompts/answer.j2")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--chunk-rows", type=int, default=128)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    cli.quiet()
    files = [read_rows(file) for file in args.questions]
    # Arrival order: the benchmarks' rows in turn, like a mixed list of requests.
    rows = [row for group in zip(*files, strict=False) for row in group][: args.rows]
    best = {"generate, arrival order, 32": 0.0, "our engine": 0.0}
    for _ in range(args.rounds):
        for name, way in zip(best, (arrival_order, ours), strict=True):
            tokens, seconds = way(args, rows)
            best[name] = max(best[name], tokens / seconds)
    base, engine = best.values()
    print(f"{len(rows)} questions, at most {args.max_tokens} tokens, {cli.device_name()}, torch {torch.__version__}")
    for name, speed in best.items():
        print(f"{name:28} {speed:8.1f} useful tokens/s   {speed / base:.2f} ×")


def arrival_order(args: argparse.Namespace, rows: list[dict]) -> tuple[int, float]:
    """(useful tokens, seconds) of `model.generate` on batches of 32 rows in arrival order."""
    tokenizer = load_tokenizer(args.model)
    tokenizer.padding_side = "left"
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16).eval()
    prompts = [prompt_ids(tokenizer, render(args.prompt, question=row["question"])) for row in rows]
    useful = 0
    start = time.perf_counter()
    for at in range(0, len(prompts), 32):
        batch = tokenizer.pad({"input_ids": prompts[at : at + 32]}, return_tensors="pt")
        with torch.inference_mode():
            made = model.generate(**batch, max_new_tokens=args.max_tokens, do_sample=False)
        for new in made[:, batch["input_ids"].shape[1] :].tolist():
            useful += new.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in new else len(new)
    return useful, time.perf_counter() - start


def ours(args: argparse.Namespace, rows: list[dict]) -> tuple[int, float]:
    """(useful tokens, seconds) of generation as in `generate` and `sample_responses`."""
    entry = {"prompt": args.prompt, "temperature": 0.0, "top_p": 1.0, "max_tokens": args.max_tokens}
    settings = {"kind": "transformers", "dtype": "bfloat16", "chunk_rows": args.chunk_rows}
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "chunks.jsonl") as journal:
        generator = Generator(args.model, settings, journal, cli.Progress("generated", len(rows)))
        _ = generator.engine  # loading the model is not part of either time
        start = time.perf_counter()
        answers = generator.answers(rows, {**entry, "samples": 1, "seed": 0})
        return sum(row["tokens"] for row in answers), time.perf_counter() - start


if __name__ == "__main__":
    main()
