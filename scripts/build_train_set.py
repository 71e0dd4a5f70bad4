"""Chooses and renders one run's training rows.

sft: question → answer (a sampled response, a teacher's, or the dataset's worked solution). cft: [question; response] →
critique. Both give `{"id", "messages", "completion"}`; dpo, spin and thinkpo give
`{"id", "messages", "chosen", "rejected"}`.

A training set has one part or several, in given shares. Rows are drawn by a hash of seed and id, first one of each
question, then a second one, so that the same responses are chosen for every run that draws from the same pool.

    python -m scripts.build_train_set --settings '{"run": "sft-verified", "seed": 1, "rows": 96, \\
        "when_short": "fail", \\
        "parts": [{"method": "sft", "kind": "responses", "keep": "correct", "weight": 1, "files": 1, \\
        "prompt": "prompts/answer.j2"}]}' --data results/laptop/responses/arithmetic-self/graded.jsonl \\
        --train-set results/laptop/train_sets/sft-verified.jsonl \\
        --summary results/laptop/train_sets/sft-verified.json
"""

import argparse
import bisect
import random

from scripts.lib import cli
from scripts.lib.generation.prompts import hashes, render
from scripts.lib.jsonl import BadInput, read_rows, write_json, write_rows
from scripts.lib.training import pairs

VERSION = 1  # raise by hand when the training set would differ

KEEP = {
    "all": lambda row: True,
    "correct": lambda row: row["correct"] is True,
    "judged-right": lambda row: row["verdict"] == "right",
    "agreeing": lambda row: row["correct"] is True and row["verdict"] == "right",
}
# What a part of each kind trains on: the key that holds it.
TEXT = {"dataset": "solution", "responses": "response", "critiques": "critique", "answers": "response"}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: parts, rows, seed")
    parser.add_argument("--data", nargs="+", required=True, help="the parts' files (JSON Lines), in their order")
    parser.add_argument("--tokenizer", default=None, help="a model folder, to count tokens (length_gap only)")
    parser.add_argument("--train-set", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Filters, chooses and renders the rows of each part."""
    settings = args.settings
    summary = cli.Summary("build_train_set", settings)
    files = list(args.data)
    shares = split(settings["rows"], [part["weight"] for part in settings["parts"]])
    rows: list[dict] = []
    counts = []
    for number, (part, wanted) in enumerate(zip(settings["parts"], shares, strict=True)):
        mine, files = files[: part["files"]], files[part["files"] :]
        pool, usable, count = pool_of(part, mine, settings["seed"], args.tokenizer)
        wanted = len(pool) if wanted is None else wanted
        loosened = len(pool) < wanted and settings["when_short"] == "take-unfiltered"
        if not loosened and (not pool or len(pool) < wanted):
            raise BadInput(too_few(settings["run"], part, mine, count, len(pool), wanted))
        chosen = choose(usable if loosened else pool, wanted, settings["seed"])
        made = [rendered(row, part) for row in chosen]
        if len(settings["parts"]) > 1:
            made = [{**row, "id": f"{number}:{row['id']}"} for row in made]
        rows += made
        questions = len({row.get("question_id", row["id"]) for row in chosen})
        counts.append(
            {**count, "in_pool": len(pool), "rows": len(chosen), "questions": questions, "filter_loosened": loosened}
        )
    if not rows:
        raise BadInput(f"run {settings['run']}: no row is left to train on. Check runs.{settings['run']}.data.")
    write_rows(args.train_set, sorted(rows, key=lambda row: row["id"]))
    prompts = hashes(part["prompt"] for part in settings["parts"])
    write_json(args.summary, summary.fields(rows=len(rows), parts=counts, prompt_sha256=prompts))
    return 0


def split(rows: int | None, weights: list[float]) -> list[int | None]:
    """`rows` in the proportion of `weights`, adding up to it (None: each part gives all it has).

    >>> split(10, [1, 2])
    [3, 7]
    """
    if rows is None:
        return [None] * len(weights)
    edges = [round(rows * sum(weights[:count]) / sum(weights)) for count in range(len(weights) + 1)]
    return [after - before for before, after in zip(edges, edges[1:], strict=False)]


def pool_of(part: dict, files: list[str], seed: int, tokenizer: str | None) -> tuple[list[dict], list[dict], dict]:
    """(rows that pass the part's filter, rows that could be used without it, counts)."""

    def draw(row: dict) -> float:
        return drawn(row, seed)

    if part.get("like"):
        *files, like = files
    tables = [read_rows(file, required=("id", "question")) for file in files]
    count: dict = {"rows_in": sum(map(len, tables))}
    if part["method"] in ("sft", "cft"):
        needed = "critique" if part["method"] == "cft" else TEXT[part["kind"]]
        usable = [row for row in tables[0] if "error" not in row and str(row.get(needed) or "").strip()]
        pool = [row for row in usable if KEEP[part["keep"]](row)]
        if part.get("like"):
            pool = of_like_length(pool, needed, read_rows(like, required=("completion",)), part["like_rows"], tokenizer)
        blank = [{**row, needed: "(empty)", "critique": "(empty)"} for row in tables[0]]
        return pool, usable or blank, {**count, "usable": len(usable)}
    if part["method"] == "spin":
        pool, left = [], {}
        for rows, iteration in zip(tables, part["iterations"], strict=True):
            rows = [{"question_id": row["id"], **row} for row in rows]  # a released set has one row a question
            found, out = pairs.self_play_pairs(rows, iteration)
            pool += found
            left[f"t{iteration}"] = {"pairs": len(found), **out}
        usable = pool
    elif part.get("kind") == "dataset":
        for row in tables[0]:
            if not {"chosen", "rejected"} <= set(row):
                raise BadInput(
                    f"{files[0]}, row {row['id']!r}: no chosen and rejected. Name them in the entry's fields."
                )
        pool, left = pairs.labelled_pairs(tables[0])
        usable = pool
    elif part["method"] == "thinkpo":
        long, short = (texts(rows, side) for rows, side in zip(tables, part["sides"], strict=True))
        pool, left = pairs.length_pairs(long, short, part["keep"], part["format_only"], draw)
        usable = pool or pairs.length_pairs(long, short, "all", 0, draw)[0]
    else:
        pool, left = pairs.graded_pairs(tables[0], draw, part["pairs_per_question"])
        usable = pool or unlabelled_pairs(tables[0])
    count["left_out"] = left
    if part.get("length_gap"):
        pool, count["mean_gap"] = by_gap(pool, part, tokenizer)
    return pool, usable, count


def texts(rows: list[dict], side: dict) -> list[dict]:
    """One side of length pairs: the rows with the answer that is meant under `text`."""
    return [
        {**row, "question_id": row.get("question_id", row["id"]), "text": str(row[side["field"]])}
        for row in rows
        if row.get(side["field"]) and "error" not in row
    ]


def token_counter(tokenizer: str | None):
    """A function that counts the tokens of a text, by the start model's tokenizer."""
    from scripts.lib.generation.chat import load_tokenizer

    count = load_tokenizer(tokenizer)
    return lambda text: len(count(text)["input_ids"])


def by_gap(pool: list[dict], part: dict, tokenizer: str | None) -> tuple[list[dict], float | None]:
    """The pairs whose length gap in tokens is where `length_gap` says, and their mean gap."""
    tokens = token_counter(tokenizer)
    gaps = {row["id"]: tokens(row["chosen"]) - tokens(row["rejected"]) for row in pool}
    kept = pairs.length_gap(pool, [gaps[row["id"]] for row in pool], part["length_gap"], part["gap_rows"])
    return kept, sum(gaps[row["id"]] for row in kept) / len(kept) if kept else None


def of_like_length(pool: list[dict], key: str, like: list[dict], wanted: int, tokenizer: str | None) -> list[dict]:
    """`wanted` rows of the pool whose texts are about as long as those of another training set.

    The other set's completions are taken evenly from the shortest to the longest, and each gets the row of the pool
    that is nearest in length and not taken yet.
    """
    tokens = token_counter(tokenizer)
    targets = sorted(tokens(row["completion"]) for row in like)
    wanted = min(wanted, len(pool))
    targets = [targets[place * len(targets) // wanted] for place in range(wanted)]
    free = sorted(((tokens(row[key]), row["id"], row) for row in pool), key=lambda item: item[:2])
    chosen = []
    for target in targets:
        place = bisect.bisect_left(free, target, key=lambda item: item[0])
        if place == len(free) or (place and target - free[place - 1][0] <= free[place][0] - target):
            place -= 1
        chosen.append(free.pop(place)[2])
    return chosen


def unlabelled_pairs(rows: list[dict]) -> list[dict]:
    """Pairs of any two different responses of a question: only for a study whose filters are loosened."""
    marked = [{**row, "correct": number % 2 == 0} for number, row in enumerate(rows) if "error" not in row]
    return pairs.graded_pairs(marked, lambda row: row["id"], 1)[0]


def drawn(row: dict, seed: int) -> float:
    """A number in [0, 1) that depends on the seed and the row's id alone."""
    return random.Random(f"{seed}:{row['id']}").random()


def choose(pool: list[dict], wanted: int, seed: int) -> list[dict]:
    """`wanted` rows of the pool, drawn by a hash of seed and id: one of each question before a second one of any."""
    turns: dict[str, int] = {}
    ordered = []
    for row in sorted(pool, key=lambda row: drawn(row, seed)):
        question = row.get("question_id", row["id"])
        turns[question] = turns.get(question, 0) + 1
        ordered.append((turns[question], drawn(row, seed), row["id"], row))
    return [row for *_, row in sorted(ordered, key=lambda item: item[:3])[:wanted]]


def rendered(row: dict, part: dict) -> dict:
    """The training row: what is asked, and what the model shall write (or prefer)."""
    if part["method"] == "cft":
        messages = render(part["prompt"], question=row["question"], response=row["response"])
        return {"id": row["id"], "messages": messages, "completion": row["critique"].strip()}
    made = {"id": row["id"], "messages": render(part["prompt"], question=row["question"])}
    if part["method"] == "sft":
        return {**made, "completion": row[TEXT["dataset" if part["kind"] == "dataset" else "responses"]].strip()}
    return {**made, "chosen": row["chosen"].strip(), "rejected": row["rejected"].strip()}


def too_few(run: str, part: dict, files: list[str], count: dict, found: int, wanted: int) -> str:
    """What to say when the pool is too small, with the size that would do."""
    share = found / count["rows_in"] if count["rows_in"] else 0
    about = f"about {round(wanted / share)} would do" if share else "none passes, so more rows may not help"
    what = "rows" if part["method"] in ("sft", "cft") else "pairs"
    return (
        f"run {run}: {wanted or 'some'} {what} are asked for, but the {count['rows_in']} rows in {', '.join(files)} "
        f"give {found} under keep: {part['keep']} ({about}; {count}). Raise samples or the dataset's rows, "
        f"loosen runs.{run}.data.keep, or lower runs.{run}.data.rows."
    )


if __name__ == "__main__":
    cli.run(main, parse_args)
