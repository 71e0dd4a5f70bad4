"""Scores every candidate of one run on its validation benchmark, and writes the curve (score by step).

    python -m scripts.validate --settings '{"kind": "math", "engine": {"kind": "transformers", "dtype": "bfloat16", \\
        "chunk_rows": 64}, "benchmark": {"prompt": "prompts/answer.j2", "template": null, "temperature": 0.0, \\
        "top_p": 1.0, "samples": 1, "max_tokens": 64, "seed": 0}}' --benchmark results/laptop/benchmarks/gcd.jsonl \\
        --candidates results/laptop/checkpoints/cft/candidates --state state/laptop/validate/cft \\
        --curve results/laptop/checkpoints/cft/validation.json
"""

import argparse
import logging
from contextlib import closing
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.generator import Generator
from scripts.lib.grading.scoring import grade_generations, summarise
from scripts.lib.journal import Journal, held
from scripts.lib.jsonl import BadInput, read_rows, write_json

VERSION = 2  # raise by hand when the curve would differ
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--settings", type=cli.json_argument, required=True, help="JSON: engine, benchmark, grader kind"
    )
    parser.add_argument("--benchmark", required=True, help="validation questions (JSON Lines)")
    parser.add_argument("--candidates", required=True, help="folder of candidates (step-000045, …)")
    parser.add_argument("--machine", type=cli.json_argument, default={}, help="JSON: engine keys that change no output")
    parser.add_argument("--state", required=True, help="folder of the journal")
    parser.add_argument("--curve", required=True, help="JSON to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Generates and grades the answers of each candidate in turn."""
    settings = args.settings
    summary = cli.Summary("validate", settings)
    rows = read_rows(args.benchmark, required=("id", "question", "answer"))
    questions = {row["id"]: row for row in rows}
    candidates = sorted(Path(args.candidates).glob("step-*"))
    if not candidates:
        raise BadInput(f"{args.candidates}: there are no candidates. Run rule train again.")
    progress = cli.Progress("validated", len(rows) * settings["benchmark"]["samples"] * len(candidates))
    curve = []
    with held(args.state) as state, Journal(state / "chunks.jsonl") as journal:
        for candidate in candidates:
            with closing(Generator(candidate, settings["engine"] | args.machine, journal, progress)) as generator:
                answers = generator.answers(rows, settings["benchmark"])
            scores = summarise(grade_generations(answers, questions, settings["kind"], None, settings.get("set")))
            curve.append({"step": int(candidate.name[5:]), "candidate": candidate.name, **scores})
            log.info("%s: accuracy %.3f", candidate.name, scores["accuracy"])
    write_json(args.curve, summary.fields(curve=curve))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
