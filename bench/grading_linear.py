"""How the time to find an answer grows with the text, for texts that repeat one sign; prints a Markdown table.

    python -m bench.grading_linear

For each sign and length: milliseconds to find the answer that stands before it, and the growth from each length to ten
times that length, as a multiple of ten (1.0 is linear). 30,000 newlines behind an answer are timed on their own.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence

from scripts.lib.grading import answers, choices

LENGTHS = (10_000, 100_000, 1_000_000)
REPEATED = {
    "newlines": "\n",
    "blanks": " ",
    "stars": "*",
    "dollars": "$",
    "dollars and blanks": "$ ",
    "open brackets": "(",
    "open braces": "{",
    "boxes that stay open": "\\boxed{",
    "boxes": "\\boxed{7} ",
    "digits": "7",
    "digits and commas": "111,",
    "letters": "x",
    "words": "answer is ",
    "tags": "<answer>",
    "questions": "\nProblem: ",
    "hashes": "#### ",
    "dashes": "–",
}


def milliseconds(read: Callable[[str], object], text: str, repeats: int = 5) -> float:
    """The minimum processor time of `read` on `text`, over a few repeats."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        read(text)
        times.append(time.process_time() - start)
    return 1000 * min(times)


def unlike(length: int) -> str:
    """Letters, digits and marks in random order, so that nothing is shortened as a loop."""
    draw = random.Random(0)
    return "".join(draw.choices("abc xyz 123 .,$*{}()\\\n=+-", k=length))


def row(name: str, texts: list[str]) -> str:
    """One line of the table."""
    cells = []
    for read in (answers.extract, choices.choice_letter):
        times = [milliseconds(read, text) for text in texts]
        growth = (f"{after / before / 10:.2f}" for before, after in zip(times, times[1:], strict=False))
        cells += [" / ".join(f"{value:.1f}" for value in times), " / ".join(growth)]
    return f"| {name} | {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.grading_linear", description=__doc__.split("\n")[0])
    parser.parse_args(argv)
    before = "The answer is 7."
    print("| text | answer: ms for 10 KB / 100 KB / 1 MB | growth | letter: ms | growth |")
    print("| --- | --- | --- | --- | --- |")
    for name, sign in REPEATED.items():
        print(row(name, [before + sign * (length // len(sign)) for length in LENGTHS]), flush=True)
    print(row("no order", [before + unlike(length) for length in LENGTHS]))
    print(f"\n30,000 newlines: {milliseconds(answers.extract, before + chr(10) * 30_000):.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
