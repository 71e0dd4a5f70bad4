"""Writes the questions of a dataset or a benchmark as JSON Lines: id, question, answer (or null), solution if any.

Repeated questions are left out, and so are the questions of the benchmarks given with `--exclude`. A row that also has
a response, a critique, a solution or a pair is a repeat only if that is the same too. The log and the summary
(`left_out`) say how many rows were left out, and why.

    python -m scripts.prepare_dataset --settings '{"source": "reasoning-gym", "tasks": {"gcd": {}}, "rows": 50, \\
        "seed": 1}' --exclude results/laptop/benchmarks/gcd.jsonl --rows results/laptop/datasets/gcd.jsonl \\
        --summary results/laptop/datasets/gcd.json
"""

import argparse
import logging
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import file_hash, write_json, write_rows
from scripts.lib.questions import sources
from scripts.lib.questions.fingerprints import fingerprints_in

VERSION = 4  # raise by hand when the rows would differ
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: where the questions come from")
    parser.add_argument("--exclude", nargs="*", default=[], help="prepared benchmarks whose questions are left out")
    parser.add_argument("--graded", default=None, help="graded responses (source responses)")
    parser.add_argument("--rows", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Reads the source, checks it, writes rows and summary."""
    summary = cli.Summary("prepare_dataset", args.settings)
    source = {**args.settings, "path": args.graded} if args.graded else args.settings
    made = sources.Preparation(source, fingerprints_in([Path(file) for file in args.exclude]))
    made.read()
    rows, asked = made.rows, args.settings["rows"]
    write_rows(args.rows, rows)
    tell(made, asked)
    fields = {
        "rows": len(rows),
        "rows_asked": asked,
        "rows_read": made.examined,
        "rows_with_answer": sum(row["answer"] is not None for row in rows),
        "rows_with_solution": sum("solution" in row for row in rows),
        "left_out": made.left_out,
        "mended": made.mended,
        "sha256": file_hash(args.rows),
        "commit": sources.commit_of(args.settings),
    }
    write_json(args.summary, summary.fields(**fields))
    return 0


def tell(made: sources.Preparation, asked: int | None) -> None:
    """Logs what was dropped from the rows and what was changed in them."""
    if left_out := {reason: count for reason, count in made.left_out.items() if count}:
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items())
        log.warning("%s: %d rows taken, %d left out: %s", made.place, len(made.rows), sum(left_out.values()), reasons)
    if asked is not None and len(made.rows) < asked:
        log.warning("%s: %d of the %d rows requested", made.place, len(made.rows), asked)
    for kind, count in made.mended.items():
        log.warning("%s: %d %s replaced by U+FFFD", made.place, count, kind.replace("_", " "))


if __name__ == "__main__":
    cli.run(main, parse_args)
