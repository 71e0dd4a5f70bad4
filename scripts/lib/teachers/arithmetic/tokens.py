"""Running text cut into the tokens of arithmetic: numbers with their units, signs, brackets, words."""

import re
import unicodedata
from dataclasses import dataclass, replace

from scripts.lib.teachers.arithmetic.words import (
    ATTACHED,
    NOT_UNITS,
    OPERATOR_WORDS,
    SENTENCE_WORDS,
    SHORT_WORDS,
    UNITS,
)

# Limits: the text comes from a model and may be hostile. Statements beyond them are not judged; nothing is raised.
MAX_DIGITS = 30
MAX_UNIT_WORDS = 4

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
_BULLET = re.compile(r"(?m)^[ \t]*[-–](?= )")
_SIGNS = {"times": "*", "over": "/", "plus": "+", "minus": "-", "power": "^"}


@dataclass(frozen=True)
class Token:
    kind: str  # number op open close frac percent relation word unknown break
    text: str
    start: int
    end: int
    unit: tuple[str, int] | None = None  # family and factor: of 60 in "60 minutes"
    rate: tuple[str, int] | None = None  # the same after a slash: of 60 in "60 minutes/hour"
    named: bool = False  # words follow the number as its unit
    mark: str = ""  # dots: 0.333...; bullet: a dash at the start of a line; spaced: an open bracket; of: "half of 8"

    def is_op(self, *signs: str) -> bool:
        return self.kind == "op" and self.text in signs


BLANK = Token("break", "", -9, -9)


def tokenise(text: str) -> list[Token]:
    """Splits text into tokens; units are folded into their numbers, words for operators become operators."""
    markers = {match.start(): match.end() for match in _LIST_MARKER.finditer(text)}
    bullets = {match.end() for match in _BULLET.finditer(text)}
    latex = "\\" in text  # in LaTeX a plain dollar sign starts a formula
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if at in markers:
            tokens.append(Token("break", "\n", at, markers[at]))
            at = markers[at]
            continue
        match = _TOKEN.match(text, at)
        kind, start = (match.lastgroup, at) if match else ("break", at)
        at = match.end() if match else at + 1
        token = Token(kind, text[start:at], start, at)
        before, after = text[start - 1 : start], text[at : at + 1]
        if kind in ("skip", "mark", "degree") or "quad" in token.text and tokens and tokens[-1].text == "\n":
            continue
        if kind == "number":
            digits = re.sub(r"[^0-9.]", "", token.text)
            money = UNITS["$"] if before == "$" and (not latex or text[start - 2 : start - 1] == "\\") else None
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
            tokens += [Token("word", word, start + 1, at - 1) for word in words]
            continue
        elif kind == "newline":
            if tokens and (tokens[-1].kind in ("relation", "op") or tokens[-1].text == "\n"):
                continue
            token = replace(token, kind="break", text="\n")
        elif kind == "open" and before.isspace():
            token = replace(token, mark="spaced")
        elif kind == "relation":
            while tokens and tokens[-1].text == "\n":
                tokens.pop()  # the line continues the previous one: "3 + 4\n= 7"
        tokens.append(token)
    return _fold_units(_read_words(tokens), text)


def _read_words(tokens: list[Token]) -> list[Token]:
    """Turns words between numbers into operators, and letters and function names into unknowns."""
    read: list[Token] = []
    skip_to = 0
    for index, token in enumerate(tokens):
        if index < skip_to:
            continue
        if token.kind != "word":
            read.append(token)
            continue
        word = token.text.lower()
        before = read[-1] if read else BLANK
        after = tokens[index + 1] if index + 1 < len(tokens) else BLANK
        if after.text in ("by", "the") and word in ("multiplied", "divided", "of"):
            skip_to, after = index + 2, tokens[index + 2] if index + 2 < len(tokens) else BLANK
        ends = before.kind in ("number", "close", "percent")
        begins = after.kind in ("number", "open", "frac")
        counted = _last_before_words(read).kind in ("number", "close", "percent")
        sign = None
        if word == "x" and counted and begins and not (after.kind == "open" and after.start == token.end):
            sign = "*"
        elif word in ("multiplied", "divided") and skip_to > index and counted and begins:
            sign = "*" if word == "multiplied" else "/"
        elif word in OPERATOR_WORDS and begins and (ends or word in ("plus", "minus") and counted):
            sign = OPERATOR_WORDS[word]
        if sign or ends and word == "percent":
            mark = "of" if word == "of" else ""
            read.append(replace(token, kind="op" if sign else "percent", text=sign or "%", mark=mark))
            continue
        skip_to = 0
        attached = before.kind in ("number", "close") and before.end == token.start
        call = after.kind == "open" and after.mark != "spaced" or after.kind == "number" and after.start == token.end
        article = token.text == "a" and after.kind == "word" or word != "x" and after.kind == "number"
        short = len(word) == 2 and word not in SHORT_WORDS or len(word) == 3 and token.text.isupper()
        if attached and word not in ATTACHED or call or len(word) == 1 and not article or short or word in NOT_UNITS:
            token = replace(token, kind="unknown")
        read.append(token)
    return read


def _last_before_words(tokens: list[Token]) -> Token:
    """The token before trailing words, if these can be its unit."""
    for token in reversed(tokens[-MAX_UNIT_WORDS - 1 :]):
        if token.kind != "word":
            return token
        if token.text.lower() in SENTENCE_WORDS:
            break
    return BLANK


def _fold_units(tokens: list[Token], text: str) -> list[Token]:
    """Drops unit words between a number and the next sign, and rates such as "/ball"; the number records them."""
    folded: list[Token] = []
    index = 0
    while index < len(tokens):
        folded.append(tokens[index])
        index += 1
        if folded[-1].kind not in ("number", "close", "percent"):
            continue
        while True:
            end = index
            while end < len(tokens) and tokens[end].kind == "word" and end - index < MAX_UNIT_WORDS:
                if tokens[end].text.lower() in SENTENCE_WORDS:
                    break
                end += 1
            units = [UNITS[token.text.lower()] for token in tokens[index:end] if token.text.lower() in UNITS]
            boxed = folded[-1].kind == "close" and len(folded) > 1 and folded[-2].kind == "number"
            if end > index and (boxed or folded[-1].kind == "number"):
                number = folded[-1 - boxed]
                folded[-1 - boxed] = replace(number, unit=units[0] if units else number.unit, named=True)
            follows = tokens[end] if end < len(tokens) else None
            if follows is not None and follows.is_op("/") and end + 1 < len(tokens) and tokens[end + 1].kind == "word":
                if end == index and tokens[end + 1].start != follows.end:
                    break  # "120 / cost": a division by something that is not a number
                rate = UNITS.get(tokens[end + 1].text.lower())
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
