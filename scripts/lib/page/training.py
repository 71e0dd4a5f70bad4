"""What runs were trained on, and how their training went.

train/<run>  the rows as the model reads them
"""

from collections.abc import Mapping

from scripts.lib.page.packing import Parts
from scripts.lib.page.results import Results
from scripts.lib.page.tokens import Reader
from scripts.lib.study import runs
from scripts.lib.study.contents import located

ROWS = 1000  # of a training set that the page shows; a longer one is shown up to here, and the page says so
SIDES = ("completion", "chosen", "rejected")


def add(parts: Parts, results: Results) -> dict[str, dict]:
    """Packs the training rows; the facts of each run, with `rows` (in the file) and `shown` where they are there."""
    readers: dict[tuple, Reader | None] = {}
    facts = {}
    for run, entry in results.study["runs"].items():
        fact = {"method": entry["method"], "start": entry["start"], "recipe": entry["hyperparameters"]}
        fact |= {"training": results.trainings.get(run), "set": results.json("train_sets", f"{run}.json")}
        fact["curve"] = results.json("checkpoints", run, "validation.json")
        named = [source for part in runs.parts(entry) for source in runs.sources(part)]
        fact["critiques"] = [slug for _, section, slug in named if section == "critiques"]
        rows = list(results.rows("train_sets", f"{run}.jsonl"))
        if rows:
            key = runs.tokenizer_behind(results.study.resolved, run)
            if key not in readers:
                readers[key] = reader_of(results, *key)
            limit = entry["hyperparameters"].get("max_tokens")
            parts.add(f"train/{run}", [shown(row, readers[key], limit) for row in rows[:ROWS]])
            fact |= {"rows": len(rows), "shown": min(len(rows), ROWS), "tokens_known": readers[key] is not None}
        facts[run] = fact
    return facts


def reader_of(results: Results, model: str, template: str | None) -> Reader | None:
    """The tokenizer of a model's folder, None where it is not there or has no chat template."""
    folder = results.path("models", model)
    if not Reader.there(folder):
        return None
    reader = Reader(folder, located(template) if template else None)
    return reader if reader.source else None


def shown(row: Mapping, reader: Reader | None, limit: int | None) -> dict:
    """One row: its prompt, and each answer with the lengths of its tokens; `long` where training leaves it out."""
    sides = {side: row[side] for side in SIDES if side in row}
    if reader is None:
        prompt = "\n\n".join(f"{message['role']}:\n{message['content']}" for message in row["messages"])
        return {"id": row["id"], "prompt": prompt, "sides": {side: {"text": text} for side, text in sides.items()}}
    prompt = reader.prompt(row["messages"])
    end = reader.special("eos_token") or ""
    made = {"id": row["id"], "prompt": prompt, "prompt_tokens": reader.count(prompt), "end": end}
    made["sides"] = {side: {"text": text, "cuts": reader.cuts(text)} for side, text in sides.items()}
    longest = max((len(side["cuts"]) + 1 for side in made["sides"].values()), default=0)
    return made | ({"long": True} if limit and made["prompt_tokens"] + longest > limit else {})
