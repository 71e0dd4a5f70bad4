"""Prints the answers behind a number, in the terminal: question, gold, verdicts, and what one or two checkpoints said.

    python -m scripts.show cft --against sft-teacher --benchmark equations --flipped
    python -m scripts.show cft --wrong -n 3
    python -m scripts.show --critiques arithmetic-verifier
    python -m scripts.show --train-set cft

It reads existing files under results/<study>/ and runs nothing. The study page shows the same in a browser
(snakemake study_page).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import islice

from scripts.lib import cli
from scripts.lib.grading.scoring import VERDICTS
from scripts.lib.jsonl import BadInput, each_row
from scripts.lib.page import training
from scripts.lib.page.answers import text_of
from scripts.lib.page.results import Results, default_folder
from scripts.lib.study import runs

RULE = "─" * 80
SIGNS = {True: "right", False: "wrong", None: "–"}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", metavar="RUN", help="a model or run that has scores")
    parser.add_argument("--results", help="the study's folder (default: the only one under results/, or the laptop's)")
    parser.add_argument("--against", metavar="RUN", help="another one, whose answers are shown alongside")
    parser.add_argument("--benchmark", help="only this benchmark")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--wrong", action="store_true", help="only wrong answers")
    which.add_argument("--flipped", action="store_true", help="only those on which the two differ (needs --against)")
    which.add_argument("--cut-off", action="store_true", help="only answers that were cut off")
    which.add_argument("--disputed", action="store_true", help="only answers on which the graders differ")
    parser.add_argument("--critiques", metavar="ENTRY", help="in place of answers: an entry of critiques")
    parser.add_argument("--train-set", metavar="RUN", help="in place of answers: rows as the model reads them")
    parser.add_argument("-n", type=int, default=5, help="how many to show (default: 5)")
    args = parser.parse_args(argv)
    if sum(bool(value) for value in (args.checkpoint, args.critiques, args.train_set)) != 1:
        parser.error("name one of RUN, --critiques ENTRY and --train-set RUN")
    if args.flipped and not args.against:
        parser.error("--flipped needs --against RUN")
    return args


def main(args: argparse.Namespace) -> int:
    """Prints the requested rows and their number."""
    results = Results(args.results or default_folder())
    if args.critiques:
        found = critiques(results, args.critiques)
    elif args.train_set:
        found = train_rows(results, args.train_set)
    else:
        found = answers(results, args)
    shown = 0
    for text in islice(found, args.n):
        sys.stdout.write(f"{RULE}\n{text}\n")
        shown += 1
    left = sum(1 for _ in found)
    sys.stdout.write(f"{RULE}\n{shown} shown, {left} more{' (-n shows more)' if left else ''}\n")
    return 0


# --- answers ----------------------------------------------------------------------------------------------------------


def answers(results: Results, args: argparse.Namespace) -> Iterator[str]:
    """The requested answers, each as text."""
    wanted = filter_of(args)
    other = {row["id"]: row for row in graded(results, args.against, args.benchmark)} if args.against else {}
    questions: dict[str, dict[str, dict]] = {}
    for row in graded(results, args.checkpoint, args.benchmark):
        beside = other.get(row["id"])
        if wanted(row, beside):
            name = row["benchmark"]
            if name not in questions:
                questions[name] = {question["id"]: question for question in results.rows("benchmarks", f"{name}.jsonl")}
            question = questions[name].get(row["question_id"], {})
            said = [(args.checkpoint, row), *([(args.against, beside)] if beside else [])]
            yield answer_text(row["id"], question, said)


def graded(results: Results, checkpoint: str, benchmark: str | None) -> Iterator[dict]:
    """The graded answers of a checkpoint, to one benchmark or to all.

    Raises:
        BadInput: the checkpoint, or the benchmark, has no graded answers.
    """
    files = results.score_files(checkpoint)
    if not files:
        known = ", ".join(results.checkpoints) or "none"
        raise BadInput(f"{checkpoint}: no graded answers under {results.path('scores')} (there are: {known}).")
    known = results.scores.get(checkpoint, {})
    if benchmark and benchmark not in known:
        raise BadInput(f"{checkpoint} has no answers to {benchmark} (there are: {', '.join(known)}).")
    for file in files:
        for row in each_row(file.with_suffix(".jsonl"), may_be_empty=True):
            if benchmark in (None, row["benchmark"]):
                yield row


def filter_of(args: argparse.Namespace) -> Callable[[dict, dict | None], bool]:
    """A filter for answers, given the other checkpoint's answer."""
    if args.wrong:
        return lambda row, other: row["correct"] is not None and row["correct"] < 1
    if args.flipped:
        return lambda row, other: other is not None and row["correct"] != other["correct"]
    if args.cut_off:
        return lambda row, other: not row.get("finished", True)
    if args.disputed:
        return lambda row, other: len({verdict for verdict in verdicts_of(row).values() if verdict is not None}) > 1
    return lambda row, other: True


def verdicts_of(row: dict) -> dict[str, bool | float | None]:
    """The graders' verdicts on an answer, by their names."""
    return {name: row[field] for name, field in VERDICTS.items() if field in row}


def answer_text(id: str, question: dict, said: list[tuple[str, dict]]) -> str:
    """A question with its gold answer, and each checkpoint's answer."""
    lines = [id, "", str(question.get("question", "")), "", f"gold: {question.get('answer', '–')}"]
    for checkpoint, row in said:
        verdicts = ", ".join(f"{name} {SIGNS.get(verdict, verdict)}" for name, verdict in verdicts_of(row).items())
        facts = (
            [f"extracted: {'nothing' if row['extracted'] is None else row['extracted']}"] if "extracted" in row else []
        )
        facts += [verdicts, *([f"{row['tokens']} tokens"] if "tokens" in row else [])]
        facts += [] if row.get("finished", True) else ["cut off"]
        facts += [row["error"]] if "error" in row else []
        lines += ["", f"── {checkpoint} ── {' · '.join(facts)}", text_of(row).strip() or "(nothing but white space)"]
        lines += ["", "── judgement ──", row["judgement"].strip()] if row.get("judgement") else []
    return "\n".join(lines)


# --- critiques and training rows --------------------------------------------------------------------------------------


def critiques(results: Results, entry: str) -> Iterator[str]:
    """The critiques of an entry, each with the response that it judges."""
    if not results.path("critiques", f"{entry}.jsonl").is_file():
        raise BadInput(f"{entry}: no critiques yet (entries: {', '.join(results.study['critiques'])}).")
    for row in results.rows("critiques", f"{entry}.jsonl"):
        verdict = row.get("error") or row.get("verdict", "–")
        yield "\n".join(
            [
                *(row["id"], "", row["question"], "", f"gold: {row.get('answer', '–')}", "", "── response ──"),
                *(
                    row["response"].strip(),
                    "",
                    f"── critique ── critic: {verdict} · grader: {SIGNS[row.get('correct')]}",
                ),
                (row.get("critique") or "").strip(),
            ]
        )


def train_rows(results: Results, run: str) -> Iterator[str]:
    """The rows of a run's training set as the model reads them: the tokens that the loss counts are between ⟦ and ⟧."""
    if not results.path("train_sets", f"{run}.jsonl").is_file():
        raise BadInput(f"{run}: no training set yet (runs: {', '.join(results.study['runs'])}).")
    reader = training.reader_of(results, *runs.tokenizer_behind(results.study.resolved, run))
    recipe = results.study["runs"][run]["hyperparameters"]
    for row in results.rows("train_sets", f"{run}.jsonl"):
        shown = training.shown(row, reader, recipe)
        sides = shown["sides"]
        end = shown.get("end", "")
        texts = [f"⟦{side['text']}{end}⟧{f' ({name})' if len(sides) > 1 else ''}" for name, side in sides.items()]
        left_out = [f"(left out of training: {shown['dropped']})"] if "dropped" in shown else []
        yield "\n".join([shown["id"], *left_out, "", shown["prompt"] + "\n".join(texts)])


if __name__ == "__main__":
    cli.run(main, parse_args)
