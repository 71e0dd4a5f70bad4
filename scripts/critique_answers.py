"""Has a checkpoint criticise its own sampled answers, for benchmarks that choose the best of n answers by these
critiques.

Finished chunks are read from the journal in `--state`. A row holds the critique and the verdict read from it (right,
wrong, or null where it states none).

    python -m scripts.critique_answers --settings '{"engine": {"kind": "transformers", "dtype": "bfloat16", \\
        "chunk_rows": 64}, "benchmarks": {"gcd": {"prompt": "prompts/critique-as-judge.j2", "template": null, \\
        "temperature": 0.0, "top_p": 1.0, "max_tokens": 64, "seed": 0}}}' \\
        --benchmarks results/laptop/benchmarks/gcd.jsonl --model results/laptop/models/smollm2-135m \\
        --generations results/laptop/generations/smollm2-135m/arithmetic.jsonl \\
        --state state/laptop/critique_answers/smollm2-135m/arithmetic \\
        --critiques results/laptop/own_critiques/smollm2-135m/arithmetic.jsonl
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.generator import Generator
from scripts.lib.grading.verdicts import parse_verdict
from scripts.lib.journal import Journal, held
from scripts.lib.jsonl import read_rows, write_rows

VERSION = 1  # raise by hand when the critiques would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: engine and benchmarks")
    parser.add_argument("--benchmarks", nargs="+", required=True, help="questions, one <benchmark>.jsonl each")
    parser.add_argument("--generations", required=True, help="the checkpoint's answers (JSON Lines)")
    parser.add_argument("--model", required=True, help="the model folder")
    parser.add_argument("--machine", type=cli.json_argument, default={}, help="JSON: engine keys that change no output")
    parser.add_argument("--state", required=True, help="folder of the journal")
    parser.add_argument("--critiques", required=True, help="JSON Lines to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Generates the missing critiques and writes a row for each answer."""
    entries = args.settings["benchmarks"]
    answers = read_rows(args.generations, required=("id", "benchmark", "question_id", "sample", "response"))
    asked = {
        slug: judged(read_rows(file, required=("id", "question")), [row for row in answers if row["benchmark"] == slug])
        for slug, file in ((Path(file).stem, file) for file in args.benchmarks)
    }
    progress = cli.Progress("criticised", sum(map(len, asked.values())))
    with held(args.state) as state, Journal(state / "chunks.jsonl") as journal:
        generator = Generator(args.model, args.settings["engine"] | args.machine, journal, progress)
        write_rows(
            args.critiques,
            (
                critique_row(slug, row)
                for slug, entry in entries.items()
                for row in generator.answers(asked[slug], {**entry, "samples": 1})
            ),
        )
    return 0


def judged(questions: Sequence[dict], answers: Sequence[dict]) -> list[dict]:
    """The input of critiques: each question as it was asked, with one of its answers, under the answer's id."""
    by_id = {row["id"]: row for row in questions}
    return [{**by_id[row["question_id"]], "id": row["id"], "response": row["response"]} for row in answers]


def critique_row(slug: str, row: Mapping) -> dict:
    """The row of one critique; `id` is the answer's."""
    told = {key: row[key] for key in ("tokens", "finished", "error") if key in row}
    critique = row["response"]
    return {
        "id": row["question_id"],
        "benchmark": slug,
        "critique": critique,
        "verdict": parse_verdict(critique),
        **told,
    }


if __name__ == "__main__":
    cli.run(main, parse_args)
