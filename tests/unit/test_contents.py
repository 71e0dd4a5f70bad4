"""A file that a config names: an edit changes the settings of exactly the jobs that read it."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.generation import prompts
from scripts.lib.jsonl import read_json
from scripts.lib.study import contents
from scripts.lib.study.contents import Contents
from scripts.lib.study.settings import Study, program_versions

# Entries that read files of each kind, beside the small study's.
MORE = """
models: {own: {source: folder, path: own, family: llama}}
datasets: {file: {source: jsonl, path: rows.jsonl, fields: {question: q, answer: a}}}
responses: {other: {dataset: file, model: own, prompt: other.j2, template: chat.jinja, samples: 1}}
teachers: {api: {kind: openai, model: m, critique_prompt: judge.j2, answer_prompt: answer.j2, price: null}}
critiques: {by-api: {responses: other, teacher: api}}
answers: {by-api: {dataset: file, teacher: api}}
runs:
  other: {method: sft, start: own, recipe: short, prompt: other.j2, template: chat.jinja, data: {responses: other}}
"""
FILES = {
    "rows.jsonl": '{"q": "1 + 1?", "a": "2"}\n',
    "chat.jinja": "{{ messages }}",
    **{name: "{% block user %}{{ question }}{% endblock %}" for name in ("other.j2", "judge.j2", "answer.j2")},
    "own/config.json": "{}",
}
JOBS = {
    **{f"model {name}": ("model_settings", {"model": name}) for name in ("base", "own")},
    **{f"dataset {name}": ("dataset_settings", {"dataset": name}) for name in ("sums", "file")},
    **{f"sample {name}": ("sampling_settings", {"responses": name}) for name in ("sums-self", "other")},
    **{f"critiques {name}": ("critique_settings", {"critiques": name}) for name in ("sums-verifier", "by-api")},
    "answers": ("answer_settings", {"answers": "by-api"}),
    **{f"train set {name}": ("train_set_settings", {"run": name}) for name in ("sft", "other")},
    **{f"train {name}": ("recipe", {"run": name}) for name in ("sft", "other")},
    "generate": ("suite_settings", {"suite": "numbers"}),
}


def settings_of(study: dict) -> dict[str, str]:
    """The settings of all jobs, read anew as a new call of Snakemake reads them."""
    made = Study(study, program_versions(ROOT / "scripts"))
    return {job: getattr(made, method)(SimpleNamespace(**wildcards)) for job, (method, wildcards) in JOBS.items()}


@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        ("ask.j2", {"sample sums-self", "train set sft", "generate"}),
        ("other.j2", {"sample other", "train set other"}),
        ("chat.jinja", {"sample other", "train other"}),
        ("judge.j2", {"critiques by-api"}),
        ("answer.j2", {"answers"}),
        ("rows.jsonl", {"dataset file"}),
        ("own/config.json", {"model own"}),
    ],
)
def test_an_edited_file_changes_exactly_the_jobs_that_read_it(small, file: str, jobs: set[str]) -> None:
    Path("own").mkdir()
    Path("base").mkdir()
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    study = small.resolve(MORE)
    before = settings_of(study)
    assert settings_of(study) == before
    os.utime(file)
    assert settings_of(study) == before, "a touch is no edit"
    with Path(file).open("a", encoding="utf-8") as edited:
        edited.write(" ")
    after = settings_of(study)
    assert {job for job in before if before[job] != after[job]} == jobs


def test_what_a_prompt_includes_counts_and_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "ask.j2").write_text("{% block user %}{% include 'rules.j2' %} {{ question }}{% endblock %}")
    (tmp_path / "rules.j2").write_text("Be brief.")
    prompt = str(tmp_path / "ask.j2")
    assert prompts.render(prompt, question="1 + 1?")[0]["content"] == "Be brief. 1 + 1?"
    before = Contents(tmp_path / "memory.json").digest(prompt)
    (tmp_path / "rules.j2").write_text("Be exact.")
    assert Contents(tmp_path / "memory.json").digest(prompt) != before
    assert set(prompts.hashes([prompt])) == {prompt, str(tmp_path / "rules.j2")}


def test_a_folder_that_is_not_there_is_told_by_its_job_not_by_the_plan(tmp_path: Path) -> None:
    seen = Contents(tmp_path / "memory.json")
    assert seen.digest(str(tmp_path / "model")) == contents.MISSING


def test_a_large_file_is_hashed_once_and_again_after_an_edit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(contents, "LARGE_BYTES", 8)
    hashed: list[Path] = []
    original = contents.file_hash
    monkeypatch.setattr(contents, "file_hash", lambda file: (hashed.append(file), original(file))[1])
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model" / "weights"
    weights.write_bytes(b"0" * 100)
    digests = [Contents(tmp_path / "memory.json").digest(str(tmp_path / "model")) for _ in range(2)]
    assert hashed == [weights] and digests[0] == digests[1]
    # The same size and the same time of change: written beside and renamed, as editors and downloads do.
    status = weights.stat()
    other = tmp_path / "other"
    other.write_bytes(b"1" * 100)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(weights)
    assert Contents(tmp_path / "memory.json").digest(str(tmp_path / "model")) != digests[0]
    assert len(read_json(tmp_path / "memory.json")) == 1


@pytest.mark.parametrize(
    ("method", "wildcards"),
    [("response_grading", {"responses": "sums-self"}), ("validation_settings", {"run": "picked"})],
)
def test_rules_that_grade_track_the_graders_version(small, method: str, wildcards: dict) -> None:
    study = small.resolve("runs: {picked: {extends: sft, select: gcd}}")
    versions = program_versions(ROOT / "scripts")
    newer = {**versions, "grader": versions["grader"] + 1}
    before, after = (getattr(Study(study, each), method)(SimpleNamespace(**wildcards)) for each in (versions, newer))
    assert before != after
