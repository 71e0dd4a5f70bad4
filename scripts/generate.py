"""Generates a checkpoint's answers to all benchmarks of a suite, in one model load.

Finished chunks are read from the journal in `--state`, whose keys hold the content of the weights and the prompt: a
benchmark that joins the suite costs only its own rows, and a retrained checkpoint never gets its predecessor's answers.

    python -m scripts.generate --settings '{"engine": {"kind": "transformers", "dtype": "bfloat16", \\
        "chunk_rows": 64}, "benchmarks": {"gcd": {"prompt": "prompts/answer.j2", "template": null, \\
        "temperature": 0.0, "top_p": 1.0, "samples": 1, "max_tokens": 64, "seed": 0}}}' \\
        --benchmarks results/laptop/benchmarks/gcd.jsonl --model results/laptop/models/smollm2-135m \\
        --state state/laptop/generate/smollm2-135m/arithmetic \\
        --generations results/laptop/generations/smollm2-135m/arithmetic.jsonl
"""

import argparse
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.generator import Generator
from scripts.lib.journal import Journal, held
from scripts.lib.jsonl import read_rows, write_rows

VERSION = 2  # raise by hand when the generations would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: engine and benchmarks")
    parser.add_argument("--benchmarks", nargs="+", required=True, help="questions, one <benchmark>.jsonl each")
    parser.add_argument("--model", required=True, help="the model folder")
    parser.add_argument("--machine", type=cli.json_argument, default={}, help="JSON: engine keys that change no output")
    parser.add_argument("--state", required=True, help="folder of the journal")
    parser.add_argument("--generations", required=True, help="JSON Lines to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Generates the missing chunks and writes all rows."""
    entries = args.settings["benchmarks"]
    questions = {Path(file).stem: read_rows(file, required=("id", "question")) for file in args.benchmarks}
    progress = cli.Progress("generated", sum(len(questions[slug]) * entries[slug]["samples"] for slug in entries))
    with held(args.state) as state, Journal(state / "chunks.jsonl") as journal:
        generator = Generator(args.model, args.settings["engine"] | args.machine, journal, progress)
        write_rows(
            args.generations,
            (
                {"benchmark": slug, **row, "id": f"{slug}/{row['id']}"}
                for slug, entry in entries.items()
                for row in generator.answers(questions[slug], entry)
            ),
        )
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
