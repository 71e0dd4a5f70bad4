"""Chooses and renders one run's training rows: `{"id", "messages", "completion"}`.

sft: question → answer (a sampled response, or the dataset's worked solution). cft: [question; response] → critique.
Rows are drawn by a hash of seed and id, first one of each question, then a second one, so that the same responses are
chosen for every run that draws from the same pool.

    python -m scripts.build_train_set --settings '{"method": "sft", "kind": "responses", "keep": "correct", \\
        "rows": 128, "seed": 1, "prompt": "prompts/answer.j2", "when_short": "fail", "run": "sft-verified"}' \\
        --data results/laptop/responses/arithmetic-self/graded.jsonl \\
        --train-set results/laptop/train_sets/sft-verified.jsonl \\
        --summary results/laptop/train_sets/sft-verified.json
"""

import argparse
import random

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, read_rows, write_json, write_rows
from scripts.lib.prompts import hashes, render

VERSION = 1  # raise by hand when the training set would differ

KEEP = {
    "all": lambda row: True,
    "correct": lambda row: row["correct"] is True,
    "judged-right": lambda row: row["verdict"] == "right",
    "agreeing": lambda row: row["correct"] is True and row["verdict"] == "right",
}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: method, data, prompt, seed")
    parser.add_argument("--data", required=True, help="questions, graded responses or critiques (JSON Lines)")
    parser.add_argument("--train-set", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Filters, chooses and renders the rows."""
    settings = args.settings
    summary = cli.Summary("build_train_set", settings)
    needed = {"dataset": "solution", "responses": "response", "critiques": "critique"}[settings["kind"]]
    rows = read_rows(args.data, required=("id", "question"))
    usable = [row for row in rows if "error" not in row and str(row.get(needed) or "").strip()]
    pool = [row for row in usable if KEEP[settings["keep"]](row)]
    wanted = settings["rows"] if settings["rows"] is not None else len(pool)
    counts = {"rows_in": len(rows), "rows_usable": len(usable), "rows_in_pool": len(pool)}
    loosened = len(pool) < wanted and settings["when_short"] == "take-unfiltered"
    if loosened:
        pool = usable or [{**row, needed: "(empty)", "critique": "(empty)"} for row in rows]
    if not pool or len(pool) < wanted and not loosened:
        raise BadInput(too_few(settings, args.data, counts, wanted, needed))
    chosen = choose(pool, wanted, settings["seed"])
    write_rows(args.train_set, sorted((rendered(row, settings) for row in chosen), key=lambda row: row["id"]))
    fields = {
        **counts,
        "rows": len(chosen),
        "questions": len({row.get("question_id", row["id"]) for row in chosen}),
        "filter_loosened": loosened,
        "prompt_sha256": hashes([settings["prompt"]]),
    }
    write_json(args.summary, summary.fields(**fields))
    return 0


def choose(pool: list[dict], wanted: int, seed: int) -> list[dict]:
    """`wanted` rows of the pool, drawn by a hash of seed and id: one of each question before a second one of any."""

    def draw(row: dict) -> float:
        return random.Random(f"{seed}:{row['id']}").random()

    turns: dict[str, int] = {}
    ordered = []
    for row in sorted(pool, key=draw):
        question = row.get("question_id", row["id"])
        turns[question] = turns.get(question, 0) + 1
        ordered.append((turns[question], draw(row), row["id"], row))
    return [row for *_, row in sorted(ordered, key=lambda item: item[:3])[:wanted]]


def rendered(row: dict, settings: dict) -> dict:
    """The training row: what is asked, and what the model shall write."""
    if settings["method"] == "cft":
        messages = render(settings["prompt"], question=row["question"], response=row["response"])
        return {"id": row["id"], "messages": messages, "completion": row["critique"].strip()}
    answer = row["solution"] if settings["kind"] == "dataset" else row["response"]
    return {
        "id": row["id"],
        "messages": render(settings["prompt"], question=row["question"]),
        "completion": answer.strip(),
    }


def too_few(settings: dict, data: str, counts: dict, wanted: int, needed: str) -> str:
    """What to say when the pool is too small, with the size that would do."""
    share = counts["rows_in_pool"] / counts["rows_in"] if counts["rows_in"] else 0
    about = f"about {round(wanted / share)} would do" if share else "none passes, so more rows will not help"
    return (
        f"run {settings['run']}: {wanted or 'some'} rows are asked for, but {counts['rows_in_pool']} of "
        f"{counts['rows_in']} rows in {data} have a {needed} and pass keep: {settings['keep']} ({about}). "
        f"Raise samples or the dataset's rows, or lower runs.{settings['run']}.data.rows."
    )


if __name__ == "__main__":
    cli.run(main, parse_args)
