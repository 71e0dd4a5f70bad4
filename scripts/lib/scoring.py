"""From generations to scores: graded items, and the figures that are told about each benchmark."""

import math
from collections.abc import Sequence

from scripts.lib.grading import Item, grade


def grade_generations(rows: Sequence[dict], questions: dict[str, dict], kind: str, workers: int | None) -> list[dict]:
    """The rows with `correct`, `extracted` and the graders' other verdicts.

    Args:
        rows: generations of one benchmark.
        questions: its questions by id.
        kind: `math` or `choice`.
        workers: worker processes (None: one a core).
    """
    items = []
    for row in rows:
        question = questions[row["question_id"]]
        choices = tuple(question.get("choices") or ())
        items.append(Item(prediction=row["response"], gold=question["answer"], kind=kind, choices=choices))
    graded = []
    for row, made in zip(rows, grade(items, workers=workers), strict=True):
        graded.append(
            {
                **row,
                "correct": made.verdict,
                "extracted": made.extracted,
                "math_verify": made.math_verify,
                "paper_style": made.paper_style,
                **({"error": f"grading: {made.error}"} if made.error else {}),
            }
        )
    return graded


def summarise(graded: Sequence[dict]) -> dict:
    """Accuracy with its standard error and the figures beside it, for one benchmark.

    With several samples a question, accuracy is the mean over questions of the share that is right, and the standard
    error is that of a mean over questions (for one sample it is sqrt(p (1 - p) / n)).

    Returns:
        Accuracy and standard error as fractions, the mean length in tokens (of all answers, and of those that ended by
        themselves), the share cut off at the token limit, and counts.
    """
    by_question: dict[str, list[bool]] = {}
    for row in graded:
        if row["correct"] is not None:
            by_question.setdefault(row["question_id"], []).append(row["correct"])
    shares = [sum(verdicts) / len(verdicts) for verdicts in by_question.values()]
    count = len(shares)
    accuracy = sum(shares) / count if count else None
    error = math.sqrt(sum((share - accuracy) ** 2 for share in shares) / count / count) if count else None
    ended = [row["tokens"] for row in graded if row["finished"]]
    return {
        "questions": count,
        "responses": len(graded),
        "accuracy": accuracy,
        "standard_error": error,
        "mean_tokens": sum(row["tokens"] for row in graded) / len(graded),
        "mean_tokens_finished": sum(ended) / len(ended) if ended else None,
        "cut_off": len(graded) - len(ended),
        "cut_off_share": 1 - len(ended) / len(graded),
        "no_answer_share": sum(row["extracted"] is None for row in graded) / len(graded),
        "errors": sum("error" in row for row in graded),
    }
