"""A quick look: what a checkpoint scores on the first questions of each benchmark, in a folder of its own.

`results/laptop/first20/scores/cft/arithmetic.json` is made by the rules of rules/first.smk. Nothing else reads it, so
the study's own files stay as they are; the folder may be deleted.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.lib.jsonl import lines_of, read_json

SCORES = re.compile(r"(?P<study>.*)/first(?P<limit>[1-9]\d*)/scores/(?P<checkpoint>[^/]+)/[^/]+\.json")


def in_first(pattern: str, limit: int | str) -> str:
    """Where a file of the study lies that is made from so many questions only.

    >>> in_first("<results>/scores/cft/arithmetic.json", 20)
    '<results>/first20/scores/cft/arithmetic.json'
    """
    return pattern.replace("<results>/", f"<results>/first{limit}/")


def inputs(files: Callable[..., Iterable[str]]) -> Callable[..., list[str]]:
    """An input function: what another one gives, made from the first questions."""
    return lambda wildcards: [in_first(file, wildcards.limit) for file in files(wildcards)]


def scores(file: str | Path) -> list[str]:
    """What a quick look says, a line for each benchmark; none where the file is no score of one."""
    found = SCORES.fullmatch(Path(file).as_posix())
    return [_line(found, *score) for score in read_json(file)["benchmarks"].items()] if found else []


def _line(found: re.Match, benchmark: str, score: dict) -> str:
    asked = sum(1 for _ in lines_of(Path(found["study"], f"first{found['limit']}", "benchmarks", f"{benchmark}.jsonl")))
    whole = Path(found["study"], "benchmarks", f"{benchmark}.jsonl")
    of = f" of {sum(1 for _ in lines_of(whole)):,}" if whole.is_file() else ""
    mark, accuracy, error = score.get("out_of", 100), score["accuracy"], score.get("standard_error")
    number = "no verdict" if accuracy is None else f"{mark * accuracy:.1f}"
    number += "" if error is None else f" ± {mark * error:.1f}"
    return f"{found['checkpoint']}, {benchmark}: {number} (the first {asked:,}{of} questions)"
