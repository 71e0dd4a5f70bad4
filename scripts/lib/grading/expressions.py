r"""Expressions in plain text: what is a formula, a pair, an interval or a relation although no mark says so."""

import re

from scripts.lib.grading import units
from scripts.lib.grading.numerals import spelled

MAX_EXPRESSION = 300  # characters


def words_of(text: str) -> frozenset[str]:
    """The words of `text`, as a set."""
    return frozenset(text.split())


FUNCTIONS = words_of(
    "sqrt pi sin cos tan cot sec csc log ln exp arcsin arccos arctan asin acos atan sinh cosh tanh gcd lcm min "
    "max mod infinity inf oo and or theta alpha beta lambda"
)
WORD = re.compile(r"\\?[A-Za-z]+")
COMMAND_WORD = re.compile(r"\\(?:text|mathrm|mathbf|operatorname|textbf)\s*\{[^{}]*\}")
SIGNS = re.compile(r"[\s\d.,;:+\-*/^_=<>≤≥≠≈±∓×·÷√∞πℝℤℕ°%!|'()\[\]{}\\$∪∩∈⁰¹²³⁴-⁹⁻⁺ⁿ½¼¾~&αβγθλμφω]*")
SHAPE = re.compile(
    r"[+\-*/^=<>≤≥≠±×·÷√∞π()\[\]{}|!_⁰¹²³⁴-⁹⁻]|\\[A-Za-z]|(?<![A-Za-z])(?:pi|sqrt|exp|infinity)(?![a-z])|\d\s?[A-Za-z]\b"
)
SYMBOL = re.compile(r"[A-Za-zα-ωΑ-Ω](?:[₀-₉]+|_\{?\w\}?|'+)?")  # a text that is a name
STATE = re.compile(
    r"(?:it|they|he|she|this|both|the [\w ]{1,30}?) (?:is|are) (?P<state>[a-z]+(?: [a-z]+)?)", re.IGNORECASE
)
REFUSAL = words_of(
    "i idea know sure sorry hmm help cannot can't unsure unknown answer done here see yes? stop ok okay hello "
    "thanks final solution so the a an it is are we you well let think boxed"
)
VERB = re.compile(
    r"(?:\b(?:is|are|be|equals|equal\s+to|get|gets|gives|obtain|have|has|was|becomes|yields|find|at|needs|need|takes)\b|(?<!\d):|=|\*\*)"
    r"\s*\**\s*(?=\S)"
)
SPACED = re.compile(r"-?\d{1,3}(?: \d{3})+(?:\.\d+)?")
NUMBER_LIST = re.compile(r"-?[\d./]+(?:\s*(?:[,;]\s*(?:and|or)?|\band\b|\bor\b)\s*-?[\d./]+)+")
COMPOUND = re.compile(r"\d[\d.]*\s?(?P<large>[A-Za-z]+),?\s(?:and\s)?\d[\d.]*\s?(?P<small>[A-Za-z]+)")
EQUATIONS = re.compile(r"(?<![\w(])[A-Za-z]\s?=\s?-?[\w./√^]+(?:(?:,?\s(?:and|or)\s|,\s?)[A-Za-z]\s?=\s?-?[\w./√^]+)+$")
RATIO = re.compile(r"\d+\s(?:in|out\sof)\s\d+|\d+\s:\s\d+(?:\s:\s\d+)?|\d[\d.]*\s?to\s?\d[\d.]*(?:\s?to\s?\d[\d.]*)?")
NEGATED = re.compile(r"(?:minus|negative)\s[\d.,/]+", re.IGNORECASE)
_COUNT = r"-?\$?\d[\d.,]*"
# A bound is no value: "at least 5", "5 or more", "5+".
BOUND = re.compile(
    rf"(?:at\s(?:least|most)|(?:more|less|fewer|greater|higher|lower)\sthan|no\s(?:more|less|fewer)\sthan|over|under|above|below|up\sto)"
    rf"\s{_COUNT}(?:\s[a-z]+)?|{_COUNT}(?:\s?\+|\s(?:[a-z]+\s)?(?:or|and)\s(?:more|less|fewer|greater|higher|lower|above|up|below))"
    r"(?:\s[a-z]+)?",
    re.IGNORECASE,
)
OF_NUMBERS = re.compile(
    r"(?:all|any|every)\s(?:\S+\s)?(?:real\s)?numbers?\b[^.!?\n]{0,80}"
    r"|[a-z]\s(?:is|must\sbe|has\sto\sbe|should\sbe)\s(?:at\s|no\s|non-?|strictly\s)?"
    r"(?:least|most|greater|less|more|positive|negative)\b[^.!?\n]{0,60}",
    re.IGNORECASE,
)
_MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
DATE = re.compile(
    rf"(?:(?P<month>{_MONTH})\.?\s(?:the\s)?(?P<day>{_DAY})|(?:the\s)?(?P<day_first>{_DAY})\s(?:of\s)?(?P<month_last>{_MONTH}))\b\.?"
    r"(?:,?\s(?P<year>\d{4}))?",
    re.IGNORECASE,
)
NAMES_OF_PROSE = frozenset("aAI")


def is_expression(text: str) -> bool:
    """Whether `text` is an expression, with more to it than a number or a letter.

    >>> is_expression("3*sqrt(2)"), is_expression("x >= 3"), is_expression("12"), is_expression("a 5")
    (True, True, False, False)
    """
    text = text.strip()
    if not text or len(text) > MAX_EXPRESSION or SHAPE.search(text) is None:
        return False
    words = WORD.findall(COMMAND_WORD.sub(" ", text))
    if any(not word.startswith("\\") and len(word) > 1 and not _is_product(word) for word in words):
        return False
    first = re.match(r"([A-Za-z])\s+[\w(]", text)
    if first and first[1] in NAMES_OF_PROSE:
        return False
    rest = WORD.sub("", COMMAND_WORD.sub("", text))
    if SIGNS.fullmatch(rest) is None or not re.search(r"[\w∞π√∅]", text):
        return False
    return (
        _balanced(text) and not re.search(r"[=<>+*/^(\[{,-]\s*$", text) and re.fullmatch(r"-?\d[\d.,]*", text) is None
    )


def _is_product(word: str) -> bool:
    """`ab` and `xy` are products of letters, `sqrt` is a function; `so` is a word."""
    return word.lower() in FUNCTIONS or (len(word) == 2 and word.islower() and word in _PRODUCTS) or word in _PRODUCTS


_PRODUCTS = words_of("xy yz xz ab bc ac cd mn pq rs st uv kx ax bx cx nx ky dx dy dt xyz abc kt mx my")


def _balanced(text: str) -> bool:
    """Whether brackets are in pairs; `[2, 5)` is one."""
    text = re.sub(r"\\[{}()\[\]]|\\(?:left|right)\b", "", text)
    return text.count("{") == text.count("}") and sum(map(text.count, "([")) == sum(map(text.count, ")]"))


def _is_compound(text: str) -> bool:
    """`1 hour 30 minutes`: two measures of one kind."""
    found = COMPOUND.fullmatch(text)
    kinds = [units.parse(found[name]) for name in ("large", "small")] if found else [None]
    return None not in kinds and kinds[0].dimension == kinds[1].dimension and kinds[0].size > kinds[1].size


def date(text: str) -> tuple[str, int, str] | None:
    """(month, day, year or nothing) where `text` is a date.

    >>> date("the 14th of March"), date("Mar 14, 2021")
    (('mar', 14, ''), ('mar', 14, '2021'))
    """
    match = DATE.fullmatch(text.strip())
    if match is None:
        return None
    month, day = match["month"] or match["month_last"], match["day"] or match["day_first"]
    return month[:3].lower(), int(re.sub(r"\D", "", day)), match["year"] or ""


def whole(text: str) -> str | None:
    """`text`, if it is a single expression or up to three words."""
    line = text.strip().strip("`").strip()
    if "\n" in line or len(line) > MAX_EXPRESSION or "answer" in line.lower():
        return None
    line = re.sub(r"^\*\*(.+)\*\*$", r"\1", line)
    bare = line.rstrip(".,;") if not line.endswith("...") else line
    if (
        any(shape.fullmatch(bare) for shape in (SPACED, NUMBER_LIST, RATIO, BOUND, DATE, OF_NUMBERS, NEGATED))
        or bare == "∅"
    ):
        return bare
    if spelled(bare) or _is_compound(bare):
        return bare
    if is_expression(bare.strip("$ ")) and "$$" not in bare[2:-2]:
        return _worked_out(bare) if bare.count("$") != 1 else None
    core, unit = _without_unit(bare)
    if core != bare and is_expression(core):
        return core + unit
    if SYMBOL.fullmatch(bare) or _is_measure(bare):
        return bare
    state = STATE.fullmatch(bare)
    bare = state["state"] if state else bare
    words = re.findall(r"[A-Za-z]+", bare)
    letters_only = re.fullmatch(r"(?:\\text\{)?[A-Za-z]+(?:[ -][A-Za-z]+){0,2}\}?", bare)
    if letters_only and not REFUSAL & {word.lower() for word in words} and (len(bare) > 2 or bare.lower() == "no"):
        return bare
    return None


def _is_measure(text: str) -> bool:
    """`12 cm³`: a number with a unit."""
    match = re.fullmatch(r"-?\d[\d.,]*\s?(?P<unit>[A-Za-z°][A-Za-z/^²³\d ]*)", text)
    return match is not None and units.parse(match["unit"].replace("²", "^2").replace("³", "^3")) is not None


def _worked_out(text: str) -> str:
    """What a calculation ends with: `2 + 3 = 5`; an equation with a name stays whole."""
    left, equals, right = text.rpartition("=")
    worked = equals and not re.search(r"[A-Za-z<>]", left) and right.strip() and not SYMBOL.fullmatch(right.strip())
    return right.strip() if worked else text


def bold_items(text: str) -> str | None:
    r"""The bold contents of a list at the end of `text`, or of bold text that is an expression.

    >>> bold_items("They meet at:\n* **(3, 0)**\n* **(0, 3)**")
    '(3, 0), (0, 3)'
    """
    found: list[str] = []
    for line in reversed(text.rstrip().split("\n")[-30:]):
        match = re.fullmatch(r"\s*(?:[-*•+]|\d{1,2}[.)])\s+\*\*([^*\n]{1,200})\*\*[.,;]?\s*", line)
        if match is None:
            if line.strip():
                break
            continue
        found.append(match[1].strip().rstrip(".,;"))
    found.reverse()
    if not found or not all(_is_value(item) for item in found):
        return None
    return ", ".join(item.strip("$ ") for item in found)


def _is_value(text: str) -> bool:
    text = text.strip("$ ")
    return is_expression(text) or re.fullmatch(r"-?\d[\d.,]*", text) is not None


def at_end(text: str) -> str | None:
    """The expression that the last sentence of `text` ends with, behind a verb, a colon or an equals sign.

    >>> at_end("We add both. The distance is sqrt(17).")
    'sqrt(17)'
    """
    lines = [line for line in text.rstrip().split("\n")[-6:] if line.strip()]
    if not lines:
        return None
    line = lines[-1].strip()[-400:].rstrip()
    line = re.sub(r"\*\*", "", line) if line.count("**") == 2 else line
    line = re.sub(r"(?<=\S)[.]$", "", line)
    line = re.sub(r"(?<=\d)!$", "", line) if line.count("!") == 1 else line  # a sentence's mark
    if "$" in line or "\\(" in line or "\\[" in line:
        return None
    if len(lines) > 1 and is_expression(line) and not re.search(r"=", line):
        return line
    equations = EQUATIONS.search(line)
    if equations:
        return equations[0]
    line, unit = _without_unit(line)
    return next((line[start:].strip() + unit for start in _starts(line) if _ends_with(line[start:], unit)), None)


def _without_unit(line: str) -> tuple[str, str]:
    """`line` without a unit at its end, and the unit as a formula has it; `units` is none."""
    match = re.search(r"(?<=[\w)}\]])\s+((?:square\s+|cubic\s+)?[A-Za-z]+(?:\^?[23]|[²³])?)$", line)
    if match is None:
        return line, ""
    if re.fullmatch(r"(?:square\s+|cubic\s+)?units?", match[1]):
        return line[: match.start()], ""
    return (line[: match.start()], f"\\text{{ {match[1]}}}") if _is_measure(f"1 {match[1]}") else (line, "")


def _starts(line: str) -> list[int]:
    """Where an expression may begin: behind each verb, from the last equals sign on."""
    starts = [match.end() for match in VERB.finditer(line)]
    return [start for start in starts if "=" not in line[start:]] or []


def _ends_with(rest: str, unit: str) -> bool:
    rest = rest.strip()
    if unit and re.fullmatch(r"-?\d[\d.,]*(?<![.,])", rest):
        return True
    if any(shape.fullmatch(rest) for shape in (NUMBER_LIST, RATIO, DATE)) or _is_compound(rest):
        return True
    return is_expression(rest) or rest in ("∞", "-∞", "π", "infinity")
