"""What costly programs write of a small fixed input: it may change only together with their VERSION."""

import hashlib
import json
from pathlib import Path

import pytest

from scripts import build_train_set, critique_responses, grade_responses, prepare_dataset, sample_responses
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import read_json, write_rows
from scripts.lib.study.settings import program_versions

GOLDEN = Path(__file__).with_name("golden.json")
PROMPT = "{% block user %}{{ question }}{% if critique is defined %} {{ response }}{% endif %}{% endblock %}"
TASKS = {"chain_sum": {"min_terms": 2, "max_terms": 3}, "simple_equations": {"min_terms": 2, "max_terms": 2}}
ANSWERS = ["The answer is 3.", r"So \boxed{4}.", "2 + 2 = 5, so the answer is 5.", "I do not know.", "x = 4"]
RESPONSES = [
    {
        **{"id": f"q{number}#0", "question_id": f"q{number}", "question": "What is 2 + 2?", "answer": "4"},
        **{"sample": 0, "solution": "2 + 2 = 4. The answer is 4.", "response": answer, "tokens": 9, "finished": True},
    }
    for number, answer in enumerate(ANSWERS)
]


def run(program, out: str, settings: dict | None, **options: object) -> bytes:
    """Runs a program in the working folder and returns what it wrote to the file of its option `out`."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    given = ["--settings", json.dumps(settings)] if settings is not None else []
    assert program.main(program.parse_args([*given, *words])) == 0
    return Path(str(options[out])).read_bytes()


def prepared() -> bytes:
    settings = {"source": "reasoning-gym", "tasks": TASKS, "rows": 12, "seed": 7, "exclude": []}
    return run(prepare_dataset, "rows", settings, rows="questions.jsonl", summary="questions.json")


def graded() -> bytes:
    write_rows("responses.jsonl", RESPONSES)
    files = {"responses": "responses.jsonl", "graded": "graded.jsonl", "summary": "graded.json", "workers": 1}
    return run(grade_responses, "graded", None, **files)


def critiqued() -> bytes:
    graded()
    settings = {"teacher": {"kind": "verifier", "style": "brief"}, "rows": None}
    files = {"graded": "graded.jsonl", "critiques": "critiques.jsonl", "summary": "critiques.json"}
    return run(critique_responses, "critiques", settings, limits=json.dumps({"max_errors": 1.0}), **files)


def chosen() -> bytes:
    critiqued()
    part = {"method": "cft", "kind": "critiques", "keep": "all", "weight": 1, "files": 1, "prompt": "ask.j2"}
    settings = {"run": "cft", "seed": 3, "rows": 3, "when_short": "fail", "slack": 0.0, "parts": [part]}
    files = {"data": "critiques.jsonl", "train_set": "train.jsonl", "summary": "train.json"}
    return run(build_train_set, "train_set", settings, **files)


def sampled(model: Path) -> bytes:
    prepared()
    settings = {
        **{"engine": {"kind": "transformers", "dtype": "float32", "chunk_rows": 8}, "prompt": "ask.j2"},
        **{"template": None, "samples": 1, "temperature": 0.0, "top_p": 1.0, "max_tokens": 12, "seed": 1, "rows": None},
        **{"stop": [], "stop_ids": []},
    }
    files = {"dataset": "questions.jsonl", "model": model, "state": "state", "responses": "sampled.jsonl"}
    return run(sample_responses, "responses", settings, shard=0, shards=1, **files)


PROGRAMS = {
    "prepare_dataset": prepared,
    "grade_responses": graded,
    "critique_responses": critiqued,
    "build_train_set": chosen,
    "sample_responses": sampled,
}


def digest_of(program: str, model_folder: Path) -> str:
    """The digest of what a program writes."""
    write = PROGRAMS[program]
    return hashlib.sha256(write(model_folder) if write is sampled else write()).hexdigest()[:16]


@pytest.mark.parametrize("program", PROGRAMS)
def test_output_changes_only_with_the_version(program: str, model_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ask.j2").write_text(PROMPT, encoding="utf-8")
    versions = program_versions(ROOT / "scripts")
    # What a program hands to the grader counts with the grader's version.
    version = [versions[program], versions["grader"]] if program != "prepare_dataset" else [versions[program]]
    now = {"version": version, "digest": digest_of(program, model_folder)}
    golden = read_json(GOLDEN).get(program)
    if golden != now:
        raised = golden is not None and golden["version"] != now["version"]
        advice = "its VERSION was raised" if raised else "raise its VERSION, where the change is meant"
        pytest.fail(f"{program} writes other bytes than tests/unit/golden.json says: {advice}, and put {now} there")
