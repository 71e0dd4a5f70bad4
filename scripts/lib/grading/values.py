"""Single values: numbers, decimals that are rounded, units, per cent and number bases."""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from scripts.lib.grading.formulas import Formula, UnreadableError, close
from scripts.lib.grading.formulas import equal as equal_formulas

EXACT_DIGITS = 12

DECIMAL = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<digits>\d+(?P<point>\.\d*)?|\.\d+)"
    r"(?:[eE](?P<e>[-+]?\d{1,4})|\s*\*\s*10\s*\^\s*(?:\{\s*(?P<braced>[-+]?\s*\d{1,4})\s*\}|(?P<bare>-?\d{1,4})))?"
)
UNIT_VALUE = re.compile(
    r"(?P<value>(?:\d[eE][-+]?\d+|\\(?:frac|sqrt|pi)(?![A-Za-z])|[^A-Za-z\\])*?[\d)}\]%°π](?:\s*\\pi)?)\s*"
    r"(?P<unit>[A-Za-z][A-Za-z .'\"-]*(?:[/*]\s*[A-Za-z]+)*(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d)|[²³])?(?:[/*]\s*[A-Za-z]+"
    r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?)*)"
)
TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
# Units too short to be told from variables by their length, and the size of those that share a dimension.
UNITS: dict[str, tuple[str, Fraction]] = {
    **dict.fromkeys(("mm", "millimeter", "millimetre"), ("length", Fraction(1, 1000))),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), ("length", Fraction(1, 100))),
    **dict.fromkeys(("m", "meter", "metre"), ("length", Fraction(1))),
    **dict.fromkeys(("km", "kilometer", "kilometre"), ("length", Fraction(1000))),
    **dict.fromkeys(("in", "inch", "inche"), ("customary length", Fraction(1))),
    **dict.fromkeys(("ft", "foot", "feet"), ("customary length", Fraction(12))),
    **dict.fromkeys(("yd", "yard"), ("customary length", Fraction(36))),
    **dict.fromkeys(("mi", "mile"), ("customary length", Fraction(63360))),
    **dict.fromkeys(("s", "sec", "second"), ("time", Fraction(1))),
    **dict.fromkeys(("min", "minute"), ("time", Fraction(60))),
    **dict.fromkeys(("h", "hr", "hour"), ("time", Fraction(3600))),
    **dict.fromkeys(("day",), ("time", Fraction(86400))),
    **dict.fromkeys(("week",), ("time", Fraction(604800))),
    **dict.fromkeys(("mg", "milligram"), ("mass", Fraction(1, 1000))),
    **dict.fromkeys(("g", "gm", "gram"), ("mass", Fraction(1))),
    **dict.fromkeys(("kg", "kilogram"), ("mass", Fraction(1000))),
    **dict.fromkeys(("cent",), ("money", Fraction(1, 100))),
    **dict.fromkeys(("dollar",), ("money", Fraction(1))),
    **{name: (name, Fraction(1)) for name in (
        "lb", "oz", "mph", "km/h", "m/s", "rad", "K", "J", "N", "W", "V", "A", "Hz", "Pa", "kPa", "eV", "MeV", "keV",
        "nm", "pm", "mol", "L", "ml", "mL", "C", "F", "T", "Ω", "kJ", "kW", "kN", "MHz", "GHz", "yr", "Myr", "pc",
        "kpc", "Mpc", "erg", "ms", "ns", "μs", "μm", "amu", "u", "bar", "atm", "sq", "cc", "Å", "deg", "am", "rpm",
        "units")},
}  # fmt: skip
NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "  # noqa: SIM905
        "seventeen eighteen nineteen twenty".split()
    )
}


@dataclass
class Context:
    """What one comparison knows of the gold, and whether a piece was neither number, formula nor word."""

    tolerance: Fraction | None = None
    unit: str = ""
    answer_type: str = ""
    unread: bool = False
    budget: int = 3000  # comparisons of pieces: lists in lists end
    formulas: dict[str, Formula | None] = field(default_factory=dict)

    def formula(self, text: str) -> Formula | None:
        if text not in self.formulas:
            try:
                self.formulas[text] = Formula(text)
            except UnreadableError:
                self.formulas[text] = None
        return self.formulas[text]


def floating(value):
    import mpmath

    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def same_values(gold: str, answer: str, context: Context) -> bool:
    """Compares two single values: numbers and formulas with or without units."""
    raw = context.formula(gold), context.formula(answer)
    if raw[0] and raw[1] and raw[0].symbols and raw[1].symbols and _same_formulas(*raw, gold, answer, context):
        return True
    left, right = _Quantity.read(gold), _Quantity.read(answer)
    if not left.value or not right.value:
        return False
    if left.base and right.base and left.base != right.base:
        return False
    scale = Fraction(1)
    known = UNITS.get(_unit_key(left.unit or context.unit)), UNITS.get(_unit_key(right.unit))
    if known[0] and known[1] and known[0][0] == known[1][0]:
        scale = known[1][1] / known[0][1]
    if left.percent == right.percent:
        return _same_number(left.value, right.value, context, scale)
    # 62.5% is 0.625, and an answer to "what percentage" is often given as 62.5.
    percent = Fraction(1, 100)
    if left.percent:
        return _same_number(left.value, right.value, context) or _same_number(
            left.value, right.value, context, 1 / percent
        )
    return _same_number(left.value, right.value, context) or _same_number(left.value, right.value, context, percent)


def _unit_key(unit: str) -> str:
    unit = re.sub(r"[.\s{}]", "", TEXT.sub(r"\1", unit))
    return unit if unit in UNITS else unit.lower() if unit.lower() in UNITS else unit.lower().rstrip("s")


@dataclass(frozen=True)
class _Quantity:
    """A value, its unit, and whether it is per cent or in a number base."""

    value: str
    unit: str = ""
    percent: bool = False
    base: str = ""

    @staticmethod
    def read(text: str) -> "_Quantity":
        unit = ""
        text = re.sub(
            r"(?<=\d)(?:\s*\^\s*\{?\s*\\text\s*\{\s*(?:st|nd|rd|th)\s*\}\s*\}?|(?:st|nd|rd|th)\b)", " ", text
        ).strip()
        base = re.fullmatch(r"([\dA-F,]+)\s*_\s*\{?\s*(?:\\text\s*\{)?\s*(\d+|two|three|eight|ten)\s*\}{0,2}", text)
        if base and base[1][0].isdecimal():
            return _Quantity(base[1], base=NUMBER_WORDS.get(base[2], base[2]))
        if "\\text" in text:
            start = text.index("\\text")
            if text[:start].strip() and re.fullmatch(r"(?:\\text\s*\{[^{}]*\}|[\s^{}\d/*().°-])+", text[start:]):
                text, unit = text[:start].strip(), text[start:]
            elif re.fullmatch(r"\\text\s*\{[^{}]*\}\s*[-+\d.]+", text):
                text = TEXT.sub("", text).strip()
        if not unit and len(text) <= 300 and text[-1].isalnum() | (text[-1] in "}.²³"):
            match = UNIT_VALUE.fullmatch(text)
            if match and _is_unit(match["unit"], match["value"], text):
                text, unit = match["value"].strip(), match["unit"]
        if not re.search(r"\\(?:sin|cos|tan|cot|sec|csc)", text):
            text = re.sub(r"\s*°\s*[CFK]?$", "", text).rstrip(" *")
        percent = text.endswith("%") or re.match(r"\s*(?:\\text\s*\{)?\s*(?:percent|per cent|%)", unit) is not None
        text = text.rstrip("% ")
        if re.fullmatch(r"\d+\s*:\s*\d+", text):
            text = text.replace(":", "/")
        if re.fullmatch(r"[-+]?\s*\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(\.\d+)?", text):
            text = text.replace(",", "").replace(" ", "")
        return _Quantity(NUMBER_WORDS.get(text.lower(), text), unit, percent)


def _is_unit(unit: str, value: str, text: str) -> bool:
    first = re.match(r"[A-Za-z]+", unit)[0]
    if first in (
        "sin",
        "cos",
        "tan",
        "log",
        "ln",
        "exp",
        "sqrt",
        "pi",
        "mod",
        "cot",
        "sec",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
    ):
        return False
    spaced = text[len(value.rstrip()) :].startswith(" ")
    return (
        len(first) >= 4
        or (len(first) == 3 and spaced)
        or ((_unit_key(first) in UNITS or unit in UNITS) and (spaced or len(first) > 1))
    )


def _same_number(gold: str, answer: str, context: Context, scale: Fraction = Fraction(1)) -> bool:
    """Whether `answer` times `scale` is `gold`, as numbers where both are, otherwise as formulas."""
    gold_infinite, answer_infinite = _infinity(gold), _infinity(answer)
    if gold_infinite or answer_infinite:
        return gold_infinite == answer_infinite
    left, right = context.formula(gold), context.formula(answer)
    if left is None or right is None:
        context.unread = True
        return False
    if not left.symbols and right.symbols:
        return False  # an expression that happens to be constant was not worked out
    if left.symbols or right.symbols:
        return scale == 1 and _same_formulas(left, right, gold, answer, context)
    try:
        gold_value, answer_value = left.value(), right.value()
        if isinstance(answer_value, Fraction):
            answer_value *= scale
        elif scale != 1:
            answer_value *= floating(scale)
    except UnreadableError:  # out of bounds: math-verify would hang on it
        return False
    if close(gold_value, answer_value, EXACT_DIGITS if _decimal(gold) or _decimal(answer) else 20):
        return True
    return _rounded(gold, gold_value, answer, answer_value, scale, context)


def _infinity(text: str) -> str:
    match = re.fullmatch(r"([-+]?)\s*∞", text)
    return (match[1].replace("+", "") or "+") if match else ""


def _same_formulas(left: Formula, right: Formula, gold: str, answer: str, context: Context) -> bool:
    try:
        if equal_formulas(left, right):
            return True
    except UnreadableError:
        return False
    mine, other = left.symbols - right.symbols, right.symbols - left.symbols
    if len(mine) == 1 and len(other) == 1:
        # An arbitrary constant has no agreed name: c, C, C_1, K.
        a, b = next(iter(mine)), next(iter(other))
        if all(re.fullmatch(r"[cCkKA](?:_\d)?", name) for name in (a, b)) and right.symbols - {b}:
            renamed = context.formula(answer.replace(b, "C").replace("C_", "C")) if "_" not in b else None
            target = context.formula(gold.replace(a, "C")) if "_" not in a else None
            if renamed and target:
                try:
                    return equal_formulas(target, renamed)
                except UnreadableError:
                    return False
    return False


@dataclass(frozen=True)
class _Decimal:
    """A number written with decimals or a power of ten: its last place and its significant digits."""

    place: Fraction
    digits: int


def _decimal(text: str) -> _Decimal | None:
    match = DECIMAL.fullmatch(text.strip())
    if match is None:
        return None
    exponent = int((match["e"] or match["braced"] or match["bare"] or "0").replace(" ", ""))
    decimals = len(match["digits"].partition(".")[2])
    if decimals == 0 and exponent == 0:
        return None
    return _Decimal(Fraction(10) ** (exponent - decimals), len(match["digits"].replace(".", "").lstrip("0")))


def _rounded(gold: str, gold_value, answer: str, answer_value, scale: Fraction, context: Context) -> bool:
    """Whether the two differ by rounding only."""
    import mpmath

    if not all(isinstance(value, Fraction | mpmath.mpf) for value in (gold_value, answer_value)):
        return False
    difference = abs(floating(gold_value) - floating(answer_value))
    if context.tolerance is not None and difference <= floating(context.tolerance) * (1 + mpmath.mpf(10) ** -9):
        return True
    stated, given = _decimal(gold), _decimal(answer)
    if stated is not None and stated.digits >= 3 and (given is None or given.place * scale < stated.place):
        # The gold is a rounded number and the answer is more exact.
        return difference <= floating(stated.place) * mpmath.mpf("0.5000001")
    if stated is None and given is not None and given.digits >= 5 and not _whole(gold_value):
        # The gold is exact and the answer rounds it to at least five digits.
        return difference <= floating(given.place * scale) * mpmath.mpf("0.5000001")
    return False


def _whole(value) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1
