"""The rows that a part of a training set may use: those that pass the filter, within the recipe's limit.

A part is what `data:` or one entry of its `mix:` says, as `part_settings` in scripts/lib/study/settings.py gives it.
"""

import random
from collections import Counter
from functools import partial

from scripts.lib.generation.prompts import render
from scripts.lib.jsonl import BadInput
from scripts.lib.training import controls, lengths, pairs, stored
from scripts.lib.training.stored import Row

KEEP = {
    "all": lambda row: True,
    "correct": lambda row: row["correct"] is True,
    "judged-right": lambda row: row["verdict"] == "right",
    "judged-wrong": lambda row: row["verdict"] == "wrong",
    "agreeing": lambda row: row["correct"] is True and row["verdict"] == "right",
}
# The key of the text that a part of each kind trains on.
TEXT = {"dataset": "solution", "responses": "response", "critiques": "critique", "answers": "response"}


class Limit:
    """Tells which rows of a part the run's trainer would drop, and counts them."""

    def __init__(self, part: dict, ruler: lengths.Ruler) -> None:
        self.part, self.ruler = part, ruler
        self._objections: dict[str, str | None] = {}

    def fits(self, row: Row) -> bool:
        """Whether the trainer accepts the training row made from `row`."""
        if self.ruler.limit and row["id"] not in self._objections:
            made = rendered(row, self.part)
            answers = [made[key] for key in ("completion", "chosen", "rejected") if key in made]
            self._objections[row["id"]] = self.ruler.objection(made["messages"], *answers)
        return self._objections.get(row["id"]) is None

    def fits_alone(self, row: Row, key: str, side: int = 0) -> bool:
        """Whether it accepts the answer under `key` as one side of a pair."""
        name = f"{side} {row['id']}"
        if self.ruler.limit:
            messages = render(self.part["prompt"], **pairs.asked(row))
            self._objections[name] = self.ruler.objection(messages, row[key].strip())
        return self._objections.get(name) is None

    @property
    def left_out(self) -> dict[str, int]:
        """The number of rows that do not fit, by reason, for `left_out`."""
        return dict(Counter(reason for reason in self._objections.values() if reason))


def pool_of(part: dict, files: list[str], seed: int, limit: Limit) -> tuple[list[Row], list[Row], dict]:
    """(rows that pass the part's filter, rows that could be used without it, counts)."""
    tables = [stored.read(file, required=("id", "question")) for file in files]
    count: dict = {"rows_in": sum(map(len, tables))}
    if part["method"] in ("sft", "cft", "cgd"):
        pool, usable, left = answers_in(part, tables[0])
        count["usable"] = len(usable)
        if part["method"] == "cgd":
            pool, usable, left = with_critiques(part, pool, usable, left, seed)
        blank = {needed_of(part): "(empty)", "critique": "(empty)"}
        return pool, usable or [row | blank for row in tables[0]], {**count, "left_out": left}
    if part["method"] == "spin":
        pool, left = pairs_by_iteration(part, tables)
        usable = pool
    elif part.get("kind") == "dataset":
        pool, left = labelled(tables[0], files[0])
        usable = pool
    else:
        find = pairs_between if part["method"] == "thinkpo" else pairs_of_responses
        pool, usable, left = find(part, tables, lambda row: drawn(row, seed), limit)
    return pool, usable, {**count, "left_out": left}


def needed_of(part: dict) -> str:
    """The key of the text that the part trains the model to write."""
    return {"cft": "critique", "cgd": part.get("refined")}.get(part["method"]) or TEXT[part["kind"]]


def with_critiques(part: dict, pool: list[Row], usable: list[Row], left: dict, seed: int) -> tuple:
    """The rows of CGD with the critique that each shows, and the dropped rows, including those that got none."""
    shown, loosened = (controls.shown(rows, part["critique_shown"], seed) for rows in (pool, usable))
    lacking = {"no_other_critique": len(pool) - len(shown)} if part["critique_shown"] == "other" else {}
    return shown, loosened, {**left, **lacking}


def answers_in(part: dict, rows: list[Row]) -> tuple[list[Row], list[Row], dict[str, int]]:
    """(rows that pass the filter, rows that have a text, dropped rows by reason) of answers or critiques."""
    without_error = [row for row in rows if "error" not in row]
    needed = {needed_of(part), "critique"} if part["method"] == "cgd" else {needed_of(part)}
    usable = [row for row in without_error if all(str(row.get(key) or "").strip() for key in needed)]
    pool = [row for row in usable if KEEP[part["keep"]](row)]
    left = {"error": len(rows) - len(without_error), "empty": len(without_error) - len(usable)}
    return pool, usable, {**left, "filtered_out": len(usable) - len(pool)}


def pairs_by_iteration(part: dict, tables: list[list[Row]]) -> tuple[list[Row], dict]:
    """The pairs of each iteration of SPIN, and the rows dropped from each."""
    pool, left = [], {}
    for rows, iteration in zip(tables, part["iterations"], strict=True):
        # A released set has one row per question.
        rows = [row if "question_id" in row else row | {"question_id": row["id"]} for row in rows]
        found, out = pairs.self_play_pairs(rows, iteration)
        pool += found
        left[f"t{iteration}"] = {"pairs": len(found), **out}
    return pool, left


def labelled(rows: list[Row], file: str) -> tuple[list[Row], dict]:
    """The pairs of a preference set."""
    for row in rows:
        if not {"chosen", "rejected"} <= set(row):
            raise BadInput(f"{file}, row {row['id']!r}: no chosen and rejected. Name them in the entry's fields.")
    return pairs.labelled_pairs(rows)


def pairs_between(part: dict, tables: list[list[Row]], draw, limit: Limit) -> tuple[list[Row], list[Row], dict]:
    """ThinkPO's pairs of a long and a short answer, among answers within the limit."""
    long, short = (
        [row for row in texts(rows, side) if limit.fits_alone(row, "text", number)]
        for number, (rows, side) in enumerate(zip(tables, part["sides"], strict=True))
    )
    pool, left = pairs.length_pairs(long, short, part["keep"], part["format_only"], draw)
    return pool, pool or pairs.length_pairs(long, short, "all", 0, draw)[0], left


def pairs_of_responses(part: dict, tables: list[list[Row]], draw, limit: Limit) -> tuple[list[Row], list[Row], dict]:
    """DPO's pairs of a right and a wrong response, among responses within the limit."""
    rows = [row for row in tables[0] if "error" in row or limit.fits_alone(row, "response")]
    pool, left = pairs.graded_pairs(rows, draw, part["pairs_per_question"])
    return pool, pool or unlabelled_pairs(rows), left


def texts(rows: list[Row], side: dict) -> list[Row]:
    """One side of length pairs: the rows with the side's answer under `text`."""
    return [
        row | {"question_id": row.get("question_id", row["id"]), "text": partial(_text, row, side["field"])}
        for row in rows
        if row.get(side["field"]) and "error" not in row
    ]


def _text(row: Row, field: str) -> str:
    return str(row[field])


def of_length(pool: list[Row], part: dict, like: str | None, limit: Limit) -> list[Row]:
    """The rows of the pool within the limit that `length_gap` or `like` chooses; all rows without these keys."""
    if part.get("length_gap"):
        fitting = [row for row in pool if limit.fits(row)]
        return lengths.by_gap(fitting, part["length_gap"], part["gap_rows"], limit.ruler.tokens)
    if like is not None:
        fitting = [row for row in pool if limit.fits(row)]
        other = stored.read(like, required=("completion",))
        return lengths.of_like_length(fitting, needed_of(part), other, part["like_rows"], limit.ruler.tokens)
    return pool


def drawn(row: Row, seed: int) -> float:
    """A number in [0, 1) that depends on the seed and the row's id alone."""
    return random.Random(f"{seed}:{row['id']}").random()


def unlabelled_pairs(rows: list[Row]) -> list[Row]:
    """Pairs of any two different responses to a question, only for studies with loosened filters."""
    marked = [row | {"correct": number % 2 == 0} for number, row in enumerate(rows) if "error" not in row]
    return pairs.graded_pairs(marked, lambda row: row["id"], 1)[0]


def rendered(row: Row, part: dict) -> dict:
    """The training row: the prompt, and the text that the model learns to write or prefer."""
    if part["method"] in ("cft", "cgd"):
        shown = {"response": row["response"]} | ({"critique": row["critique"]} if part["method"] == "cgd" else {})
        messages = render(part["prompt"], **pairs.asked(row), **shown)
        return {"id": row["id"], "messages": messages, "completion": row[needed_of(part)].strip()}
    made = {"id": row["id"], "messages": render(part["prompt"], **pairs.asked(row))}
    if part["method"] == "sft":
        return {**made, "completion": row[TEXT["dataset" if part["kind"] == "dataset" else "responses"]].strip()}
    return {**made, "chosen": row["chosen"].strip(), "rejected": row["rejected"].strip()}
