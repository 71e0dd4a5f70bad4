"""Writes a critique of each graded response, ending in `Conclusion: right [END]` or `Conclusion: wrong [END]`.

The verifier teacher needs no model: it checks every step exactly (docs/verifier.md).

    python -m scripts.critique_responses --teacher '{"kind": "verifier"}' \\
        --graded results/laptop/responses/arithmetic-self/graded.jsonl \\
        --critiques results/laptop/critiques/arithmetic-verifier.jsonl \\
        --summary results/laptop/critiques/arithmetic-verifier.json
"""

import argparse

from scripts.lib import cli
from scripts.lib.jsonl import read_rows, write_json, write_rows
from scripts.lib.verifier import write_critique

VERSION = 1  # raise by hand when the critiques would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=cli.json_argument, required=True, help="JSON: the entry under teachers")
    parser.add_argument("--graded", required=True, help="graded responses (JSON Lines)")
    parser.add_argument("--critiques", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Criticises every row; a row that cannot be judged keeps its place with an error."""
    summary = cli.Summary("critique_responses", args.teacher)
    rows = read_rows(args.graded, required=("id", "response", "correct", "extracted"))
    progress = cli.Progress("criticised", len(rows))
    for row in rows:
        if row["correct"] is None:
            row["error"] = "no reference answer: the verifier cannot judge it"
        elif "error" not in row:
            critique = write_critique(
                row["response"],
                correct=row["correct"],
                extracted=row["extracted"],
                answer=row["answer"],
                solution=row.get("solution"),
            )
            row["critique"], row["verdict"] = critique.text, critique.verdict
            row["first_wrong_step"] = critique.first_wrong_step
        progress.add(1)
    write_rows(args.critiques, rows)
    fields = {
        "rows": len(rows),
        "right": sum(row.get("verdict") == "right" for row in rows),
        "wrong": sum(row.get("verdict") == "wrong" for row in rows),
        "errors": sum("error" in row for row in rows),
        "pointed_at_a_step": sum(row.get("first_wrong_step") is not None for row in rows),
    }
    write_json(args.summary, summary.fields(**fields))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
