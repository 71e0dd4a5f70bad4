"""A quick look says how many of the questions its number stands on."""

import json
from pathlib import Path
from types import SimpleNamespace

from scripts.lib.console.outcome import outcome
from scripts.lib.jsonl import write_json, write_rows
from scripts.lib.page.finished import said
from scripts.lib.study import first
from scripts.lib.study.files import Files
from scripts.lib.study.settings import Study

SCORE = "results/mine/first20/scores/cft/sums.json"
TOLD = [
    "cft, few: no verdict (the first 3 of 3 questions)",
    "cft, gcd: 45.0 ± 11.1 (the first 20 of 400 questions)",
    "cft, talk: 6.2 (the first 20 questions)",
]


def files(folder: Path) -> None:
    results = folder / "results" / "mine"
    for name, rows in (("gcd", 400), ("few", 3)):
        write_rows(results / "benchmarks" / f"{name}.jsonl", ({"id": str(number)} for number in range(rows)))
        write_rows(results / f"first20/benchmarks/{name}.jsonl", ({"id": str(n)} for n in range(min(20, rows))))
    write_rows(results / "first20/benchmarks/talk.jsonl", ({"id": str(number)} for number in range(20)))
    gcd = {"accuracy": 0.45, "standard_error": 0.1112}
    scores = {"gcd": gcd, "few": {"accuracy": None}, "talk": {"accuracy": 0.62, "out_of": 10}}
    write_json(folder / SCORE, {"benchmarks": scores})


def test_number_is_told_with_its_questions_after_the_job_and_at_the_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path)
    assert first.scores(SCORE) == TOLD
    assert outcome("score_first", [SCORE, SCORE + "l"]) == "; ".join(line.removeprefix("cft, ") for line in TOLD)
    study = Files({"study": "mine", "tables": {}, "figures": {}, "targets": {}})
    assert said(study, [SCORE], quiet=True) == "\n" + "\n".join(TOLD) + "\n"
    assert first.scores("results/mine/scores/cft/sums.json") == []
    assert said(study, ["results/mine/scores/cft/sums.json"]) == ""


def test_limit_of_a_task_of_lm_eval_is_only_lowered() -> None:
    study = Study({"study": "mine"}, {})
    limits = [study.with_limit(json.dumps({"task": "arc", "limit": limit}), "20") for limit in (None, 5, 100)]
    assert [json.loads(text) for text in limits] == [{"task": "arc", "limit": limit} for limit in (20, 5, 20)]


def test_files_of_a_quick_look_lie_in_a_folder_of_their_own() -> None:
    found = first.inputs(lambda wildcards: ["<results>/benchmarks/gcd.jsonl"])(SimpleNamespace(limit="20"))
    assert found == ["<results>/first20/benchmarks/gcd.jsonl"]
