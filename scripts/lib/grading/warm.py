"""Imported by the fork server only: work that every grading worker would otherwise repeat in its first second.

The reading of a few formulas compiles math-verify's patterns and fills the tables of its parser; workers inherit both.
"""

import logging

import mpmath  # noqa: F401
from math_verify import parse, verify

from scripts.lib.grading import graders  # noqa: F401

logging.disable(logging.CRITICAL)  # in the fork server, which would warn that the time-out is off, as intended
FORMULAS = (r"\boxed{\frac{1}{2}}", r"$x = 2\sqrt{3}$", r"$(1, -2]$", "the answer is 1,234.5")
for formula in FORMULAS:
    parsed = parse(formula, parsing_timeout=None)
    verify(parsed, parsed, timeout_seconds=None)
