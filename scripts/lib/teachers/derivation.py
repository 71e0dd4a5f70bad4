"""A worked solution as the first part of a critique: the problem worked out, up to the reference answer.

Nothing is computed here: the lines are the solution's own. A solution that ends at another number than the reference
answer is not a derivation of it, nor is one that would have to be cut.
"""

import re

from scripts.lib.teachers.arithmetic import find_statements, value_of

MAX_DERIVATION = 4_000  # characters of a worked solution; longer ones are not shown

OPENING = "Let us work the problem out first."
NO_DERIVATION = "No worked solution is at hand to set it against."

_ANSWER_LINE = re.compile(r"(?i)^(?:(?:so|thus|hence|therefore),? )?(?:the )?(?:final )?answer is\b.*$|^####.*$")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_MARKS = re.compile(r"<<[^<>\n]*>>|(?i:\[END\]|conclusion\s*:\s*(?:right|wrong)?)")


def derive(solution: str | None, answer: str) -> list[str] | None:
    """The lines of a derivation, the last of which states the reference answer; None if there is none to show.

    Args:
        solution: a worked solution.
        answer: the reference answer, as it is printed.

    >>> derive("4 - 1 = 3\\nThe answer is 3.", "3")
    ['Let us work the problem out first.', '4 - 1 = 3', 'The correct answer is 3.']
    """
    if not solution or len(solution) > MAX_DERIVATION:
        return None
    lines = [" ".join(_MARKS.sub("", line).split()) for line in solution.splitlines()]
    worked = [line for line in lines if line and not _ANSWER_LINE.match(line)]
    if not worked or _ends_elsewhere(worked, answer):
        return None
    return [OPENING, *worked, f"The correct answer is {answer}."]


def _ends_elsewhere(worked: list[str], answer: str) -> bool:
    """Whether neither the last calculation nor a number of the last line is the reference answer."""
    reference, statements = value_of(answer), find_statements("\n".join(worked))
    if reference is None or not statements or statements[-1].stated == reference:
        return False
    return reference not in map(value_of, _NUMBER.findall(worked[-1]))
