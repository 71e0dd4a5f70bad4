"""Speed of our vLLM engine with its journal against bare `LLM.generate` on the same prompts, in one run.

Both answer greedily, one after the other, each in a process of its own that holds vLLM's engine too. What is cached
from the round before is dropped. Run it with the interpreter that has vLLM:

    .venv-vllm/bin/python -m bench.vllm_generation --model results/laptop/models/smollm2-135m \\
        --questions results/laptop/benchmarks/*.jsonl
"""

import argparse
import logging
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from scripts.lib import cli
from scripts.lib.chat import load_tokenizer, prompt_ids
from scripts.lib.engines import stop_ids
from scripts.lib.engines.vllm_engine import ENVIRONMENT
from scripts.lib.generation import Generator
from scripts.lib.journal import Journal
from scripts.lib.jsonl import read_rows
from scripts.lib.prompts import render


def main() -> None:
    """Runs one way after the other and prints the best round of each and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", nargs="+", required=True)
    parser.add_argument("--prompt", default="prompts/answer.j2")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--max-model-len", type=int, default=1024)
    parser.add_argument("--memory-share", type=float, default=0.3)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    files = [read_rows(file) for file in args.questions]
    rows = [row for group in zip(*files, strict=False) for row in group][: args.rows]
    print(f"{len(rows)} questions, at most {args.max_tokens} tokens, {cli.device_name()}, vLLM", flush=True)
    speeds = []
    for name, way in (("bare LLM.generate", bare), ("our engine, journalled", ours)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rounds = [tokens / seconds for tokens, seconds in pool.submit(way, args, rows).result()]
        speeds.append(max(rounds))
        print(f"{name:24} {max(rounds):8.1f} tokens/s   (rounds: {', '.join(f'{s:.1f}' for s in rounds)})", flush=True)
    print(f"ratio {speeds[1] / speeds[0]:.3f}")


def bare(args: argparse.Namespace, rows: list[dict]) -> list[tuple[int, float]]:
    """(tokens, seconds) of each round of `LLM.generate` with the prompts' token ids."""
    from vllm import LLM, SamplingParams

    tokenizer = load_tokenizer(args.model)
    prompts = [
        {"prompt_token_ids": prompt_ids(tokenizer, render(args.prompt, question=row["question"]))} for row in rows
    ]
    stop = stop_ids(args.model, tokenizer)
    sampling = SamplingParams(temperature=0.0, max_tokens=args.max_tokens, stop_token_ids=stop)
    llm = LLM(
        args.model,
        dtype=args.dtype,
        max_model_len=args.max_model_len,
        gpu_memory_utilization=args.memory_share,
        enforce_eager=not has_gpu(),
    )
    rounds = []
    for _ in range(args.rounds):
        llm.reset_prefix_cache()
        start = time.perf_counter()
        outputs = llm.generate(prompts, sampling, use_tqdm=False)
        seconds = time.perf_counter() - start
        ids = [output.outputs[0].token_ids for output in outputs]
        rounds.append((sum(len(row) - (row[-1] in stop) for row in ids), seconds))
    return rounds


def ours(args: argparse.Namespace, rows: list[dict]) -> list[tuple[int, float]]:
    """(tokens, seconds) of each round of the way that `generate` and `sample_responses` work, rendering included."""
    entry = {"prompt": args.prompt, "temperature": 0.0, "top_p": 1.0, "max_tokens": args.max_tokens, "samples": 1}
    settings = {"kind": "vllm", "dtype": args.dtype, "max_model_len": args.max_model_len, "chunk_rows": 2048}
    settings["memory_share"] = args.memory_share
    rounds = []
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "chunks.jsonl") as journal:
        generator = Generator(args.model, settings, journal, cli.Progress("generated", len(rows)))
        _ = generator.engine  # loading is no part of either time
        for number in range(args.rounds):  # another seed is another chunk for the journal
            start = time.perf_counter()
            answers = generator.answers(rows, {**entry, "seed": number})
            rounds.append((sum(row["tokens"] for row in answers), time.perf_counter() - start))
    return rounds


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    os.environ |= ENVIRONMENT
    main()
