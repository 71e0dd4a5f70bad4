"""A suite of every kind of benchmark through Snakemake, offline: tiny model, local lm-eval task, loopback judge."""

import shutil
from pathlib import Path

import pytest
import yaml

from scripts.lib.jsonl import read_json, read_rows, write_rows
from tests.fault_server import FaultServer
from tests.project import Project, copied
from tests.teacher_desk import KEY

STUDY = """
study: mixed
engine: cpu
engines: {cpu: {kind: transformers, dtype: float32}}
models: {base: {source: folder, path: base, family: llama}}
benchmarks:
  sums:
    kind: math
    prompt: prompts/answer.j2
    max_tokens: 8
    questions: {source: reasoning-gym, tasks: {chain_sum: {}}, rows: 4, seed: 2}
  follow.strict:
    kind: ifeval
    metric: instruction-strict
    prompt: prompts/answer.j2
    max_tokens: 8
    questions:
      source: jsonl
      path: follow.jsonl
      fields: {id: id, question: question, instruction_id_list: list, kwargs: kwargs}
  follow.loose: {extends: follow.strict, metric: prompt-loose}
  local: {kind: harness, task: local_choice, task_path: tasks, metric: acc, shots: 1, dtype: float32}
  talk:
    kind: judge
    teacher: rater
    prompt: prompts/answer.j2
    max_tokens: 8
    questions: {source: jsonl, path: talk.jsonl, fields: {id: id, question: question, turns: turns}}
suites: {everything: [sums, follow.strict, follow.loose, local, talk]}
tables: {mixed_table: {title: Mixed, suites: [everything], rows: [{name: Base, of: base}]}}
"""
TASK = {
    "task": "local_choice",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "tasks/test.jsonl"}},
    "output_type": "multiple_choice",
    "test_split": "test",
    "fewshot_split": "test",
    "doc_to_text": "{{question}}",
    "doc_to_choice": ["yes", "no"],
    "doc_to_target": 0,
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    "metadata": {"version": 1.0},
}


class Mixed(Project):
    """The study in a copy of the project; its judge is a server."""

    study = "mixed"
    options = ("--cores", "2")

    def make_table(self, server: FaultServer) -> str:
        """Makes the table and returns what Snakemake printed."""
        rater = {"kind": "openai", "model": "m-1", "base_url": server.url, "api_key_env": "REDPEN_TEST_KEY"}
        study = {**yaml.safe_load(STUDY), "teachers": {"rater": rater}}
        (self.folder / "config.yaml").write_text(yaml.safe_dump(study))
        return self.make("--", "mixed_table")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, punkt: Path) -> Mixed:
    folder = copied(tmp_path_factory.mktemp("mixed") / "tree")
    shutil.copytree(model_folder, folder / "base")
    write_rows(folder / "tasks" / "test.jsonl", [{"question": f"Is {n} a number?"} for n in range(4)])
    (folder / "tasks" / "local.yaml").write_text(yaml.safe_dump(TASK))
    instruction = {"list": ["punctuation:no_comma"], "kwargs": [{}]}
    write_rows(folder / "follow.jsonl", [{"id": "a", "question": "No commas.", **instruction}])
    write_rows(folder / "talk.jsonl", [{"id": "q", "question": "Hi?", "turns": ["Hi?", "Again."]}])
    return Mixed(folder, NLTK_DATA=str(punkt), REDPEN_TEST_KEY=KEY)


@pytest.mark.slow("runs a job of every kind, each in a Python of its own")
def test_table_merges_every_kind(mixed: Mixed) -> None:
    with FaultServer(answer=lambda text: ("Rating: [[7]]", "stop")) as server:
        mixed.make_table(server)
        assert len(server.delivered) == 2
        assert "Nothing to be done" in mixed.make_table(server)
    results = mixed.results
    cells = {cell["column"]: cell for cell in read_json(results / "tables" / "mixed_table.json")}
    # A loose check tries more than a strict one; both read the same answers.
    follow = read_json(results / "scores" / "base" / "everything.json")["benchmarks"]
    for name, metric in (("follow.strict", "instruction_strict"), ("follow.loose", "prompt_loose")):
        assert cells[name]["value"] == pytest.approx(100 * follow[name][metric])
    local = read_rows(results / "scores" / "base" / "local.jsonl")
    assert cells["local"]["value"] == pytest.approx(100 * sum(row["correct"] for row in local) / 4)
    assert cells["talk"]["value"] == pytest.approx(7.0) and cells["talk"]["n"] == 1
    assert cells["Average"]["value"] is None, "ratings and percentages have no average"
    text = (results / "tables" / "mixed_table.md").read_text()
    assert "talk is a mean rating out of 10" in text and "7.00 ± 0.00" in text
    generated = {row["benchmark"] for row in read_rows(results / "generations" / "base" / "everything.jsonl")}
    assert generated == {"sums", "follow.strict", "follow.loose"}
    chunks = (mixed.state / "generate" / "base" / "everything" / "chunks.jsonl").read_text()
    assert len(chunks.splitlines()) == 2, "the two IFEval benchmarks ask the same: they are generated once"
