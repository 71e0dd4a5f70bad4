"""Has a teacher answer one shard of a dataset's questions: the teacher-written answers of an sft run.

    python -m scripts.answer_questions --settings '{"rows": 100, "samples": 1, "teacher": {"kind": "openai", …}}' \\
        --limits '{"teacher": "gpt-4o", …}' --dataset results/laptop/datasets/arithmetic.jsonl \\
        --state state/teachers --answers results/laptop/answers/arithmetic-gpt-4o/shard-0.jsonl \\
        --summary results/laptop/answers/arithmetic-gpt-4o/shard-0.json

`snakemake -p` prints the whole command line of each job.
"""

import argparse

from scripts.lib import cli
from scripts.lib.generation.prompts import hashes
from scripts.lib.jsonl import write_json
from scripts.lib.teachers.answering import write_answers
from scripts.lib.teachers.replies import whole_text
from scripts.lib.teachers.requests import questions
from scripts.lib.teachers.teaching import Teaching

VERSION = 1  # raise by hand when the answers would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: teacher, rows, samples")
    parser.add_argument("--limits", type=cli.json_argument, required=True, help="JSON: settings that change no answer")
    parser.add_argument("--dataset", required=True, help="prepared questions (JSON Lines)")
    parser.add_argument("--shard", type=int, default=0, help="this job's shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="number of shards")
    parser.add_argument("--state", required=True, help="folder of all teachers' journals")
    parser.add_argument("--answers", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Requests missing answers and writes a row for each question and sample; a row without an answer has an error."""
    settings = args.settings
    teacher = settings["teacher"]
    summary = cli.Summary("answer_questions", settings)
    with Teaching(args.limits["teacher"], teacher, args.limits, args.state) as teaching:
        shard = (args.shard, args.shards)
        counts = write_answers(teaching, lambda: questions(args.dataset, settings), shard, args.answers, fields)
    write_json(args.summary, summary.fields(**counts, prompt_sha256=hashes([teacher["answer_prompt"]])))
    return 0


def fields(value: dict | None, error: str | None, with_thoughts: bool) -> dict:
    """The fields of a row from an answer: its text, the thoughts before it, its tokens, whether it is complete."""
    if value is None:
        return {"finished": False}
    thoughts = value["thoughts"]
    response = whole_text(thoughts, value["text"]) if with_thoughts else value["text"]
    made = {"response": response, "tokens": value["completion_tokens"], **({"thoughts": thoughts} if thoughts else {})}
    return {**made, "finished": error is None}


if __name__ == "__main__":
    cli.run(main, parse_args)
