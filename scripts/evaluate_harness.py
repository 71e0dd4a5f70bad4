"""Lets lm-eval ask and score one checkpoint on one of its tasks: a row for each question, and a summary.

The task's data must be in the hub's cache (rule prepare_harness): nothing is downloaded here. Each answer is saved in
`--state` as it comes, keyed by the content of the weights, so that a killed job resumes.

    python -m scripts.evaluate_harness --settings '{"task": "arc_challenge", "task_path": null, "metric": "acc_norm", \\
        "filter": "none", "shots": 25, "limit": null, "apply_chat_template": false, "template": null, \\
        "dtype": "bfloat16", "seed": 1234}' \\
        --benchmark results/laptop/benchmarks/arc.jsonl --model results/laptop/models/smollm2-135m --micro-batch 8 \\
        --state state/laptop/evaluate_harness/smollm2-135m/arc \\
        --graded results/laptop/scores/smollm2-135m/arc.jsonl --summary results/laptop/scores/smollm2-135m/arc.json
"""

import argparse
import logging
import os
import sqlite3
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jobs import cards
from scripts.lib.jsonl import BadInput, content_key, read_rows, write_json, write_rows, writing

VERSION = 2  # raise by hand when the scores would differ
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: the benchmark's entry")
    parser.add_argument("--benchmark", required=True, help="its questions (rule prepare_harness)")
    parser.add_argument("--model", required=True, help="the model folder")
    parser.add_argument("--micro-batch", type=int, default=8, help="rows per pass")
    parser.add_argument("--state", required=True, help="folder of the answers so far")
    parser.add_argument("--graded", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Evaluates, writes graded rows and summary."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}  # before lm-eval loads the libraries
    from scripts.lib.generation import harness
    from scripts.lib.generation.generator import weights_hash
    from scripts.lib.grading.scoring import accuracy_of, shares_of
    from scripts.lib.journal import held

    settings, slug = args.settings, Path(args.benchmark).stem
    summary = cli.Summary("evaluate_harness", settings)
    cli.quiet()
    cards.take()
    expected = {row["id"] for row in read_rows(args.benchmark, required=("id",))}
    with held(args.state) as state:
        key = content_key(weights_hash(args.model), settings, cli.versions(), *harness.other_end(settings, args.model))
        results = evaluated(settings, args.model, state / key, args.micro_batch)
    rows = harness.graded(results, settings, slug)
    if {row["question_id"] for row in rows} != expected:
        raise BadInput(f"benchmark {slug}: the task's questions are not those of {args.benchmark}. Delete that file.")
    shots, versions = results["n-shot"], results["versions"]
    fields = {
        "benchmarks": {slug: {**accuracy_of(shares_of(rows)), "responses": len(rows)}},
        "tasks": {name: {"version": versions[name], "shots": shots[name]} for name in results["samples"]},
        "task_configs": results["configs"],
    }
    write_rows(args.graded, sorted(rows, key=lambda row: row["id"]))
    write_json(args.summary, summary.fields(**fields))
    return 0


def evaluated(settings: dict, model: str, cache: Path, micro_batch: int) -> dict:
    """lm-eval's results. If a power loss has damaged its cached answers, all are generated again.

    Raises:
        DiskFull: they cannot be written.
    """
    from scripts.lib.generation import harness

    with writing(cache):
        try:
            return harness.evaluate(settings, model, cache, micro_batch)
        except sqlite3.OperationalError:  # not damaged: a full disk or a lock
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s: the saved answers are damaged (%s): generating all of them again", cache, error)
            for file in cache.parent.glob(f"{cache.name}*"):
                file.unlink()
            return harness.evaluate(settings, model, cache, micro_batch)


if __name__ == "__main__":
    cli.run(main, parse_args)
