"""Averages the scores of several trainings of one run that differ in their seed: one checkpoint's scores, for tables.

Each question then has the answers of every seed: accuracy is the mean over all of them, its standard error that of a
mean over questions, each a cluster of its answers. The summary also states each seed's accuracy and their spread.

    python -m scripts.average_seeds \\
        --scores results/papers/scores/cft-s1/math.json results/papers/scores/cft-s2/math.json \\
        --graded results/papers/scores/cft/math.jsonl --summary results/papers/scores/cft/math.json
"""

import argparse
import statistics
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading.scoring import VERDICTS, accuracy_of, shares_of, validation_ids
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_json, write_rows

COUNTS = {"responses", "cut_off", "errors"}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", nargs="+", required=True, help="scores/<run>/<suite>.json of each seed")
    parser.add_argument("--graded", required=True, help="JSON Lines to write: the graded answers of all seeds")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Writes the answers of all seeds under one name, and their summary."""
    summary = cli.Summary("average_seeds", {"scores": args.scores})
    seeds = {Path(file).parent.name: read_json(file)["benchmarks"] for file in args.scores}
    rows = [
        {**row, "id": f"{name}/{row['id']}", "seed_of": name}
        for name, file in zip(seeds, args.scores, strict=True)
        for row in read_rows(Path(file).with_suffix(".jsonl"), required=("id", "benchmark", "question_id"))
    ]
    first = next(iter(seeds.values()))
    scores = {}
    for benchmark in first:
        mine = [row for row in rows if row["benchmark"] == benchmark]
        asked = [{row["question_id"] for row in mine if row["seed_of"] == name} for name in seeds]
        if any(questions != asked[0] for questions in asked):
            raise BadInput(f"{benchmark}: {', '.join(seeds)} were not asked the same questions. Score them again.")
        scores[benchmark] = average([found[benchmark] for found in seeds.values()], mine)
        scores[benchmark]["seeds"] = {name: found[benchmark]["accuracy"] for name, found in seeds.items()}
    write_rows(args.graded, rows)
    write_json(args.summary, summary.fields(benchmarks=scores))
    return 0


def average(seeds: list[dict], rows: list[dict]) -> dict:
    """One benchmark's summary: the mean of each value over the seeds, with accuracy and error over all answers.

    COUNTS are summed. `seed_deviation` is the standard deviation of the seeds' accuracies. Scores without answers
    graded by us (lm-eval's metrics, ratings) keep the mean of the seeds' values.
    """
    figures = {
        key: [seed.get(key) for seed in seeds]
        for key, value in seeds[0].items()
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    }
    made = {key: _mean(key, values) for key, values in figures.items()}
    validation = validation_ids(rows)
    if rows and all("correct" in row for row in rows):
        made |= accuracy_of(shares_of(rows, without=validation))
        if all(field in row for row in rows for field in VERDICTS.values()):
            others = [name for name in VERDICTS if name != "ours"]
            made["verdicts"] = {name: accuracy_of(shares_of(rows, name, validation)) for name in others}
    if validation:
        made["with_validation"] = accuracy_of(shares_of(rows))
    accuracies = figures.get("accuracy", [None])
    made["seed_deviation"] = None if None in accuracies else statistics.stdev(accuracies)
    return made


def _mean(key: str, values: list[float | None]) -> float | None:
    """The mean of a value over the seeds; None if a seed lacks it; lengths average the seeds that have one."""
    there = [value for value in values if value is not None]
    if key in COUNTS:
        return sum(there)
    complete = len(there) == len(values) or key == "mean_tokens_finished"
    return sum(there) / len(there) if there and complete else None


if __name__ == "__main__":
    cli.run(main, parse_args)
