"""The exact text that each checkpoint was sent for each question.

prompts/<benchmark>  `of`: checkpoint to form; `forms`: the prompt with the question left open, and, under `own`,
                     the whole prompt of each question that does not fit the form
"""

from collections.abc import Sequence
from pathlib import Path

from scripts.lib.generation import prompts
from scripts.lib.jsonl import BadInput
from scripts.lib.page.packing import Parts
from scripts.lib.page.results import Results
from scripts.lib.page.tokens import Reader
from scripts.lib.study import runs
from scripts.lib.study.contents import located
from scripts.lib.study.files import GENERATED

SHOWN = ("question", "system", "hint", "response", "choices")  # fields of a question that a prompt may use
HOLE = "\x00"


def add(parts: Parts, results: Results) -> None:
    """Packs the prompts of every benchmark that sends one prompt per question."""
    for benchmark, entry in results.study["benchmarks"].items():
        questions = list(results.rows("benchmarks", f"{benchmark}.jsonl"))
        asked = [name for name in results.checkpoints if benchmark in results.scores[name]]
        if not (entry["kind"] in GENERATED and questions and asked):
            continue
        forms: dict[str, dict] = {}
        of = {}
        for checkpoint in asked:
            source = chat_source(results, checkpoint, entry.get("template"))
            key = "\n".join(map(str, source))
            if key not in forms:
                forms[key] = form(questions, entry["prompt"], *source)
            of[checkpoint] = list(forms).index(key)
        parts.add(f"prompts/{benchmark}", {"of": of, "forms": list(forms.values())})


def chat_source(results: Results, checkpoint: str, template: str | None) -> tuple[Path, Path | None]:
    """The model folder and the chat template file that render a checkpoint's prompts."""
    seeds = results.study["seeds"].get(checkpoint)
    model, own = runs.tokenizer_behind(results.study.resolved, seeds[0] if seeds else checkpoint)
    named = template or own
    return results.path("models", model), located(named) if named else None


def form(questions: Sequence[dict], prompt: str, folder: Path, template: Path | None) -> dict:
    """The prompts of all questions: the common form, and the prompts that differ from it."""
    try:
        texts = [prompt_text(row, prompt, folder, template) for row in questions]
    except BadInput as error:
        return {"error": str(error)}
    common = texts[0].replace(questions[0]["question"].strip(), HOLE)
    own = {
        str(place): text
        for place, (row, text) in enumerate(zip(questions, texts))
        if common.replace(HOLE, row["question"].strip()) != text
    }
    return {"text": common, "own": own}


_readers: dict[tuple[Path, Path | None], Reader] = {}


def prompt_text(row: dict, prompt: str, folder: Path, template: Path | None) -> str:
    """The messages as the chat template renders them; without a tokenizer, role by role."""
    shown = {key: row[key] for key in SHOWN if key in row}
    messages = prompts.render(located(prompt), **shown)
    if not Reader.there(folder):
        return "\n\n".join(f"{message['role']}:\n{message['content']}" for message in messages)
    if (folder, template) not in _readers:
        _readers[folder, template] = Reader(folder, template)
    return _readers[folder, template].prompt(messages)
