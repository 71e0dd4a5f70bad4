"""Generates a checkpoint's conversations for a judged benchmark: each turn is asked after the answers to the turns
before.

Finished chunks are read from the journal in `--state`, as in `generate`.

    python -m scripts.generate_turns --settings '{"engine": {"kind": "transformers", "dtype": "bfloat16", \\
        "chunk_rows": 64}, "benchmark": {"prompt": "prompts/answer.j2", "template": null, "temperature": 0.0, \\
        "temperature_by_subject": {"writing": 0.7}, "top_p": 1.0, "max_tokens": 64, "seed": 0}}' \\
        --benchmark results/laptop/benchmarks/mt-bench.jsonl --model results/laptop/models/smollm2-135m \\
        --state state/laptop/generate_turns/smollm2-135m/mt-bench \\
        --turns results/laptop/generations/smollm2-135m/mt-bench.jsonl
"""

import argparse

from scripts.lib import cli
from scripts.lib.generation.generator import Generator, response_row
from scripts.lib.generation.prompts import render
from scripts.lib.journal import Journal, held
from scripts.lib.jsonl import BadInput, read_rows, write_rows

VERSION = 2  # raise by hand when the conversations would differ


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: engine and benchmark")
    parser.add_argument("--benchmark", required=True, help="questions with turns (JSON Lines)")
    parser.add_argument("--model", required=True, help="the model folder")
    parser.add_argument("--machine", type=cli.json_argument, default={}, help="JSON: engine keys that change no output")
    parser.add_argument("--state", required=True, help="folder of the journal")
    parser.add_argument("--turns", required=True, help="JSON Lines to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Generates the turns one after the other, and writes a row for each."""
    questions = read_rows(args.benchmark, required=("id", "turns"))
    for row in questions:
        if not isinstance(row["turns"], list) or not row["turns"]:
            raise BadInput(f"{args.benchmark}, row {row['id']!r}: turns is not a list of messages. Correct the fields.")
    progress = cli.Progress("generated", sum(len(row["turns"]) for row in questions), unit="turns")
    with held(args.state) as state, Journal(state / "chunks.jsonl") as journal:
        generator = Generator(args.model, args.settings["engine"] | args.machine, journal, progress)
        write_rows(
            args.turns, sorted(turns(generator, questions, args.settings["benchmark"]), key=lambda row: row["id"])
        )
    return 0


def turns(generator: Generator, questions: list[dict], entry: dict) -> list[dict]:
    """A row for each turn of each question: `{"id": "mt_bench-81#turn2", "turn": 2, "response": "…", …}`."""
    by_temperature: dict[float, list[dict]] = {}
    for question in questions:
        temperature = entry["temperature_by_subject"].get(question.get("subject"), entry["temperature"])
        by_temperature.setdefault(temperature, []).append(question)
    made = []
    for temperature, group in sorted(by_temperature.items()):
        talks = {question["id"]: [] for question in group}
        for turn in range(1, max(len(question["turns"]) for question in group) + 1):
            asked = [question for question in group if len(question["turns"]) >= turn]
            for question in asked:
                messages = render(entry["prompt"], question=question["turns"][turn - 1])
                # The prompt's system message occurs once, at the top.
                talks[question["id"]] += [said for said in messages if turn == 1 or said["role"] != "system"]
            conversations = [talks[question["id"]] for question in asked]
            completions = generator.replies(conversations, {**entry, "temperature": temperature})
            for question, completion in zip(asked, completions, strict=True):
                talks[question["id"]].append({"role": "assistant", "content": completion.text})
                place = {"id": f"{question['id']}#turn{turn}", "question_id": question["id"], "turn": turn}
                made.append(response_row(place, completion))
    return made


if __name__ == "__main__":
    cli.run(main, parse_args)
