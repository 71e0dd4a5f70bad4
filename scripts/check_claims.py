"""Checks claims against the cells of tables: each claim's value, its 95 % interval and whether it is reproduced.

    python -m scripts.check_claims --claims '{"cft_wins": {"says": "…", "cells": {"cft": {"table": "cft_table2",
        "row": "CFT", "column": "Average"}}, "value": "cft", "above": 50, …}}' \\
        --tables results/laptop/tables/cft_table2.json --scores results/laptop/scores/*/arithmetic.json \\
        --out results/laptop/claims

`snakemake claims` calls it for the study's claims and prints the page. How a claim is written: docs/claims.md.
"""

import argparse
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import read_json, write_json, write_text
from scripts.lib.tables import claims
from scripts.lib.tables.claims_page import finite, page


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claims", type=cli.json_argument, required=True, help="JSON: the entries under claims")
    parser.add_argument("--tables", nargs="*", default=[], help="tables/<table>.json, which hold the cells")
    parser.add_argument("--scores", nargs="*", default=[], help="scores/<checkpoint>/<suite>.json, items beside them")
    parser.add_argument(
        "--made-of",
        type=cli.json_argument,
        default={},
        help="JSON: by table, its checkpoints, verdict and validation_questions",
    )
    parser.add_argument("--scaled", help="the scale that shrinks the study, where one does: the page then says so")
    parser.add_argument("--out", required=True, help="path of the files to write, without an ending")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Judges every claim and writes the page and its figures as JSON."""
    tables = {Path(file).stem: read_json(file) for file in args.tables}
    items = claims.Items(args.scores, args.made_of)
    verdicts = {name: claims.verdict_of(claim, tables, items.cell) for name, claim in args.claims.items()}
    fields = ("says", "section", "value", "above")
    rows = [
        {"claim": name, **{key: args.claims[name][key] for key in fields}, **verdict}
        for name, verdict in verdicts.items()
    ]
    # JSON has no infinity: a change from nothing is told on the page.
    numbers = ("value", "low", "high")
    write_json(f"{args.out}.json", [{**row, **{key: finite(row[key]) for key in numbers}} for row in rows])
    warning = f"Scale {args.scaled}: random models and few questions. THE VERDICTS MEAN NOTHING.\n\n"
    write_text(f"{args.out}.md", (warning if args.scaled else "") + page(args.claims, verdicts))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
