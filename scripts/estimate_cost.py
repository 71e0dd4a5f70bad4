"""Estimates what the teachers' entries of a study would cost: rows, tokens, price, time, budget.

    python -m scripts.estimate_cost --entries '[{"name": "critiques.x", "file": "results/…/graded.jsonl", …}]' \\
        --state state/teachers

It makes no request and writes nothing. `snakemake estimate` calls it with the study's entries.
"""

import argparse
import itertools
import sys
from pathlib import Path

from scripts.lib import cli
from scripts.lib.teachers.ledger import Ledger, budget_for, estimate
from scripts.lib.teachers.requests import requests_of
from scripts.lib.teachers.teaching import journals


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=cli.json_argument, required=True, help="JSON: name, file, settings, limits")
    parser.add_argument("--state", required=True, help="folder of all teachers' journals")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Prints a line for each entry and the sum of each teacher; returns 1 if a budget is too small."""
    if not args.entries:
        sys.stdout.write("No entry uses a teacher that costs anything.\n")
        return 0
    short = 0
    for teacher, entries in itertools.groupby(args.entries, key=lambda entry: entry["limits"]["teacher"]):
        short += not print_teacher(teacher, list(entries), Path(args.state))
    return 1 if short else 0


def print_teacher(teacher: str, entries: list[dict], state: Path) -> bool:
    """Prints the cost of a teacher's entries; returns whether its budget suffices."""
    limits = entries[0]["limits"]
    ledger = Ledger(limits["price"], limits["budget"])
    cost = 0.0
    model = entries[0]["settings"]["teacher"]["model"]
    with journals(state / teacher, ledger, model, writes=False) as journal:
        for entry in entries:
            settings, section = entry["settings"], entry["name"].partition(".")[0]
            if entry["after"] and not Path(entry["file"]).is_file():
                sys.stdout.write(f"{entry['name']} ({teacher}): NOT COUNTED: it asks about {entry['after']}, ")
                sys.stdout.write("which are not written yet. Estimate again when they are.\n")
                continue
            requests = requests_of(section, entry["file"], settings)
            whole = estimate(settings["teacher"], entry["limits"], requests, journal, ledger)
            cost += whole.cost
            sys.stdout.write(f"{entry['name']} ({teacher}): {whole.text(ledger, entry['limits'])}\n")
    budget = limits["budget"]
    enough = budget is None or ledger.spent + cost <= budget
    verdict = (
        no_budget(ledger.spent, cost)
        if budget is None
        else f"budget ${budget:,.2f}" + ("" if enough else ": NOT ENOUGH")
    )
    sys.stdout.write(f"teacher {teacher}: ${ledger.spent:,.2f} spent, about ${cost:,.2f} to come, {verdict}\n")
    return enough


def no_budget(spent: float, cost: float) -> str:
    """Advice if an entry costs something and no budget is set."""
    return (
        f"NO BUDGET: no request is made until you add `budget: {budget_for(spent + cost)}`" if cost else "no budget set"
    )


if __name__ == "__main__":
    cli.run(main, parse_args)
