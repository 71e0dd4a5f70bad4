r"""Verdicts as the papers' authors give them: CFT's by a changed Qwen2.5-Math harness, ThinkPO's by the unchanged one.

Our own code, modelled on the behaviour of TIGER-AI-Lab/CritiqueFineTuning at 44b83b8 (tools/evaluate_math) and
uservan/ThinkPO at 9b603a4 (tools/util), so that a table can show what the paper's grader would have said. Both take the
last box, drop units and per cent signs, forgive a factor of 100 and most brackets, and accept numbers that agree to
1e-4. CFT's also accepts numbers that round alike to one decimal place. Neither is used for our own verdicts;
docs/grading.md says what each accepts that it should not.
"""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from scripts.lib.grading.equality import close
from scripts.lib.grading.formulas import Formula
from scripts.lib.grading.nodes import Point, UnreadableError

DIGITS = 4  # relative tolerance 1e-4
KEEP_UNITS = ("minerva",)  # sets whose answers keep their units in CFT's grader
EXACT_DIGITS = 12  # in which formulas with variables agree
POINTS = 3  # at which they are compared
MAX_ANSWER = 2_000  # characters; the authors' readers run into their time limit on longer ones
MAX_EXPONENT = 300  # of a power of ten
MAX_DEPTH = 6  # of lists in lists and of sides of equations

# What CFT's grader treats as a unit, each with a plural in s. A dot matches any character, as in that grader.
UNITS = (
    "a .", "a . m", "b .", "c .", "cm 2", "cu . m", "cu cm", "d .", "e .", "f .", "g .", "h .", "m east", "m sqaure",
    "no change", "p . m", "profit of rs", "q .", "rs .", "s .", "sq . m", "sq inch", "sq m", "t .", "° f", "π r 2",
    "∏ cm ³", "ab", "acre", "am", "apple", "are", "bc", "by", "cc", "cm", "coin", "cube", "cubic", "day", "decrease",
    "deg", "degree", "dm", "east", "excess", "feet", "ft", "gain", "gal", "gallon", "gm", "hectare", "hour", "hr",
    "inch", "inches", "increase", "kg", "km", "kmh", "kmph", "lb", "less", "liter", "litre", "loss", "lt", "man",
    "mark", "men", "meter", "metre", "mile", "min", "minute", "minw", "mm", "monkey", "month", "more", "mp", "mph",
    "mt", "mtr", "noon", "number", "ohm", "per", "percent", "pie", "pm", "prime", "profit", "pure", "ratio", "rd",
    "rise", "rounds", "rs", "rupee", "sec", "second", "soldier", "sq", "square", "st", "Surface", "th", "tile", "toy",
    "unit", "way", "west", "woman", "women", "yard", "year", "yr", "a", "c", "d", "g", "h", "l", "m", "o", "s", "t",
)  # fmt: skip
UNIT_PATTERNS = tuple(
    re.compile(rf"(^|\W){unit}($|\W)") for ending in ("", "s") for unit in (u + ending for u in UNITS)
)

UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS = {word: number for number, word in enumerate(UNDER_TWENTY.split())}
NUMBER_WORDS |= {word: 10 * number for number, word in enumerate(TENS.split(), start=2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}

# Spellings that are unified, in this order: before units are removed, and after.
BEFORE_UNITS = (
    (r"\\!", ""),
    (r"\\begin\{array\}\{.*?\}", r"\\begin{pmatrix}"),
    (r"\\end\{array\}", r"\\end{pmatrix}"),
    (r"bmatrix", "pmatrix"),
    (r"[td]frac", "frac"),
    (r"\\(n|l|g)eq", r"\\\1e"),
    (r"\\(?:left|right)", ""),
    (r"\\([{}])", r"\1"),
)
AFTER_UNITS = (
    (r"\^\{\\circ\}|\^\\circ", ""),
    (r"\\?\$", ""),
    (r"\\[()]", ""),
)
AFTER_WORDS = (
    (r"\\text\{(.*?)\}", r"\1"),
    *((rf"{name}{sign}", "") for name in "xyz" for sign in ("=", r"\\in", r"\\to")),
    (r"\\emptyset", "{}"),
    (r"\(-\\infty,\\infty\)", r"\\mathbb{R}"),
    (r"\\?%", ""),
    (r"([ {])\.", r"\g<1>0."),
    (r"infinity", r"\\infty"),
)
LAST = (
    (r"and", ""),
    (r"\\mathbf", ""),
    (r"\\mbox{.*?}", ""),
    (r"(\d+)\.0*(\D|$)", r"\1\2"),
)
FRACTION = re.compile(r"\\frac(?P<over>[^{])(?:(?P<under>[^{])|(?={))")
QUOTIENT = re.compile(r"(-?\d+|[^/]*sqrt[^/]*)/(-?\d+|[^/]*sqrt[^/]*)")
BRACKETED = re.compile(r"[(\[].+[)\]]")
MATRIX = re.compile(r"\\begin\{[pb]matrix\}(.*)\\end\{[pb]matrix\}", re.DOTALL)
POWER_OF_TEN = re.compile(r"(\d+\.?\d*?)\\times10\^\{?([+-]?\d+)\}?")
SPACED_POWER = re.compile(r"(\d+\.?\d*?)\\times10\^\{([+-]?\d+)\}\\")

RELATION = re.compile(r"=|<|>|\\(?:ne|neq|leq?|geq?)(?![a-z])")
# Where the authors' LaTeX reader differs from ours: e and i are variables, a number before a fraction is a
# factor, every logarithm is natural.
READ_AS = (
    (r"\\\\", r"\\"),
    (r"\\(?:[,:;! ]|q?quad)", " "),
    (r"^\\(?=-?\d)", ""),
    (r"(?<=\d),(?=\d{3}(?!\d))", ""),
    (r"\^\{?(?:\\mathrm\{\})?\}?$", ""),
    (r"\\(?:cdot|times)(?![a-z])", "*"),
    (r"(?<=[\d)])\s*(?=\\frac)", "*"),
    (r"\\log(?![a-z_])", r"\\ln"),
    (r"(?<![A-Za-z])((?:\\[A-Za-z]+)?[^\\A-Za-z]*)e(?![a-z])", r"\1ɛ"),
    (r"(?<![A-Za-z\\])i(?![a-z])", "ı"),
)


@dataclass(frozen=True)
class Rules:
    """The differences between the two graders.

    Attributes:
        units: unit words are removed from an answer, except for the sets in KEEP_UNITS.
        rounds: numbers that round to the same first decimal place are equal, and a power of ten is a number.
        lists: lists of whole numbers are sorted, and a number may stand as a word in \\text.
        behind_phrase: on GPQA, the letter is the first one after the last "The answer is", and A if there is none.
    """

    units: bool
    rounds: bool
    lists: bool
    behind_phrase: bool


def verdict(rules: Rules, prediction: str, gold: str, kind: str = "math", of_set: str = "") -> bool:
    """Whether the grader of `rules` accepts `prediction`, a whole text, for `gold`.

    Args:
        rules: CFT or THINKPO.
        prediction: what the model wrote.
        gold: the reference answer.
        kind: `math` or `choice`.
        of_set: the question's benchmark (`minerva`), which the authors' rules depend on.
    """
    if kind == "choice":
        return letter(rules, prediction, of_set) == gold.strip().strip("()").upper()
    answer = extract(rules, prediction, of_set)
    return same(rules, answer, strip(rules, gold[:MAX_ANSWER], of_set))


def extract(rules: Rules, text: str, of_set: str = "") -> str:
    """The answer that the grader of `rules` compares; empty if the text has none."""
    answer = re.sub(r"\n\s*", "", _found(text)[:MAX_ANSWER])
    answer = answer.removeprefix(":").removesuffix(".").removesuffix("/")
    return strip(rules, strip(rules, answer, of_set), of_set)  # the authors do this twice


def _found(text: str) -> str:
    if "final answer is $" in text and "$. I hope" in text:
        return text.split("final answer is $", 1)[1].split("$. I hope", 1)[0].strip()
    if "boxed" in text:
        return _boxed(text.rpartition("boxed")[2])
    for phrase in ("he answer is", "final answer is"):
        if phrase in text:
            return text.rpartition(phrase)[2].strip()
    if "答案是" in text:
        return text.split("答案是")[1].strip().split("\n\n")[0].strip()
    numbers = re.findall(r"-?\d*\.?\d+", text.replace(",", ""))
    return numbers[-1] if numbers else ""


def _boxed(rest: str) -> str:
    """The text in the braces at the start of `rest`, or up to a dollar sign if there are none."""
    if not rest.startswith("{"):
        return rest.split("$")[0].strip()
    depth = 0
    for end, sign in enumerate(rest):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return rest[1:end]
    return rest[1:]


def strip(rules: Rules, text: str, of_set: str = "") -> str:
    """An answer in the grader's normalised spelling.

    >>> strip(CFT, "x = 5 \\\\text{ cm}")
    '5'
    """
    text = _replaced(text.strip().replace("\n", "").rstrip("."), BEFORE_UNITS)
    if rules.lists:
        text = re.sub(r"\\text\{([a-zA-Z]+)\}", lambda word: _as_number(word[1].lower(), word[0]), text)
        text = re.sub(r"(cm|inches)\}\^2", r"\1}", text)
    text = re.sub(r"\\text{.*?}$", "", text).strip() or text
    if rules.units and of_set not in KEEP_UNITS:
        text = _without_units(text)
    text = _replaced(text, AFTER_UNITS)
    text = _replaced(_as_number(text, text), AFTER_WORDS)
    text = _replaced(text if "\\infty" in text else text.replace("inf", "\\infty"), LAST[:3])
    text = text.replace("j", "i") if "i" not in text else text
    text = _replaced(text, LAST[3:])
    return _ended(rules, f"0{text}" if text.startswith(".") else text)


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in pairs:
        text = re.sub(pattern, replacement, text)
    return text


def _without_units(text: str) -> str:
    for _ in range(2):
        for pattern in UNIT_PATTERNS:
            text = pattern.sub(r"\1\2", text) or text
    return text


def _ended(rules: Rules, text: str) -> str:
    """The last steps: no name before the value, no spaces, braces around the parts of fractions and roots."""
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        text = value
    text = re.sub(r"\\sqrt(\w+)", r"\\sqrt{\1}", text).replace(" ", "")
    text = FRACTION.sub(_braced, text)
    quotient = QUOTIENT.fullmatch(text)
    text = f"\\frac{{{quotient[1]}}}{{{quotient[2]}}}" if quotient else text
    return _listed(text) if rules.lists else text


def _braced(match: re.Match) -> str:
    under = f"{{{match['under']}}}" if match["under"] else ""
    return f"\\frac{{{match['over']}}}{under}"


def _listed(text: str) -> str:
    text = re.sub(r"\\(?=-?\d+(\\|\)|,|\]|$))", "", text).removesuffix("thgrade")
    if re.fullmatch(r"-?\d+(,-?\d+)+", text):
        text = ",".join(str(number) for number in sorted(map(int, text.split(","))))
    return text


def _as_number(text: str, otherwise: str) -> str:
    """The number that the number words of `text` make, as word2number has it, or `otherwise` if there are none."""
    if text.strip().isdecimal():
        return str(int(text))
    words = [
        word for word in text.lower().replace("-", " ").split() if word in NUMBER_WORDS | SCALES or word == "hundred"
    ]
    if not words:
        return otherwise
    total, group = 0, 0
    for word in words:
        if word in SCALES:
            total, group = total + max(group, 1) * SCALES[word], 0
        else:
            group = max(group, 1) * 100 if word == "hundred" else group + NUMBER_WORDS[word]
    return str(total + group)


def same(rules: Rules, answer: str, gold: str, depth: int = 0) -> bool:
    """Whether two answers in the grader's spelling are equal for it."""
    if answer.strip().lower() == gold.strip().lower():
        return True
    if gold in tuple("ABCDE") and _last_letter(answer) == gold:
        return True
    numbers = _number(answer), _number(gold)
    if None not in numbers:
        return _same_numbers(*numbers) or (rules.rounds and round(numbers[0], 1) == round(numbers[1], 1))
    if not answer or depth > MAX_DEPTH:
        return False
    return any(step(rules, answer.strip(), gold.strip(), depth) for step in STEPS)


def _number(text: str) -> float | None:
    text = text.replace(",", "")
    bare = text.removesuffix("%").removesuffix("\\") if text.endswith("%") else text
    try:
        return float(bare) / (1 if bare == text else 100)
    except ValueError:
        return None


def _same_numbers(answer: float, gold: float) -> bool:
    """Whether they agree to 1e-4 of the larger one, also if one is the other in per cent."""
    golds = (gold / 100, gold, gold * 100)
    return any(math.isclose(answer, each, rel_tol=1e-4) for each in golds)


def _same_without_brackets(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    intervals = (answer[:1] + answer[-1:] == "[]" and gold[:1] != "(") or (
        answer[:1] + answer[-1:] == "()" and gold[:1] != "["
    )
    pair = [text.strip("[]()") if intervals else text for text in (answer, gold)]
    bare = [re.sub(r"[{}()]", "", text).lower() for text in pair]
    return bare[0] == bare[1]


def _same_parts(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    """Whether two bracketed lists have the same parts in the same order."""
    if not (BRACKETED.match(answer) and BRACKETED.match(gold)):
        return False
    return _all_same(rules, answer[1:-1].split(","), gold[1:-1].split(","), depth)


def _same_cells(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    matrices = MATRIX.fullmatch(answer), MATRIX.fullmatch(gold)
    if None in matrices:
        return False
    rows = [[row.strip().split("&") for row in matrix[1].split("\\\\") if row.strip()] for matrix in matrices]
    pairs = zip(*rows, strict=False)
    return len(rows[0]) == len(rows[1]) and all(_all_same(rules, mine, theirs, depth) for mine, theirs in pairs)


def _all_same(rules: Rules, answers: list[str], golds: list[str], depth: int) -> bool:
    pairs = zip(answers, golds, strict=False)
    return len(answers) == len(golds) and all(same(rules, mine, theirs, depth + 1) for mine, theirs in pairs)


def _same_powers_of_ten(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    """Whether both are the same number in e-notation or as a × 10^n, wherever in the text that stands."""
    return rules.rounds and _alike(_power_of_ten, answer, gold)


def _same_decimals(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    """Whether e-notation and 10^{n}, whatever stands before it, are alike to six decimal places."""
    return rules.rounds and _alike(_decimal, answer, gold)


def _alike(value_of: Callable[[str], float | str | None], answer: str, gold: str) -> bool:
    value = value_of(answer)
    return value is not None and value == value_of(gold)


def _power_of_ten(text: str) -> float | None:
    if "e" in text.lower().replace("times", ""):
        return _number(text)
    match = POWER_OF_TEN.search(text)
    if match is None or abs(int(match[2][:6])) > MAX_EXPONENT:
        return None
    return float(match[1]) * 10 ** int(match[2])  # not 1.04e-3: the product's last bit decides there, too


def _decimal(text: str) -> str | None:
    match = re.search(r"10\^\{([+-]?\d{1,3})\}", text)
    value = _number(text) if "e" in text.lower() else float(f"1e{match[1]}") if match else None
    return None if value is None else f"{value:f}".rstrip("0").rstrip(".")


def _same_to_shorter(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    """Whether two numbers that were no plain numbers, for a LaTeX space, agree to the digits of the shorter one."""
    if not rules.rounds:
        return False
    texts = [SPACED_POWER.sub(r"\1e\2", text.replace(",", "")) for text in (answer, gold)]
    values = [_number(text if "e" in text.lower() else text.replace("\\", "")) for text in texts]
    if None in values:
        return False
    digits = min(map(_digits, texts))
    return abs(values[0] - values[1]) <= max(map(abs, values)) * 0.5 * 10.0 ** (1 - digits)


def _digits(text: str) -> int:
    """How many digits a number has; in e-notation those of its first six decimal places, so often only a zero."""
    text = f"{float(text):f}" if "e" in text.lower() else text
    return sum(sign.isdigit() for sign in text.rstrip("0").rstrip("."))


def _same_sides(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    """Whether two equations say the same, or one answer is the value that the other gives a name."""
    if answer.count("=") == 1 and gold.count("=") == 1:
        return _same_values(answer, gold)
    for text, other in ((answer, gold), (gold, answer)):
        name, equals, value = text.partition("=")
        if equals and "=" not in value + other and len(name.strip()) <= 2:
            pair = (value, other) if text is answer else (other, value)
            return same(rules, *pair, depth + 1)
    return False


def _same_last_sides(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    """Whether what stands behind the last equals sign of each is the same."""
    if not rules.rounds or "=" not in answer + gold:
        return False
    return same(rules, *(text.rpartition("=")[2].replace("{", "(") for text in (answer, gold)), depth + 1)


def _same_formulas(rules: Rules, answer: str, gold: str, depth: int) -> bool:
    return _same_values(answer, gold)


def _same_values(answer: str, gold: str) -> bool:
    """Whether two texts are the same formula, or relations between sides that are equally far apart.

    What kind of relation it is (`<` or `\\ge`) does not matter, nor does what the reader leaves unread.
    """
    try:
        (left, of_left), (right, of_right) = _read(answer), _read(gold)
        if of_left != of_right:
            return False
        return _agree(left, right) or (of_left and _agree(left, Formula(f"-({_difference(gold)})")))
    except UnreadableError:
        return False


def _read(text: str) -> tuple[Formula, bool]:
    """What the authors' LaTeX reader makes of `text`, and whether that is a relation."""
    return Formula(_difference(text)), bool(RELATION.search(_readable(text)))


def _difference(text: str) -> str:
    """A formula as it is; of a relation, its left side minus its right side."""
    sides = RELATION.split(_readable(text))
    return sides[0] if len(sides) == 1 else "-".join(f"({side})" for side in sides[:2])


def _readable(text: str) -> str:
    """The beginning of `text` up to where the authors' LaTeX reader stops, in our reader's spelling."""
    text = _replaced(text, READ_AS)
    depth = 0
    for end, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0 or (depth == 0 and sign in ",;'\""):
            return text[:end]
    return text


def _agree(left: Formula, right: Formula) -> bool:
    """Whether two formulas have the same value: to 1e-4 where they are numbers, else at several complex points."""
    import mpmath

    names = sorted(left.symbols | right.symbols)
    if not names:
        return close(left.value(), right.value(), DIGITS)
    for turn in range(POINTS):
        draw = random.Random(turn)
        point = Point({name: mpmath.mpc(draw.uniform(0.3, 2), draw.uniform(0.3, 2)) for name in names})
        if not close(left.value(point), right.value(point), EXACT_DIGITS):
            return False
    return True


STEPS = (
    _same_without_brackets,
    _same_parts,
    _same_cells,
    _same_powers_of_ten,
    _same_sides,
    _same_last_sides,
    _same_decimals,
    _same_formulas,
    _same_to_shorter,
)


def _last_letter(text: str) -> str:
    letters = re.findall(r"\b([A-E])\b", text.upper())
    return letters[-1] if letters else text.strip(" \n:./")


def letter(rules: Rules, text: str, of_set: str = "") -> str | None:
    """The letter of a choice that a text gives, for the grader of `rules`."""
    if of_set == "gpqa":
        return _letter_behind_phrase(text) if rules.behind_phrase else _last_of("ABCD", text.upper())
    for pattern in (r"answer is \(?([A-J])\)?", r".*[aA]nswer:\s*([A-J])"):
        match = re.search(pattern, text)
        if match:
            return match[1]
    return _last_of("ABCDEFGHIJ", text)  # the authors draw a random letter if there is none; we count that as wrong


def _letter_behind_phrase(text: str) -> str:
    parts = re.split("####|The answer is", text)
    if any(text.count(phrase) > 1 for phrase in ("####", "The answer is")):
        parts = re.split("####|The answer is", text.strip("\n").split("\n\n")[0])
    letters = re.findall(r"\b[A-D]\b", parts[-1].upper())
    return (letters[0] if len(parts) > 1 else letters[-1]) if letters else "A"


def _last_of(letters: str, text: str) -> str | None:
    found = re.findall(rf"\b[{letters}]\b", text)
    return found[-1] if found else None


CFT = Rules(units=True, rounds=True, lists=False, behind_phrase=True)
THINKPO = Rules(units=False, rounds=False, lists=True, behind_phrase=False)
