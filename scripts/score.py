"""Grades a checkpoint's generations of one suite: a row for each answer, and a summary for each benchmark.

It only reads the answers: grading again needs no generation. A file for each benchmark lists the answers on
which the graders differ. Critiques of a benchmark of kind critique are compared with the labels of the responses that
they judge. `--critiques` are the checkpoint's critiques of its own answers, by which it chooses the best of n.

    python -m scripts.score --settings '{"benchmarks": {"gcd": "math"}}' \\
        --benchmarks results/laptop/benchmarks/gcd.jsonl \\
        --generations results/laptop/generations/smollm2-135m/arithmetic.jsonl \\
        --graded results/laptop/scores/smollm2-135m/arithmetic.jsonl \\
        --disagreements results/laptop/scores/smollm2-135m/arithmetic.disagreements \\
        --summary results/laptop/scores/smollm2-135m/arithmetic.json
"""

import argparse
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading import GRADER_VERSION
from scripts.lib.grading.instructions import check_generations, summarise_all
from scripts.lib.grading.judging import grade_verdicts, summarise_verdicts
from scripts.lib.grading.samples import summarise_samples
from scripts.lib.grading.scoring import disagreements, grade_generations, summarise, validation_ids
from scripts.lib.jsonl import BadInput, read_rows, write_json, write_rows
from scripts.lib.questions.fingerprints import fingerprints_in, mark_validation


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: kinds and metrics")
    parser.add_argument("--benchmarks", nargs="+", required=True, help="questions, one <benchmark>.jsonl each")
    parser.add_argument("--generations", required=True, help="the checkpoint's answers (JSON Lines)")
    parser.add_argument("--critiques", default=None, help="the checkpoint's critiques of its own answers (best_of_n)")
    parser.add_argument("--validation", nargs="*", default=[], help="questions that the checkpoint was selected by")
    parser.add_argument("--punkt", default=None, help="folder of rule fetch_punkt (kind ifeval)")
    parser.add_argument("--workers", type=int, default=None, help="worker processes (default: one a core)")
    parser.add_argument("--graded", required=True, help="JSON Lines to write")
    parser.add_argument("--disagreements", required=True, help="folder to write: a <benchmark>.jsonl each")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Grades every answer, writes graded answers, disagreements and summary."""
    summary = cli.Summary("score", args.settings)
    generations = read_rows(args.generations, required=("id", "benchmark", "question_id", "response"))
    validation = fingerprints_in([Path(file) for file in args.validation])
    items: list[dict] = []
    scores = {}
    for file in args.benchmarks:
        slug = Path(file).stem
        questions = {row["id"]: row for row in read_rows(file, required=("id", "question", "answer"))}
        rows = [row for row in generations if row["benchmark"] == slug]
        if not rows:
            raise BadInput(f"{args.generations}: no answers to benchmark {slug}. Delete the file and generate again.")
        graded = graded_answers(slug, rows, questions, args)
        mark_validation(graded, questions, validation)
        write_rows(Path(args.disagreements) / f"{slug}.jsonl", disagreements(graded, questions))
        items += graded
        scores[slug] = {**summarise(graded), **further_figures(slug, graded, args.settings)}
    write_rows(args.graded, items)
    write_json(args.summary, summary.fields(grader_version=GRADER_VERSION, benchmarks=scores))
    return 0


def graded_answers(slug: str, rows: list[dict], questions: dict[str, dict], args: argparse.Namespace) -> list[dict]:
    """The generations of one benchmark, graded as its kind requires."""
    settings = args.settings
    kind = settings["benchmarks"][slug]
    if kind == "ifeval":
        return check_generations(rows, questions, settings["metrics"][slug], args.punkt, args.workers)
    if kind == "critique":
        return grade_verdicts(rows, questions)
    graded = grade_generations(rows, questions, kind, args.workers, settings.get("sets", {}).get(slug))
    if "best_of_n" in settings.get("samples", {}).get(slug, {}):
        add_own_verdicts(graded, args.critiques)
    return graded


def add_own_verdicts(graded: list[dict], file: str) -> None:
    """Sets `own_verdict` in the rows: the verdict of the checkpoint's own critique on each answer."""
    verdicts = {row["id"]: row["verdict"] for row in read_rows(file, required=("id", "verdict"))}
    for row in graded:
        if row["id"] not in verdicts:
            raise BadInput(f"{file}: no critique of {row['id']}. Delete the file to have it made again.")
        row["own_verdict"] = verdicts[row["id"]]


def further_figures(slug: str, graded: list[dict], settings: dict) -> dict:
    """A summary's further metrics: IFEval's, those of a judge, and those over samples."""
    kind, validation = settings["benchmarks"][slug], validation_ids(graded)
    if kind == "ifeval":
        return summarise_all(graded)
    if kind == "critique":
        return {**summarise_verdicts(graded, validation), "verdicts": {}}  # no other grader applies
    over_samples = settings.get("samples", {}).get(slug)
    return summarise_samples(graded, over_samples, validation) if over_samples else {}


if __name__ == "__main__":
    cli.run(main, parse_args)
