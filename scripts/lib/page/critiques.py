"""The critiques of each entry, with the responses that they judge.

critiques/<entry>  one entry per critique, in the file's order
"""

from scripts.lib.page.packing import Parts
from scripts.lib.page.results import Results

ROWS = 2000  # the page shows at most this many rows of an entry, and says so
SHOWN = (
    *("id", "question_id", "question", "answer", "solution", "response", "extracted", "correct", "finished"),
    *("critique", "verdict", "first_wrong_step", "error", "tokens"),
)


def add(parts: Parts, results: Results) -> dict[str, dict]:
    """Packs the critiques; returns the facts of each entry that has rows."""
    facts = {}
    for slug, entry in results.study["critiques"].items():
        rows = list(results.rows("critiques", f"{slug}.jsonl"))
        if rows:
            parts.add(f"critiques/{slug}", [_shown(row) for row in rows[:ROWS]])
            summary = results.json("critiques", f"{slug}.json")
            facts[slug] = {"responses": entry["responses"], "teacher": entry["teacher"], "summary": summary}
            facts[slug] |= {"rows": len(rows), "shown": min(len(rows), ROWS)}
            facts[slug]["dataset"] = results.study["responses"][entry["responses"]]["dataset"]
    return facts


def _shown(row: dict) -> dict:
    """A row's fields, plus the text of the first wrong step if the critique names one."""
    from scripts.lib.teachers.verifier import split_steps

    made = {key: row[key] for key in SHOWN if row.get(key) is not None}
    step = row.get("response") and row.get("first_wrong_step")
    steps = split_steps(row["response"]) if step else []
    return made | ({"wrong_step": steps[step - 1]} if step and step <= len(steps) else {})
