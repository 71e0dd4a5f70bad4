"""Files that a config names lie beside the config file; for one release the work folder counts too, with a warning."""

import logging
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study.contents import located
from scripts.lib.study.resolve import resolve

MINE = """
base: ../config.yaml
models: {mine: {source: folder, path: weights, family: llama}}
datasets: {mine: {source: jsonl, path: rows.jsonl, fields: {question: q, answer: a}}}
responses: {mine: {dataset: mine, model: mine, prompt: own.j2, template: own.jinja}}
benchmarks:
  mine: {kind: math, prompt: own.j2, questions: {source: jsonl, path: rows.jsonl, fields: {question: q, answer: a}}}
  task: {kind: harness, task: own, task_path: tasks, metric: acc}
teachers: {mine: {kind: openai, model: m, critique_prompt: own.j2, price: null}}
"""
ROWS = '{"q": "1 + 1?", "a": "2"}\n'
FILES = {"rows.jsonl": ROWS, "own.j2": "{% block user %}{{ question }}{% endblock %}", "own.jinja": "{{ messages }}"}


def put(folder: Path) -> None:
    """The files that MINE names, in a folder."""
    for name in ("weights", "tasks"):
        (folder / name).mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")


def named(study: dict) -> list[str]:
    """The files that the entries of MINE name."""
    mine = {
        section: study[section]["mine"] for section in ("models", "datasets", "responses", "benchmarks", "teachers")
    }
    return [
        *(mine["models"]["path"], mine["datasets"]["path"], mine["responses"]["prompt"]),
        *(mine["responses"]["template"], mine["benchmarks"]["prompt"], mine["benchmarks"]["questions"]["path"]),
        *(study["benchmarks"]["task"]["task_path"], mine["teachers"]["critique_prompt"]),
    ]


NAMES = ["weights", "rows.jsonl", "own.j2", "own.jinja", "own.j2", "rows.jsonl", "tasks", "own.j2"]


@pytest.fixture
def mine(small) -> Path:
    """A config in a subfolder, beside a small study's in the work folder."""
    small.resolve()
    Path("studies").mkdir()
    Path("studies/mine.yaml").write_text(MINE, encoding="utf-8")
    return Path("studies")


@pytest.mark.parametrize("given", ["studies/mine.yaml", "./studies/../studies/mine.yaml", None])
def test_files_lie_beside_the_config_that_names_them(mine: Path, given: str | None, caplog) -> None:
    put(mine)
    file = given or Path("studies/mine.yaml").resolve()
    assert named(resolve([file])) == [f"studies/{name}" for name in NAMES]
    assert not caplog.text


def test_entry_that_extends_one_of_another_file_keeps_that_files_place(mine: Path) -> None:
    put(mine)
    Path("more.yaml").write_text("datasets: {again: {extends: mine, rows: 1}}", encoding="utf-8")
    assert resolve(["studies/mine.yaml", "more.yaml"])["datasets"]["again"]["path"] == "studies/rows.jsonl"


def test_axis_of_a_family_names_files_beside_its_config_too(mine: Path) -> None:
    put(mine)
    family = (
        'datasets: {"d.$x": {for_each: {x: [rows]}, source: jsonl, path: $x.jsonl, fields: {question: q}},'
        ' "e.$x": {for_each: {x: {all: rows.jsonl}}, source: jsonl, path: $x, fields: {question: q}}}'
    )
    (mine / "family.yaml").write_text(f"base: ../config.yaml\n{family}", encoding="utf-8")
    datasets = resolve(["studies/family.yaml"])["datasets"]
    assert datasets["d.rows"]["path"] == datasets["e.all"]["path"] == "studies/rows.jsonl"


def test_file_in_the_work_folder_only_is_taken_with_a_warning_that_names_both_places(mine: Path, caplog) -> None:
    put(Path())
    assert named(resolve(["studies/mine.yaml"])) == NAMES
    assert len(caplog.records) == len(NAMES) and all(each.levelno == logging.WARNING for each in caplog.records)
    assert (
        "studies/mine.yaml: datasets.mine.path = 'rows.jsonl': there is no studies/rows.jsonl beside the config file, "
        "so rows.jsonl in the work folder is used. The next release will not look there: write '../rows.jsonl'"
    ) in caplog.messages


def test_file_in_both_places_is_the_configs_and_that_is_said(mine: Path, caplog) -> None:
    put(mine)
    put(Path())
    assert named(resolve(["studies/mine.yaml"])) == [f"studies/{name}" for name in NAMES]
    assert len(caplog.records) == len(NAMES)
    assert (
        "studies/mine.yaml: responses.mine.prompt = 'own.j2': using studies/own.j2, beside the config file; own.j2 "
        "in the work folder is another one. If you mean that one, write '../own.j2'"
    ) in caplog.messages


def test_one_file_under_both_names_is_no_reason_to_warn(mine: Path, caplog) -> None:
    put(mine)
    for name in {*NAMES}:
        Path(name).symlink_to(mine / name)
    assert named(resolve(["studies/mine.yaml"])) == [f"studies/{name}" for name in NAMES]
    assert not caplog.text


def test_config_of_another_folder_names_its_files_and_the_projects(mine: Path, tmp_path_factory, caplog, monkeypatch):
    put(mine)
    text = MINE.replace("critique_prompt: own.j2", "critique_prompt: prompts/teacher-critique.j2")
    (mine / "mine.yaml").write_text(text, encoding="utf-8")
    config = Path("studies/mine.yaml").resolve()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    study = resolve([config])
    *files, prompt = named(study)
    assert files == [str(config.parent / name) for name in NAMES[:-1]]
    # The name of a file of the project does not change with the place of either: no job runs again for that.
    assert prompt == "prompts/teacher-critique.j2" and located(prompt) == ROOT / prompt
    assert study["responses"]["sums-self"]["prompt"] == str(config.parent.parent / "ask.j2")
    assert not caplog.text


@pytest.mark.parametrize("config", ["config.yaml", "config/cft.yaml", "config/sweeps/laptop.yaml"])
def test_shipped_configs_keep_the_names_of_the_projects_prompts(config: str, tmp_path, monkeypatch, caplog) -> None:
    """In the project's folder and in any other: else an install in another place would make all anew."""
    monkeypatch.chdir(ROOT)
    here = resolve([ROOT / config])
    monkeypatch.chdir(tmp_path)
    assert resolve([ROOT / config]) == here and not caplog.text


def test_file_that_is_nowhere_is_looked_for_beside_the_config(mine: Path, small) -> None:
    from scripts.lib.study.resolve import ConfigError

    with pytest.raises(ConfigError) as caught:
        resolve(["studies/mine.yaml"])
    assert (
        "studies/mine.yaml: datasets.mine.path = 'studies/rows.jsonl': there is no such file. Correct the path."
    ) in caught.value.mistakes


def test_command_line_names_files_from_the_work_folder(mine: Path, caplog) -> None:
    put(mine)
    Path("other.jsonl").write_text(ROWS, encoding="utf-8")
    study = resolve(["studies/mine.yaml"], {"datasets": {"mine": {"path": "other.jsonl"}}})
    assert study["datasets"]["mine"]["path"] == "other.jsonl" and not caplog.text


def test_columns_and_other_texts_are_no_files(mine: Path) -> None:
    put(mine)
    text = MINE.replace("fields: {question: q, answer: a}", "fields: {question: rows.jsonl, solution: own.j2}")
    (mine / "mine.yaml").write_text(text, encoding="utf-8")
    fields = resolve(["studies/mine.yaml"])["datasets"]["mine"]["fields"]
    assert (fields["question"], fields["solution"]) == ("rows.jsonl", "own.j2")


def test_entries_of_two_files_that_name_two_different_files_are_no_entry_twice(mine: Path, small) -> None:
    put(mine)
    Path("rows.jsonl").write_text(ROWS * 2, encoding="utf-8")
    entry = "datasets: {mine: {source: jsonl, path: rows.jsonl, fields: {question: q, answer: a}}}"
    assert "more1.yaml: datasets.mine differs from the entry in studies/mine.yaml" in str(
        small.mistakes("include: [studies/mine.yaml]", entry)
    )
