"""Has a teacher behind an endpoint rate each turn of a checkpoint's conversations: a row for each, and a summary.

A rating is a share of the full mark of 10 in `correct`; the score is their mean. An answer whose judgement states no
rating stays as a row with an `error` and does not count.

    python -m scripts.judge_turns --settings "$SETTINGS" --limits "$LIMITS" --state state/teachers \\
        --turns results/papers/generations/cft/mt-bench.jsonl --benchmark results/papers/benchmarks/mt-bench.jsonl \\
        --graded results/papers/scores/cft/mt-bench.jsonl --summary results/papers/scores/cft/mt-bench.json
"""

import argparse
from collections import Counter
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.prompts import hashes
from scripts.lib.grading.scoring import accuracy_of, shares_of, summarise
from scripts.lib.jsonl import read_rows, write_json, write_rows
from scripts.lib.teachers.asking import ask
from scripts.lib.teachers.ledger import Usage
from scripts.lib.teachers.ratings import HIGHEST, judge_request, parse_rating
from scripts.lib.teachers.teaching import Teaching, check_errors

VERSION = 1  # raise by hand when the ratings would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: teacher")
    parser.add_argument("--limits", type=cli.json_argument, required=True, help="JSON: settings that change no rating")
    parser.add_argument("--turns", required=True, help="the checkpoint's conversations (JSON Lines)")
    parser.add_argument("--benchmark", required=True, help="the questions (JSON Lines)")
    parser.add_argument("--state", required=True, help="folder of the teachers' journals")
    parser.add_argument("--graded", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Requests every rating that is not in the journal, writes rows and summary."""
    summary = cli.Summary("judge_turns", args.settings)
    teacher, slug = args.settings["teacher"], Path(args.benchmark).stem
    questions = {row["id"]: row for row in read_rows(args.benchmark, required=("id", "turns"))}
    subjects = args.settings["reference_subjects"]
    for question in questions.values():
        if subjects is not None and question.get("subject") not in subjects:
            question.pop("reference", None)
    rows = read_rows(args.turns, required=("id", "question_id", "turn", "response"))
    answers = {(row["question_id"], row["turn"]): row["response"] for row in rows}
    requests = [
        judge_request(
            teacher,
            questions[row["question_id"]],
            [answers[row["question_id"], turn] for turn in range(1, row["turn"] + 1)],
        )
        for row in rows
    ]
    with Teaching(args.limits["teacher"], teacher, args.limits, args.state) as teaching:
        ask(teaching, lambda: iter(requests))
        usage = Usage(teaching.ledger)
        graded = []
        for row, request in zip(rows, requests, strict=True):
            value, error = teaching.answer(request)
            usage.add(request, value)
            thoughts = {"thoughts": value["thoughts"]} if value and value["thoughts"] else {}
            graded.append(rated({**row, "benchmark": slug, **thoughts}, value and value["text"], error))
    reasons = Counter(row["error"] for row in graded if row["correct"] is None)
    check_errors(args.graded, reasons.total(), len(graded), args.limits["max_errors"], reasons)
    fields = {
        "benchmarks": {slug: {**summarise(graded), **by_turn(graded), "out_of": HIGHEST}},
        "by_subject": by_subject(graded, questions),
        "error_reasons": reasons,
        **usage.fields(),
    }
    write_rows(args.graded, graded)
    write_json(args.summary, summary.fields(**fields, prompt_sha256=hashes([teacher["judge_prompt"]])))
    return 0


def rated(row: dict, judgement: str | None, error: str | None) -> dict:
    """The row with the judgement, the rating parsed from it, and its share of the maximum."""
    rating = parse_rating(judgement or "") if error is None else None
    rated_row = {
        **row,
        "judgement": judgement,
        "rating": rating,
        "extracted": None if rating is None else f"{rating:g}",
        "correct": None if rating is None else rating / HIGHEST,
    }
    if rating is None:
        rated_row["error"] = error or "the judgement states no rating that can be read"
    return rated_row


def by_turn(graded: list[dict]) -> dict[str, float]:
    """The mean rating of each turn with its standard error: `turn_1`, `turn_1_standard_error`, …"""
    ratings = {}
    for turn in sorted({row["turn"] for row in graded}):
        figures = accuracy_of(shares_of(row for row in graded if row["turn"] == turn))
        if figures["questions"]:
            ratings[f"turn_{turn}"] = HIGHEST * figures["accuracy"]
            ratings[f"turn_{turn}_standard_error"] = HIGHEST * figures["standard_error"]
    return ratings


def by_subject(graded: list[dict], questions: dict[str, dict]) -> dict[str, float]:
    """The mean rating of the questions of each subject."""
    groups: dict[str, list[dict]] = {}
    for row in graded:
        groups.setdefault(questions[row["question_id"]].get("subject", "none"), []).append(row)
    means = {subject: accuracy_of(shares_of(rows))["accuracy"] for subject, rows in sorted(groups.items())}
    return {subject: HIGHEST * value for subject, value in means.items() if value is not None}


if __name__ == "__main__":
    cli.run(main, parse_args)
