"""Speed of our vLLM engine with its journal against bare `LLM.generate` on the same prompts and the same loaded model.

Both answer greedily, in turn, and the best round of each counts. What vLLM has cached of a round before is dropped. Our
way includes rendering, tokenizing, decoding and the journal; the bare one gets token ids. Run it with the interpreter
that has vLLM:

    .venv-vllm/bin/python -m bench.vllm_generation --model results/laptop/models/smollm2-135m \\
        --questions results/laptop/benchmarks/*.jsonl
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.chat import load_tokenizer, prompt_ids
from scripts.lib.generation.generator import Generator
from scripts.lib.generation.prompts import render
from scripts.lib.journal import Journal
from scripts.lib.jsonl import read_rows


def main() -> None:
    """Runs both ways in turn and prints the best round of each and the ratio."""
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
    settings = {"kind": "vllm", "dtype": args.dtype, "max_model_len": args.max_model_len, "chunk_rows": 2048}
    settings["memory_share"] = args.memory_share
    ways = {"bare LLM.generate": bare, "our engine, journalled": ours}
    best = dict.fromkeys(ways, 0.0)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "chunks.jsonl") as journal:
        generator = Generator(args.model, settings, journal, cli.Progress("generated", len(rows)))
        _ = generator.engine  # loading is not part of either time
        print(f"{len(rows)} questions, at most {args.max_tokens} tokens, {cli.device_name()}", flush=True)
        for number in range(args.rounds):
            for name, way in ways.items():
                tokens, seconds = way(args, generator, rows, number)
                best[name] = max(best[name], tokens / seconds)
                print(f"round {number}  {name:24} {tokens / seconds:8.1f} tokens/s", flush=True)
    base, engine = best.values()
    print(f"best: bare {base:.1f}, ours {engine:.1f} tokens/s, ratio {engine / base:.3f}")


def bare(args: argparse.Namespace, generator: Generator, rows: list[dict], number: int) -> tuple[int, float]:
    """(tokens, seconds) of `LLM.generate` with the prompts' token ids and vLLM's own decoding of the texts."""
    from vllm import SamplingParams

    tokenizer = load_tokenizer(args.model)
    texts = [render(args.prompt, question=row["question"]) for row in rows]
    prompts = [{"prompt_token_ids": prompt_ids(tokenizer, text)} for text in texts]
    stop = generator.engine.stop_ids
    sampling = SamplingParams(temperature=0.0, max_tokens=args.max_tokens, stop_token_ids=stop)
    generator.engine.llm.reset_prefix_cache()
    start = time.perf_counter()
    outputs = generator.engine.llm.generate(prompts, sampling, use_tqdm=False)
    seconds = time.perf_counter() - start
    made = [output.outputs[0].token_ids for output in outputs]
    return sum(len(ids) - (ids[-1] in stop) for ids in made), seconds


def ours(args: argparse.Namespace, generator: Generator, rows: list[dict], number: int) -> tuple[int, float]:
    """(tokens, seconds) of generation as in `generate`. Each round has its own seed and so its own key."""
    entry = {"prompt": args.prompt, "temperature": 0.0, "top_p": 1.0, "max_tokens": args.max_tokens, "samples": 1}
    start = time.perf_counter()
    answers = generator.answers(rows, {**entry, "seed": number})
    return sum(row["tokens"] for row in answers), time.perf_counter() - start


if __name__ == "__main__":
    main()
