"""Rows a second of the grading pool (all verdicts) over math-verify alone in one process; prints the ratio.

    python -m bench.grading_speed [--every 3] [--workers 2]

Both grade the same rows in one run, and the two math-verify verdicts of each row are compared. math-verify alone uses
its own time-out of 5 s; rows on which one of the two ran out of time are counted apart.
"""

import argparse
import logging
import random
import sys
import time
from collections.abc import Sequence

from bench.grading_quality import labelled_sets
from scripts.lib.grading import Item, grade


def alone(items: Sequence[Item]) -> list[bool]:
    """math-verify's verdicts, one after the other in this process."""
    from math_verify import parse, verify

    return [bool(verify(parse("\\boxed{" + item.gold + "}"), parse(item.prediction))) for item in items]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints both rates, the ratio and the number of verdicts that differ."""
    parser = argparse.ArgumentParser(prog="python -m bench.grading_speed", description=__doc__.split("\n")[0])
    parser.add_argument("--every", type=int, default=3, help="grade every n-th row only (3)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (2)")
    args = parser.parse_args(argv)
    sets = {name: rows for name, rows in labelled_sets().items() if name != "grader_cases"}  # chosen to hurt
    items = [item for rows in sets.values() for item, _ in rows[:: args.every] if item.kind == "math"]
    random.Random(0).shuffle(items)  # else the slow sets would all be at the end
    logging.disable(logging.CRITICAL)
    alone(items[:1])  # imports are not counted; the pool's start is
    start = time.perf_counter()
    grades = grade(items, workers=args.workers)
    pool_s = time.perf_counter() - start
    start = time.perf_counter()
    verdicts = alone(items)
    alone_s = time.perf_counter() - start
    late = sum(result.math_verify is None for result in grades)
    pairs = zip(grades, verdicts, strict=True)
    differ = sum(result.math_verify not in (None, verdict) for result, verdict in pairs)
    print(f"rows {len(items)}, workers {args.workers}")
    print(f"math-verify alone, one process: {len(items) / alone_s:.0f} rows/s")
    print(f"pool, all verdicts:             {len(items) / pool_s:.0f} rows/s")
    print(f"ratio {alone_s / pool_s:.2f}; math-verify verdicts that differ: {differ}; past the deadline: {late}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
