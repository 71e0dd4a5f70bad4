"""Checks claims against the cells of tables: each claim's value, its 95 % interval and whether it is reproduced.

    python -m scripts.check_claims --claims '{"cft_wins": {"says": "…", "cells": {"cft": {"table": "cft_table2",
        "row": "CFT", "column": "Average"}}, "value": "cft", "above": 50, …}}' \\
        --tables results/laptop/tables/cft_table2.json --scores results/laptop/scores/*/arithmetic.json \\
        --out results/laptop/claims

`snakemake claims` calls it for the study's claims and prints the page. How a claim is written: docs/claims.md.

With `--partial` it judges the claims by the existing parts of their tables, without running a job, prints the page and
writes it to `claims.partial.md` and `.json`.

    python -m scripts.check_claims --partial --configfile config.yaml
"""

import argparse
import shlex
import sys
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import read_json, write_json, write_text
from scripts.lib.tables import claims, claims_page


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--claims", type=cli.json_argument, help="JSON: the entries under claims")
    which.add_argument("--partial", action="store_true", help="judge the study's claims by existing results")
    parser.add_argument("--configfile", nargs="*", default=[], help="partial: config files, as for snakemake")
    parser.add_argument("--config", type=cli.json_argument, default={}, help="partial: JSON, as for snakemake --config")
    parser.add_argument("--tables", nargs="*", default=[], help="tables/<table>.json with the cells")
    parser.add_argument("--scores", nargs="*", default=[], help="scores/<checkpoint>/<suite>.json, items beside them")
    parser.add_argument(
        "--made-of",
        type=cli.json_argument,
        default={},
        help="JSON: by table, its checkpoints, verdict and validation_questions",
    )
    parser.add_argument("--scaled", help="the scale of a scaled-down study, which the page then states")
    parser.add_argument("--out", help="path of the files to write, without an extension")
    args = parser.parse_args(argv)
    if not args.partial and args.out is None:
        parser.error("--claims needs --out")
    return args


def main(args: argparse.Namespace) -> int:
    """Judges every claim and writes the page, and its numbers as JSON."""
    if args.partial:
        return write_partial(args.configfile, args.config)
    tables = {Path(file).stem: read_json(file) for file in args.tables}
    items = claims.Items(args.scores, args.made_of)
    verdicts = {name: claims.verdict_of(claim, tables, items.cell) for name, claim in args.claims.items()}
    write(args.out, args.claims, verdicts, args.scaled)
    return 0


def write_partial(configfiles: list[str], overrides: dict) -> int:
    """Writes and prints the claims, judged from the existing results."""
    from scripts.lib.jobs import dag
    from scripts.lib.tables import partial

    graph = dag.graph(["claims"], configfiles, overrides)
    command = shlex.join(["snakemake", *partial.options_of(configfiles, overrides)])
    verdicts = partial.verdicts_of(graph.study, partial.tables_of(graph, command))
    out = graph.study.path("<results>/claims.partial")
    write(out, graph.study["claims"], verdicts, graph.study.scale)
    sys.stdout.write(Path(f"{out}.md").read_text(encoding="utf-8"))
    return 0


def write(out: str, entries: dict, verdicts: dict, scaled: str | None) -> None:
    """Writes the page, and the verdicts as JSON."""
    # JSON has no infinity: only the page shows a change from 0.
    write_json(f"{out}.json", claims_page.rows(entries, verdicts))
    warning = f"Scale {scaled}: random models and few questions. THE VERDICTS MEAN NOTHING.\n\n" if scaled else ""
    write_text(f"{out}.md", warning + claims_page.page(entries, verdicts))


if __name__ == "__main__":
    cli.run(main, parse_args)
