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
_IS = r"\s*(?:\b(?:that\s+|which\s+)?(?:is|are|(?:must|has\s+to|should)\s+be)\s+)?\b"
# Relations in words.
SPOKEN = re.compile(r"\b(?:than|least|most|between|(?:non-?)?(?:posi|nega)tive)\b")
RELATIONS = tuple(
    (re.compile(rf"{_IS}(?:{words})\s+(?=[-\d\\(a-z])"), sign)
    for words, sign in (
        (r"less\s+than\s+or\s+equal\s+to|at\s+most|no\s+(?:more|greater)\s+than|not\s+(?:more|greater)\s+than", "≤"),
        (r"(?:greater|more)\s+than\s+or\s+equal\s+to|at\s+least|no\s+(?:less|smaller)\s+than|not\s+less\s+than", "≥"),
        (r"(?:strictly\s+)?(?:less|smaller)\s+than", "<"),
        (r"(?:strictly\s+)?(?:greater|more|larger|bigger)\s+than", ">"),
    )
)
_NUMBERS = r"(?:(?:all|any|every|the)\s+)*(?:real\s+)?(?:numbers?|values?|reals)"
SUBJECT = re.compile(rf"\s*{_NUMBERS}\s*(?:of\s+)?(?P<name>[a-z]\b)?\s*(?=[<>≤≥])")
SIGNED = re.compile(
    r"\s*(?:(?:all|the|any)\s+|[a-z]\s+(?:is|must\s+be)\s+)*(?P<sign>(?:non-?)?(?:posi|nega)tive)"
    r"(?:\s+(?:(?:real\s+)?numbers?|reals|real\s+values?))?\s*"
)
SIGNS = {"positive": ">", "negative": "<", "nonnegative": "≥", "nonpositive": "≤"}
BETWEEN = re.compile(
    rf"\s*(?:{_NUMBERS}\s+)?(?:[a-z]\s+is\s+)?between\s+(?P<low>-?[\d.]+)\s+and\s+(?P<high>-?[\d.]+)(?P<ends>,?\s*\(?inclusive\)?)\s*"
)
BOTH = re.compile(
    r"(?P<name>[a-zA-Z])\s*(?P<one>[<>≤≥])\s*(?P<left>[^<>≤≥,;]+?)\s*(?:,|;|\\text\s*\{\s*,?\s*and\s*\}|,?\s+and\s|∩|\\text\s*\{\s*but\s*\})\s*"
    r"(?P<same>[a-zA-Z])\s*(?P<two>[<>≤≥])\s*(?P<right>[^<>≤≥,;]+?)"
)
DISTANCE = re.compile(
    r"\|\s*[a-z]\s*(?:(?P<shift>[-+])\s*(?P<by>(?:\\(?:frac|sqrt|pi)(?![a-z])|[^|a-z<>≤≥])+?))?\s*\|\s*(?P<sign>[<>≤≥])\s*(?P<radius>[^|<>≤≥,=]+)"
)
TURNED = {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}
SHAPES = {"<": "(-∞,{})", "≤": "(-∞,{}]", ">": "({},∞)", "≥": "[{},∞)"}


def as_interval(text: str, value_of: Callable[[str], object] = lambda text: None) -> str:
    """`x ≥ 2` as [2,∞), `1 < x ≤ 3` as (1,3], `x ≠ 2` as (-∞,2)∪(2,∞); other texts as they are.

    Args:
        text: a cleaned answer.
        value_of: the number that a text stands for, or None; to put several excluded points in order.
    """
    text = _european(_signs_for_words(text))
    builder = SET_BUILDER.fullmatch(text)
    if builder:
        text = builder["condition"]
    text = re.sub(r"^\s*[A-Za-z]\s*∈\s*ℝ\s*[,;:|]\s*(?=[A-Za-z]\s*[<>≤≥≠])", "", text)
    text = re.sub(r"(?<=[<>≤≥≠])([^,;]+)[,;]\s*[A-Za-z]\s*∈\s*ℝ\s*$", r"\1", text)
    text = _without_bars(_complement(_conjunction(REALS.sub(ALL, text), value_of)))
    if not any(sign in text for sign in "<>≤≥≠∖") and not EXCEPT.search(text):
        return text
    points = _excluded(text)
    if points is not None:
        return _without(points, value_of)
    if has(text, ",;∪¶=") or re.search(r"\s(?:and|or)\s|text", text) or "≠" in text:
        return text
    return _inequality(text)


def _signs_for_words(text: str) -> str:
    r"""`x is at least 2` as x ≥ 2, `all real numbers less than 3` as x < 3, `positive real numbers` as x > 0."""
    if SPOKEN.search(text) is None:
        return text
    plain = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text)
    between = BETWEEN.fullmatch(plain)
    if between:
        return f"{between['low']} ≤ x ≤ {between['high']}"
    for pattern, sign in RELATIONS:
        plain = pattern.sub(f" {sign} ", plain)
    numbers = SUBJECT.match(plain)
    if numbers:
        plain = f"{numbers['name'] or 'x'} {plain[numbers.end() :]}"
    sign = SIGNED.fullmatch(plain)
    return f"x {SIGNS[sign['sign'].replace('-', '')]} 0" if sign else plain


def _conjunction(text: str, value_of: Callable[[str], object]) -> str:
    """`x > 1 and x ≤ 3` as 1 < x ≤ 3; what no number is between stays as it is."""
    both = BOTH.fullmatch(text)
    if both is None or both["name"] != both["same"] or (both["one"] in "<≤") == (both["two"] in "<≤"):
        return text
    first, second = (both["one"], both["left"]), (both["two"], both["right"])
    (above, low), (below, high) = (first, second) if both["one"] in ">≥" else (second, first)
    values = value_of(low), value_of(high)
    return text if None in values or values[0] >= values[1] else f"{low} {TURNED[above]} {both['name']} {below} {high}"


def _complement(text: str) -> str:
    """`ℝ ∖ [a, b]` as (-∞, a) ∪ (b, ∞)."""
    match = re.fullmatch(rf"{re.escape(ALL)}\s*∖\s*([\[(])([^\[\](),]+),([^\[\](),]+)([\])])", text)
    if match is None:
        return text
    below, above = ")" if match[1] == "[" else "]", "(" if match[4] == "]" else "["
    return f"(-∞,{match[2]}{below}∪{above}{match[3]},∞)"


def _without_bars(text: str) -> str:
    """`|x - a| < b` as (a - b, a + b), and what is further away as a union."""
    match = DISTANCE.fullmatch(text)
    if match is None:
        return text
    middle = f"{'-' if match['shift'] == '+' else ''}({match['by'] or '0'})"
    low, high = f"{middle}-({match['radius']})", f"{middle}+({match['radius']})"
    if match["sign"] in "<≤":
        return f"[{low},{high}]" if match["sign"] == "≤" else f"({low},{high})"
    return f"(-∞,{low}]∪[{high},∞)" if match["sign"] == "≥" else f"(-∞,{low})∪({high},∞)"


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
