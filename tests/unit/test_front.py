"""The short commands: what they call, and what they say of a study."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import front
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput
from scripts.lib.study.resolve import resolve


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are called, which are not run."""
    monkeypatch.chdir(ROOT)
    found: list[list[str]] = []
    monkeypatch.setattr(
        front.subprocess, "run", lambda words, **_: found.append(words) or SimpleNamespace(returncode=0)
    )
    return found


def call(*argv: str) -> int:
    return front.main(front.parse_args(list(argv)))


def test_make_calls_snakemake_and_prints_the_call(calls, capsys) -> None:
    setting = "runs.sft.overrides.learning_rate=5e-4"
    assert call("make", "cft_table2", "-c", "config/scale/tiny.yaml", "--set", setting, "--set", "runs.sft.seed=3") == 0
    runs = 'runs={"sft": {"overrides": {"learning_rate": 0.0005}, "seed": 3}}'
    options = ["--configfile", "config/scale/tiny.yaml", "--config", runs, "--", "cft_table2"]
    assert calls[0][1:] == ["-m", "snakemake", *options]
    assert (
        capsys.readouterr().err == f"+ snakemake --configfile config/scale/tiny.yaml --config '{runs}' -- cft_table2\n"
    )


def test_config_whose_aliases_expand_without_end_is_refused_before_snakemake_reads_it(calls, tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(BadInput, match=r"bomb.yaml: line \d+: its aliases .* expand to more than 200,000 values"):
        call("make", "cft_table2", "-c", str(tmp_path / "bomb.yaml"))
    assert not calls


def test_show_chat_and_clean_pass_their_arguments_on(calls) -> None:
    call("show", "cft", "--wrong", "-n", "3")
    call("chat", "cft", "--temperature", "0.7")
    call("clean")
    assert [words[2:] for words in calls] == [
        ["scripts.show", "cft", "--wrong", "-n", "3"],
        ["scripts.chat", "cft", "--temperature", "0.7"],
        ["scripts.clean_lock"],
    ]


def test_plan_names_its_targets_and_claims_has_none(calls) -> None:
    call("plan", "cft_table2")
    call("claims")
    assert calls[0][-4:] == ["--config", 'plan={"targets": ["cft_table2"]}', "--", "plan"]
    assert calls[1][-2:] == ["--", "claims"]


def test_files_are_found_from_the_folder_of_the_caller(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my.yaml").write_text("base: x")
    monkeypatch.setenv("REDPEN_CALLED_FROM", str(tmp_path))
    assert front.located("my.yaml") == str(tmp_path / "my.yaml")
    assert front.located("config/cft.yaml") == "config/cft.yaml"
    with pytest.raises(BadInput, match="none.yaml: there is no such file"):
        front.located("none.yaml")


def test_model_folder_is_scored_in_a_study_of_its_own(calls, tmp_path: Path) -> None:
    folder = tmp_path / "My Model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    call("eval", str(folder), "--limit", "7")
    values = dict(word.split("=", 1) for word in calls[0][4:-2])
    assert values["study"] == '"eval-first-7"' and calls[0][-1] == "evaluation"
    assert json.loads(values["models"]) == {"my-model": {"source": "folder", "path": str(folder), "family": "llama"}}
    study = resolve([], {key: json.loads(value) for key, value in values.items()})
    assert study["study"] == "eval-first-7" and study["tables"]["evaluation"]["suites"] == ["arithmetic"]
    assert {entry["questions"]["rows"] for entry in json.loads(values["benchmarks"]).values()} == {7}


def test_model_folder_with_the_name_of_an_entry_leaves_the_entry_alone(calls, tmp_path: Path) -> None:
    folder = tmp_path / "smollm2-135m"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    call("eval", str(folder))
    values = dict(word.split("=", 1) for word in calls[0][4:-2])
    assert list(json.loads(values["models"])) == ["smollm2-135m-folder"] and values["study"] == '"eval"'


def test_checkpoint_of_the_study_is_scored_in_the_study(calls) -> None:
    call("eval", "cft", "--limit", "20")
    call("eval", "cft", "--suite", "arithmetic")
    assert calls[0][-2:] == ["--", "results/laptop/first20/scores/cft/arithmetic.json"]
    assert calls[1][-2:] == ["--", "results/laptop/scores/cft/arithmetic.json"]
    with pytest.raises(BadInput, match="--limit 0: there are no such questions"):
        call("eval", "cft", "--limit", "0")


def test_check_says_what_a_config_holds_and_reads_one_without_a_base_with_the_laptops(tmp_path: Path, calls) -> None:
    (tmp_path / "my.yaml").write_text("runs: {mine: {extends: cft, seed: 2}}")
    said = front.checked([str(tmp_path / "my.yaml")])
    assert "no mistakes. Study laptop: " in said and "cft_table2" in said


def test_state_of_a_target_is_that_of_its_files_and_of_all_above_them(tmp_path: Path) -> None:
    file = tmp_path / "table.md"

    def job(*pending: bool):
        made = [SimpleNamespace(pending=one, outputs=(str(file),)) for one in pending]
        return SimpleNamespace(outputs=(str(file),), upstream=lambda: made)

    assert front.state_of(job(True, True)) == (front.MISSING, 2)
    file.write_text("")
    assert front.state_of(job(True, False)) == (front.OUTDATED, 1)
    assert front.state_of(job(False, False)) == (front.MADE, 0)
