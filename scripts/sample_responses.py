"""Samples answers to a dataset's questions from a model: the noisy responses.

Rows are cut into chunks, and a shard takes every n-th chunk; finished chunks are read from the journal in `--state`.

    python -m scripts.sample_responses --settings '{"samples": 4, "temperature": 0.7, "top_p": 1.0, \\
        "max_tokens": 64, "rows": null, "seed": 1, "prompt": "prompts/answer.j2", "template": null, \\
        "engine": {"kind": "transformers", "dtype": "bfloat16", "chunk_rows": 64}}' \\
        --dataset results/laptop/datasets/arithmetic.jsonl --model results/laptop/models/smollm2-135m \\
        --state state/laptop/sample_responses/arithmetic-self \\
        --responses results/laptop/responses/arithmetic-self/shard-0.jsonl
"""

import argparse
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.generator import Generator
from scripts.lib.journal import Journal, held
from scripts.lib.jsonl import read_rows, write_rows

VERSION = 4  # raise by hand when the responses would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: the entry, with its engine")
    parser.add_argument("--dataset", required=True, help="prepared questions (JSON Lines)")
    parser.add_argument("--model", required=True, help="the model folder")
    parser.add_argument("--machine", type=cli.json_argument, default={}, help="JSON: engine keys that change no output")
    parser.add_argument("--shard", type=int, default=0, help="this job's shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="number of shards")
    parser.add_argument("--state", required=True, help="folder of the journals of all shards")
    parser.add_argument("--responses", required=True, help="JSON Lines to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Generates the missing chunks of this shard and writes its rows."""
    settings = args.settings
    rows = read_rows(args.dataset, required=("id", "question"))[: settings["rows"]]
    questions = {row["id"]: row for row in rows}
    progress = cli.Progress("sampled", len(rows) * settings["samples"] // args.shards)
    with held(Path(args.state) / f"shard-{args.shard}") as state:
        # The other shards' journals are read too: after a change of `shards`, chunks are in other journals.
        others = [file for file in Path(args.state).glob("shard-*/chunks.jsonl") if file.parent != state]
        with Journal(state / "chunks.jsonl", others) as journal:
            generator = Generator(args.model, settings["engine"] | args.machine, journal, progress)
            answers = generator.answers(rows, settings, shard=(args.shard, args.shards))
    copied = ("question", "answer", "solution", "system", "grading")
    write_rows(
        args.responses,
        (
            {**{key: value for key, value in questions[row["question_id"]].items() if key in copied}, **row}
            for row in answers
        ),
    )
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
