"""Fetches the data of one lm-eval task or group, and writes its questions as JSON Lines.

Afterwards the data is in the hub's cache ($HF_HOME), where rule evaluate_harness finds it without a network.

    python -m scripts.prepare_harness --settings '{"task": "arc_challenge", "task_path": null, "limit": null}' \\
        --rows results/laptop/benchmarks/arc.jsonl --summary results/laptop/benchmarks/arc.json
"""

import argparse

from scripts.lib import cli
from scripts.lib.generation import harness
from scripts.lib.jsonl import file_hash, write_json, write_rows

VERSION = 1  # raise by hand when the rows would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: task, task_path, limit")
    parser.add_argument("--rows", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Loads the task, writes rows and summary."""
    summary = cli.Summary("prepare_harness", args.settings)
    rows, tasks = harness.questions(args.settings)
    write_rows(args.rows, rows)
    write_json(args.summary, summary.fields(rows=len(rows), tasks=tasks, sha256=file_hash(args.rows)))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
