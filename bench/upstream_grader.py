"""Runs the papers' own graders on answers: the half of `bench.parity` that needs their pinned sympy and latex2sympy.

    PYTHON bench/upstream_grader.py UPSTREAM < answers.jsonl > verdicts.jsonl

PYTHON is an environment with sympy 1.12, antlr4-python3-runtime 4.11.1, regex and word2number, UPSTREAM the folder of
the checkouts. A line in has id, set, gold and prediction; a line out has id, and of each grader the answer that it
extracted and its verdict (null after three seconds).
"""

import contextlib
import importlib.util
import json
import signal
import sys
import types
from pathlib import Path

SECONDS = 3  # the authors' own limit for a comparison
SETS = {"minerva": "minerva_math", "math500": "math-500"}  # our name → theirs, where they differ


class LateError(BaseException):
    """Not an Exception: the authors' code catches those."""


def late(*_) -> None:
    raise LateError


def module(name: str, file: Path) -> types.ModuleType:
    """An upstream file as a module."""
    spec = importlib.util.spec_from_file_location(name, file)
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def verdict(compare, answer: str, gold: str) -> bool | None:
    """The verdict of a comparison, None if it exceeds its time."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return bool(compare(answer, gold))
    except (LateError, Exception):  # an error of their code is not a verdict
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main(upstream: Path) -> None:
    """Grades standard input."""
    signal.signal(signal.SIGALRM, late)
    math = upstream / "CritiqueFineTuning" / "tools" / "evaluate_math"
    sys.path.insert(0, str(math / "latex2sympy"))
    sys.modules["utils"] = types.ModuleType("utils")  # their parser imports it without using it
    parser, grader = module("their_parser", math / "parser.py"), module("their_grader", math / "grader.py")
    thinkpo = module("their_harness", upstream / "ThinkPO" / "utils" / "eval" / "qwen_math_parser.py")
    for line in sys.stdin:
        row = json.loads(line)
        name = SETS.get(row["set"], row["set"])
        whole = name in parser.STRIP_EXCEPTIONS
        answer = parser.strip_string(parser.extract_answer(row["prediction"], name), skip_unit=whole)
        gold = parser.strip_string(row["gold"], skip_unit=whole)
        cft = [answer, verdict(grader.math_equal, answer, gold)]
        answer = thinkpo.strip_answer_string(thinkpo.extract_answer(row["prediction"]))
        other = [answer, verdict(thinkpo.math_equal, answer, thinkpo.strip_answer_string(row["gold"]))]
        sys.stdout.write(json.dumps({"id": row["id"], "cft": cft, "thinkpo": other}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
