"""Checks that no benchmark of a table asks a question that the table's runs were trained on.

    python -m scripts.check_overlap --table cft_table2 --datasets results/laptop/datasets/arithmetic.jsonl \\
        --benchmarks results/laptop/benchmarks/gcd.jsonl --report results/laptop/tables/cft_table2.overlap.json
"""

import argparse
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, read_rows, write_json
from scripts.lib.questions.fingerprints import fingerprint


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", required=True, help="the table's id, for the message")
    parser.add_argument("--datasets", nargs="*", default=[], help="prepared datasets (JSON Lines)")
    parser.add_argument("--benchmarks", nargs="*", default=[], help="prepared benchmarks (JSON Lines)")
    parser.add_argument("--report", required=True, help="JSON to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Compares question by question; any common question is an error that names it."""
    summary = cli.Summary("check_overlap", {"table": args.table})
    trained: dict[str, tuple[str, str]] = {}
    for file in args.datasets:
        for row in read_rows(file, required=("id", "question")):
            trained.setdefault(fingerprint(row["question"]), (Path(file).stem, row["id"]))
    compared, common = {}, []
    for file in args.benchmarks:
        rows = read_rows(file, required=("id", "question"))
        compared[Path(file).stem] = len(rows)
        for row in rows:
            if fingerprint(row["question"]) in trained:
                common.append((Path(file).stem, row["id"], *trained[fingerprint(row["question"])]))
    if common:
        benchmark, question, dataset, twin = common[0]
        raise BadInput(
            f"table {args.table}: {len(common)} benchmark questions are also training questions, the first: {question} "
            f"of {benchmark} is {twin} of {dataset}. Add the benchmark to datasets.{dataset}.exclude."
        )
    fields = {"training_questions": len(trained), "benchmark_questions": compared, "common": 0}
    write_json(args.report, summary.fields(**fields))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
