"""Merges the shards of critiques or answers: rows by id, and one summary with the sums.

    python -m scripts.gather_shards --shards results/laptop/critiques/arithmetic-verifier/shard-*.jsonl \\
        --rows results/laptop/critiques/arithmetic-verifier.jsonl \\
        --summary results/laptop/critiques/arithmetic-verifier.json
"""

import argparse
import heapq
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, each_row, read_json, write_json, write_rows


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", nargs="+", required=True, help="shards (JSON Lines), their summaries beside them")
    parser.add_argument("--rows", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Merges the rows and adds up the counts."""
    parts = [read_json(Path(file).with_suffix(".json")) for file in args.shards]
    summary = cli.Summary("gather_shards", parts[0]["recipe"])
    write_rows(args.rows, merged(args.shards))
    fields = {**added(parts), "prompt_sha256": parts[0]["prompt_sha256"], "shards": len(parts)}
    if fields.get("with_gold"):
        fields["agreement"] = round(fields["agreeing"] / fields["with_gold"], 4)
    write_json(args.summary, summary.fields(**fields))
    return 0


def merged(files: list[str]) -> Iterator[dict]:
    """The rows of files sorted by id, merged in the order of their ids.

    Raises:
        BadInput: two rows have the same id.
    """
    last = None
    shards = (each_row(file, required=("id",), may_be_empty=True) for file in files)
    for row in heapq.merge(*shards, key=lambda row: row["id"]):
        if row["id"] == last:
            raise BadInput(f"{', '.join(files)}: id {last!r} occurs twice. Regenerate the shards.")
        last = row["id"]
        yield row


def added(parts: list[dict]) -> dict:
    """The sums of the numbers in the shards' summaries, including counts by reason."""
    total: dict = {"error_reasons": Counter()}
    for part in parts:
        for name, value in part.items():
            if isinstance(value, int | float):
                total[name] = total.get(name, 0) + value
        total["error_reasons"].update(part["error_reasons"])
    return total


if __name__ == "__main__":
    cli.run(main, parse_args)
