"""IFEval's programs on answers written for it."""

import os
import time
from pathlib import Path

import pytest

from scripts import fetch_punkt
from scripts.lib.grading.instructions import check_generations, summarise_all
from scripts.lib.grading.scoring import summarise
from scripts.lib.jsonl import BadInput

QUESTIONS = {
    "a": {
        "id": "a",
        "question": "Write without commas, in capitals.",
        "instruction_id_list": ["punctuation:no_comma", "change_case:english_capital"],
        "kwargs": [{}, {}],
    },
    "b": {
        "id": "b",
        "question": "Write at least two sentences.",
        "instruction_id_list": ["length_constraints:number_sentences"],
        "kwargs": [{"relation": "at least", "num_sentences": 2, "num_words": None}],
    },
}


def answers(**texts: str) -> list[dict]:
    return [
        {"id": f"{key}#0", "question_id": key, "response": text, "tokens": 3, "finished": True}
        for key, text in texts.items()
    ]


def check(punkt: Path, metric: str, **texts: str) -> list[dict]:
    return check_generations(answers(**texts), QUESTIONS, metric, punkt, workers=1)


def test_each_instruction_is_checked(punkt: Path) -> None:
    first, second = check(punkt, "prompt-strict", a="THIS IS IT. IT ENDS, HERE.", b="One is here. Two is here.")
    assert first["followed_strict"] == [False, True] and first["correct"] == 0
    assert second["followed_strict"] == [True] and second["correct"] == 1


def test_loose_also_tries_the_answer_without_its_first_line(punkt: Path) -> None:
    (row,) = check(punkt, "prompt-loose", a="Sure, here it is:\nTHIS IS IT. IT ENDS HERE.")
    assert row["followed_strict"] == [False, False] and row["followed_loose"] == [True, True] and row["correct"] == 1


def test_share_of_instructions_is_the_mean_over_prompts(punkt: Path) -> None:
    rows = check(punkt, "instruction-strict", a="THIS IS IT. IT ENDS, HERE.", b="One.")
    score = summarise(rows)
    assert score["accuracy"] == pytest.approx(1 / 3) and score["questions"] == 2
    every = summarise_all(rows)
    assert every["instruction_strict"] == score["accuracy"]
    assert every["instruction_strict_standard_error"] == score["standard_error"]
    assert every["prompt_strict"] == 0 and every["prompt_loose"] == 0


def test_empty_answer_follows_nothing(punkt: Path) -> None:
    (row,) = check(punkt, "prompt-loose", a="")
    assert row["followed_loose"] == [False, False] and row["extracted"] is None


def hostile(question: dict, response: str) -> tuple[list[bool], list[bool]]:
    """Stands in for the programs: what it does is in the response."""
    if response == "hang":
        time.sleep(30)
    if response == "die":
        os._exit(3)
    if response == "deep":
        raise RecursionError("maximum recursion depth exceeded")
    return [True], [True]


def test_answer_that_a_program_hangs_on_or_dies_of_is_wrong_with_an_error(punkt: Path, monkeypatch) -> None:
    from scripts.lib.grading import instructions

    monkeypatch.setattr(instructions, "followed", hostile)
    monkeypatch.setattr(instructions, "DEADLINE_S", 1.0)
    rows = [{"id": text, "question_id": "b", "response": text} for text in ("hang", "die", "deep", "fine")]
    made = check_generations(rows, QUESTIONS, "prompt-strict", punkt, workers=1)
    assert [row["correct"] for row in made] == [0, 0, 0, 1]
    assert [row.get("error", "").split(":")[1:2] for row in made] == [
        [" TimeoutError"], [" ProcessExpired"], [" RecursionError"], []
    ]  # fmt: skip


def test_unknown_instruction_is_told(punkt: Path) -> None:
    question = {**QUESTIONS["a"], "instruction_id_list": ["punctuation:no_dots"]}
    with pytest.raises(BadInput, match="no instruction punctuation:no_dots"):
        check_generations(answers(a="x"), {"a": question}, "prompt-strict", punkt, workers=1)


def test_punkt_is_taken_from_this_machine(punkt: Path, tmp_path: Path, monkeypatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(punkt)])
    assert fetch_punkt.main(fetch_punkt.parse_args(["--folder", str(tmp_path / "made")])) == 0
    assert (tmp_path / "made/tokenizers/punkt_tab/english/abbrev_types.txt").is_file()


def test_offline_without_punkt_says_how_to_bring_it(tmp_path: Path, monkeypatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(nltk, "download", lambda *names, **options: False)  # what it returns without a network
    with pytest.raises(BadInput, match="python -m nltk.downloader -d FOLDER punkt_tab"):
        fetch_punkt.main(fetch_punkt.parse_args(["--folder", str(tmp_path / "made")]))
    assert not (tmp_path / "made").exists()
