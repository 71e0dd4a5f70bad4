"""IFEval: whether an answer follows the instructions in its prompt, by the programs that lm-eval has.

The programs are Google's, as `lm_eval.tasks.ifeval` carries them (https://arxiv.org/abs/2311.07911, section 3). They
run in worker processes with a deadline, because they split, parse and search text that a model wrote.
"""

import multiprocessing
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.lib.cli import GET_LM_EVAL
from scripts.lib.grading.scoring import accuracy_of, shares_of
from scripts.lib.jsonl import BadInput

DEADLINE_S = 20.0  # for one answer; most take milliseconds
METRICS = ("prompt-strict", "prompt-loose", "instruction-strict", "instruction-loose")
PUNKT = "tokenizers/punkt_tab"  # inside a folder of nltk data


def check_generations(
    rows: Sequence[dict], questions: Mapping[str, dict], metric: str, punkt: str | Path, workers: int | None
) -> list[dict]:
    """The rows with `correct`, and what was followed of each instruction in `followed_strict` and `followed_loose`.

    Args:
        rows: generations of one benchmark.
        questions: its questions by id, with `instruction_id_list` and `kwargs`.
        metric: `prompt-strict` and `prompt-loose` make `correct` whether all instructions are followed;
            `instruction-strict` and `instruction-loose` the number that is over the mean number in a prompt, so that
            its mean over prompts is the share of all instructions that is followed.
        punkt: a folder of nltk data with punkt_tab.
        workers: worker processes (None: one a core).

    Raises:
        BadInput: lm-eval is not installed, or an instruction is unknown to it.
    """
    try:
        import nltk
        from pebble import ProcessPool

        nltk.data.path.insert(0, str(Path(punkt).resolve()))  # before the next import, which looks for it
        from lm_eval.tasks.ifeval.instructions_registry import INSTRUCTION_DICT
    except ImportError as error:
        where = f"IFEval's programs cannot be loaded in {sys.executable} ({error})"
        raise BadInput(f"{where}. Install lm-eval: {GET_LM_EVAL}") from None
    unknown = {name for row in rows for name in questions[row["question_id"]]["instruction_id_list"]}
    unknown -= INSTRUCTION_DICT.keys()
    if unknown:
        raise BadInput(f"IFEval has no instruction {', '.join(sorted(unknown))}. Check the benchmark's questions.")
    asked = [(questions[row["question_id"]], row["response"]) for row in rows]
    count = workers or len(os.sched_getaffinity(0))
    with ProcessPool(max_workers=count, context=multiprocessing.get_context("fork")) as pool:
        futures = [pool.schedule(followed, args=pair, timeout=DEADLINE_S) for pair in asked]
        made = [
            verdicts(row, question, future) for row, (question, _), future in zip(rows, asked, futures, strict=True)
        ]
    correct = credits(made, metric)
    return [{**row, "correct": value} for row, value in zip(made, correct, strict=True)]


def followed(question: dict, response: str) -> tuple[list[bool], list[bool]]:
    """For each instruction of the question, whether the response follows it: strictly, and loosely."""
    import langdetect
    from lm_eval.tasks.ifeval import utils

    # Both draw at random otherwise: langdetect where a text is short, IFEval where an instruction leaves a choice.
    langdetect.DetectorFactory.seed = 0
    random.seed(question["id"])
    example = utils.InputExample(
        key=0,
        instruction_id_list=question["instruction_id_list"],
        prompt=question["question"],
        kwargs=question["kwargs"],
    )
    strict = utils.test_instruction_following_strict(example, response)
    loose = utils.test_instruction_following_loose(example, response)
    return list(map(bool, strict.follow_instruction_list)), list(map(bool, loose.follow_instruction_list))


def verdicts(row: dict, question: dict, future) -> dict:
    """The row with its verdicts; an answer that the programs cannot deal with follows nothing, and has an error."""
    error = {}
    try:
        strict, loose = future.result()
    except Exception as problem:  # whatever the text does to the programs; also the deadline, and a worker that died
        strict = loose = [False] * len(question["instruction_id_list"])
        error = {"error": f"grading: {type(problem).__name__}: {' '.join(str(problem).split())[:200]}"}
    return {**row, "followed_strict": strict, "followed_loose": loose, "extracted": row["response"] or None, **error}


def credits(rows: Sequence[dict], metric: str) -> list[float]:
    """What each row counts, so that the plain mean is the metric."""
    unit, _, manner = metric.partition("-")
    followed = [row[f"followed_{manner}"] for row in rows]
    if unit == "prompt":
        return [float(all(mine)) for mine in followed]
    mean = sum(map(len, followed)) / len(followed)
    return [sum(mine) / mean for mine in followed]


def summarise_all(rows: Sequence[dict]) -> dict:
    """Every metric with its standard error, as fractions: `prompt_strict`, `prompt_strict_standard_error`, …"""
    found = {}
    for metric in METRICS:
        made = [{**row, "correct": value} for row, value in zip(rows, credits(rows, metric), strict=True)]
        figures, name = accuracy_of(shares_of(made)), metric.replace("-", "_")
        found |= {name: figures["accuracy"], f"{name}_standard_error": figures["standard_error"]}
    return found
