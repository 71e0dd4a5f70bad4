r"""Single values: numbers, decimals that are rounded, units, per cent, number bases and formulas.

`same_values` compares two of them. A unit on one side only says nothing; two units must measure the same, and then the
values are compared in one of them.
"""

import itertools
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from scripts.lib.grading import pieces, units
from scripts.lib.grading.equality import close, equal, equal_at
from scripts.lib.grading.expressions import words_of
from scripts.lib.grading.formulas import Formula
from scripts.lib.grading.nodes import DIGITS, UnreadableError, floating
from scripts.lib.grading.numerals import POWERS, spelled, without_dots
from scripts.lib.grading.units import TEXT, Unit

EXACT_DIGITS = 12  # in which a written decimal agrees with a value that is not rational
FLOAT_DIGITS = 16  # of a decimal that a program printed: its last ones are noise
FLOAT_NOISE = Fraction(5, 10**16)  # relative

DECIMAL = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<digits>\d+(?P<point>\.\d*)?|\.\d+)"
    r"(?:[eE](?P<e>[-+]?\d{1,4})|\s*\*\s*10\s*\^\s*(?:\{\s*(?P<braced>[-+]?\s*\d{1,4})\s*\}|(?P<bare>-?\d{1,4})))?"
)
UNIT_VALUE = re.compile(
    r"(?P<value>(?:\d[eE][-+]?\d+|\\(?:frac|sqrt|pi)(?![A-Za-z])|[^A-Za-z\\])*?[\d)}\]%°π](?:\s*\\pi)?)\s*"
    r"(?P<unit>[A-Za-z][A-Za-z .'\"-]*(?:[/*]\s*[A-Za-z]+)*(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d)|[²³])?"
    r"(?:[/*]?\s*[A-Za-z]+(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?)*)"
)
UNIT_TAIL = re.compile(r"(?:\\text\s*\{(?:[^{}]|\{[^{}]*\})*\}|\^\s*\{?\s*-?\s*\d\s*\}?|[\s/*().°])+")
TRIG = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)")
SEXAGESIMAL = re.compile(
    r"(?P<sign>-?)(?P<whole>\d+(?:\.\d+)?)\s*°\s*(?P<minutes>\d+(?:\.\d+)?)\s*(?:'|\\text\s*\{\s*min\w*\s*\})"
    r"(?:\s*(?P<seconds>\d+(?:\.\d+)?)\s*(?:''|\"|\\text\s*\{\s*sec\w*\s*\}))?"
)
_PART = r"(\d+(?:\.\d+)?)\s*(?:\\text\s*\{\s*)?([A-Za-z]+)\s*\}?\s*"
COMPOUND = re.compile(rf"{_PART}(?:,|and|\\text\s*\{{\s*and\s*\}})?\s*{_PART}")

SCALE = re.compile(rf"[\s*]*(?:\\text\s*\{{\s*)?(?P<power>{'|'.join(POWERS)})\b\s*\}}?\s*")
IN_WORDS = re.compile(r"(?P<number>[A-Za-z -]+?)\s+(?P<unit>%|per\s?cent|[A-Za-z]+)")
FUNCTION_WORDS = words_of(
    "sin cos tan log ln exp sqrt pi mod cot sec csc arcsin arccos arctan asin acos atan gcd lcm min max"
)


@dataclass
class Context:
    """The context of one comparison.

    Attributes:
        tolerance: what the benchmark says a number may differ by.
        unit: the unit that the benchmark states for the gold.
        answer_type: what the benchmark says the gold is.
        money: names of the currencies whose signs stood in the gold and in the answer.
        budget: comparisons of pieces that are left, so that lists in lists end.
        depth: how deep in pieces of pieces the comparison is.
        formulas: cache of parsed formulas.
        steps: the steps of the comparison, for `--explain`; None if not needed.
    """

    tolerance: Fraction | None = None
    unit: str = ""
    answer_type: str = ""
    money: tuple[str, str] = ("", "")
    budget: int = 6000
    depth: int = 0
    formulas: dict[str, Formula | None] = field(default_factory=dict)
    steps: list[str] | None = None

    def formula(self, text: str) -> Formula | None:
        """The formula that `text` is, or None."""
        if text not in self.formulas:
            try:
                self.formulas[text] = Formula(text)
            except (UnreadableError, ValueError, RecursionError):
                self.formulas[text] = None
        return self.formulas[text]

    def note(self, step: str) -> None:
        """Records `step` for an explanation of the verdict."""
        if self.steps is not None and len(self.steps) < 200:
            self.steps.append(step)


@dataclass(frozen=True)
class Quantity:
    """A value, its unit, whether it is per cent or in a number base, and the power of ten behind it: "3 million"."""

    value: str
    unit: str = ""
    percent: bool = False
    base: str = ""
    power: int = 0

    @staticmethod
    def read(text: str) -> "Quantity":
        r"""Splits `text` into its parts.

        >>> Quantity.read("5\\text{ cm}^2")
        Quantity(value='5', unit='\\text{ cm}^2', percent=False, base='', power=0)
        """
        text = _in_digits(without_dots(_without_ordinal(text)))
        based = re.fullmatch(
            r"\(?([\dA-F,]+)\)?\s*_\s*\{?\s*(?:\\text\s*\{)?\s*(\d+|two|three|eight|ten)\s*\}{0,2}", text
        )
        if based and based[1][0].isdecimal():
            return Quantity(based[1], base=spelled(based[2]) or based[2])
        joined = _sexagesimal(text) or _compound(text)
        if joined is not None:
            return joined
        text, unit = _split_unit(text)
        scale = SCALE.match(unit)
        unit = unit[scale.end() :] if scale else unit
        percent = text.endswith("%") or re.match(r"\s*(?:\\text\s*\{)?\s*(?:percent|per cent|%)", unit) is not None
        return Quantity(_plain_number(text.rstrip("% ")), unit, percent, power=POWERS[scale["power"]] if scale else 0)

    def scaled(self) -> "Quantity":
        """The same without a power of ten in words.

        >>> Quantity.read("2.5\\text{ million}").scaled().value
        '2.5*10^{6}'
        """
        return replace(self, value=f"{self.value}*10^{{{self.power}}}", power=0) if self.power else self


def _in_digits(text: str) -> str:
    """`fifteen percent` and `three eighths` with digits."""
    if not text[:1].isalpha():
        return text
    twice = re.fullmatch(r"([A-Za-z -]+?)\s*\((\d+)\)", text)  # seventeen (17)
    if twice and spelled(twice[1]) == twice[2]:
        return twice[2]
    counted = IN_WORDS.fullmatch(text)
    number = counted and spelled(counted["number"])
    return spelled(text) or (f"{number} \\text{{ {counted['unit']}}}" if number else text)


def _without_ordinal(text: str) -> str:
    suffix = r"(?<=\d)(?:\s*\^\s*\{?\s*\\text\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}?|(?:st|nd|rd|th)\b)"
    return re.sub(suffix, " ", text).strip()


def _sexagesimal(text: str) -> Quantity | None:
    """Degrees with minutes and seconds, as degrees."""
    match = SEXAGESIMAL.fullmatch(text)
    if match is None:
        return None
    value = Fraction(match["whole"]) + Fraction(match["minutes"]) / 60 + Fraction(match["seconds"] or 0) / 3600
    return Quantity(f"{match['sign']}{value}", "°")


def _compound(text: str) -> Quantity | None:
    """`2 hours 30 minutes`, `5 ft 3 in`: two units of one kind, as the first of them."""
    match = COMPOUND.fullmatch(text)
    if match is None:
        return None
    large, small = units.parse(match[2]), units.parse(match[4])
    if large is None or small is None or large.dimension != small.dimension or large.size <= small.size:
        return None
    return Quantity(str(Fraction(match[1]) + Fraction(match[3]) * small.size / large.size), match[2])


def _split_unit(text: str) -> tuple[str, str]:
    """(value, unit) of a text that may have one."""
    degrees = re.fullmatch(r"(.*?)\s*(°\s*[CFK]?|\\text\s*\{\s*°\s*[CFK]?\s*\})\s*", text)
    if degrees and degrees[1] and not TRIG.search(text):
        return degrees[1].rstrip(" *"), re.sub(r"\\text|[\s{}]", "", degrees[2])
    if "\\text" in text:
        start = text.index("\\text")
        if text[:start].strip() and UNIT_TAIL.fullmatch(text[start:]):
            return text[:start].strip().rstrip("*").strip(), text[start:]
        if re.fullmatch(r"\\text\s*\{[^{}]*\}\s*[-+\d.]+", text) and not pieces.DENIES.search(text):
            return TEXT.sub("", text).strip(), ""
    if len(text) <= 300 and text[-1:].isalnum() | (text[-1:] in ("}", ".", "²", "³")):
        match = UNIT_VALUE.fullmatch(text)
        if match and _is_unit(match["unit"], match["value"], text):
            return match["value"].strip(), match["unit"]
    return text, ""


def _is_unit(unit: str, value: str, text: str) -> bool:
    first = re.match(r"[A-Za-z]+", unit)[0]
    if first in FUNCTION_WORDS:
        return False
    spaced = text[len(value.rstrip()) :].startswith(" ")
    if len(first) >= 4 or (len(first) == 3 and spaced):
        return True
    return (units.known(first) is not None or first in units.CLOCK) and (spaced or len(first) > 1)


def _plain_number(text: str) -> str:
    """`text` without thousands separators."""
    if re.fullmatch(r"[-+]?\s*\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(\.\d+)?", text):
        text = text.replace(",", "").replace(" ", "")
    return text


def same_values(gold: str, answer: str, context: Context) -> bool:
    """Compares two single values: numbers and formulas with or without units."""
    raw = context.formula(gold), context.formula(answer)
    if raw[0] and raw[1] and raw[0].symbols and raw[1].symbols and same_formulas(gold, answer, context):
        return True
    left, right = _with_currency(Quantity.read(gold), 0, context), _with_currency(Quantity.read(answer), 1, context)
    if not left.value or not right.value or (left.base and right.base and left.base != right.base):
        return False
    if bool(left.power) != bool(right.power) and _same_quantities(left, right, context):
        return True  # "3 million" for 3, where the question asks for millions
    left, right = left.scaled(), right.scaled()
    if left.percent != right.percent:
        return _same_per_cent(left, right, context)
    return _same_quantities(left, right, context)


def _with_currency(quantity: Quantity, side: int, context: Context) -> Quantity:
    money = context.money[side]
    return replace(quantity, unit=money) if money and not quantity.unit and not quantity.percent else quantity


def _same_per_cent(left: Quantity, right: Quantity, context: Context) -> bool:
    """62.5% is 0.625, and an answer to "what percentage" is often given as 62.5."""
    factor = Fraction(100) if left.percent else Fraction(1, 100)
    return _same_number(left.value, right.value, context) or _same_number(left.value, right.value, context, factor)


def _same_quantities(left: Quantity, right: Quantity, context: Context) -> bool:
    stated = left.unit or context.unit
    here, there = units.parse(stated) if stated else None, units.parse(right.unit) if right.unit else None
    if here is None or there is None:
        if _same_number(left.value, right.value, context):
            return True
        return _same_angle(here, left.value, there, right.value, context)
    if units.ANY in dict(here.dimension).keys() ^ dict(there.dimension).keys():
        return _same_number(left.value, right.value, context)  # 5 square units may be 5 square centimetres
    if here.dimension == there.dimension:
        return _same_number(left.value, right.value, context, there.size / here.size)
    context.note(f"units differ: {stated!r} is no {right.unit!r}")
    if {here.dimension, there.dimension} == {_DEGREE.dimension, _RADIAN.dimension}:
        return _same_angle(here, left.value, there, right.value, context)
    return False


_DEGREE, _RADIAN = units.parse("degree"), units.parse("rad")


def _same_angle(here: Unit | None, gold: str, there: Unit | None, answer: str, context: Context) -> bool:
    """Whether one is an angle in degrees and the other the same in radians, stated or with pi."""
    if here == _DEGREE and (there == _RADIAN or (there is None and "\\pi" in answer)):
        return _same_number(f"({gold})*\\pi/180", answer, context)
    if there == _DEGREE and (here == _RADIAN or (here is None and "\\pi" in gold)):
        return _same_number(gold, f"({answer})*\\pi/180", context)
    return False


# ---------------------------------------------------------------------------------------------------------------------
# Numbers


def _same_number(gold: str, answer: str, context: Context, scale: Fraction = Fraction(1)) -> bool:
    """Whether `answer` times `scale` is `gold`, as numbers where both are, otherwise as formulas."""
    gold_infinite, answer_infinite = infinity(gold), infinity(answer)
    if gold_infinite or answer_infinite:
        return gold_infinite == answer_infinite
    left, right = context.formula(gold), context.formula(answer)
    if left is None or right is None:
        context.note(f"no formula: {gold if left is None else answer!r}")
        return False
    if not left.symbols and right.symbols:
        return False  # an expression that happens to be constant was not worked out
    if left.symbols or right.symbols:
        return scale == 1 and same_formulas(gold, answer, context)
    try:
        return _same_constants(left, right, gold, answer, context, scale)
    except UnreadableError as error:
        context.note(f"out of bounds: {error}")
        return False


def _same_constants(left: Formula, right: Formula, gold: str, answer: str, context: Context, scale: Fraction) -> bool:
    if scale == 1 and equal_at(left, right, None):
        return True
    gold_value, answer_value = left.value(), _times(right.value(), scale)
    if close(gold_value, answer_value, EXACT_DIGITS if decimal(gold) or decimal(answer) else 60):
        return True
    if _rounded(gold, gold_value, answer, answer_value, scale, context):
        return True
    return scale == 1 and _same_with_log(gold, left, answer, right, context)


def _times(value, scale: Fraction):
    import mpmath

    if scale == 1:
        return value
    with mpmath.workdps(DIGITS):
        return value * scale if isinstance(value, Fraction) else value * floating(scale)


def infinity(text: str) -> str:
    """The sign of an infinite value; empty if it is finite."""
    match = re.fullmatch(r"([-+]?)\s*∞", text)
    return (match[1].replace("+", "") or "+") if match else ""


def _same_with_log(gold: str, left: Formula, answer: str, right: Formula, context: Context) -> bool:
    """A logarithm without a base may be the decimal one, and the natural one where nothing says otherwise."""
    if left.logs == right.logs:
        return False
    names = ["lg"] if left.natural or right.natural else ["lg", "ln"]
    for name in names:
        here, there = (re.sub(r"\\?\blog(?![a-z_]|\s*_)", rf"\\{name} ", text) for text in (gold, answer))
        if (here, there) != (gold, answer) and _same_number(here, there, context):
            return True
    return False


@dataclass(frozen=True)
class Decimal:
    """A number written with decimals or a power of ten: its last place and its significant digits."""

    place: Fraction
    digits: int


def decimal(text: str) -> Decimal | None:
    """The precision with which `text` states a number; None if it is not a decimal."""
    match = DECIMAL.fullmatch(text.strip())
    if match is None:
        return None
    exponent = int((match["e"] or match["braced"] or match["bare"] or "0").replace(" ", ""))
    decimals = len(match["digits"].partition(".")[2])
    if decimals == 0 and exponent == 0:
        return None
    return Decimal(Fraction(10) ** (exponent - decimals), len(match["digits"].replace(".", "").lstrip("0")))


def _rounded(gold: str, gold_value, answer: str, answer_value, scale: Fraction, context: Context) -> bool:
    """Whether the two differ by rounding only."""
    import mpmath

    if not all(isinstance(value, Fraction | mpmath.mpf) for value in (gold_value, answer_value)):
        return False
    with mpmath.workdps(DIGITS):
        difference = abs(floating(gold_value) - floating(answer_value))
        if context.tolerance is not None and difference <= floating(context.tolerance) * (1 + mpmath.mpf(10) ** -9):
            return True
        stated, given = decimal(gold), decimal(answer)
        if max(stated.digits if stated else 0, given.digits if given else 0) >= FLOAT_DIGITS:
            return difference <= floating(FLOAT_NOISE) * abs(floating(gold_value))
        half = mpmath.mpf("0.5000001")
        if stated is not None and stated.digits >= 3 and (given is None or given.place * scale < stated.place):
            # The gold is a rounded number and the answer is more exact.
            return difference <= floating(stated.place) * half
        if stated is None and given is not None and given.digits >= 5 and not _whole(gold_value):
            # The gold is exact and the answer rounds it to at least five digits.
            return difference <= floating(given.place * scale) * half
    return False


def _whole(value) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1


# ---------------------------------------------------------------------------------------------------------------------
# Formulas with variables

MAX_CONSTANTS = 3
CONSTANTS = re.compile(r"[cCkKABD](?:_\d)?")  # an arbitrary constant has no agreed name
DERIVATIVE = re.compile(r"\\frac\s*\{\s*d\s*([A-Za-z])\s*\}\s*\{\s*d\s*([A-Za-z])\s*\}")
_SQUARED = r"\^\s*\{?\s*2\s*\}?\s*"
SECOND = re.compile(rf"\\frac\s*\{{\s*d\s*{_SQUARED}([A-Za-z])\s*\}}\s*\{{\s*d\s*([A-Za-z])\s*{_SQUARED}\}}")
DOTTED = re.compile(r"\\dot\s*(?:\{\s*([A-Za-z])\s*\}|([A-Za-z]))")
ARGUMENT = re.compile(r"(?<![A-Za-z\\])([A-Za-z]'*)\s*\(\s*([a-z])\s*\)")


def same_formulas(gold: str, answer: str, context: Context) -> bool:
    """Whether two formulas are equal, up to what is a matter of notation."""
    if _equal_texts(gold, answer, context):
        return True
    gold, answer = one_notation(gold, answer)
    return (
        _equal_texts(gold, answer, context)
        or _renamed_constant(gold, answer, context)
        or _same_symbolic_log(gold, answer, context)
    )


def _equal_texts(gold: str, answer: str, context: Context) -> bool:
    left, right = context.formula(gold), context.formula(answer)
    return left is not None and right is not None and _equal(left, right)


def _equal(left: Formula, right: Formula, aliases: dict[str, str] | None = None) -> bool:
    try:
        return equal(left, right, aliases=aliases)
    except UnreadableError:
        return False


def one_notation(gold: str, answer: str) -> tuple[str, str]:
    """Both with derivatives as x' where one has them so, and with x for x(t) where one does not write the argument."""
    both = gold + " " + answer
    if "'" in both or "\\dot" in both:
        gold, answer = (SECOND.sub(r"\1''", text) for text in (gold, answer))
        gold, answer = (DERIVATIVE.sub(r"\1'", DOTTED.sub(r"\1\2'", text)) for text in (gold, answer))
    called = [{match.groups() for match in ARGUMENT.finditer(text)} for text in (gold, answer)]
    for name, argument in called[0] ^ called[1]:
        pattern = rf"(?<![A-Za-z\\]){name}\s*\(\s*{argument}\s*\)"
        if not re.search(rf"(?<![A-Za-z\\]){name}\s*\((?!\s*{argument}\s*\))", both):  # and not f(0) beside f(x)
            gold, answer = (re.sub(pattern, name, text) for text in (gold, answer))
    return gold, answer


def _renamed_constant(gold: str, answer: str, context: Context) -> bool:
    """Whether the two are equal when the constants that only one of them has are named as in the other."""
    left, right = context.formula(gold), context.formula(answer)
    if left is None or right is None:
        return False
    mine, other = sorted(left.symbols - right.symbols), sorted(right.symbols - left.symbols)
    if not 1 <= len(mine) == len(other) <= MAX_CONSTANTS or not right.symbols - set(other):
        return False
    if not all(CONSTANTS.fullmatch(name) for name in (*mine, *other)):
        return False
    return any(_equal(left, right, dict(zip(other, order, strict=True))) for order in itertools.permutations(mine))


def _same_symbolic_log(gold: str, answer: str, context: Context) -> bool:
    left, right = context.formula(gold), context.formula(answer)
    if left is None or right is None or left.logs == right.logs:
        return False
    here, there = (re.sub(r"\\?\blog(?![a-z_]|\s*_)", r"\\lg ", text) for text in (gold, answer))
    return _equal_texts(here, there, context)
