"""Arithmetic statements in running text, read and checked with exact rational numbers.

`find_statements` reads text such as "5 apples * 3 = 16 apples", "A = (2 + 3) = 6" or "$\\frac{3}{4} \\cdot 8 = 6$"
and says for each relation between two sides made of numbers only whether it holds. A side that holds a letter used as
an unknown, an operator without a number, a clock time or anything else that is not plain arithmetic is not judged.
Where a sign can be read in more than one way (a percent sign, a mixed number, hours beside minutes) a statement is
false only if every reading is.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

# Limits: the text comes from a model and may be hostile. Beyond them a statement is left unjudged; nothing is raised.
MAX_CHARACTERS = 100_000
MAX_RELATIONS = 2_000
MAX_SIDE_TOKENS = 120
MAX_DIGITS = 30
MAX_DEPTH = 24
MAX_EXPONENT = 200
MAX_BITS = 2_000
MAX_UNIT_WORDS = 4

# Ratios within a family serve as a second reading, so that "30 minutes * 4 = 2 hours" holds.
_FAMILIES = {
    "time": "second sec 1 minute min 60 hour hr 3600 day 86400 week 604800 month 2592000 year 31536000",
    "money": "cent penny pennies 1 nickel 5 dime 10 quarter 25 dollar $ 100",
    "length": "inch inches 1 foot feet ft 12 yard 36 mile 63360",
    "metric length": "mm millimeter 1 cm centimeter 10 meter metre 1000 km kilometer kilometre 1000000",
    "mass": "ounce oz 1 pound lb 16 ton 32000",
    "metric mass": "mg milligram 1 gram 1000 kg kilogram 1000000",
    "volume": "cup 1 pint 2 quart 4 gallon 16",
    "metric volume": "ml milliliter millilitre 1 liter litre 1000",
    "count": "dozen 12 hundred 100 thousand 1000 million 1000000 billion 1000000000",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNITS: dict[str, tuple[str, int]] = {}
for _family, _line in _FAMILIES.items():
    _names: list[str] = []
    for _word in _line.split():
        if _word.isdigit():
            _UNITS |= {name + ending: (_family, int(_word)) for name in _names for ending in ("", "s")}
            _names = []
        else:
            _names.append(_word)
_ATTACHED = _UNITS.keys() | _words("mph kph mins gb mb kb percent")
_APPROXIMATE = _words("about approximately approx roughly around nearly almost")
_OPERATOR_WORDS = {"plus": "+", "minus": "-", "times": "*", "of": "*"}
# After one of these a number is only a part of what the words say ("twice 3 + 1"), or a label ("Day 3 = 5 * 2").
_PART_BEFORE = _words(
    "twice thrice half double triple quarter plus minus times per than root mod base"
    " step day week month year number part question problem case level grade page figure option room"
)
_FRACTION_WORDS = _words("half third thirds quarter quarters fourth fourths fifth fifths percent twice double")
_SENTENCE_WORDS = _words(
    "and or but so when because since as then therefore thus hence which that if is are was were has have had do does"
    " gives makes means equals"
)
_SHORT_WORDS = _UNITS.keys() | _words("of in on at by to is as an or if so he we it my no up us am pm be do go me")
_NOT_UNITS = _words("squared cubed factorial choose mod modulo pi sqrt halves thirds log ln sin cos tan")

_TOKEN = re.compile(
    r"""(?P<mark><<[^<>\n]{0,300}>>)
    |(?P<clock>[0-9]+(?::[0-9]+)+|0[0-9]+(?![.,0-9]))
    |(?P<number>(?:[0-9]{1,3}(?:(?:,|\{,\}|,\\!)[0-9]{3})+(?![0-9])|[0-9]++(?!,[0-9]))(?:\.[0-9]+)?|(?<![\w.])\.[0-9]+)
    |(?P<malformed>[0-9]+(?:,[0-9]+)+)
    |(?P<vulgar>[¼-¾⅐-⅞])
    |(?P<dots>\.{2,}|…|\\[lc]?dots[cbmio]?(?![A-Za-z]))
    |(?P<break>\\(?:begin|end)\{[a-z]{1,20}\*?\}|=>|[-=]{1,9}>|→|⇒|<=|>=|!=|\\(?:neq?|leq?|geq?|equiv|implies|Rightarrow|to|q?quad)(?![A-Za-z])|!(?=\s*(?:[A-Z]|$)))
    |(?P<relation>=+|≈|\\approx(?![A-Za-z])|(?:\bequals|\bis\s{1,3}equal\s{1,3}to)(?=\s))
    |(?P<times>\*(?!\*)|×|·|∙|⋅|∗|\\(?:times|cdot)(?![A-Za-z]))
    |(?P<stars>\*\*+)
    |(?P<over>/|÷|\\div(?![A-Za-z]))
    |(?P<plus>\+)
    |(?P<minus>[-−–‒﹣])
    |(?P<degree>(?<=[A-Za-z]{2})(?:\^\s?\{?[23]\}?|[²³])|\^\s?(?:\{\s?\\circ\s?\}|\\circ)|°|∘)
    |(?P<power>\^)
    |(?P<superscript>[²³])
    |(?P<percent>\\?%)
    |(?P<frac>\\[dtc]?frac(?![A-Za-z]))
    |\\(?:text|mbox|mathrm|textrm|textbf)\s?\{(?P<text>[^{}]{0,80})\}(?:\s?\^\s?\{?[23]\}?)?
    |(?P<newline>\\\\(?:\[[^\]\n]{0,9}\])?|\\[\[\]]|\n)
    |(?P<skip>[^\S\n]+|\\?[$€£¥₹]|\\[(),;:!\ ]|~|&|\\(?:left|right|[bB]ig[lr]?|displaystyle|boxed|fbox)(?![A-Za-z]))
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<word>[A-Za-z]+(?:['’][A-Za-z]+)*(?:-[A-Za-z]+)*)
    |(?P<unknown>\\[A-Za-z#&]+|[!|_'±√∑∏∞#@\w])""",
    re.VERBOSE,
)
_LIST_MARKER = re.compile(r"(?m)^[ \t]*(?:\(?[0-9]{1,2}[.)]|[*•])(?=\s)")
# product: 2\frac{1}{2} is a product, and a dash that opens a line is a bullet; tight: "2 / 1/5" is 2 divided by 1/5.
_STYLES = ("usual", "product", "tight")
_REMAINDER = re.compile(r"\b(?:remain|left ?over|round|whole|full|complete|r \d)")
_BULLET = re.compile(r"(?m)^[ \t]*[-–](?= )")
_SIGNS = {"times": "*", "over": "/", "plus": "+", "minus": "-", "power": "^"}


class _Unreadable(Exception):
    """The tokens are not plain arithmetic, or pass a limit."""


@dataclass(frozen=True)
class _Token:
    kind: str  # number op open close frac percent relation word unknown break
    text: str
    start: int
    end: int
    unit: tuple[str, int] | None = None  # family and factor: of 60 in "60 minutes"
    rate: tuple[str, int] | None = None  # the same after a slash: of 60 in "60 minutes/hour"
    named: bool = False  # words follow the number as its unit
    mark: str = ""  # dots: 0.333...; bullet: a dash that opens a line; spaced: an open bracket; of: "half of 8"

    def is_op(self, *signs: str) -> bool:
        return self.kind == "op" and self.text in signs


_BLANK = _Token("break", "", -9, -9)


@dataclass(frozen=True)
class _Side:
    tokens: tuple[_Token, ...]
    whole: bool = False  # nothing but this expression stands between two relation signs
    loose: bool = False  # "about", "≈": any sensible rounding will do
    labelled: bool = False  # a word stands before it

    @property
    def literal(self) -> _Token | None:
        """The number of a side such as "15 apples" or "(-3)" that is no more than a number."""
        numbers = [token for token in self.tokens if token.kind == "number"]
        plain = all(token.kind in ("number", "open", "close", "percent") or token.is_op("-") for token in self.tokens)
        return numbers[0] if plain and len(numbers) == 1 else None

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds or token.is_op(*kinds) for token in self.tokens)

    def slice(self, text: str) -> str:
        """The side as written, without marks, currency signs, sizes of brackets and line breaks."""
        written = text[self.tokens[0].start : self.tokens[-1].end]
        written = re.sub(r"<<[^<>\n]*>>|\\?[$€£¥₹]|\\(?:left|right|boxed)(?![A-Za-z])", "", written)
        written = re.sub(r"(?:\s|\\\\|&)+", " ", written).strip()
        return written[1:-1].strip() if self.literal and written[:1] == "{" and written[-1:] == "}" else written


@dataclass(frozen=True)
class Statement:
    """One relation between two arithmetic sides, with the verdict.

    Attributes:
        left: the left side as written, calculator marks and line breaks taken out.
        right: the right side as written.
        holds: False only if no reading makes the statement true.
        value: what the left side comes to; None where the units of the sides differ, so that it is not comparable.
        stated: what the right side comes to.
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
    segments: list[list[_Token]] = [[]]
    relations = []
    for token in _tokenise(text):
        if token.kind == "relation":
            relations.append(token)
            segments.append([])
        else:
            segments[-1].append(token)
    right = None
    for relation, before, after in zip(relations[:MAX_RELATIONS], segments, segments[1:], strict=False):
        chained = right is not None and right.whole
        left, right = _suffix(before, chained), _prefix(after)
        if left and right:
            statement = _judge(text, left, relation, right)
            found += [statement] if statement else []
    return sorted(found, key=lambda statement: statement.position)


def value_of(text: str) -> Fraction | None:
    """Returns the value of a text that is one arithmetic expression ("1,250", "$3/4", "\\frac{1}{2}"), else None."""
    tokens = _tokenise(text[:MAX_CHARACTERS])
    side = _prefix(tokens)
    if side is None or not side.whole:
        return None
    try:
        return _Reader(side.tokens).value()
    except _Unreadable:
        return None


def show_number(value: Fraction, decimals: int = 2) -> str:
    """Returns a short decimal: exact where at most 6 places do it, else "about " and rounded to `decimals`."""
    for places in range(7):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return ("-" if scaled < 0 else "") + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    rounded = Fraction(round(value * 10**decimals), 10**decimals)
    return "about " + show_number(rounded) if rounded else f"{value.numerator}/{value.denominator}"


def _tokenise(text: str) -> list[_Token]:
    """Splits text into tokens; units are folded into their numbers, words that stand for operators become operators."""
    markers = {match.start(): match.end() for match in _LIST_MARKER.finditer(text)}
    bullets = {match.end() for match in _BULLET.finditer(text)}
    latex = "\\" in text  # there a plain dollar sign opens a formula
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        if at in markers:
            tokens.append(_Token("break", "\n", at, markers[at]))
            at = markers[at]
            continue
        match = _TOKEN.match(text, at)
        kind, start = (match.lastgroup, at) if match else ("break", at)
        at = match.end() if match else at + 1
        token = _Token(kind, text[start:at], start, at)
        before, after = text[start - 1 : start], text[at : at + 1]
        if kind in ("skip", "mark", "degree") or "quad" in token.text and tokens and tokens[-1].text == "\n":
            continue
        if kind == "number":
            digits = re.sub(r"[^0-9.]", "", token.text)
            money = _UNITS["$"] if before == "$" and (not latex or text[start - 2 : start - 1] == "\\") else None
            token = replace(token, kind="unknown" if len(digits) > MAX_DIGITS else kind, text=digits, unit=money)
        elif kind == "vulgar":
            token = replace(token, kind="number", text=unicodedata.normalize("NFKC", token.text).replace("⁄", "/"))
        elif kind in _SIGNS:
            token = replace(token, kind="op", text=_SIGNS[kind], mark="bullet" if at in bullets else "")
        elif kind == "stars":
            if not (before.isdigit() or before == ")") or not (after.isdigit() or after == "("):
                continue  # bold type, not a power
            token = replace(token, kind="op", text="^")
        elif kind == "superscript":
            tokens.append(replace(token, kind="op", text="^"))
            token = replace(token, kind="number", text="2" if token.text == "²" else "3")
        elif kind == "dots" and tokens and tokens[-1].kind == "number" and "." in tokens[-1].text:
            tokens[-1] = replace(tokens[-1], mark="dots")
            continue
        elif kind in ("dots", "clock", "malformed"):
            token = replace(token, kind="unknown")
        elif kind == "text":
            words = re.findall(r"[A-Za-z]+", match.group("text"))
            tokens += [_Token("word", word, start + 1, at - 1) for word in words]
            continue
        elif kind == "newline":
            if tokens and (tokens[-1].kind in ("relation", "op") or tokens[-1].text == "\n"):
                continue
            token = replace(token, kind="break", text="\n")
        elif kind == "open" and before.isspace():
            token = replace(token, mark="spaced")
        elif kind == "relation":
            while tokens and tokens[-1].text == "\n":
                tokens.pop()  # the line goes on from the one before: "3 + 4\n= 7"
        tokens.append(token)
    return _fold_units(_read_words(tokens), text)


def _read_words(tokens: list[_Token]) -> list[_Token]:
    """Turns words between numbers into operators, and letters and function names into unknowns."""
    read: list[_Token] = []
    skip_to = 0
    for index, token in enumerate(tokens):
        if index < skip_to:
            continue
        if token.kind != "word":
            read.append(token)
            continue
        word = token.text.lower()
        before = read[-1] if read else _BLANK
        after = tokens[index + 1] if index + 1 < len(tokens) else _BLANK
        if after.text in ("by", "the") and word in ("multiplied", "divided", "of"):
            skip_to, after = index + 2, tokens[index + 2] if index + 2 < len(tokens) else _BLANK
        ends = before.kind in ("number", "close", "percent")
        begins = after.kind in ("number", "open", "frac")
        counted = _last_before_words(read).kind in ("number", "close", "percent")
        sign = None
        if word == "x" and counted and begins and not (after.kind == "open" and after.start == token.end):
            sign = "*"
        elif word in ("multiplied", "divided") and skip_to > index and counted and begins:
            sign = "*" if word == "multiplied" else "/"
        elif word in _OPERATOR_WORDS and begins and (ends or word in ("plus", "minus") and counted):
            sign = _OPERATOR_WORDS[word]
        if sign or ends and word == "percent":
            mark = "of" if word == "of" else ""
            read.append(replace(token, kind="op" if sign else "percent", text=sign or "%", mark=mark))
            continue
        skip_to = 0
        attached = before.kind in ("number", "close") and before.end == token.start
        call = after.kind == "open" and after.mark != "spaced" or after.kind == "number" and after.start == token.end
        article = token.text == "a" and after.kind == "word" or word != "x" and after.kind == "number"
        short = len(word) == 2 and word not in _SHORT_WORDS or len(word) == 3 and token.text.isupper()
        if attached and word not in _ATTACHED or call or len(word) == 1 and not article or short or word in _NOT_UNITS:
            token = replace(token, kind="unknown")
        read.append(token)
    return read


def _last_before_words(tokens: list[_Token]) -> _Token:
    """The token that a number's unit words follow, if they can be that."""
    for token in reversed(tokens[-MAX_UNIT_WORDS - 1 :]):
        if token.kind != "word":
            return token
        if token.text.lower() in _SENTENCE_WORDS:
            break
    return _BLANK


def _fold_units(tokens: list[_Token], text: str) -> list[_Token]:
    """Drops unit words between a number and the next sign, and rates such as "/ball"; the number notes them."""
    folded: list[_Token] = []
    index = 0
    while index < len(tokens):
        folded.append(tokens[index])
        index += 1
        if folded[-1].kind not in ("number", "close", "percent"):
            continue
        while True:
            end = index
            while end < len(tokens) and tokens[end].kind == "word" and end - index < MAX_UNIT_WORDS:
                if tokens[end].text.lower() in _SENTENCE_WORDS:
                    break
                end += 1
            units = [_UNITS[token.text.lower()] for token in tokens[index:end] if token.text.lower() in _UNITS]
            boxed = folded[-1].kind == "close" and len(folded) > 1 and folded[-2].kind == "number"
            if end > index and (boxed or folded[-1].kind == "number"):
                number = folded[-1 - boxed]
                folded[-1 - boxed] = replace(number, unit=units[0] if units else number.unit, named=True)
            follows = tokens[end] if end < len(tokens) else None
            if follows is not None and follows.is_op("/") and end + 1 < len(tokens) and tokens[end + 1].kind == "word":
                if end == index and tokens[end + 1].start != follows.end:
                    break  # "120 / cost": a division by something that is not a number
                rate = _UNITS.get(tokens[end + 1].text.lower())
                if folded[-1].kind == "number":
                    folded[-1] = replace(folded[-1], rate=rate, named=True)
                index = end + 2
                continue
            negative = follows is not None and follows.is_op("-") and text[follows.end : follows.end + 1].isdigit()
            if negative and text[follows.start - 1] in " $\n":
                break  # "35 terms before -17"
            if end > index and follows is not None and follows.kind in ("op", "relation", "close"):
                index = end
            break
    return folded


def _prefix(segment: list[_Token]) -> _Side | None:
    """The expression that a segment opens with: the right side of the relation before it."""
    start = next((i for i, token in enumerate(segment) if token.text.lower() not in _APPROXIMATE), len(segment))
    end = start
    opened: list[int] = []
    while end < len(segment) and segment[end].kind not in ("word", "break"):
        if segment[end].kind == "open":
            opened.append(end)
        elif segment[end].kind == "close":
            if not opened:
                break
            opened.pop()
        end += 1
    stop = opened[0] if opened else end
    run, after = segment[start:stop], segment[stop:]
    if opened and run and segment[stop].mark != "spaced":
        return None  # a product with words in brackets
    if _has_spaced_bracket(run):
        return None  # "15 (3 fives)": a product or a remark
    first, second = [*after[:2], _BLANK, _BLANK][:2]
    if first.text == "\n" and second.kind == "op":
        return None  # the sum may go on in the next line
    if first.text == "." and second.start == first.end and second.kind in ("word", "unknown"):
        return None  # 0.ababab
    if first.text.lower() == "and" and second.kind in ("number", "open", "frac"):
        return None  # "5 and 2/3"
    if first.text.lower() in ("mod", "modulo") or second.text.lower() == "mod":
        return None
    if not run or len(run) > MAX_SIDE_TOKENS or run[-1].kind == "op" or any(token.kind == "unknown" for token in run):
        return None
    return _Side(tuple(run), whole=stop == len(segment), loose=start > 0)


def _has_spaced_bracket(run: list[_Token]) -> bool:
    pairs = zip(run, run[1:], strict=False)
    return any(token.mark == "spaced" and before.kind in ("number", "percent") for before, token in pairs)


def _suffix(segment: list[_Token], chained: bool) -> _Side | None:
    """The expression that a segment ends with: the left side of the relation after it."""
    depth, start = 0, len(segment)
    while start and segment[start - 1].kind not in ("word", "break"):
        depth += {"close": 1, "open": -1}.get(segment[start - 1].kind, 0)
        if depth < 0:
            break
        start -= 1
    run, before = segment[start:], segment[:start]
    if depth > 0 or not run or len(run) > MAX_SIDE_TOKENS or any(token.kind == "unknown" for token in run):
        return None
    words = [token.text.lower() for token in before[-2:]] if before and before[-1].kind == "word" else []
    if words and (words[-1].removesuffix("s") in _PART_BEFORE or words[-1] == "of" and words[0] in _FRACTION_WORDS):
        return None
    if len(before) > 1 and before[-2].kind in ("op", "number") and before[-1].text in (".", ",", "("):
        glued = run[0].kind == "number" and len(run[0].text) == 3
        if before[-2].kind == "op" or before[-1].text == "," and glued:
            return None  # ".8 + . 84", "14, 400 / 80", "100 + (100 * 0.1 = 110"
    lead = next((token for token in reversed(before[-MAX_UNIT_WORDS - 1 :]) if token.kind != "word"), _BLANK)
    joined = words[-2] if words[1:] and words[-1] == "the" else words[-1] if words else ""
    if lead.kind == "number" and joined in ("of", "in", "at", "for", "with", "each", "to", "from"):
        return None  # "8 packs of 5 bags * 4", "adds 20 to the 29 + 24": the run is only the end of what is calculated
    if words and lead.kind == "op":
        return None  # "25 classmates + his 1 teacher + 1": the run is only the end of a sum
    first = run[0]
    if first.kind in ("close", "percent") or first.kind == "op" and first.text != "-":
        return None
    if first.kind == "op" and words and (lead.kind == "number" or len(run) > 1 and run[1].start > first.end):
        return None  # "the price - 5 + 3"
    if _has_spaced_bracket(run):
        return None
    return _Side(tuple(run), whole=chained and not before, labelled=bool(words))


def _judge(text: str, left: _Side, relation: _Token, right: _Side) -> Statement | None:
    """The statement made by two sides; None where it is a definition, a label or a conversion, or cannot be read."""
    left_number, right_number = left.literal, right.literal
    money = left_number and right_number and left_number.unit == right_number.unit == _UNITS["$"]
    if left_number and not left.whole and (left.labelled or left_number.named or right_number and not money):
        return None
    if left_number and right_number and (left_number.named or right_number.named):
        return None
    if left_number and not left.whole and right.has("percent") != left.has("percent"):
        return None  # "48 = 100% + 20%": what a percentage stands for
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
    except _Unreadable:
        return None
    value, stated = pairs[0][1], pairs[0][3]
    amount = right_number is None or right_number.named or right_number.unit
    if not left.whole and _is_part(left) and value < 1 and (stated > 1 or amount and stated == 1):
        return None  # "2/5 = 12.8 hectares": what a part of something comes to
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


def _is_part(side: _Side) -> bool:
    """Whether the side is one written fraction and nothing else."""
    return [token.kind for token in side.tokens] == ["number", "op", "number"] and side.tokens[1].text == "/"


def _running_total(right: _Side, value: Fraction) -> bool:
    """Whether "4 * 5 = 20 + 3" goes on from its own result: loose notation, not a slip."""
    first = right.tokens[0]
    return first.kind == "number" and Fraction(first.text) == value


def _of_readings(side: _Side, last: bool) -> list[_Side]:
    """The side, and what it is if "of" belongs to the words around it: "= 1/3 of $150", "10% of the $4 + $6 = ..."."""
    places = [index for index, token in enumerate(side.tokens) if token.mark == "of"]
    if not places:
        return [side]
    cut = side.tokens[places[-1] + 1 :] if last else side.tokens[: places[0]]
    return [side, replace(side, tokens=cut)] if not last or any(token.kind == "op" for token in cut) else [side]


def _readings(side: _Side, convert: bool) -> list[Fraction]:
    """Every value the side may be meant to have, the usual one first."""
    percents = ("hundredth", "unit", "relative") if side.has("percent") else ("hundredth",)
    return [_Reader(side.tokens, percent, convert, style).value() for style in _STYLES for percent in percents]


def _same(left: _Side, value: Fraction, right: _Side, stated: Fraction, loose: bool) -> bool:
    """Whether the two values agree, rounding included where one side is a single number."""
    if value == stated:
        return True
    if right.literal:
        return _rounds_to(left, value, right.literal, stated, loose)
    return bool(left.literal) and _rounds_to(right, stated, left.literal, value, loose)


def _rounds_to(side: _Side, value: Fraction, number: _Token, stated: Fraction, loose: bool) -> bool:
    """Whether `stated`, written as `number`, is `value` rounded to the places it is written with."""
    written = Fraction(number.text)
    if not written or not stated:
        return False
    places = len(number.text.partition(".")[2])
    scale = abs(stated) / written  # a percent sign or a unit: 33% stands for 0.33
    unit = scale / 10**places
    error = abs(value - stated)
    if places > 9 and error * 10**12 <= abs(value):
        return True  # printed from binary floating point
    if loose:
        zeros = len(number.text) - len(number.text.rstrip("0")) if not places else 0
        return error <= unit * 10**zeros
    # A sum or difference of written numbers ends by itself: rounding it is a slip.
    decimal = any("." in token.text for token in side.tokens)
    if not (side.literal or side.has("/", "frac", "^") or side.has("*", "percent") and decimal):
        return False
    if not places and abs(value) < unit:
        return False
    half = error == unit / 2
    if half and not places:
        return abs(stated) > abs(value)
    return error <= unit / 2 or places >= 2 and error < unit and abs(stated) < abs(value)


class _Reader:
    """A recursive-descent reader of one side: sums of products of signed powers, exact, within the limits above."""

    def __init__(self, tokens, percent: str = "hundredth", convert: bool = False, style: str = "usual"):
        self.tokens, self.percent, self.convert, self.style = tokens, percent, convert, style
        self.at = self.depth = 0

    def value(self) -> Fraction:
        self.at = 1 if self.tokens[0].mark == "bullet" and self.style == "product" else 0
        total = self._sum()
        if self.at != len(self.tokens):
            raise _Unreadable
        return total

    def _peek(self, offset: int = 0) -> _Token | None:
        return self.tokens[self.at + offset] if self.at + offset < len(self.tokens) else None

    def _take(self, *signs: str) -> str | None:
        token = self._peek()
        if token is not None and token.is_op(*signs):
            self.at += 1
            return token.text
        return None

    def _sum(self) -> Fraction:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable
        total = self._product()
        while sign := self._take("+", "-"):
            start = self.at
            term = self._product()
            if self.percent == "relative" and self.at == start + 2 and self.tokens[start + 1].kind == "percent":
                term *= total
            total = _limited(total + term if sign == "+" else total - term)
        self.depth -= 1
        return total

    def _product(self) -> Fraction:
        total = self._signed()
        divided = False
        while True:
            if sign := self._take("*", "/"):
                factor = self._signed()
                divided = sign == "/"
            elif (token := self._peek()) is not None and (token.text in "([" or token.kind == "frac"):
                if divided:
                    raise _Unreadable  # 6 / 2 (1 + 2) is read both ways
                sign, factor = "*", self._power()
            else:
                return total
            if sign == "/" and not factor:
                raise _Unreadable
            total = _limited(total * factor if sign == "*" else total / factor)

    def _signed(self) -> Fraction:
        sign = 1
        while self._take("-"):
            sign = -sign
        return sign * self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if not self._take("^"):
            return base
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable
        exponent = self._signed()
        self.depth -= 1
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT or bits * abs(exponent) > MAX_BITS:
            raise _Unreadable
        if not base and exponent <= 0:
            raise _Unreadable
        return base ** int(exponent)

    def _atom(self) -> Fraction:
        token = self._peek()
        if token is None:
            raise _Unreadable
        self.at += 1
        if token.kind == "open":
            value = self._sum()
            if (close := self._peek()) is None or close.kind != "close":
                raise _Unreadable
            self.at += 1
        elif token.kind == "frac":
            above, below = self._group(), self._group()
            if not below:
                raise _Unreadable
            value = above / below
        elif token.kind == "number":
            value = Fraction(token.text)
            if self.convert:
                value *= Fraction(token.unit[1] if token.unit else 1, token.rate[1] if token.rate else 1)
            value += self._mixed_part(token)
            if self.style == "tight" and (below := self._tight_divisor()):
                value /= below
        else:
            raise _Unreadable
        if (sign := self._peek()) is not None and sign.kind == "percent":
            self.at += 1
            value = value if self.percent == "unit" else value / 100
        return value

    def _tight_divisor(self) -> Fraction | None:
        """The 5 of "1/5" at the reading place just after the 1, if nothing stands between the three."""
        number, over, below = self.tokens[self.at - 1], self._peek(), self._peek(1)
        if over is None or below is None or not over.is_op("/") or below.kind != "number":
            return None
        if (number.end, over.end) != (over.start, below.start) or not Fraction(below.text):
            return None
        self.at += 2
        return Fraction(below.text)

    def _mixed_part(self, whole: _Token) -> Fraction | int:
        """The fraction of a mixed number after its whole part: 1/2 in "2 1/2" and in 2\\frac{1}{2}."""
        first, over, below = self._peek(), self._peek(1), self._peek(2)
        if first is None or "." in whole.text:
            return 0
        if first.kind == "frac" and self.style != "product":
            self.at += 1
            above, under = self._group(), self._group()
            if not under:
                raise _Unreadable
            return above / under
        if below is None:
            return 0
        if first.kind == below.kind == "number" and over.is_op("/"):
            self.at += 3
            if not Fraction(below.text):
                raise _Unreadable
            return Fraction(first.text) / Fraction(below.text)
        return 0

    def _group(self) -> Fraction:
        """One argument of \\frac: a group in braces, or digits: \\frac12 is one half."""
        token = self._peek()
        if token is not None and token.kind == "number" and token.text.isdigit() and len(token.text) == 2:
            self.tokens = (
                *self.tokens[: self.at],
                replace(token, text=token.text[0]),
                replace(token, text=token.text[1]),
                *self.tokens[self.at + 1 :],
            )
            token = self._peek()
        if token is not None and token.kind == "number":
            self.at += 1
            return Fraction(token.text)
        if token is None or token.kind != "open":
            raise _Unreadable
        self.at += 1
        value = self._sum()
        if (close := self._peek()) is None or close.kind != "close":
            raise _Unreadable
        self.at += 1
        return value


def _limited(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise _Unreadable
    return value
