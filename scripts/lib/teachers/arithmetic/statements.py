"""Statements: relations between two sides, and the verdict on each."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from scripts.lib.teachers.arithmetic.reader import STYLES, Reader, Unreadable
from scripts.lib.teachers.arithmetic.sides import Side, prefix, suffix
from scripts.lib.teachers.arithmetic.tokens import Token, tokenise
from scripts.lib.teachers.arithmetic.words import UNITS

# The text comes from a model and may be hostile. Text beyond a limit is not judged; nothing is raised.
MAX_CHARACTERS = 100_000
MAX_RELATIONS = 2_000
_REMAINDER = re.compile(r"\b(?:remain|left ?over|round|whole|full|complete|r \d)")


@dataclass(frozen=True)
class Statement:
    """One relation between two arithmetic sides, with its verdict.

    Attributes:
        left: the left side as written, without calculator marks and line breaks.
        right: the right side as written.
        holds: False only if no reading makes the statement true.
        value: the value of the left side; None if the sides' units differ, so that it is not comparable.
        stated: the value of the right side.
        literal: the right side is a single number, not a calculation.
        bare: both sides are single numbers.
        percent: both values are to be printed as percentages.
        position: index of the relation sign in the text.
    """

    left: str
    right: str
    holds: bool
    value: Fraction | None
    stated: Fraction
    literal: bool
    bare: bool
    percent: bool
    position: int


def find_statements(text: str) -> list[Statement]:
    """Returns every judged arithmetic statement of `text` in reading order; text past MAX_CHARACTERS is not read.

    Example: "He pays 3 * $4 = $13." gives one statement with left "3 * $4", value 12, stated 13, holds False.
    """
    text = text[:MAX_CHARACTERS]
    found = [
        replace(statement, position=mark.start())
        for mark in islice(re.finditer(r"<<([^<>\n]{1,300})>>", text), MAX_RELATIONS)
        for statement in find_statements(mark.group(1))
    ]
    segments: list[list[Token]] = [[]]
    relations = []
    for token in tokenise(text):
        if token.kind == "relation":
            relations.append(token)
            segments.append([])
        else:
            segments[-1].append(token)
    right = None
    for relation, before, after in zip(relations[:MAX_RELATIONS], segments, segments[1:], strict=False):
        chained = right is not None and right.whole
        left, right = suffix(before, chained), prefix(after)
        if left and right:
            statement = _judge(text, left, relation, right)
            found += [statement] if statement else []
    return sorted(found, key=lambda statement: statement.position)


def value_of(text: str) -> Fraction | None:
    """Returns the value of a text that is one arithmetic expression ("1,250", "$3/4", "\\frac{1}{2}"), else None."""
    tokens = tokenise(text[:MAX_CHARACTERS])
    side = prefix(tokens)
    if side is None or not side.whole:
        return None
    try:
        return Reader(side.tokens).value()
    except Unreadable:
        return None


def show_number(value: Fraction, decimals: int = 2) -> str:
    """Returns a short decimal: exact if 6 decimal places suffice, else "about " and rounded to `decimals`."""
    for places in range(7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return ("-" if scaled < 0 else "") + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    rounded = Fraction(round(value * 10**decimals), 10**decimals)
    return "about " + show_number(rounded) if rounded else f"{value.numerator}/{value.denominator}"


def _judge(text: str, left: Side, relation: Token, right: Side) -> Statement | None:
    """The statement made by two sides; None for a definition, a label, a conversion or unreadable text."""
    left_number, right_number = left.literal, right.literal
    money = left_number and right_number and left_number.unit == right_number.unit == UNITS["$"]
    if left_number and not left.whole and (left.labelled or left_number.named or right_number and not money):
        return None
    if left_number and right_number and (left_number.named or right_number.named):
        return None
    if left_number and not left.whole and right.has("percent") != left.has("percent"):
        return None  # "48 = 100% + 20%": the meaning of a percentage
    numbers = [token for token in left.tokens if token.kind == "number"]
    if left.has("frac", "/") and right_number and right_number.text == "1" and all(token.named for token in numbers):
        return None  # "2.54 cm / 1 in = 1": a conversion factor
    units: dict[str, set[int]] = {}
    for token in left.tokens + right.tokens:
        for family, factor in filter(None, (token.unit, token.rate)):
            units.setdefault(family, set() if family != "count" else {1}).add(factor)
    mixed = any(len(factors) > 1 for factors in units.values())
    end = right.tokens[-1].end
    rest = text[end : end + 80].partition("\n")[0].lower()
    loose = right.loose or relation.text in ("≈", "\\approx") or any(token.mark == "dots" for token in right.tokens)
    whole_part = bool(_REMAINDER.search(rest))
    pairs = []
    try:
        for convert in (False, True)[: 1 + mixed]:
            for one in _of_readings(left, last=True):
                for other in _of_readings(right, last=False):
                    pairs += [
                        (one, value, other, stated)
                        for value in _readings(one, convert)
                        for stated in _readings(other, convert)
                    ]
    except Unreadable:
        return None
    value, stated = pairs[0][1], pairs[0][3]
    amount = right_number is None or right_number.named or right_number.unit
    if not left.whole and _is_part(left) and value < 1 and (stated > 1 or amount and stated == 1):
        return None  # "2/5 = 12.8 hectares": the value of a part of something
    holds = any(_same(*pair, loose) for pair in pairs) or whole_part and value // 1 == stated
    if not holds and not right_number and not right.has("open") and _running_total(right, value):
        return None
    percent = right.has("percent")
    if percent:
        value, stated = value * 100, stated * 100
    return Statement(
        left.slice(text), right.slice(text), holds, None if mixed else value, stated, right_number is not None,
        left_number is not None and right_number is not None, percent, relation.start,
    )  # fmt: skip


def _is_part(side: Side) -> bool:
    """Whether the side is a single written fraction."""
    return [token.kind for token in side.tokens] == ["number", "op", "number"] and side.tokens[1].text == "/"


def _running_total(right: Side, value: Fraction) -> bool:
    """Whether "4 * 5 = 20 + 3" continues from its own result: loose notation, not a mistake."""
    first = right.tokens[0]
    return first.kind == "number" and Fraction(first.text) == value


def _of_readings(side: Side, last: bool) -> list[Side]:
    """The side, and its reading if "of" belongs to the words around it: "= 1/3 of $150", "10% of the $4 + $6 = ..."."""
    places = [index for index, token in enumerate(side.tokens) if token.mark == "of"]
    if not places:
        return [side]
    cut = side.tokens[places[-1] + 1 :] if last else side.tokens[: places[0]]
    return [side, replace(side, tokens=cut)] if not last or any(token.kind == "op" for token in cut) else [side]


def _readings(side: Side, convert: bool) -> list[Fraction]:
    """All values that the side may be meant to have, the usual one first."""
    percents = ("hundredth", "unit", "relative") if side.has("percent") else ("hundredth",)
    return [Reader(side.tokens, percent, convert, style).value() for style in STYLES for percent in percents]


def _same(left: Side, value: Fraction, right: Side, stated: Fraction, loose: bool) -> bool:
    """Whether the two values agree, allowing for rounding if one side is a single number."""
    if value == stated:
        return True
    if right.literal:
        return _rounds_to(left, value, right.literal, stated, loose)
    return bool(left.literal) and _rounds_to(right, stated, left.literal, value, loose)


def _rounds_to(side: Side, value: Fraction, number: Token, stated: Fraction, loose: bool) -> bool:
    """Whether `stated`, written as `number`, is `value` rounded to the places it is written with."""
    written = Fraction(number.text)
    if not written or not stated:
        return False
    places = len(number.text.partition(".")[2])
    scale = abs(stated) / written  # a percent sign or a unit: 33% means 0.33
    unit = scale / 10**places
    error = abs(value - stated)
    if places > 9 and error * 10**12 <= abs(value):
        return True  # printed from binary floating point
    if loose:
        zeros = len(number.text) - len(number.text.rstrip("0")) if not places else 0
        return error <= unit * 10**zeros
    # A sum or difference of written numbers is exact: rounding it is a mistake.
    decimal = any("." in token.text for token in side.tokens)
    if not (side.literal or side.has("/", "frac", "^") or side.has("*", "percent") and decimal):
        return False
    if not places and abs(value) < unit:
        return False
    half = error == unit / 2
    if half and not places:
        return abs(stated) > abs(value)
    return error <= unit / 2 or places >= 2 and error < unit and abs(stated) < abs(value)
