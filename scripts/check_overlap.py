"""Checks that no benchmark of a table asks a question that the table's runs were trained on.

The same question is an error. Near-duplicates (the same 13 words in a row) are counted in the report (`near`, the first
of them under `near_questions`) and logged; nothing is left out because of them.

    python -m scripts.check_overlap --table cft_table2 --datasets results/laptop/datasets/arithmetic.jsonl \\
        --benchmarks results/laptop/benchmarks/gcd.jsonl --report results/laptop/tables/cft_table2.overlap.json
"""

import argparse
import logging
from collections import Counter
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, each_row, write_json
from scripts.lib.questions.overlap import Overlap

SHOWN = 20  # similar questions that the report names
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="the table's id, for the message")
    parser.add_argument("--datasets", nargs="*", default=[], help="prepared datasets (JSON Lines)")
    parser.add_argument("--benchmarks", nargs="*", default=[], help="prepared benchmarks (JSON Lines)")
    parser.add_argument("--report", required=True, help="JSON to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Compares all questions; common questions are an error that names them."""
    summary = cli.Summary("check_overlap", {"table": args.table})
    overlap = Overlap()
    for file in args.benchmarks:
        overlap.add_benchmark(Path(file).stem, each_row(file, required=("id", "question")))
    for file in args.datasets:
        overlap.add_trained(Path(file).stem, each_row(file, required=("id", "question")))
    if overlap.same:
        raise BadInput(common(args.table, overlap))
    near = overlap.near
    found = Counter(asked.file for asked in near)
    if near:
        told = ", ".join(f"{count} of {overlap.compared[name]} in {name}" for name, count in found.items())
        log.warning("table %s: questions near a training question (13 words in a row): %s", args.table, told)
    named = [
        {"benchmark": asked.file, "question": asked.id, "dataset": trained.file, "trained": trained.id}
        for asked, trained in list(near.items())[:SHOWN]
    ]
    fields = {"training_questions": overlap.trained, "benchmark_questions": overlap.compared, "common": 0}
    write_json(
        args.report,
        summary.fields(**fields, near={name: found[name] for name in overlap.compared}, near_questions=named),
    )
    return 0


def common(table: str, overlap: Overlap) -> str:
    """The error message about benchmark questions that were trained on."""
    asked, trained = next(iter(overlap.same.items()))
    return (
        f"table {table}: {len(overlap.same)} benchmark questions are also training questions, the first: {asked.id} "
        f"of {asked.file} is {trained.id} of {trained.file}. "
        f"Add the benchmark to datasets.{trained.file}.exclude."
    )


if __name__ == "__main__":
    cli.run(main, parse_args)
