"""The rows that a part of a training set may use: those that pass the filter, within the recipe's limit.

A part is what `data:` or one entry of its `mix:` says, as `part_settings` in scripts/lib/study/settings.py gives it.
"""

import random
from collections import Counter
from collections.abc import Iterable
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
    """Says which rows of a part the run's trainer would drop, and counts them."""

    def __init__(self, part: dict, ruler: lengths.Ruler) -> None:
        self.part, self.ruler = part, ruler
        self._objections: dict[str, str | None] = {}
        self._asked: set[str] = set()  # a row may be measured with others, and then not be needed

    def knows(self, row: Row) -> bool:
        """Whether a row has been measured, or no row need be."""
        return not self.ruler.limit or row["id"] in self._objections

    def measure(self, rows: Iterable[Row]) -> None:
        """Finds out which of the rows fit, many at a time."""
        new = [row for row in rows if not self.knows(row)]
        found = self.ruler.objections(map(self._conversation, new))
        self._objections |= zip((row["id"] for row in new), found, strict=True)

    def fits(self, row: Row) -> bool:
        """Whether the trainer takes the training row that is made of `row`, which has been measured."""
        self._asked.add(row["id"])
        return self._objections.get(row["id"]) is None

    def fitting(self, rows: list[Row]) -> list[Row]:
        """The rows that it takes."""
        self.measure(rows)
        return [row for row in rows if self.fits(row)]

    def _conversation(self, row: Row) -> lengths.Conversation:
        made = rendered(row, self.part)
        return made["messages"], tuple(made[key] for key in ("completion", "chosen", "rejected") if key in made)

    def fitting_alone(self, rows: list[Row], key: str, side: int = 0) -> list[Row]:
        """The rows whose answer under `key` it takes as one of a pair (on this side of it)."""
        if not self.ruler.limit:
            return rows
        asked = ((render(self.part["prompt"], **pairs.asked(row)), (row[key].strip(),)) for row in rows)
        found = {f"{side} {row['id']}": reason for row, reason in zip(rows, self.ruler.objections(asked), strict=True)}
        self._objections |= found
        self._asked |= found.keys()
        return [row for row in rows if found[f"{side} {row['id']}"] is None]

    @property
    def left_out(self) -> dict[str, int]:
        """The counts of rows that do not fit, by reason, for `left_out`."""
        return dict(Counter(reason for name, reason in self._objections.items() if reason and name in self._asked))


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
        limit.fitting_alone(texts(rows, side), "text", number)
        for number, (rows, side) in enumerate(zip(tables, part["sides"], strict=True))
    )
    pool, left = pairs.length_pairs(long, short, part["keep"], part["format_only"], draw)
    return pool, pool or pairs.length_pairs(long, short, "all", 0, draw)[0], left


def pairs_of_responses(part: dict, tables: list[list[Row]], draw, limit: Limit) -> tuple[list[Row], list[Row], dict]:
    """DPO's pairs of a right and a wrong response, of those responses that are within the limit."""
    answered = [row for row in tables[0] if "error" not in row]
    fitting = {row["id"] for row in limit.fitting_alone(answered, "response")}
    rows = [row for row in tables[0] if "error" in row or row["id"] in fitting]
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
        return lengths.by_gap(limit.fitting(pool), part["length_gap"], part["gap_rows"], limit.ruler.tokens)
    if like is not None:
        other = stored.read(like, required=("completion",))
        key, wanted = needed_of(part), part["like_rows"]
        return lengths.of_like_length(limit.fitting(pool), key, other, wanted, limit.ruler.tokens)
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
