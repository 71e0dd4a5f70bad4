"""Training rows as token ids: what has the loss, which rows are left out, and how a row looks to the model."""

import sys
from dataclasses import dataclass, field

from datasets import Dataset
from trl import pack_dataset

from scripts.lib.generation.chat import EndInside, answer_ids, prompt_ids, rendered
from scripts.lib.jsonl import BadInput

SHOWN = 1500  # most characters of a part that the log shows


@dataclass
class LeftOut:
    """The rows that are not trained on, by the reason.

    Args:
        recipe: max_tokens, too_long and end_inside.
        positions: how many tokens the model can place (None: it sets no limit).
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

    def is_long(self, name: str, tokens: int) -> bool:
        """Whether a row of so many tokens is over the limit; it is noted."""
        if tokens > self.limit[0]:
            self.long.append((name, tokens))
        return tokens > self.limit[0]

    def refuse(self, rows: int, end: str) -> None:
        """Raises BadInput where the recipe refuses such rows, or where none is left.

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
                f"{', '.join(self.ends[:5])}. Mend them, or set end_inside: drop (leaves them out) or delete (takes "
                "the token out of their texts) in the recipe."
            )
        if len(self.long) + len(self.ends) + len(self.equal) == rows:
            reasons = {
                f"are over {self.limit[1]}": self.long,
                f"hold the end token {end} inside an answer": self.ends,
                "have two equal answers": self.equal,
            }
            found = "; ".join(f"{len(names)} of {rows} {reason}" for reason, names in reasons.items() if names)
            raise BadInput(f"no row is left to train on: {found or 'the training set is empty'}.")

    def counts(self, rows: int, deleted: int) -> dict[str, int]:
        """What the summary says of them; `deleted` is the number of rows that lost end tokens."""
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


def without_ends(rows: list[dict], keys: tuple[str, ...], end: str) -> tuple[list[dict], int]:
    """The rows without the end token in any of their texts, and how many of them had one."""

    def clean(text: str) -> str:
        return text.replace(end, "")

    cleaned = [
        row
        | {key: clean(row[key]) for key in keys}
        | {"messages": [{**said, "content": clean(said["content"])} for said in row["messages"]]}
        for row in rows
    ]
    return cleaned, sum(before != after for before, after in zip(rows, cleaned, strict=True))


def tokenise(
    rows: list[dict], tokenizer, recipe: dict, positions: int | None = None
) -> tuple[list[dict], dict[str, int]]:
    """Rows for the trainer, and the counts that the summary states.

    Args:
        rows: `{"id": …, "messages": [{"role": "user", "content": …}], "completion": "The answer is 7."}` each.
        tokenizer: renders the chat template.
        recipe: max_tokens: longest row, prompt and completion together; too_long: `error` refuses longer rows, `drop`
            leaves them out and counts them (none is ever truncated); end_inside: what happens to answers that hold the
            end token; loss_on: `answer`, or `all` tokens of the conversation as the template renders it; packing:
            rows are joined and cut every max_tokens, so that none is too long.
        positions: how many tokens the model can place (None: it sets no limit).

    Returns:
        `{"input_ids": […], "labels": […]}` each, with labels -100 where there is no loss; and rows and tokens by kind.

    Raises:
        BadInput: rows that the recipe refuses, or no row is left.
    """
    deleted, left, count = 0, LeftOut(recipe, positions), len(rows)
    if recipe["end_inside"] == "delete":
        rows, deleted = without_ends(rows, ("completion",), tokenizer.eos_token)
    kept, tokens = [], {"prompt_tokens": 0, "completion_tokens": 0}
    for row in rows:
        try:
            prompt, completion = prompt_ids(tokenizer, row["messages"]), answer_ids(tokenizer, row["completion"])
        except EndInside:
            left.ends.append(row["id"])
            continue
        made = {"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion}
        if recipe["loss_on"] == "all":
            made = whole_conversation(row, tokenizer)
        if not recipe["packing"] and left.is_long(row["id"], len(made["input_ids"])):
            continue
        kept.append(made)
        tokens["prompt_tokens"] += len(prompt)
        tokens["completion_tokens"] += len(completion)
    left.refuse(count, tokenizer.eos_token)
    counts = left.counts(count, deleted) | tokens
    if recipe["packing"]:
        kept = packed(kept, left.limit[0])
        counts["blocks"] = len(kept)
    return kept, counts


def whole_conversation(row: dict, tokenizer) -> dict[str, list[int]]:
    """A row as its template renders the conversation, with the loss on every token."""
    said = {"role": "assistant", "content": row["completion"]}
    text = rendered(tokenizer, [*row["messages"], said], False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return {"input_ids": ids, "labels": list(ids)}


def packed(rows: list[dict], size: int) -> list[dict]:
    """The rows one after the other, cut into blocks of `size` tokens (the last one may be shorter)."""
    blocks = pack_dataset(Dataset.from_list(rows), size, strategy="wrapped", map_kwargs={"batch_size": sys.maxsize})
    return [{key: block[key] for key in ("input_ids", "labels")} for block in blocks]


def tokenise_pairs(
    rows: list[dict], tokenizer, recipe: dict, positions: int | None = None
) -> tuple[list[dict], dict[str, int]]:
    """Rows for the preference trainer, and the counts that the summary states.

    Args:
        rows: `{"id": …, "messages": […], "chosen": "…", "rejected": "…"}` each.
        tokenizer: renders the chat template.
        recipe: max_tokens: longest prompt and answer together, of either answer; too_long and end_inside as for
            `tokenise`.
        positions: how many tokens the model can place (None: it sets no limit).

    Returns:
        `{"prompt_ids": […], "chosen_ids": […], "rejected_ids": […], "length": 120}` each; and rows and tokens by kind.
        Pairs whose answers are the same tokens teach nothing: they are left out and counted.

    Raises:
        BadInput: pairs that the recipe refuses, or no pair is left.
    """
    deleted, left, count = 0, LeftOut(recipe, positions), len(rows)
    if recipe["end_inside"] == "delete":
        rows, deleted = without_ends(rows, ("chosen", "rejected"), tokenizer.eos_token)
    kept, tokens = [], {"prompt_tokens": 0, "completion_tokens": 0}
    for row in rows:
        made = {"prompt_ids": prompt_ids(tokenizer, row["messages"])}
        try:
            made |= {f"{key}_ids": answer_ids(tokenizer, row[key]) for key in ("chosen", "rejected")}
        except EndInside:
            left.ends.append(row["id"])
            continue
        if made["chosen_ids"] == made["rejected_ids"]:
            left.equal.append(row["id"])
            continue
        answers = len(made["chosen_ids"]), len(made["rejected_ids"])
        length = len(made["prompt_ids"]) + max(answers)
        if left.is_long(row["id"], length):
            continue
        kept.append({**made, "length": length})  # what order: group_by_length sorts by
        tokens["prompt_tokens"] += 2 * len(made["prompt_ids"])
        tokens["completion_tokens"] += sum(answers)
    left.refuse(count, tokenizer.eos_token)
    return kept, left.counts(count, deleted) | tokens


def trained_on(counts: dict[str, int]) -> str:
    """How many rows there are, and what became of the others, as a line of the log.

    >>> trained_on({"rows_in": 9, "rows_trained": 7, "rows_dropped_too_long": 2, "rows_dropped_equal": 0})
    'training on 7 of 9 rows; 2 left out, too long'
    """
    words = {
        "rows_dropped_too_long": "{} left out, too long",
        "rows_dropped_end_inside": "{} left out, the end token inside an answer",
        "rows_dropped_equal": "{} left out, two equal answers",
        "rows_with_ends_deleted": "end tokens deleted from {}",
        "blocks": "packed into {} blocks",
    }
    others = [text.format(counts[key]) for key, text in words.items() if counts.get(key)]
    return "; ".join([f"training on {counts['rows_trained']} of {counts['rows_in']} rows", *others])


def as_read(row: dict, tokenizer) -> str:
    """A tokenised row (of either kind) as text, the tokens with the loss between ⟦ and ⟧.

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
    """The text, without its middle where it is long."""
    if len(text) <= SHOWN:
        return text
    half = SHOWN // 2
    return f"{text[:half]} … {len(text) - 2 * half:,} characters … {text[-half:]}"
