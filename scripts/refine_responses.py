"""Has a teacher refine one shard of criticised responses: the answers that a cgd run is trained to write.

Each row of critiques gets `refined`, the answer that the teacher wrote, given question, response and critique.

    python -m scripts.refine_responses --settings '{"rows": null, "teacher": {"kind": "openai", …}}' \\
        --limits '{"teacher": "gpt-4o", …}' --critiques results/mine/critiques/arithmetic-gpt-4o.jsonl \\
        --state state/teachers --refinements results/mine/refinements/arithmetic-gpt-4o/shard-0.jsonl \\
        --summary results/mine/refinements/arithmetic-gpt-4o/shard-0.json

`snakemake -p` prints the whole command line of each job.
"""

import argparse
import itertools
from collections.abc import Iterator

from scripts.lib import cli
from scripts.lib.generation.prompts import hashes
from scripts.lib.jsonl import each_row, write_json
from scripts.lib.teachers.answering import write_answers
from scripts.lib.teachers.replies import whole_text
from scripts.lib.teachers.requests import Request, refine_request
from scripts.lib.teachers.teaching import Teaching

VERSION = 1  # raise by hand when the refined answers would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: teacher, rows")
    parser.add_argument("--limits", type=cli.json_argument, required=True, help="JSON: settings that change no answer")
    parser.add_argument("--critiques", required=True, help="critiques (JSON Lines)")
    parser.add_argument("--shard", type=int, default=0, help="this job's shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="number of shards")
    parser.add_argument("--state", required=True, help="folder of all teachers' journals")
    parser.add_argument("--refinements", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Requests missing answers and writes the rows with refined answers; a row without an answer has an error."""
    settings = args.settings
    teacher = settings["teacher"]
    summary = cli.Summary("refine_responses", settings)

    def asked() -> Iterator[tuple[dict, Request | None]]:
        rows = each_row(args.critiques, required=("id", "question", "response"))
        return ((row, refine_request(teacher, row)) for row in itertools.islice(rows, settings["rows"]))

    with Teaching(args.limits["teacher"], teacher, args.limits, args.state) as teaching:
        counts = write_answers(teaching, asked, (args.shard, args.shards), args.refinements, fields)
    write_json(args.summary, summary.fields(**counts, prompt_sha256=hashes([teacher["refine_prompt"]])))
    return 0


def fields(value: dict | None, error: str | None, with_thoughts: bool) -> dict:
    """The fields of a row from a refined answer; response, critique and their tokens are unchanged."""
    if value is None:
        return {}
    thoughts = value["thoughts"]
    refined = whole_text(thoughts, value["text"]) if with_thoughts else value["text"]
    made = {"refined": refined, "refined_tokens": value["completion_tokens"]}
    return {**made, **({"refined_thoughts": thoughts} if thoughts else {})}


if __name__ == "__main__":
    cli.run(main, parse_args)
