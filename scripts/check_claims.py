"""Checks claims against the cells of tables: each claim's value, its 95 % interval and whether it is reproduced.

    python -m scripts.check_claims --claims '{"cft_wins": {"says": "…", "cells": {"cft": {"table": "cft_table2",
        "row": "CFT", "column": "Average"}}, "value": "cft", "above": 50, …}}' \\
        --tables results/laptop/tables/cft_table2.json --scores results/laptop/scores/*/arithmetic.json \\
        --out results/laptop/claims

`snakemake claims` calls it for the study's claims and prints the page. How a claim is written: docs/claims.md.
"""

import argparse
import math
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading import scoring
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_json, write_text
from scripts.lib.tables import claims


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
    items = Items(args.scores, args.made_of)
    verdicts = {name: verdict_of(claim, tables, items.cell) for name, claim in args.claims.items()}
    fields = ("says", "section", "value", "above")
    found = [
        {"claim": name, **{key: args.claims[name][key] for key in fields}, **verdict}
        for name, verdict in verdicts.items()
    ]
    # JSON has no infinity: a change from nothing is told on the page.
    numbers = ("value", "low", "high")
    write_json(f"{args.out}.json", [{**row, **{key: finite(row[key]) for key in numbers}} for row in found])
    warning = f"Scale {args.scaled}: random models and few questions. THE VERDICTS MEAN NOTHING.\n\n"
    write_text(f"{args.out}.md", (warning if args.scaled else "") + page(args.claims, verdicts))
    return 0


def verdict_of(claim: dict, tables: dict[str, list[dict]], cell_of) -> dict:
    """The verdict on one claim.

    Args:
        claim: its entry.
        tables: the cells of each table.
        cell_of: (table, cell of it) → `claims.Cell`.

    Raises:
        BadInput: a cell that the claim names is not there, or its expression is not one figure.
    """
    cells, missing = {}, []
    for name, where in claim["cells"].items():
        cells[name] = []
        for at in places(claim, where):
            found = look_up(tables, at)
            if found["value"] is None:
                missing.append(f"{at['row']}, {at['column']}: {found.get('gap') or 'no value'}")
            elif where.get("exact"):
                cells[name].append(claims.Cell(found["value"], exact=True))
            else:
                cells[name].append(cell_of(at["table"], found))
    if missing:
        nothing = {"value": None, "low": None, "high": None, "verdict": claims.INCONCLUSIVE}
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return {**nothing, "why": "; ".join(missing[:3]) + more}
    try:
        verdict = claims.judge(claim["value"], claim["above"], cells)
    except ValueError as error:
        raise BadInput(f"{error}. Correct the claim's value.") from None
    return {**verdict, "why": "the error of its cells is not known" if verdict["low"] is None else ""}


def places(claim: dict, where: dict) -> list[dict]:
    """Table, row and column of each cell that a name stands for; what it leaves out, the claim says."""
    at = {key: where.get(key, claim.get(key)) for key in ("table", "row", "column")}
    lists = {key: value if isinstance(value, list) else [value] for key, value in at.items()}
    return [{"table": at["table"], "row": row, "column": column} for row in lists["row"] for column in lists["column"]]


def look_up(tables: dict[str, list[dict]], at: dict) -> dict:
    """The cell of a table.

    Raises:
        BadInput: it is not there; the message lists the rows and columns that are.
    """
    cells = tables.get(at["table"], [])
    for cell in cells:
        if cell["row"] == at["row"] and cell["column"] == at["column"]:
            return cell
    rows, columns = (list(dict.fromkeys(cell[key] for cell in cells)) for key in ("row", "column"))
    raise BadInput(
        f"{at['table']} has no cell in row {at['row']!r}, column {at['column']!r} (rows: {', '.join(rows)}; columns: "
        f"{', '.join(columns)}). Correct the claim's row or column."
    )


# What is read of a graded answer.
KEPT = ("question_id", "validation", "tokens", "finished", *scoring.VERDICTS.values())


class Items:
    """Cells with the graded answers that they are made of, each file read once and only when it is needed.

    Args:
        files: scores/<checkpoint>/<suite>.json, with the graded answers beside them.
        made_of: by table, its checkpoints, the verdict that counts in it, and what becomes of validation questions.
    """

    def __init__(self, files: list[str], made_of: dict[str, dict]) -> None:
        self.files, self.made_of = files, made_of
        self._rows: dict[str, dict[str, list[dict]]] = {}

    def cell(self, table: str, cell: dict) -> claims.Cell:
        """A table's cell, resampled by question where its answers are at hand, else with its standard error.

        Raises:
            BadInput: the answers do not give the cell's value.
        """
        import numpy

        rows = self._answers(cell.get("checkpoint"), cell.get("benchmark"))
        unit, shares = cell.get("unit", "percent"), {}
        if rows and cell["metric"] == "length":
            sums: dict[str, list[float]] = {row["question_id"]: [0.0, 0.0] for row in rows}
            for row in rows:
                if row["finished"]:
                    sums[row["question_id"]][0] += row["tokens"]
                    sums[row["question_id"]][1] += 1
            items = numpy.array([sums[key] for key in sorted(sums)]).T
            # Of several seeds the table has the mean of means, so the ratio of the sums is brought to it.
            scale = cell["value"] * items[1].sum() / items[0].sum()
            return claims.Cell(cell["value"], items=items, ids=tuple(sorted(sums)), scale=scale)
        if rows and cell["metric"] == "accuracy" and unit in ("percent", "fraction"):
            made_of = self.made_of[table]
            without = set()
            if made_of["validation_questions"] == "exclude":  # as the table does: those of any checkpoint, for all
                others = [self._answers(name, cell["benchmark"]) for name in made_of["checkpoints"]]
                without = set().union(*map(scoring.validation_ids, others))
            shares = scoring.shares_of(rows, made_of["verdict"], without)
        if not shares:
            return claims.Cell(cell["value"], error=cell["se"])
        items, scale = numpy.array([list(shares.values()), [1.0] * len(shares)]), 1.0 if unit == "fraction" else 100.0
        value = scale * items[0].mean()
        if not math.isclose(value, cell["value"], rel_tol=1e-6, abs_tol=1e-9):
            raise BadInput(
                f"{table}, {cell['row']}, {cell['column']}: the table has {cell['value']:g}, its graded answers give "
                f"{value:g}. Make the table again (snakemake {table})."
            )
        return claims.Cell(cell["value"], items=items, ids=tuple(shares), scale=scale)

    def _answers(self, checkpoint: str | None, benchmark: str | None) -> list[dict]:
        for file in self.files:
            if Path(file).parent.name != checkpoint or not Path(file).with_suffix(".jsonl").is_file():
                continue
            if file not in self._rows:
                self._rows[file] = {}
                for row in read_rows(Path(file).with_suffix(".jsonl"), required=("benchmark", "question_id")):
                    kept = {key: row[key] for key in KEPT if key in row}
                    self._rows[file].setdefault(row["benchmark"], []).append(kept)
            if benchmark in self._rows[file]:
                return self._rows[file][benchmark]
        return []


def page(entries: dict[str, dict], verdicts: dict[str, dict]) -> str:
    """The claims and their verdicts as a Markdown table."""
    if not verdicts:
        return "The study has no claims. Add some under claims (docs/claims.md).\n"
    lines = ["| claim | value [95 % interval] | claimed | verdict |", "| --- | --- | --- | --- |"]
    for name, verdict in verdicts.items():
        claim = entries[name]
        source = f"{claim['section']}; `{name}`" if claim["section"] else f"`{name}`"
        outcome = f"**{verdict['verdict']}**" + (f": {verdict['why']}" if verdict["why"] else "")
        lines.append(f"| {claim['says']} ({source}) | {interval(verdict)} | > {claim['above']:g} | {outcome} |")
    count = {word: sum(verdict["verdict"] == word for verdict in verdicts.values()) for word in WORDS}
    lines += ["", ", ".join(f"{number} {word}" for word, number in count.items()) + "."]
    return "\n".join(lines) + "\n"


WORDS = (claims.REPRODUCED, claims.NOT_REPRODUCED, claims.INCONCLUSIVE)


def interval(verdict: dict) -> str:
    """`3.5 [1.2, 5.8]`, without what is not known."""
    if verdict["value"] is None:
        return "–"
    if verdict["low"] is None:
        return number(verdict["value"])
    return f"{number(verdict['value'])} [{number(verdict['low'])}, {number(verdict['high'])}]"


def number(value: float) -> str:
    """A figure with two digits behind the point below 10, else one."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def finite(value: float | None) -> float | None:
    """The value, None where it is infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None


if __name__ == "__main__":
    cli.run(main, parse_args)
