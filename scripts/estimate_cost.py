"""Says what the teachers' entries of a study would cost before anything is asked: rows, tokens, price, time, budget.

    python -m scripts.estimate_cost --entries '[{"name": "critiques.x", "file": "results/…/graded.jsonl", …}]' \\
        --state state/teachers

Nothing is asked and nothing is written. `snakemake estimate` calls it with the study's entries.
"""

import argparse
import itertools
import sys
from pathlib import Path

from scripts import answer_questions, critique_responses
from scripts.lib import cli
from scripts.lib.jsonl import each_row
from scripts.lib.teachers.teaching import Ledger, estimate, journals


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=cli.json_argument, required=True, help="JSON: name, file, settings, limits")
    parser.add_argument("--state", required=True, help="folder of all teachers' journals")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Prints a line for each entry and the sum of each teacher; 1 where a budget does not suffice."""
    if not args.entries:
        sys.stdout.write("No entry has a teacher that costs anything.\n")
        return 0
    short = 0
    for teacher, entries in itertools.groupby(args.entries, key=lambda entry: entry["limits"]["teacher"]):
        short += not told(teacher, list(entries), Path(args.state))
    return 1 if short else 0


def told(teacher: str, entries: list[dict], state: Path) -> bool:
    """Prints what a teacher's entries would take; whether its budget suffices."""
    limits = entries[0]["limits"]
    ledger = Ledger(limits["price"], limits["budget"])
    cost = 0.0
    with journals(state / teacher, ledger, writes=False) as journal:
        for entry in entries:
            made = estimate(entry["settings"]["teacher"], entry["limits"], requests_of(entry), journal, ledger)
            cost += made.cost
            sys.stdout.write(f"{entry['name']} ({teacher}): {made.text(ledger, entry['limits'])}\n")
    budget = limits["budget"]
    enough = budget is None or ledger.spent + cost <= budget
    verdict = "no budget set" if budget is None else f"budget ${budget:,.2f}" + ("" if enough else ": NOT ENOUGH")
    sys.stdout.write(f"teacher {teacher}: ${ledger.spent:,.2f} spent, about ${cost:,.2f} to come, {verdict}\n")
    return enough


def requests_of(entry: dict):
    """The requests of an entry's rows, as its job would make them."""
    settings = entry["settings"]
    if entry["name"].startswith("answers."):
        return (asked for _, asked in answer_questions.questions(entry["file"], settings))
    rows = itertools.islice(each_row(entry["file"]), settings["rows"])
    return (critique_responses.request(settings["teacher"], row) for row in rows)


if __name__ == "__main__":
    cli.run(main, parse_args)
