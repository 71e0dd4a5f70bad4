"""When two formulas are equal: the same value at every point that is tried.

Rational values must be the same; others agree to 60 digits of their size. What is nearly zero counts as zero only if
it shrinks as the precision grows: e^{-100} is not 0, \\sqrt{2}^2 - 2 is.
"""

import random
from collections.abc import Mapping
from fractions import Fraction

from scripts.lib.grading.formulas import Formula
from scripts.lib.grading.nodes import DIGITS, MAX_STEPS, NotRealError, Point, UnreadableError, Value, floating

AGREED = 60  # digits in which values that are not rational agree
WHOLE_NAMES = frozenset("ijklmnpqrNKM")  # what a floor or a factorial is usually taken of
WHOLE_POINTS = 36  # further points for what is meant for whole numbers
NEEDED = 3  # points at which both formulas must have a value


def equal(left: Formula, right: Formula, digits: int = AGREED, aliases: Mapping[str, str] | None = None) -> bool:
    """Whether two formulas have the same value at every tested point.

    Args:
        left: the gold: where it is real, `right` must be real too.
        right: the answer.
        digits: in which they must agree where they are not rational.
        aliases: names in `right` that stand for other names in `left`.

    Raises:
        UnreadableError: both have a value at no point.
    """
    aliases = aliases or {}
    symbols = sorted(left.symbols | (right.symbols - aliases.keys()))
    if not symbols:
        return equal_at(left, right, None, digits)
    whole, imaginary = left.whole or right.whole, left.imaginary or right.imaginary
    agreed = _agreed(left, right, points(symbols, whole, not imaginary, aliases), digits)
    if agreed == 0 and not imaginary:
        agreed = _agreed(left, right, points(symbols, whole, False, aliases), digits)
    if agreed == 0:
        raise UnreadableError("no value at any point")
    return agreed is not None


def _agreed(left: Formula, right: Formula, where: list[Point], digits: int) -> int | None:
    """The number of points at which the two agree; None if they differ at one."""
    agreed = 0
    for point in where:
        try:
            if not equal_at(left, right, point, digits):
                return None
        except UnreadableError:
            continue
        agreed += 1
    return agreed


def equal_at(left: Formula, right: Formula, point: Point | None, digits: int = AGREED) -> bool:
    """Whether two formulas have the same value at one point.

    Raises:
        UnreadableError: where `left` has none, or `right` is out of bounds.
    """
    if point is not None:
        point.steps = [MAX_STEPS]
    wanted = left.value(point)
    try:
        found = right.value(point)
    except NotRealError:
        return False
    if isinstance(wanted, Fraction) and isinstance(found, Fraction):
        return wanted == found
    if close(wanted, found, digits):
        return True
    return vanishes(left, point) and vanishes(right, point)


def vanishes(formula: Formula, point: Point | None) -> bool:
    """Whether a value is zero except for its last digits, also at higher precision."""
    import mpmath

    first = formula.value(point)
    if isinstance(first, Fraction):
        return first == 0
    if abs(first) > mpmath.mpf(10) ** (-DIGITS // 2):
        return False
    second = formula.value(point, 2 * DIGITS)
    return bool(second == 0 or abs(first - second) > abs(second) / 2)


def points(symbols: list[str], whole: bool, real: bool, aliases: Mapping[str, str] | None = None) -> list[Point]:
    """Where formulas are compared: positive, negative, small, large and fractional values; whole numbers where meant.

    Where the imaginary unit is about, variables are positive. Of several variables, each is once negative where its
    neighbours are not.
    """
    kinds = (
        ("usual", "usual", "usual", "small", "mixed", "mixed", "negative", "mixed", "large", "small")
        if real
        else (*(("usual",) * 6),)
    )
    found = []
    if whole:
        kinds = (*kinds, *(("whole",) * WHOLE_POINTS))  # the jumps of a floor lie anywhere
    for number, kind in enumerate(kinds):
        point = Point()
        for place, name in enumerate(symbols):
            meant_whole = whole and name[0] in WHOLE_NAMES
            turned = kind == "negative" or (kind == "mixed" and (place + number) % 2 == 0 and not meant_whole)
            value = sample(name, number, kind, meant_whole)
            if kind == "whole" and meant_whole:  # one after the other, each name at another pace
                value = Fraction(1 + (number * (2 * place + 1)) % (WHOLE_POINTS + 1))
            point[name] = -value if turned else value
        for name, meant in (aliases or {}).items():
            point[name] = point[meant]
        point.real = real
        found.append(point)
    return found


def sample(name: str, number: int, kind: str = "usual", whole: bool = False) -> Fraction:
    """The value of variable `name` at point `number`: the same in every process, not in step with other names."""
    draw = random.Random(f"{number}:{name}")
    if whole:
        return Fraction(draw.randint(2, 40))
    value = Fraction(1, 2) + Fraction(draw.randrange(99_991), 40_009)
    if kind == "small":
        return value / 7
    return value * 53 if kind == "large" else value


def close(left: Value, right: Value, digits: int = AGREED) -> bool:
    """Whether two values agree: exactly where both are rational, otherwise to `digits` significant digits."""
    import mpmath

    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    with mpmath.workdps(DIGITS):
        left, right = floating(left), floating(right)
        return bool(abs(left - right) <= max(abs(left), abs(right)) * mpmath.mpf(10) ** -digits)


def same_solutions(left: Formula, right: Formula) -> bool:
    """Whether `left = 0` and `right = 0` say the same because one is a constant multiple of the other."""
    if left.symbols != right.symbols or not left.symbols:
        return False
    ratio, agreed = None, 0
    whole = left.whole or right.whole
    for point in points(sorted(left.symbols), whole, real=not (left.imaginary or right.imaginary)):
        try:
            here, there = left.value(point), right.value(point)
            if here == 0 or there == 0:
                continue
            exact = isinstance(here, Fraction) and isinstance(there, Fraction)
            now = here / there if exact else floating(here) / floating(there)
        except (UnreadableError, ZeroDivisionError):
            continue
        if ratio is not None and not close(ratio, now, 30):
            return False
        agreed += 1
        ratio = now if ratio is None else ratio
    return agreed >= NEEDED
