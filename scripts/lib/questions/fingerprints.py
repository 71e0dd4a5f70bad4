"""When two questions count as the same one: what overlap checks and validation questions are told by."""

from collections.abc import Iterable
from pathlib import Path

from scripts.lib.jsonl import read_rows


def fingerprint(question: str) -> str:
    """The question with everything but letters, digits and the signs of arithmetic left out, in lower case.

    Two questions with the same fingerprint count as the same question.
    """
    return "".join(letter for letter in question.casefold() if letter.isalnum() or letter in "+-*/=<>^.")


def fingerprints_in(files: Iterable[Path]) -> set[str]:
    """The fingerprints of all questions in prepared files."""
    return {fingerprint(row["question"]) for file in files for row in read_rows(file, required=("question",))}


def mark_validation(graded: Iterable[dict], questions: dict[str, dict], validation: set[str]) -> None:
    """Sets `validation` in the rows whose question is one that the checkpoint was selected by.

    Args:
        graded: rows of one benchmark.
        questions: its questions by id.
        validation: fingerprints of the validation questions.
    """
    for row in graded:
        if fingerprint(questions[row["question_id"]]["question"]) in validation:
            row["validation"] = True
