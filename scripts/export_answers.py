"""Writes a checkpoint's graded answers to a benchmark in the form of other tools, so that their viewers open them.

    python -m scripts.export_answers cft gcd --format lm-eval --out samples_gcd.jsonl
    python -m scripts.export_answers cft gcd --format inspect --out cft_gcd.json   # then: inspect view

`lm-eval`: the lines of its samples_<task>.jsonl (`--log_samples`). `inspect`: a log of Inspect in JSON, tried with
inspect_ai 0.3.285. All graders' verdicts are in both. It runs nothing and needs neither tool.
"""

import argparse
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading.scoring import VERDICTS
from scripts.lib.jsonl import BadInput, content_key, each_row, write_json, write_rows
from scripts.lib.page.answers import text_of
from scripts.lib.page.prompts import chat_source, prompt_text
from scripts.lib.page.results import Results, default_folder
from scripts.lib.study.files import GENERATED


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="RUN", help="a model or run that has scores")
    parser.add_argument("benchmark", help="a benchmark that it has answered")
    parser.add_argument("--results", help="the study's folder (default: the only one under results/, or the laptop's)")
    parser.add_argument("--format", choices=("lm-eval", "inspect"), required=True)
    parser.add_argument("--out", required=True, help="the file to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Writes the file."""
    results = Results(args.results or default_folder())
    file, rows = graded(results, args.checkpoint, args.benchmark)
    questions = {row["id"]: row for row in results.rows("benchmarks", f"{args.benchmark}.jsonl")}
    prompts = prompts_of(results, args.checkpoint, args.benchmark, questions.values())
    if args.format == "lm-eval":
        entry = results.study["benchmarks"][args.benchmark]
        write_rows(args.out, lm_eval_samples(rows, questions, prompts, entry))
    else:
        score = results.scores[args.checkpoint][args.benchmark]
        made = datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(timespec="seconds")
        write_json(args.out, inspect_log(args.checkpoint, args.benchmark, made, score, rows, questions, prompts))
    return 0


def graded(results: Results, checkpoint: str, benchmark: str) -> tuple[Path, list[dict]]:
    """The graded answers of a checkpoint to a benchmark, and the summary beside them.

    Raises:
        BadInput: there are none.
    """
    for file in results.score_files(checkpoint):
        rows = [row for row in each_row(file.with_suffix(".jsonl"), may_be_empty=True) if row["benchmark"] == benchmark]
        if rows:
            return file, rows
    known = ", ".join(f"{name} ({', '.join(scores)})" for name, scores in results.scores.items()) or "none"
    raise BadInput(f"{checkpoint} has no graded answers to {benchmark}. It has answered: {known}.")


def prompts_of(results: Results, checkpoint: str, benchmark: str, questions: Iterable[dict]) -> dict[str, str]:
    """The text that a checkpoint was sent for each question, by id.

    Raises:
        BadInput: the benchmark does not send one prompt per question.
    """
    entry = results.study["benchmarks"][benchmark]
    if entry["kind"] not in GENERATED:
        kinds = ", ".join(GENERATED)
        raise BadInput(f"{benchmark} is of kind {entry['kind']}: name a benchmark of kind {kinds}.")
    source = chat_source(results, checkpoint, entry.get("template"))
    return {row["id"]: prompt_text(row, entry["prompt"], *source) for row in questions}


def lm_eval_samples(
    rows: Sequence[dict], questions: Mapping[str, dict], prompts: Mapping[str, str], entry: Mapping
) -> Iterable[dict]:
    """One line per question, with all samples of its answer."""
    decoding = {"temperature": entry.get("temperature"), "max_gen_toks": entry.get("max_tokens"), "until": []}
    by_question: dict[str, list[dict]] = {}
    for row in rows:
        by_question.setdefault(row["question_id"], []).append(row)
    for place, (id, answers) in enumerate(by_question.items()):
        question, target = questions[id], str(questions[id].get("answer"))
        verdicts = {
            name.replace("-", "_"): mean([row.get(field) for row in answers]) for name, field in VERDICTS.items()
        }
        verdicts = {name: value for name, value in verdicts.items() if value is not None}
        yield {
            "doc_id": place,
            "doc": question,
            "target": target,
            "arguments": {"gen_args_0": {"arg_0": prompts[id], "arg_1": decoding}},
            "resps": [[text_of(row) for row in answers]],
            "filtered_resps": ["" if row.get("extracted") is None else str(row["extracted"]) for row in answers],
            "filter": "redpen",
            "metrics": list(verdicts),
            **{f"{name}_hash": sha256(text) for name, text in (("prompt", prompts[id]), ("target", target))},
            "doc_hash": content_key(question),
            **verdicts,
        }


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the verdicts that are not None."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def sha256(text: str) -> str:
    """The hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def inspect_log(
    checkpoint: str,
    benchmark: str,
    made: str,
    score: Mapping,
    rows: Sequence[dict],
    questions: Mapping[str, dict],
    prompts: Mapping[str, str],
) -> dict:
    """An evaluation in Inspect's log format; `made` is the time of scoring."""
    accuracies = {"ours": score, **score.get("verdicts", {})}
    scorers = [
        {
            "name": name,
            "scorer": name,
            "params": {},
            "metrics": {"accuracy": {"name": "accuracy", "value": one["accuracy"]}},
        }
        for name, one in accuracies.items()
        if one.get("accuracy") is not None
    ]
    ids = {"eval_id": content_key(checkpoint, benchmark, made), "run_id": content_key(checkpoint, made)}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            **ids,
            "created": made,
            "task": benchmark,
            "task_id": content_key(benchmark),
            "model": f"redpen/{checkpoint}",
            "dataset": {"name": benchmark, "samples": len(questions), "sample_ids": list(questions)},
            "config": {"epochs": 1 + max(row.get("sample", 0) for row in rows)},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {"total_samples": len(rows), "completed_samples": len(rows), "scores": scorers},
        "stats": {"started_at": made, "completed_at": made, "model_usage": {}},
        "samples": [inspect_sample(checkpoint, row, questions[row["question_id"]], prompts) for row in rows],
    }


def inspect_sample(checkpoint: str, row: dict, question: dict, prompts: Mapping[str, str]) -> dict:
    """One answer in Inspect's log format."""
    said = {"role": "assistant", "content": text_of(row), "source": "generate"}
    asked = prompts[question["id"]]
    extracted = row.get("extracted")
    scores = {
        name: {
            "value": {True: "C", False: "I"}.get(row[field], row[field]),
            "answer": None if extracted is None else str(extracted),
        }
        for name, field in VERDICTS.items()
        if row.get(field) is not None
    }
    stopped = "stop" if row.get("finished", True) else "max_tokens"
    return {
        "id": question["id"],
        "epoch": row.get("sample", 0) + 1,
        "input": asked,
        "target": str(question.get("answer")),
        "messages": [{"role": "user", "content": asked}, said],
        "output": {"model": f"redpen/{checkpoint}", "choices": [{"message": said, "stop_reason": stopped}]},
        "scores": scores,
        "metadata": {key: question[key] for key in ("subject", "level") if key in question},
    }


if __name__ == "__main__":
    cli.run(main, parse_args)
