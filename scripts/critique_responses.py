"""Writes one shard of critiques of graded responses, each ending in `Conclusion: right [END]` or `… wrong [END]`.

The verifier teacher checks every step exactly (docs/verifier.md), an openai teacher is asked over the network
(docs/teachers.md), a transformers or vllm teacher is a model folder.

    python -m scripts.critique_responses \\
        --settings '{"rows": null, "teacher": {"kind": "verifier", "style": "derive"}}' \\
        --graded results/laptop/responses/arithmetic-self/graded.jsonl \\
        --critiques results/laptop/critiques/arithmetic-verifier/shard-0.jsonl \\
        --summary results/laptop/critiques/arithmetic-verifier/shard-0.json
"""

import argparse
import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.prompts import hashes
from scripts.lib.grading.verdicts import parse_verdict
from scripts.lib.jsonl import each_row, write_json, write_rows
from scripts.lib.teachers.asking import ask
from scripts.lib.teachers.ledger import Usage
from scripts.lib.teachers.replies import CUT_OFF, THOUGHTS_ALONE, thoughts_and_answer, whole_text
from scripts.lib.teachers.requests import critique_request
from scripts.lib.teachers.teaching import Teaching, check_errors
from scripts.lib.teachers.verifier import write_critique

VERSION = 4  # raise by hand when the critiques would differ
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: teacher, rows (and engine)")
    parser.add_argument("--limits", type=cli.json_argument, default={}, help="JSON: settings that change no critique")
    parser.add_argument("--graded", required=True, help="graded responses (JSON Lines)")
    parser.add_argument("--model", default=None, help="the model folder of a transformers or vllm teacher")
    parser.add_argument("--machine", type=cli.json_argument, default={}, help="JSON: engine keys that change no output")
    parser.add_argument("--shard", type=int, default=0, help="this job's shard, from 0")
    parser.add_argument("--shards", type=int, default=1, help="number of shards")
    parser.add_argument("--state", default=None, help="folder of the journals (all kinds but verifier)")
    parser.add_argument("--critiques", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Critiques the rows of this shard; a row that cannot be judged is kept with an error."""
    summary = cli.Summary("critique_responses", args.settings)
    ways = {"verifier": by_verifier, "openai": by_api, "transformers": by_model, "vllm": by_model}
    counts = ways[args.settings["teacher"]["kind"]](args)
    prompts = hashes([args.settings["teacher"].get("critique_prompt")])
    write_json(args.summary, summary.fields(**counts, prompt_sha256=prompts))
    return 0


def responses(args: argparse.Namespace) -> Iterator[dict]:
    """The rows of all shards, one by one."""
    rows = each_row(args.graded, required=("id", "question", "response", "correct", "extracted"))
    return itertools.islice(rows, args.settings["rows"])


def own(args: argparse.Namespace) -> Iterator[dict]:
    """The rows of this shard."""
    return itertools.islice(responses(args), args.shard, None, args.shards)


def finish(args: argparse.Namespace, rows: Iterable[dict], usage: Usage | None = None) -> dict:
    """Writes the rows one by one and returns the counts for the summary.

    Raises:
        BadInput: more rows than allowed have no usable critique; then nothing is written.
    """
    counts = dict.fromkeys(("rows", "right", "wrong", "errors", "pointed_at_a_step", "with_gold", "agreeing"), 0)
    reasons: Counter[str] = Counter()
    asked = 0

    def counted() -> Iterator[dict]:
        nonlocal asked
        for row in rows:
            verdict, judged = row.get("verdict"), not row.pop("not_asked", False)
            counts["rows"] += 1
            counts["right"] += verdict == "right"
            counts["wrong"] += verdict == "wrong"
            counts["errors"] += "error" in row
            counts["pointed_at_a_step"] += row.get("first_wrong_step") is not None
            if "derived" in row:
                counts["without_derivation"] = counts.get("without_derivation", 0) + (not row["derived"])
            if verdict and row["correct"] is not None:
                counts["with_gold"] += 1
                counts["agreeing"] += (verdict == "right") == row["correct"]
            asked += judged
            if judged and "error" in row:
                reasons[row["error"]] += 1
            yield row
        check_errors(args.critiques, reasons.total(), asked, args.limits.get("max_errors", 1.0), reasons)

    write_rows(args.critiques, counted())
    return {**counts, "error_reasons": reasons, **(usage.fields() if usage else {})}


def judged(row: dict, text: str | None, error: str | None, thoughts: str = "", with_thoughts: bool = False) -> dict:
    """The row with a model's critique and the verdict parsed from it; thoughts are not parsed."""
    if thoughts:
        row["thoughts"] = thoughts
    if text:
        row["critique"] = whole_text(thoughts, text) if with_thoughts else text
    verdict = parse_verdict(text or "")
    if verdict and not error:
        row["verdict"] = verdict
    else:
        row["error"] = error or "the critique states no verdict that can be read"
    return row


def by_verifier(args: argparse.Namespace) -> dict:
    """Critiques by the exact teacher; with style `derive`, each row says whether a solution allowed a derivation."""
    style = args.settings["teacher"]["style"]

    def critiques() -> Iterator[dict]:
        for row in own(args):
            if "error" in row:
                row["not_asked"] = True
            elif row["correct"] is None:
                row["error"] = "no reference answer: the verifier cannot judge it"
            else:
                critique = write_critique(
                    row["response"],
                    correct=row["correct"],
                    extracted=row["extracted"],
                    answer=row["answer"],
                    solution=row.get("solution"),
                    style=style,
                )
                row["critique"], row["verdict"] = critique.text, critique.verdict
                row["first_wrong_step"] = critique.first_wrong_step
                if style == "derive":
                    row["derived"] = critique.derived
            yield row

    counts = finish(args, critiques())
    lacking = counts.get("without_derivation", 0)
    if lacking:
        log.warning(
            "%d of %d critiques contain no derivation: there is no worked solution to follow", lacking, counts["rows"]
        )
    return counts


def by_api(args: argparse.Namespace) -> dict:
    """Critiques by a teacher behind an endpoint."""
    teacher = args.settings["teacher"]
    with Teaching(args.limits["teacher"], teacher, args.limits, args.state) as teaching:
        ask(teaching, lambda: (critique_request(teacher, row) for row in responses(args)), (args.shard, args.shards))
        usage = Usage(teaching.ledger)

        def critiques() -> Iterator[dict]:
            for row in own(args):
                asked = critique_request(teacher, row)
                if asked is None:
                    yield {**row, "not_asked": True}
                    continue
                value, error = teaching.answer(asked)
                usage.add(asked, value)
                said = (value["text"], error, value["thoughts"]) if value else (None, error)
                yield judged(row, *said, with_thoughts=teacher.get("with_thoughts", False))

        return finish(args, critiques(), usage)


def by_model(args: argparse.Namespace) -> dict:
    """Critiques by a model on this machine. Its shards are chunks of rows, as for sampled responses."""
    from scripts.lib.generation.generator import Generator
    from scripts.lib.journal import Journal, held

    teacher = args.settings["teacher"]
    rows = {row["id"]: row for row in responses(args)}
    asked = [row for row in rows.values() if "error" not in row]
    entry = {**teacher, "prompt": teacher["critique_prompt"], "samples": 1}
    progress = cli.Progress("criticised", len(asked) // args.shards)
    with held(Path(args.state) / f"shard-{args.shard}") as state:
        others = [file for file in Path(args.state).glob("shard-*/chunks.jsonl") if file.parent != state]
        with Journal(state / "chunks.jsonl", others) as journal:
            generator = Generator(args.model, args.settings["engine"] | args.machine, journal, progress)
            answers = generator.answers(asked, entry, shard=(args.shard, args.shards))

    def critiques() -> Iterator[dict]:
        if args.shard == 0:
            yield from ({**row, "not_asked": True} for row in rows.values() if "error" in row)
        for answer in answers:
            row, with_thoughts = rows[answer["question_id"]], teacher.get("with_thoughts", False)
            yield judged(row, *said_by_model(answer), with_thoughts=with_thoughts)

    return finish(args, sorted(critiques(), key=lambda row: row["id"]))


def said_by_model(answer: dict) -> tuple[str, str | None, str]:
    """(text, why it is unusable, thoughts) of a local model's critique."""
    thoughts, text = thoughts_and_answer({"text": answer["response"], "thoughts": None})
    text, end, _ = text.partition("[END]")  # a small model may continue after it
    cut = None if end or answer["finished"] else CUT_OFF
    unsaid = THOUGHTS_ALONE if thoughts and not text.strip() else None
    return text + end, answer.get("error") or cut or unsaid, thoughts


if __name__ == "__main__":
    cli.run(main, parse_args)
