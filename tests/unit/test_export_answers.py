"""Graded answers in the form of other tools."""

from pathlib import Path

import pytest

from scripts import export_answers
from scripts.lib.grading.scoring import VERDICTS
from scripts.lib.jsonl import BadInput, read_json, read_rows
from tests.synthetic_study import Made


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The results of a made-up study."""
    return Made(tmp_path_factory.mktemp("study")).write()


def exported(results: Path, out: Path, form: str, *which: str) -> Path:
    arguments = [*(which or ("cft", "gcd")), "--format", form, "--out", str(out), "--results", str(results)]
    assert export_answers.main(export_answers.parse_args(arguments)) == 0
    return out


def graded(results: Path) -> list[dict]:
    return [row for row in read_rows(results / "scores" / "cft" / "numbers.jsonl") if row["benchmark"] == "gcd"]


def test_lm_eval_samples_hold_question_prompt_answer_and_verdicts(results, tmp_path):
    lines = read_rows(exported(results, tmp_path / "samples_gcd.jsonl", "lm-eval"), unique="doc_id")
    rows = graded(results)
    assert len(lines) == len(rows)
    first, row = lines[0], rows[0]
    assert first["doc"]["question"] == "What is 0 + 1?" and first["target"] == "1"
    assert first["arguments"]["gen_args_0"]["arg_0"].endswith("What is 0 + 1?")
    assert first["resps"] == [[row["response"]]]
    assert [line["ours"] for line in lines] == [float(row["correct"]) for row in rows]
    assert first["metrics"] == [name.replace("-", "_") for name in VERDICTS]


def test_an_inspect_log_holds_every_answer_with_its_verdicts(results, tmp_path):
    log = read_json(exported(results, tmp_path / "log.json", "inspect"))
    rows = graded(results)
    assert [sample["scores"]["ours"]["value"] for sample in log["samples"]] == ["IC"[row["correct"]] for row in rows]
    assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] == pytest.approx(
        sum(row["correct"] for row in rows) / len(rows)
    )
    stopped = [sample["output"]["choices"][0]["stop_reason"] for sample in log["samples"]]
    assert stopped == ["stop" if row["finished"] else "max_tokens" for row in rows]


def test_inspect_reads_the_log(results, tmp_path):
    inspect_log = pytest.importorskip("inspect_ai.log", reason="inspect_ai is not installed here")
    log = inspect_log.read_eval_log(str(exported(results, tmp_path / "log.json", "inspect")))
    assert log.status == "success" and len(log.samples) == len(graded(results))


def test_answers_that_are_not_there_are_refused(results, tmp_path):
    with pytest.raises(BadInput, match=r"cft has no graded answers to aime. It has answered: base \(gcd, lcm\), "):
        exported(results, tmp_path / "x", "inspect", "cft", "aime")
