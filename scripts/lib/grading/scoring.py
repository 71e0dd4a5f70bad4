"""From generations to scores: graded items, and the figures reported for each benchmark."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scripts.lib.grading import GRADER_VERSION, Item, grade
from scripts.lib.jsonl import BadInput, each_row, read_json

# A verdict's name in config to the field of a graded row that holds it.
VERDICTS = {
    "ours": "correct",
    "authors-cft": "authors_cft",
    "authors-thinkpo": "authors_thinkpo",
    "math-verify": "math_verify",
}
TAIL = 300  # characters of an answer that a disagreement shows


def grade_generations(
    rows: Sequence[dict], questions: dict[str, dict], kind: str, workers: int | None, of_set: str | None = None
) -> list[dict]:
    """The rows with `correct` (our verdict), `extracted`, the graders' other verdicts and the grader's version.

    Args:
        rows: generations of one benchmark.
        questions: its questions by id; `grading` says how a gold is to be read (type, tolerance, unit).
        kind: `math` or `choice`.
        workers: worker processes (None: one a core).
        of_set: the set that the authors' graders take the benchmark for.
    """
    items = []
    for row in rows:
        question = questions[row["question_id"]]
        items.append(
            Item(
                prediction=row["response"],
                gold=question["answer"],
                kind=kind,
                choices=tuple(question.get("choices") or ()),
                options=question.get("grading", {}) if kind == "math" else {},
                of_set=of_set or "",
            )
        )
    graded = []
    for row, made in zip(rows, grade(items, workers=workers), strict=True):
        graded.append(
            {
                **row,
                "correct": made.verdict,
                "extracted": made.extracted,
                "math_verify": made.math_verify,
                "authors_cft": made.authors_cft,
                "authors_thinkpo": made.authors_thinkpo,
                "grader_version": GRADER_VERSION,
                **({"error": f"grading: {made.error}"} if made.error else {}),
            }
        )
    return graded


def disagreements(graded: Sequence[dict], questions: dict[str, dict]) -> list[dict]:
    """The rows on which the verdicts differ, with the fields needed to see why.

    A verdict that is null (letters have none of math-verify, nor has a formula that it hangs on) differs from nothing.
    """
    found = []
    for row in graded:
        verdicts = {name: row.get(field) for name, field in VERDICTS.items()}
        if len({value for value in verdicts.values() if value is not None}) < 2:
            continue
        gold = questions[row["question_id"]]["answer"]
        found.append({"id": row["id"], "gold": gold, "extracted": row["extracted"], **verdicts})
        found[-1] |= {"response_tail": row["response"][-TAIL:], "grader_version": row["grader_version"]}
        found[-1] |= {"error": row["error"]} if "error" in row else {}
    return found


def shares_of(graded: Iterable[dict], verdict: str = "ours", without: Iterable[str] = ()) -> dict[str, float]:
    """For each question, by id, the share of its answers that a verdict calls right.

    Rows without a gold are skipped. If a grader has no verdict on an answer with a gold, it has not accepted it;
    if it has none at all, it does not apply, and there are no shares.

    Args:
        graded: rows of one benchmark.
        verdict: a name in VERDICTS.
        without: ids of questions that are left out, unless nothing would be left.
    """
    field, without = VERDICTS[verdict], set(without)
    rows = [row for row in graded if row["correct"] is not None]
    rows = [row for row in rows if row["question_id"] not in without] or rows
    # Rows of critique, ifeval, judge and harness have one verdict, which can be a share.
    verdicts_of = [(cluster_of(row), row.get(field, row["correct"])) for row in rows]
    if all(value is None for _, value in verdicts_of):
        return {}
    by_question: dict[str, list[float]] = {}
    for question, value in verdicts_of:
        by_question.setdefault(question, []).append(value or 0)
    return {question: sum(verdicts) / len(verdicts) for question, verdicts in sorted(by_question.items())}


def cluster_of(row: Mapping) -> str:
    """What the answers that count as one in a standard error share: the question, also of several judged responses."""
    return row.get("cluster", row["question_id"])


def accuracy_of(shares: Mapping[str, float]) -> dict:
    """Accuracy (pass@1) and its standard error, as fractions, from the shares of right answers by question.

    Accuracy is the mean over questions. The error is that of a mean over questions, each a cluster of its samples; for
    one sample a question it is sqrt(p (1 - p) / n).
    """
    count = len(shares)
    accuracy = sum(shares.values()) / count if count else None
    error = math.sqrt(sum((share - accuracy) ** 2 for share in shares.values()) / count / count) if count else None
    return {"questions": count, "accuracy": accuracy, "standard_error": error}


def without_verdict(graded: Sequence[dict]) -> set[str]:
    """The ids of the questions none of whose answers has a verdict."""
    told = shares_of(graded).keys()
    return {row["question_id"] for row in graded if cluster_of(row) not in told}


def validation_ids(graded: Iterable[dict]) -> set[str]:
    """The ids of the questions used to select the checkpoint."""
    return {row["question_id"] for row in graded if row.get("validation")}


def summarise(graded: Sequence[dict]) -> dict:
    """Accuracy with its standard error and the figures beside it, for one benchmark.

    Questions that were used to select the checkpoint are excluded from `accuracy`, and
    `with_validation` includes them. If all questions are, `selected_by` says so and nothing is excluded.

    Returns:
        Accuracy and standard error as fractions (ours; the other graders' in `verdicts`), the mean length in tokens (of
        all answers, and of complete ones), the share cut off at the token limit, and counts.
    """
    validation = validation_ids(graded)
    ended = [row["tokens"] for row in graded if row["finished"]]
    whole = accuracy_of(shares_of(graded))
    found = {
        **accuracy_of(shares_of(graded, without=validation)),
        "verdicts": {name: accuracy_of(shares_of(graded, name, validation)) for name in VERDICTS if name != "ours"},
        "responses": len(graded),
        "mean_tokens": sum(row["tokens"] for row in graded) / len(graded),
        "mean_tokens_finished": sum(ended) / len(ended) if ended else None,
        "cut_off": len(graded) - len(ended),
        "cut_off_share": 1 - len(ended) / len(graded),
        "no_answer_share": sum(row["extracted"] is None for row in graded) / len(graded),
        "errors": sum("error" in row for row in graded),
        **duplicates(graded),
    }
    if validation and found["questions"] < whole["questions"]:
        found |= {"validation_questions": len(validation), "with_validation": whole}
    elif validation:
        found["selected_by"] = True
    return found


def duplicates(graded: Sequence[dict]) -> dict[str, float]:
    """`duplicate_share`: the share of answers that repeat an earlier one to the same question.

    Empty where each question has one answer.
    """
    answers = [(row["question_id"], row.get("response")) for row in graded]
    if len({question for question, _ in answers}) == len(answers):
        return {}
    return {"duplicate_share": 1 - len(set(answers)) / len(answers)}


def full_mark(scores: list[dict]) -> float | None:
    """The printed value of an accuracy of 1: 100, or 10 for ratings; None if the scores differ in it."""
    marks = {found.get("out_of", 100) for found in scores}
    return marks.pop() if len(marks) == 1 else None


def read_scores(files: Iterable[str | Path], verdict: str = "ours", validation: str = "exclude") -> dict:
    """Summaries with the graded rows beside them, read so that checkpoints can be compared question by question.

    Args:
        files: scores/<checkpoint>/<suite>.json.
        verdict: the grader whose verdict counts, a name in VERDICTS.
        validation: `exclude` leaves the questions that any of the checkpoints was selected by out of all of them, so
            that all checkpoints are scored on the same questions; `include` keeps them.

    Returns:
        By checkpoint and benchmark: the summary with accuracy, standard error and questions of that verdict and those
        questions, `shares` (an array by question, in the order of the ids), the number of validation questions that
        are `left_out`, and the accuracy `with_validation` questions; where the verdict is not ours, its name and
        `accuracy_ours`.

    Raises:
        BadInput: a benchmark without a graded answer, or without any verdict of that grader.
    """
    import numpy

    summaries, rows = {}, {}
    for file in files:
        checkpoint = Path(file).parent.name
        needed = ("benchmark", "question_id", "correct")
        for row in each_row(Path(file).with_suffix(".jsonl"), needed, may_be_empty=True):
            # Without the text, which can be 32,000 tokens long.
            kept = {key: row.get(key) for key in ("question_id", "validation", *VERDICTS.values())}
            kept |= {"cluster": row["cluster"]} if "cluster" in row else {}
            rows.setdefault((checkpoint, row["benchmark"]), []).append(kept)
        for benchmark, summary in read_json(file)["benchmarks"].items():
            summaries[checkpoint, benchmark] = file, summary
    # The same questions for every checkpoint: a judge may have rated no answer of one of them.
    unrated: dict[str, set[str]] = {}
    selecting: dict[str, set[str]] = {}
    for (_, benchmark), graded in rows.items():
        unrated.setdefault(benchmark, set()).update(without_verdict(graded))
        selecting.setdefault(benchmark, set()).update(validation_ids(graded) if validation == "exclude" else ())
    scores: dict[str, dict[str, dict]] = {}
    for (checkpoint, benchmark), (file, summary) in summaries.items():
        graded, lacking = rows.get((checkpoint, benchmark), []), unrated.get(benchmark, set())
        without = lacking | selecting.get(benchmark, set())
        ours = shares_of(graded, without=without)
        if not ours:
            raise BadInput(f"{file}: no graded answer for {benchmark}. Make the file again.")
        shares = shares_of(graded, verdict, without)
        if not shares:
            raise BadInput(f"{file}: {verdict} has no verdict on {benchmark}. Name another verdict for the table.")
        scores.setdefault(checkpoint, {})[benchmark] = {
            **summary,
            **accuracy_of(shares),
            **({"accuracy_ours": accuracy_of(ours)["accuracy"], "verdict": verdict} if verdict != "ours" else {}),
            "left_out": len(shares_of(graded)) - len(ours),
            "with_validation": accuracy_of(shares_of(graded, verdict, lacking))["accuracy"],
            "shares": numpy.array(list(shares.values())),
        }
    return scores


def notes_of(scores: dict) -> list[str]:
    """Notes on `scores` (from `read_scores`): the questions that are excluded for all rows."""
    left_out = {
        slug: found["left_out"] for mine in scores.values() for slug, found in mine.items() if found["left_out"]
    }
    lines = ", ".join(f"{slug}: {count}" for slug, count in left_out.items())
    return [f"Without the questions that a checkpoint of the table was selected by ({lines})."] if left_out else []
