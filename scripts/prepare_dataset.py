"""Writes the questions of a dataset or a benchmark as JSON Lines: id, question, answer (or null), solution if any.

Repeated questions are left out, and so are the questions of the benchmarks given with `--exclude`.

    python -m scripts.prepare_dataset --settings '{"source": "reasoning-gym", "tasks": {"gcd": {}}, "rows": 50, \\
        "seed": 1}' --exclude results/laptop/benchmarks/gcd.jsonl --rows results/laptop/datasets/gcd.jsonl \\
        --summary results/laptop/datasets/gcd.json
"""

import argparse
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import file_hash, write_json, write_rows
from scripts.lib.questions import sources
from scripts.lib.questions.fingerprints import fingerprints_in

VERSION = 2  # raise by hand when the rows would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: where the questions come from")
    parser.add_argument("--exclude", nargs="*", default=[], help="prepared benchmarks whose questions are left out")
    parser.add_argument("--rows", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Reads the source, checks it, writes rows and summary."""
    summary = cli.Summary("prepare_dataset", args.settings)
    rows, left_out = sources.prepare(args.settings, fingerprints_in([Path(file) for file in args.exclude]))
    write_rows(args.rows, rows)
    fields = {
        "rows": len(rows),
        "rows_with_answer": sum(row["answer"] is not None for row in rows),
        "rows_with_solution": sum("solution" in row for row in rows),
        "left_out": left_out,
        "sha256": file_hash(args.rows),
        "commit": sources.commit_of(args.settings),
    }
    write_json(args.summary, summary.fields(**fields))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
