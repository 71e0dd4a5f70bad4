"""Grades sampled responses against the reference answers: verdict and extracted answer for each row.

A question without a reference answer gives `"correct": null`, never a guess.

    python -m scripts.grade_responses --responses results/laptop/responses/arithmetic-self/shard-0.jsonl \\
        --graded results/laptop/responses/arithmetic-self/graded.jsonl \\
        --summary results/laptop/responses/arithmetic-self/graded.json
"""

import argparse

from scripts.lib import cli
from scripts.lib.grading import GRADER_VERSION, Item, grade
from scripts.lib.jsonl import BadInput, read_rows, write_json, write_rows

VERSION = 2  # raise by hand when the rows would differ for the same verdicts


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", nargs="+", required=True, help="responses (JSON Lines), all shards")
    parser.add_argument("--field", default=None, help="the files are datasets: their field that holds the responses")
    parser.add_argument("--workers", type=int, default=None, help="worker processes (default: one a core)")
    parser.add_argument("--graded", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Grades every row, writes rows and summary."""
    summary = cli.Summary("grade_responses", {"grader_version": GRADER_VERSION})
    needed = ("id", args.field) if args.field else ("id", "question_id", "response")
    # A shard beyond the last chunk has no rows.
    rows = [row for file in args.responses for row in read_rows(file, required=needed, may_be_empty=True)]
    if not rows:
        raise BadInput(f"{', '.join(args.responses)}: no responses in any of them. Delete them and sample again.")
    if args.field:
        rows = [{**row, "id": f"{row['id']}#0", "question_id": row["id"], "response": row[args.field]} for row in rows]
    if len({row["id"] for row in rows}) < len(rows):
        raise BadInput(f"{', '.join(args.responses)}: the same id in two shards. Sample the responses again.")
    rows.sort(key=lambda row: row["id"])
    grades = grade([item_of(row) for row in rows], workers=args.workers)
    for row, made in zip(rows, grades, strict=True):
        row["correct"], row["extracted"] = made.verdict, made.extracted
        if made.error:
            row["error"] = f"grading: {made.error}"
    write_rows(args.graded, rows)
    fields = {
        "rows": len(rows),
        "correct": sum(row["correct"] is True for row in rows),
        "wrong": sum(row["correct"] is False for row in rows),
        "without_answer": sum(row["answer"] is None for row in rows),
        "errors": sum("error" in row for row in rows),
    }
    if not args.field:
        fields["cut_off"] = sum(not row["finished"] for row in rows)
        fields["mean_tokens"] = sum(row["tokens"] for row in rows) / len(rows)
    write_json(args.summary, summary.fields(**fields))
    return 0


def item_of(row: dict) -> Item:
    """The item to grade in a row, with its dataset's facts about the gold answer."""
    return Item(prediction=row["response"], gold=row["answer"], options=row.get("grading", {}))


if __name__ == "__main__":
    cli.run(main, parse_args)
