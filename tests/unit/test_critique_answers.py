"""A checkpoint criticises its own answers, and the score chooses by what it says."""

import json
from pathlib import Path

import pytest

from scripts import critique_answers, score
from scripts.lib.generation import engines
from scripts.lib.generation.engines import Completion
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_rows

ASK = "{% block user %}{{ question }} Is this right: {{ response }}{% endblock %}"
ANSWERS = {"q1#0": "5", "q1#1": "4", "q2#0": "7", "q2#1": "8"}  # of q1 the second is right, of q2 the first
ENGINE = {"kind": "transformers", "dtype": "float32", "chunk_rows": 3}


class Critic:
    """Calls "4" right and anything else wrong, and counts what it is asked."""

    def __init__(self, tokenizer) -> None:
        self.tokenizer, self.asked = tokenizer, 0

    def generate(self, prompts, sampling, seed) -> list[Completion]:
        self.asked += len(prompts)
        texts = [self.tokenizer.decode(prompt) for prompt in prompts]
        return [
            Completion(f"Conclusion: {'right' if 'right: 4' in text else 'wrong'} [END]", 5, True) for text in texts
        ]


@pytest.fixture
def critic(monkeypatch: pytest.MonkeyPatch, tokenizer) -> Critic:
    """What every Generator of the test gets as its engine."""
    fake = Critic(tokenizer)
    monkeypatch.setattr(engines, "load", lambda settings, model, tokenizer: fake)
    return fake


@pytest.fixture
def files(tmp_path: Path, model_folder: Path, critic) -> dict[str, str]:
    """The files of the job, by option: two questions with two answers each."""
    golds = {"q1": "4", "q2": "7"}
    write_rows(tmp_path / "sums.jsonl", ({"id": q, "question": f"{q}?", "answer": gold} for q, gold in golds.items()))
    fields = {"benchmark": "sums", "tokens": 3, "finished": True}
    write_rows(
        tmp_path / "generations.jsonl",
        (
            {"id": f"sums/{id}", "question_id": id[:2], "sample": int(id[-1]), "response": text, **fields}
            for id, text in ANSWERS.items()
        ),
    )
    (tmp_path / "ask.j2").write_text(ASK, encoding="utf-8")
    names = ("generations.jsonl", "critiques.jsonl")
    made = {f"--{name.partition('.')[0]}": str(tmp_path / name) for name in names}
    return {**made, "--benchmarks": str(tmp_path / "sums.jsonl"), "--model": str(model_folder)}


def criticise(files: dict[str, str], tmp_path: Path) -> list[dict]:
    asked = {"prompt": str(tmp_path / "ask.j2"), "template": None, "temperature": 0.0, "top_p": 1.0}
    settings = {"engine": ENGINE, "benchmarks": {"sums": {**asked, "max_tokens": 8, "seed": 0}}}
    words = [word for pair in files.items() for word in pair]
    words += ["--settings", json.dumps(settings), "--state", str(tmp_path / "state")]
    assert critique_answers.main(critique_answers.parse_args(words)) == 0
    return read_rows(files["--critiques"])


def test_each_answer_gets_a_critique_under_its_own_id(files, tmp_path: Path) -> None:
    rows = criticise(files, tmp_path)
    assert [(row["id"], row["verdict"]) for row in rows] == [
        *(("sums/q1#0", "wrong"), ("sums/q1#1", "right"), ("sums/q2#0", "wrong"), ("sums/q2#1", "wrong")),
    ]
    assert all(row["benchmark"] == "sums" and row["critique"].endswith("[END]") and row["finished"] for row in rows)


def test_second_run_asks_for_nothing_and_writes_the_same(files, critic: Critic, tmp_path: Path) -> None:
    first, asked = criticise(files, tmp_path), critic.asked
    assert criticise(files, tmp_path) == first and critic.asked == asked == 4


def scored(files: dict[str, str], tmp_path: Path) -> dict:
    names = {"graded": "graded.jsonl", "summary": "summary.json", "disagreements": "disagreements"}
    words = [word for name, file in names.items() for word in (f"--{name}", str(tmp_path / file))]
    words += [word for name in ("--benchmarks", "--generations", "--critiques") for word in (name, files[name])]
    settings = {"benchmarks": {"sums": "math"}, "samples": {"sums": {"best_of_n": True, "pass_at": [2]}}}
    words += ["--settings", json.dumps(settings), "--workers", "1"]
    assert score.main(score.parse_args(words)) == 0
    return read_json(tmp_path / "summary.json")["benchmarks"]["sums"]


def test_score_counts_the_answer_that_the_checkpoint_chooses(files, tmp_path: Path) -> None:
    criticise(files, tmp_path)
    found = scored(files, tmp_path)
    # Alone the first answers would be half right; q1's choice is the second, q2 has none and keeps the first.
    assert (found["accuracy"], found["best_of_n"], found["pass_at_2"]) == (0.5, 1.0, 1.0)
    assert found["best_of_n_none_right"] == 0.5 and found["own_verdict_accuracy"] == 0.75


def test_critiques_of_other_answers_are_told(files, tmp_path: Path) -> None:
    write_rows(files["--critiques"], criticise(files, tmp_path)[1:])
    with pytest.raises(BadInput, match="no critique of sums/q1#0. Delete the file"):
        scored(files, tmp_path)
