"""Inequalities, exclusions and sets of real numbers as intervals."""

import re
from collections.abc import Callable
from fractions import Fraction

from scripts.lib.grading.pieces import has, is_name, items, split

ALL = "(-∞,∞)"
REALS = re.compile(
    r"(?:\\text\s*\{\s*)?(?:\bfor\s+)?\b(?:all|any|every)\s+(?:real\s+)?(?:numbers?|values?|reals?)(?:\s+of)?\s*\}?"
    r"(?:\s*[a-z](?![a-z]))?|(?:\\text\s*\{\s*)?\b(?:all\s+)?real\s+numbers?\b\s*\}?|\ball\s+reals\b"
    r"|(?:\\text\s*\{\s*)?\ball\s+real\s*\}?\s*[a-z](?![a-z])|ℝ"
)
EXCEPT = re.compile(
    r"(?:\\text\s*\{)?\s*,?\s*\b(?:except|excluding|other\s+than|but\s+not)\b(?:\s+for)?(?:\s+when)?\s*\}?|∖"
)
SET_BUILDER = re.compile(r"⦃\s*(?P<name>[A-Za-z])\s*(?:∈\s*ℝ\s*)?[:|]\s*(?P<condition>.+)⦄")
TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}
SHAPES = {"<": "(-∞,{})", "≤": "(-∞,{}]", ">": "({},∞)", "≥": "[{},∞)"}


def as_interval(text: str, value_of: Callable[[str], object] = lambda text: None) -> str:
    """`x ≥ 2` as [2,∞), `1 < x ≤ 3` as (1,3], `x ≠ 2` as (-∞,2)∪(2,∞); other texts as they are.

    Args:
        text: a cleaned answer.
        value_of: the number that a text stands for, or None; to put several excluded points in order.
    """
    text = _european(text)
    builder = SET_BUILDER.fullmatch(text)
    if builder:
        text = builder["condition"]
    text = re.sub(r"^\s*[A-Za-z]\s*∈\s*ℝ\s*[,;:|]\s*(?=[A-Za-z]\s*[<>≤≥≠])", "", text)
    text = REALS.sub(ALL, text)
    if not any(sign in text for sign in "<>≤≥≠∖") and not EXCEPT.search(text):
        return text
    points = _excluded(text)
    if points is not None:
        return _without(points, value_of)
    if has(text, ",;∪¶=") or re.search(r"\s(?:and|or)\s|text", text) or "≠" in text:
        return text
    return _inequality(text)


def _european(text: str) -> str:
    """`]0,1[`, the open interval in much of Europe, as (0,1)."""
    match = re.fullmatch(r"([\[\]])([^\[\]()]+,[^\[\]()]+)([\[\]])", text)
    if match is None or (match[1] == "[" and match[3] == "]"):
        return text
    return f"{'(' if match[1] == ']' else '['}{match[2]}{')' if match[3] == '[' else ']'}"


def _excluded(text: str) -> list[str] | None:
    """The points that are left out of all real numbers, where `text` says nothing else."""
    match = re.fullmatch(rf"\s*{re.escape(ALL)}\s*(.*)", text)
    if match:
        rest = EXCEPT.sub("", match[1], count=1) if EXCEPT.match(match[1]) else None
        if rest is None:
            rest = match[1].lstrip(",; ") if "≠" in match[1] else None
        if rest is None:
            return None
        text = rest.strip()
        if text.startswith("⦃") and text.endswith("⦄"):
            text = text[1:-1]
    elif "≠" not in text:
        return None
    points = []
    for item in items(text):
        name, sign, point = re.match(r"(?s)(?:\s*([A-Za-z])\s*([=≠]))?\s*(.*)", item).groups()
        if any(other in point for other in "<>≤≥≠=") or not point or (points == [] and not match and sign != "≠"):
            return None
        points.append(point.strip())
    return points or None


def _without(points: list[str], value_of: Callable[[str], object]) -> str:
    """All real numbers without `points`, as a union."""
    values = [value_of(point) for point in points]
    if len(points) > 1:
        if any(value is None for value in values):
            return "≠" + ",".join(points)
        points = [point for _, point in sorted(zip(values, points, strict=True), key=lambda pair: pair[0])]
    ends = ["-∞", *points, "∞"]
    return "∪".join(f"({low},{high})" for low, high in zip(ends, ends[1:], strict=False))


def _inequality(text: str) -> str:
    pieces = [piece.strip() for piece in split(text, "<>≤≥")]
    signs = [sign for sign in text if sign in TURNED]
    if any(not piece for piece in pieces) or len(pieces) != len(signs) + 1:
        return text
    if len(signs) == 2 and _is_variable(pieces[1]):
        return _between(text, pieces, signs)
    if len(signs) == 1:
        (left, right), sign = pieces, signs[0]
        if not _is_variable(left):
            left, right, sign = right, left, TURNED[sign]
        return SHAPES[sign].format(right) if _is_variable(left) else text
    return text


def _between(text: str, pieces: list[str], signs: list[str]) -> str:
    """`1 < x ≤ 3`, read from either end."""
    if all(sign in "<≤" for sign in signs):
        low, high = (pieces[0], signs[0]), (pieces[2], signs[1])
    elif all(sign in ">≥" for sign in signs):
        low, high = (pieces[2], signs[1]), (pieces[0], signs[0])
    else:
        return text
    return f"{'[' if low[1] in '≤≥' else '('}{low[0]},{high[0]}{']' if high[1] in '≤≥' else ')'}"


def _is_variable(text: str) -> bool:
    """Whether `text` is a name that runs over values, and not one value of a function: `f(x)`, not `f(2)`."""
    return is_name(text) and re.search(r"\(\s*\d", text) is None


def number(value: object) -> Fraction | None:
    """A value by which points can be put in order."""
    import mpmath

    if isinstance(value, Fraction):
        return value
    if isinstance(value, mpmath.mpf):
        return Fraction(str(mpmath.nstr(value, 30)))
    return None
