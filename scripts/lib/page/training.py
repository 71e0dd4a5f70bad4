"""The training data of runs, and how their training went.

train/<run>  the rows as the model reads them
"""

from collections.abc import Mapping

from scripts.lib.jsonl import BadInput
from scripts.lib.page.packing import Parts
from scripts.lib.page.results import Results
from scripts.lib.page.tokens import Reader
from scripts.lib.study import runs
from scripts.lib.study.contents import located

ROWS = 1000  # the page shows at most this many rows of a training set, and says so
SIDES = ("completion", "chosen", "rejected")
BEHIND = ("critiques", "refinements")  # sections whose entries contain critiques


def add(parts: Parts, results: Results) -> dict[str, dict]:
    """Packs the training rows; returns the facts of each run, with `rows` (in the file) and `shown` if it has rows."""
    readers: dict[tuple, Reader | None] = {}
    facts = {}
    for run, entry in results.study["runs"].items():
        fact = {"method": entry["method"], "start": entry["start"], "recipe": entry["hyperparameters"]}
        fact |= {"training": results.trainings.get(run), "set": results.json("train_sets", f"{run}.json")}
        fact["curve"] = results.json("checkpoints", run, "validation.json")
        fact["critiques"] = critiques_of(results, entry)
        rows = list(results.rows("train_sets", f"{run}.jsonl"))
        if rows:
            key = runs.tokenizer_behind(results.study.resolved, run)
            if key not in readers:
                readers[key] = reader_of(results, *key)
            recipe = entry["hyperparameters"]
            parts.add(f"train/{run}", [shown(row, readers[key], recipe) for row in rows[:ROWS]])
            fact |= {"rows": len(rows), "shown": min(len(rows), ROWS), "tokens_known": readers[key] is not None}
        facts[run] = fact
    return facts


def critiques_of(results: Results, run: Mapping) -> list[str]:
    """The critique entries that a run's rows show; CGD controls that hide the critique's text are excluded."""
    parts = [part for part in runs.parts(run) if part.get("critique_shown") not in ("none", "other")]
    named = [(section, slug) for part in parts for _, section, slug in runs.sources(part)]
    refined = {slug: entry["critiques"] for slug, entry in results.study["refinements"].items()}
    behind = [refined[slug] if section == "refinements" else slug for section, slug in named if section in BEHIND]
    return list(dict.fromkeys(behind))


def reader_of(results: Results, model: str, template: str | None) -> Reader | None:
    """The tokenizer of a model's folder, None if it is missing or has no chat template."""
    folder = results.path("models", model)
    if not Reader.there(folder):
        return None
    reader = Reader(folder, located(template) if template else None)
    return reader if reader.source else None


def shown(row: Mapping, reader: Reader | None, recipe: Mapping) -> dict:
    """One row: its prompt, and each answer with its token lengths; `dropped` says why training drops it.

    Args:
        row: a row of the training set.
        reader: the start model's tokenizer, None if it is missing.
        recipe: max_tokens, end_inside, loss_on and packing (scripts/lib/training/rows.py).
    """
    try:
        return plain(row) if reader is None else as_read(row, reader, recipe)
    except BadInput as error:
        return {**plain(row), "dropped": str(error)}


def plain(row: Mapping) -> dict:
    """One row, role by role, without token boundaries."""
    prompt = "\n\n".join(f"{message['role']}:\n{message['content']}" for message in row["messages"])
    return {"id": row["id"], "prompt": prompt, "sides": {side: {"text": row[side]} for side in SIDES if side in row}}


def as_read(row: Mapping, reader: Reader, recipe: Mapping) -> dict:
    """One row with its token boundaries."""
    texts = {side: row[side] for side in SIDES if side in row}
    messages = row["messages"]
    if recipe.get("end_inside") == "delete":
        texts = {side: text.replace(reader.end, "") for side, text in texts.items()}
        messages = [{**message, "content": message["content"].replace(reader.end, "")} for message in messages]
    if recipe.get("loss_on") == "all":
        said = {"role": "assistant", "content": texts["completion"]}
        whole = reader.rendered([*messages, said], False)
        sides = {"whole row": {"text": whole, "cuts": reader.cuts(whole)}}
        made = {"id": row["id"], "prompt": "", "prompt_tokens": 0, "end": "", "sides": sides}
    else:
        prompt = reader.prompt(messages)
        sides = {side: {"text": text, "cuts": reader.cuts(text)} for side, text in texts.items()}
        made = {"id": row["id"], "prompt": prompt, "prompt_tokens": reader.count(prompt), "end": reader.end}
        made["sides"] = sides
    reason = dropped(made, texts, reader, recipe)
    return made | ({"dropped": reason} if reason else {})


def dropped(made: Mapping, texts: Mapping[str, str], reader: Reader, recipe: Mapping) -> str | None:
    """Why training drops a row, or None."""
    if any(reader.holds_end(text) for text in texts.values()):
        return "the end token inside an answer"
    if len(texts) == 2 and len(set(texts.values())) == 1:
        return "two equal answers"
    ends = 1 if made["end"] else 0
    tokens = made["prompt_tokens"] + max(len(side["cuts"]) + ends for side in made["sides"].values())
    limit = None if recipe.get("packing") else recipe.get("max_tokens")
    return f"too long: {tokens:,} tokens, max_tokens is {limit:,}" if limit and tokens > limit else None
