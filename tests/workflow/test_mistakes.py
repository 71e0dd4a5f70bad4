"""Mistakes as people make them: each ends in one line that says what is wrong, where, and the way out.

Those that a job or a machine makes are tested with what they belong to: a missing API key (tests/unit/test_teachers.py)
and an endpoint that does not answer (test_teacher_endpoints.py), columns that a data set does not have
(test_hub_layouts.py, test_grade_file.py), torch without a GPU and a model too large for one (test_cards.py), a full or
read-only disk (test_jsonl.py), a folder in which another snakemake works, and Ctrl-C (test_console.py).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import front, grade_file, show
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput
from tests.workflow.conftest import Tree

# What a config of one's own says below `base:`, and parts of the last line that is printed.
CONFIGS = {
    "bracket that is not closed": (
        "runs:\n  a: {extends: cft\n  b: 3",
        ["my.yaml: not YAML, line 4, column 4", "bracket"],
    ),
    "key that is misspelt": ("runs: {a: {extends: cft, sed: 3}}", ["my.yaml: runs.a.sed", "Did you mean seed?"]),
    "start that is misspelt": ("runs: {a: {extends: cft, start: smolm2-135m}}", ["runs.a.start", "mean smollm2-135m?"]),
    "entry to extend that is misspelt": ("runs: {a: {extends: cff}}", ["runs.a.extends = 'cff'", "Did you mean cft?"]),
    "text for a number": (
        "runs: {a: {extends: cft, seed: three}}",
        ["runs.a.seed = 'three': text, but it must be a whole number."],
    ),
    "number out of range": ("runs: {a: {extends: cft, overrides: {epochs: 0}}}", ["overrides.epochs = 0", "above 0"]),
    "section that is misspelt": ("modles: {}", ["my.yaml: modles", "Did you mean models?"]),
    "entry that lacks keys": (
        "models: {m: {source: folder}}",
        ["my.yaml: models.m", "path, family are missing. Add them"],
    ),
    "source that is misspelt": ("models: {m: {source: foldr}}", ["models.m.source = 'foldr'", "Did you mean folder?"]),
    "prompt that is not there": (
        "runs: {a: {extends: cft, prompt: no.j2}}",
        ["runs.a.prompt", "no such file", "Correct"],
    ),
    "key that stands twice": ("runs:\n  a: {extends: cft}\n  a: {extends: sft}", ["my.yaml: line 4: a occurs twice"]),
    "suite that is misspelt": (
        "tables: {t: {title: T, suites: [arithmetc], rows: [{name: A, of: cft}]}}",
        ["tables.t.suites[0] = 'arithmetc'", "Did you mean arithmetic?"],
    ),
    "row of a checkpoint that is not there": (
        "tables: {t: {title: T, suites: [arithmetic], rows: [{name: A, of: cff}]}}",
        ["tables.t.rows[0].of = 'cff'", "Did you mean cft?"],
    ),
    "tab": ("runs:\n\ta: {extends: cft}", ["my.yaml: not YAML, line 3, column 1", "'\\t'", "indentation"]),
    "colon in a text": ("runs:\n  a: {extends: cft, prompt: a: b}", ["not YAML, line 3, column 30", "a colon"]),
    "key at another depth": (
        "runs:\n  a:\n    extends: cft\n   seed: 3",
        ["not YAML, line 5, column 4", "indentation"],
    ),
    "entry that is empty": (
        "runs:\n  a:",
        ["my.yaml: runs.a: it is empty, but it must be a mapping. Indent what belongs"],
    ),
    "section that is empty": ("runs:", ["my.yaml: runs: it is empty, but it must be a mapping", "or remove it"]),
    "section that is a list": (
        "runs: [{extends: cft}]",
        ["my.yaml: runs: a list, but it must be a mapping", "Write it so"],
    ),
    "name in capitals": (
        "runs: {CFT: {extends: cft}}",
        ["runs.CFT", "only those, dots and hyphens. Rename it"],
    ),
    "table with a hyphen": (
        "tables: {my-table: {title: T, suites: [arithmetic], rows: [{name: A, of: cft}]}}",
        ["tables.my-table", "digits and underscores. Rename it"],
    ),
    "method that is misspelt": (
        "runs: {a: {extends: cft, method: ctf}}",
        ["runs.a.method = 'ctf'", "Did you mean cft?"],
    ),
    "yes for a mapping": (
        "runs: {a: {extends: cft, overrides: {lora: yes}}}",
        ["runs.a.overrides.lora = True: true or false, but it must be a mapping or null."],
    ),
    "rate that is no number": (
        "runs: {a: {extends: cft, overrides: {learning_rate: 1e-4x}}}",
        ["runs.a.overrides.learning_rate = '1e-4x': text, but it must be a number."],
    ),
    "date for a number": ("runs: {a: {extends: cft, seed: 2026-05-01}}", ["seed = ", "a date, but it must be a whole"]),
    "run that is misspelt": ("runs: {stf: {seed: 3}}", ["runs.stf", "are missing", "Did you mean sft?"]),
    "teacher that is misspelt": (
        "critiques: {c: {extends: arithmetic-verifier, teacher: verifer}}",
        ["critiques.c.teacher = 'verifer'", "Did you mean verifier?"],
    ),
    "file of rows that is not there": (
        "datasets: {d: {source: jsonl, path: nope.jsonl, rows: 3}}",
        ["datasets.d.path", "there is no such file. Correct the path"],
    ),
    "override that is misspelt": (
        "runs: {a: {extends: cft, overrides: {lerning_rate: 1}}}",
        ["runs.a.overrides.lerning_rate", "Did you mean learning_rate?"],
    ),
}


def last_line(argv: list[str], capsys: pytest.CaptureFixture) -> str:
    """The last line of a short command that fails."""
    assert front.told_plainly(front.parse_args(argv)) == 1
    return capsys.readouterr().err.rstrip().splitlines()[-1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, from which the short commands are called."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("REDPEN_CALLED_FROM", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", CONFIGS)
def test_mistake_in_a_config_is_one_line(name: str, folder: Path, capsys) -> None:
    text, parts = CONFIGS[name]
    (folder / "my.yaml").write_text(f"base: {ROOT}/config.yaml\n{text}\n", encoding="utf-8")
    said = last_line(["check", "my.yaml"], capsys)
    assert all(part in said for part in parts), said


@pytest.mark.parametrize(
    ("argv", "parts"),
    [
        (["make", "cft_table2", "-c", "none.yaml"], ["none.yaml: there is no such file", "Correct the path"]),
        (["make", "cft_table2", "--set", "runs.sft.seed"], ["--set runs.sft.seed: write KEY=VALUE"]),
        (["check", "."], ["a folder, not a config", "Name the YAML file in it"]),
        (["make", "cft_table2", "-c", "bytes.yaml"], ["bytes.yaml: not UTF-8 text (byte 7)", "save it as UTF-8"]),
        (["make", "cft_table2", "-c", "slip.yaml"], ["slip.yaml: not YAML, line 2, column 1", "Correct the line"]),
        (["eval", "."], ["no config.json", "Name a folder that save_pretrained wrote"]),
        (["eval", "modle"], ["modle: there is no such folder", "Name a model folder"]),
    ],
    ids=[
        *("config that is not there", "value that is forgotten", "folder as a config", "config that is no text"),
        *("slip of YAML", "folder without a model", "folder that is misspelt"),
    ],
)
def test_mistake_in_a_call_is_one_line(argv: list[str], parts: list[str], folder: Path, capsys) -> None:
    (folder / "bytes.yaml").write_bytes(b"study: \xff")
    (folder / "slip.yaml").write_text("runs: {a: {extends: cft\n")
    said = last_line(argv, capsys)
    assert all(part in said for part in parts), said


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["mkae", "cft_table2"], "Did you mean make?"),
        (["cft_table2"], "Is it a target? redpen make cft_table2"),
        (["make"], "redpen make: the following arguments are required: TARGET. Name one: redpen lists them."),
        (["make", "cft_table2", "--sett", "a=b"], "redpen: unrecognized arguments: --sett a=b. Did you mean --set?"),
        (["check"], "redpen check: the following arguments are required: FILE. See redpen check --help."),
        (["eval", "x", "--limit", "ten"], "argument --limit: invalid int value: 'ten'. See redpen eval --help."),
    ],
    ids=[
        *("command that is misspelt", "make that is forgotten", "target that is forgotten", "option that is misspelt"),
        *("file that is forgotten", "text for a number"),
    ],
)
def test_mistake_in_the_words_of_a_call_ends_with_the_way_out(argv: list[str], expected: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        front.parse_args(argv)
    said = capsys.readouterr().err.rstrip().splitlines()[-1]
    assert ended.value.code == 2 and said.endswith(expected), said


def test_short_commands_without_their_packages_say_how_to_install_them(tmp_path: Path) -> None:
    """Before `make`: no .venv, and a Python that has no packages."""
    shutil.copy(ROOT / "redpen", tmp_path)
    environment = {name: value for name, value in os.environ.items() if name != "REDPEN_PYTHON_LAPTOP"}

    def said(**more: str) -> str:
        command = [sys.executable, "-S", str(tmp_path / "redpen")]
        done = subprocess.run(command, env={**environment, **more}, cwd="/", capture_output=True, text=True)
        assert done.returncode == 1
        return done.stderr.rstrip().splitlines()[-1]

    assert said() == f"redpen: its packages are not installed in {tmp_path}. Install them first: make install"
    assert said(REDPEN_PYTHON_LAPTOP="/no/python") == (
        "redpen: REDPEN_PYTHON_LAPTOP = /no/python: no interpreter. Correct it."
    )


def test_short_commands_in_an_old_python_say_which_is_needed() -> None:
    old = f"import runpy, sys; sys.version_info = (3, 9); runpy.run_path({str(ROOT / 'redpen')!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "redpen: Python 3.11 or newer is needed.\n"


def test_suite_that_is_not_there_is_one_line(folder: Path, capsys) -> None:
    (folder / "config.json").write_text('{"model_type": "llama"}')
    assert "--suite arithmetc: name a suite of the study (arithmetic, tuning). Did you mean arithmetic?" in last_line(
        ["eval", ".", "--suite", "arithmetc"], capsys
    )


def test_answers_that_would_be_overwritten_and_a_column_that_is_misspelt_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"answer": "1", "prediction": "1"}) + "\n")
    with pytest.raises(BadInput, match="the output would overwrite the input. Name another file"):
        grade_file.main(grade_file.parse_args([str(file), str(file)]))
    with pytest.raises(BadInput, match="no row has the column 'gold'.*Name it with --gold-field"):
        grade_file.main(grade_file.parse_args([str(file), str(tmp_path / "out.jsonl")]))


def test_answers_of_a_run_that_has_none_are_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no study has been made here yet. Make one first"):
        show.main(show.parse_args(["cft"]))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cft_tabel2"], "cft_tabel2: there is no such target in the study laptop. Did you mean cft_table2?"),
        (["cft_table5_dataset_source"], "snakemake --configfile config/cft.yaml -- cft_table5_dataset_source"),
        (["config/scale/tiny.yaml"], "snakemake --configfile config/scale/tiny.yaml -- all_tables"),
    ],
    ids=["misspelt", "of another config", "a config"],
)
def test_wrong_target_is_the_last_line(project: Tree, arguments: list[str], expected: str) -> None:
    said = project.make("-n", "--", *arguments, status=1).rstrip().splitlines()
    assert expected in said[-1], said


def test_entry_that_is_misspelt_on_the_command_line_says_which_is_meant(project: Tree) -> None:
    said = project.make("-n", "--config", 'runs={"stf": {"seed": 3}}', "--", "cft_table2", status=1).rstrip()
    assert said.splitlines()[-1].startswith("  - command line: runs.stf: "), said
    assert said.endswith("are missing. Add them (docs/config.md). Did you mean sft?"), said


def test_wrong_target_of_a_plan_is_named_too(project: Tree) -> None:
    said = project.make("--config", "plan={targets: [cft_tabel2]}", "--", "plan", status=1).rstrip().splitlines()
    assert "there is no such target in the study laptop. Did you mean cft_table2?" in said[-1], said


def test_job_that_fails_is_the_last_line_with_its_cause_and_its_log(project: Tree, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(
        f"base: {project.folder}/config.yaml\nmodels: {{mine: {{source: folder, path: /nowhere, family: llama}}}}\n"
    )
    target = "results/laptop/models/mine"
    said = project.make("--configfile", str(tmp_path / "my.yaml"), "--", target, status=1).rstrip().splitlines()
    assert said[-1].startswith("fetch_model mine failed: /nowhere: there is no such model folder."), said
    assert "(log: logs/laptop/fetch_model/mine.log)" in said[-1] and said[-1].endswith(f"/my.yaml -- {target}"), said
