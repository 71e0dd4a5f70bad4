"""Training rows as token ids: what has the loss, which rows are left out, and how a row looks to the model."""

import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from datasets import Dataset, Features, List, Value

from scripts.lib.generation.chat import EndInside, closed, prompt_text, rendered, token_ids
from scripts.lib.jsonl import (
    BadInput,
    dumps,
    lines_of,
    no_rows,
    parsed,
    read_json,
    repeated,
    replacing_folder,
    write_json,
)
from scripts.lib.training.held_out import drawn

SHOWN = 1500  # the most characters of a part that the log shows
PREFERENCE_METHODS = ("dpo", "spin", "thinkpo")
ROW_TOKENS = ("input_ids", "labels")
PAIR_TOKENS = ("prompt_ids", "chosen_ids", "rejected_ids")
# The columns of a row besides its tokens, while a set is prepared.
NOTES = {"id": Value("string"), "left_out": Value("string"), "ends_deleted": Value("bool")}
NOTES |= {name: Value("int32") for name in ("length", "prompt_tokens", "completion_tokens")}
SHARE_ROWS = 1000  # fewer rows are not worth another process
BATCH_ROWS = 200  # rows that a process holds at a time
COUNTS = "counts.json"
HELD_OUT = "held-out"


@dataclass
class LeftOut:
    """The dropped rows, by reason.

    Args:
        recipe: max_tokens, too_long and end_inside.
        positions: the most tokens that the model supports (None: it sets no limit).
    """

    recipe: dict
    positions: int | None = None
    long: list[tuple[str, int]] = field(default_factory=list)  # (id, tokens)
    ends: list[str] = field(default_factory=list)
    equal: list[str] = field(default_factory=list)

    @property
    def limit(self) -> tuple[int, str]:
        """The longest row in tokens, and what sets it."""
        most = self.recipe["max_tokens"]
        if self.positions is not None and self.positions < most:
            return self.positions, f"the start model's {self.positions} positions"
        return most, f"max_tokens = {most}"

    def refuse(self, rows: int, end: str) -> None:
        """Raises BadInput if the recipe rejects such rows, or if none is left.

        Args:
            rows: number of all rows.
            end: the end token.
        """
        if self.long and self.recipe["too_long"] == "error":
            worst = ", ".join(f"{name} ({tokens})" for name, tokens in sorted(self.long, key=lambda row: -row[1])[:5])
            raise BadInput(
                f"{len(self.long)} of {rows} rows are longer than {self.limit[1]}: {worst}. "
                f"{'Raise max_tokens in the recipe, or s' if self.limit[1].startswith('max_tokens') else 'S'}et "
                "too_long: drop there."
            )
        if self.ends and self.recipe["end_inside"] == "error":
            raise BadInput(
                f"{len(self.ends)} of {rows} rows hold the end token {end} inside an answer, which would end it early: "
                f"{', '.join(self.ends[:5])}. Fix them, or set end_inside: drop (leaves them out) or delete (takes "
                "the token out of their texts) in the recipe."
            )
        if len(self.long) + len(self.ends) + len(self.equal) == rows:
            reasons = {
                f"are over {self.limit[1]}": self.long,
                f"hold the end token {end} inside an answer": self.ends,
                "have two equal answers": self.equal,
            }
            found = "; ".join(f"{len(names)} of {rows} {reason}" for reason, names in reasons.items() if names)
            raise BadInput(f"no row is left to train on: {found}.")

    def take(self, made: Dataset, end: str) -> dict[str, int]:
        """Collects the rows' own reports; returns the counts for the summary.

        Args:
            made: all rows, as made by a `Reader`.
            end: the end token.

        Raises:
            BadInput: the recipe rejects some of them, or none is left.
        """
        notes = made.data.select(list(NOTES))
        out = notes.filter(pc.not_equal(notes["left_out"], "")).select(["left_out", "id", "length"])
        for row in out.to_pylist():
            name = str(json.loads(row["id"]))
            reasons = {"long": (self.long, (name, row["length"])), "end_inside": (self.ends, name)}
            names, entry = reasons.get(row["left_out"], (self.equal, name))
            names.append(entry)
        self.refuse(len(made), end)
        tokens = {name: pc.sum(notes[name]).as_py() for name in ("prompt_tokens", "completion_tokens")}
        return self.counts(len(made), pc.sum(notes["ends_deleted"]).as_py()) | tokens

    def counts(self, rows: int, deleted: int) -> dict[str, int]:
        """The counts for the summary; `deleted` is the number of rows that lost end tokens."""
        dropped = len(self.long) + len(self.ends) + len(self.equal)
        return {
            "rows_in": rows,
            "rows_trained": rows - dropped,
            "rows_dropped_too_long": len(self.long),
            "rows_dropped_end_inside": len(self.ends),
            "rows_dropped_equal": len(self.equal),
            "rows_with_ends_deleted": deleted,
            "rows_truncated": 0,
        }


class Reader:
    """Converts the lines of a training set to rows of token ids, in any process.

    Args:
        data: the file, for messages.
        tokenizer: renders the chat template.
        recipe: method, max_tokens, end_inside, loss_on and packing: see `prepare`.
        longest: rows with more tokens are dropped, unless rows are packed.
    """

    def __init__(self, data: Path, tokenizer, recipe: dict, longest: int) -> None:
        self.data, self.tokenizer, self.recipe = data, tokenizer, recipe
        self.pairs = recipe["method"] in PREFERENCE_METHODS
        self.packing = not self.pairs and recipe["packing"]
        self.loss_on_all = not self.pairs and recipe["loss_on"] == "all"
        self.longest = sys.maxsize if self.packing else longest
        self.answers = ("chosen", "rejected") if self.pairs else ("completion",)
        self.token_columns = tuple(PAIR_TOKENS if self.pairs else ROW_TOKENS)

    @property
    def features(self) -> Features:
        """The columns of the resulting rows, and their types."""
        tokens = dict.fromkeys(self.token_columns, List(Value("int32")))
        return Features({"place": Value("int64"), **NOTES, **tokens})

    def __call__(self, batch: dict[str, list]) -> dict[str, list]:
        """A batch of `place` (line number) and `line` (text) as one of `features`."""
        read = [self.read(place, line) for place, line in zip(batch["place"], batch["line"], strict=True)]
        texts = [self.texts(row) for _, row in read]
        ids = iter(token_ids(self.tokenizer, [text for of_row in texts for text in of_row]))
        made = [
            self.row(found, of_row, list(itertools.islice(ids, len(of_row))))
            for (found, _), of_row in zip(read, texts, strict=True)
        ]
        return {column: [row[column] for row in made] for column in self.features}

    def read(self, place: int, line: str) -> tuple[dict, dict]:
        """(the columns of a line's row so far, the row that is trained on)."""
        row = parsed(self.data, place, line, ("messages", *self.answers))
        found = {"place": place, "id": dumps(row.get("id", f"line {place}")), "left_out": "", "ends_deleted": False}
        if self.recipe["end_inside"] == "delete":
            cleaned = without_ends(row, self.answers, self.tokenizer.eos_token)
            row, found["ends_deleted"] = cleaned, cleaned != row
        return found, row

    def texts(self, row: dict) -> list[str]:
        """The texts of a row to tokenise: prompt, answers and, if all tokens have a loss, the whole conversation."""
        texts = [prompt_text(self.tokenizer, row["messages"]), *(row[key] for key in self.answers)]
        return [*texts, whole_conversation(row, self.tokenizer)] if self.loss_on_all else texts

    def row(self, found: dict, texts: list[str], ids: list[list[int]]) -> dict:
        """A row with its tokens; a dropped row has none, and the reason under `left_out`."""
        prompt, *whole = ids[0], *ids[1 + len(self.answers) :]
        written = list(zip(texts, ids))[1 : 1 + len(self.answers)]
        try:
            answers = [closed(self.tokenizer, *answer) for answer in written]
        except EndInside:
            return self._without(found, "end_inside", 0)
        if self.pairs and answers[0] == answers[1]:
            return self._without(found, "equal", 0)
        tokens = self._tokens(prompt, answers, *whole)
        if tokens["length"] > self.longest:
            return self._without(found, "long", tokens["length"])
        asked, written = len(prompt) * len(answers), sum(map(len, answers))
        return {**found, **tokens, "prompt_tokens": asked, "completion_tokens": written}

    def _without(self, found: dict, reason: str, length: int) -> dict:
        nothing = dict.fromkeys(self.token_columns, ())
        return {**found, **nothing, "left_out": reason, "length": length, "prompt_tokens": 0, "completion_tokens": 0}

    def _tokens(self, prompt: list[int], answers: list[list[int]], whole: list[int] | None = None) -> dict:
        """The columns that the trainer reads, and the length to compare with the limit."""
        if self.pairs:
            named = dict(zip(self.token_columns, (prompt, *answers), strict=True))
            return {**named, "length": len(prompt) + max(map(len, answers))}
        if whole is not None:
            return {"input_ids": whole, "labels": whole, "length": len(whole)}
        ids = prompt + answers[0]
        return {"input_ids": ids, "labels": [-100] * len(prompt) + answers[0], "length": len(ids)}


def without_ends(row: dict, keys: tuple[str, ...], end: str) -> dict:
    """The row without the end token in any of its texts."""
    messages = [{**said, "content": said["content"].replace(end, "")} for said in row["messages"]]
    return {**row, "messages": messages, **{key: row[key].replace(end, "") for key in keys}}


def whole_conversation(row: dict, tokenizer) -> str:
    """A row's conversation, rendered by the template."""
    return rendered(tokenizer, [*row["messages"], {"role": "assistant", "content": row["completion"]}], False)


def prepare(data: Path, folder: Path, tokenizer, recipe: dict, positions: int | None = None, workers: int = 1) -> None:
    """Writes a training set's rows as token ids to Arrow files in `folder`, with the counts of all rows beside them.

    No process needs the set in memory, neither here nor when it is loaded: the files are memory-mapped.

    Args:
        data: JSON Lines: `{"id": …, "messages": [{"role": "user", "content": …}], "completion": "The answer is 7."}`
            each; for preference methods `chosen` and `rejected` in place of `completion`.
        folder: the output; it appears only when it is complete. `load` reads it.
        tokenizer: renders the chat template.
        recipe: method; max_tokens: longest row, prompt and answer together (of a pair, the longer answer); too_long:
            `error` rejects longer rows, `drop` drops and counts them (none is ever truncated); end_inside:
            what happens to answers that contain the end token; loss_on: `answer`, or `all` tokens of the conversation
            as the template renders it; packing: rows are joined and cut every max_tokens, so that none is too long;
            early_stopping (may be absent) and seed: held-out rows go to a folder of their own, in the same form.
        positions: the most tokens that the model supports (None: it sets no limit).
        workers: the most processes that read and tokenise.

    Raises:
        BadInput: the file is invalid, it has rows that the recipe rejects, or no row is left.
    """
    left = LeftOut(recipe, positions)
    read = Reader(data, tokenizer, recipe, left.limit[0])
    with replacing_folder(folder) as temporary:
        work = temporary / "work"
        lines = read_lines(data, work)
        workers = min(workers, len(lines) // SHARE_ROWS)
        made = lines.map(
            read,
            batched=True,
            batch_size=BATCH_ROWS,
            writer_batch_size=BATCH_ROWS,
            remove_columns=["line"],
            features=read.features,
            num_proc=workers if workers > 1 else None,
            cache_file_name=str(work / "made.arrow"),
            new_fingerprint="made",
        )
        refuse_repeated(data, made)
        counts = left.take(made, tokenizer.eos_token)
        places = np.flatnonzero(pc.equal(made.data.column("left_out"), "").to_numpy())
        if early := recipe.get("early_stopping"):
            places, apart = split(made, places, early["rows"], recipe["seed"])
            counts = without_held_out(counts, made, apart)
            held = kept(made, read, apart)
            held = packed(held, left.limit[0], work / HELD_OUT) if read.packing else held
            held.save_to_disk(temporary / HELD_OUT)
        rows = kept(made, read, places)
        if read.packing:
            rows = packed(rows, left.limit[0], work)
            counts["blocks"] = len(rows)
        rows.save_to_disk(temporary)
        shutil.rmtree(work)
        write_json(temporary / COUNTS, counts)


def load(folder: Path) -> tuple[Dataset, dict[str, int]]:
    """The rows in `folder`, memory-mapped: `{"input_ids": […], "labels": […]}` each, with labels -100 where there
    is no loss, or `{"prompt_ids": […], "chosen_ids": […], "rejected_ids": […], "length": 120}`; and the counts.
    """
    return Dataset.load_from_disk(folder), read_json(folder / COUNTS)


def load_held_out(folder: Path) -> Dataset:
    """The rows that `prepare` has held out."""
    return Dataset.load_from_disk(folder / HELD_OUT)


def is_prepared(folder: Path) -> bool:
    """Whether `prepare` has written `folder`."""
    return (folder / COUNTS).is_file()


def read_lines(data: Path, work: Path) -> Dataset:
    """The lines of a file, each with its number, as a table on the disk."""
    if next(lines_of(data), None) is None:
        raise no_rows(data)
    columns = Features({"place": Value("int64"), "line": Value("string")})
    return Dataset.from_generator(
        _numbered_lines, columns, cache_dir=str(work), gen_kwargs={"data": data}, fingerprint="lines"
    )


def _numbered_lines(data: Path) -> Iterator[dict]:
    for place, line in lines_of(data):
        yield {"place": place, "line": line}


def refuse_repeated(data: Path, made: Dataset) -> None:
    """Raises BadInput if two rows have the same id."""
    names = made.data.column("id").combine_chunks()
    if len(names.unique()) == len(names):
        return
    seen: dict[str, int] = {}
    for place, name in zip(made.data.column("place").to_pylist(), names.to_pylist(), strict=True):
        if name in seen:
            raise repeated(data, place, "id", name, seen[name])
        seen[name] = place


def split(made: Dataset, places: np.ndarray, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the rows that are trained on, and of the held-out rows."""
    apart = drawn(made.select_columns("id").select(places)["id"], rows, seed)
    chosen = np.isin(np.arange(len(places)), list(apart))
    return places[~chosen], places[chosen]


def without_held_out(counts: dict[str, int], made: Dataset, apart: np.ndarray) -> dict[str, int]:
    """The counts without the rows at these places and their tokens, and the number of those rows."""
    tokens = ("prompt_tokens", "completion_tokens")
    less = {name: int(made.data.column(name).to_numpy()[apart].sum()) for name in tokens} | {"rows_trained": len(apart)}
    return {name: count - less.get(name, 0) for name, count in counts.items()} | {"rows_held_out": len(apart)}


def kept(made: Dataset, read: Reader, places: np.ndarray) -> Dataset:
    """The rows at these places, with the columns that the trainer reads."""
    columns = [*read.token_columns, *(["length"] if read.pairs else [])]  # the sort key of `order: group_by_length`
    rows = made.select_columns(columns)
    return rows if len(places) == len(made) else rows.select(places)


def packed(rows: Dataset, size: int, work: Path) -> Dataset:
    """The rows, joined and cut into blocks of `size` tokens (the last one may be shorter)."""
    return Dataset.from_generator(
        _blocks,
        rows.features,
        cache_dir=str(work),
        gen_kwargs={"rows": rows, "size": size},
        fingerprint="packed",
        writer_batch_size=BATCH_ROWS,
    )


def _blocks(rows: Dataset, size: int) -> Iterator[dict]:
    rest = {column: np.empty(0, np.int32) for column in rows.column_names}
    for batch in rows.with_format("arrow").iter(BATCH_ROWS):
        joined = {
            column: np.concatenate([before, batch.column(column).combine_chunks().flatten().to_numpy()])
            for column, before in rest.items()
        }
        end = len(joined["input_ids"]) // size * size
        for begin in range(0, end, size):
            yield {column: tokens[begin : begin + size] for column, tokens in joined.items()}
        rest = {column: tokens[end:] for column, tokens in joined.items()}
    if len(rest["input_ids"]):
        yield rest


def lengths(rows: Dataset) -> np.ndarray:
    """The length of each row for `order: group_by_length`, without reading tokens."""
    if "length" in rows.column_names:
        return rows.data.column("length").to_numpy()
    return pc.list_value_length(rows.data.column("input_ids")).to_numpy()


def tokens_of(rows: Dataset) -> int:
    """The number of tokens that a pass over the rows reads: for a pair, the prompt twice and both answers."""
    if "length" not in rows.column_names:
        return int(lengths(rows).sum())
    sums = {key: int(pc.sum(pc.list_value_length(rows.data.column(key))).as_py()) for key in PAIR_TOKENS}
    return 2 * sums["prompt_ids"] + sums["chosen_ids"] + sums["rejected_ids"]


def trained_on(counts: dict[str, int]) -> str:
    """A log line with the number of training rows and what happened to the others.

    >>> trained_on({"rows_in": 9, "rows_trained": 7, "rows_dropped_too_long": 2, "rows_dropped_equal": 0})
    'training on 7 of 9 rows; 2 left out, too long'
    """
    words = {
        "rows_dropped_too_long": "{} left out, too long",
        "rows_dropped_end_inside": "{} left out, the end token inside an answer",
        "rows_dropped_equal": "{} left out, two equal answers",
        "rows_held_out": "{} held out for validation",
        "rows_with_ends_deleted": "end tokens deleted from {}",
        "blocks": "packed into {} blocks",
    }
    others = [text.format(counts[key]) for key, text in words.items() if counts.get(key)]
    return "; ".join([f"training on {counts['rows_trained']} of {counts['rows_in']} rows", *others])


def as_read(row: dict, tokenizer) -> str:
    """A tokenised row (of either kind) as text, with the tokens that have a loss between ⟦ and ⟧.

    >>> print(as_read({"input_ids": [8, 9, 4, 2], "labels": [-100, -100, 4, 2]}, tokenizer))
    <|im_start|>assistant
    ⟦4<|im_end|>⟧
    """
    if "prompt_ids" in row:
        prompt, chosen, rejected = (
            _shortened(tokenizer.decode(row[f"{key}_ids"])) for key in ("prompt", "chosen", "rejected")
        )
        return f"{prompt}⟦{chosen}⟧ (chosen)\n⟦{rejected}⟧ (rejected)"
    parts: list[tuple[bool, list[int]]] = []
    for token, label in zip(row["input_ids"], row["labels"], strict=True):
        if not parts or parts[-1][0] != (label != -100):
            parts.append((label != -100, []))
        parts[-1][1].append(token)
    texts = [(loss, _shortened(tokenizer.decode(ids))) for loss, ids in parts]
    return "".join(f"⟦{text}⟧" if loss else text for loss, text in texts)


def _shortened(text: str) -> str:
    """The text, without its middle if it is long."""
    if len(text) <= SHOWN:
        return text
    half = SHOWN // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"
