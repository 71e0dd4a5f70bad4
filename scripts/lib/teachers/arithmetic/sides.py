"""The two sides of a relation: which tokens around the sign are one expression, and which belong to the words."""

import re
from dataclasses import dataclass

from scripts.lib.teachers.arithmetic.tokens import BLANK, MAX_UNIT_WORDS, Token
from scripts.lib.teachers.arithmetic.words import APPROXIMATE, FRACTION_WORDS, PART_BEFORE

MAX_SIDE_TOKENS = 120  # longer sides are not read


@dataclass(frozen=True)
class Side:
    tokens: tuple[Token, ...]
    whole: bool = False  # it is all that is between two relation signs
    loose: bool = False  # "about", "≈": any sensible rounding is accepted
    labelled: bool = False  # a word precedes it

    @property
    def literal(self) -> Token | None:
        """The number of a side that is just a number, such as "15 apples" or "(-3)"."""
        numbers = [token for token in self.tokens if token.kind == "number"]
        plain = all(token.kind in ("number", "open", "close", "percent") or token.is_op("-") for token in self.tokens)
        return numbers[0] if plain and len(numbers) == 1 else None

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds or token.is_op(*kinds) for token in self.tokens)

    def slice(self, text: str) -> str:
        """The side as written, without marks, currency signs, bracket sizes and line breaks."""
        written = text[self.tokens[0].start : self.tokens[-1].end]
        written = re.sub(r"<<[^<>\n]*>>|\\?[$€£¥₹]|\\(?:left|right|boxed)(?![A-Za-z])", "", written)
        written = re.sub(r"(?:\s|\\\\|&)+", " ", written).strip()
        return written[1:-1].strip() if self.literal and written[:1] == "{" and written[-1:] == "}" else written


def prefix(segment: list[Token]) -> Side | None:
    """The expression at the start of a segment: the right side of the relation before it."""
    start = next((i for i, token in enumerate(segment) if token.text.lower() not in APPROXIMATE), len(segment))
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
        return None  # a product, with words in brackets
    if _has_spaced_bracket(run):
        return None  # "15 (3 fives)": a product or a remark
    first, second = [*after[:2], BLANK, BLANK][:2]
    if first.text == "\n" and second.kind == "op":
        return None  # the sum may continue on the next line
    if first.text == "." and second.start == first.end and second.kind in ("word", "unknown"):
        return None  # 0.ababab
    if first.text.lower() == "and" and second.kind in ("number", "open", "frac"):
        return None  # "5 and 2/3"
    if first.text.lower() in ("mod", "modulo") or second.text.lower() == "mod":
        return None
    if not run or len(run) > MAX_SIDE_TOKENS or run[-1].kind == "op" or any(token.kind == "unknown" for token in run):
        return None
    return Side(tuple(run), whole=stop == len(segment), loose=start > 0)


def _has_spaced_bracket(run: list[Token]) -> bool:
    pairs = zip(run, run[1:], strict=False)
    return any(token.mark == "spaced" and before.kind in ("number", "percent") for before, token in pairs)


def suffix(segment: list[Token], chained: bool) -> Side | None:
    """The expression at the end of a segment: the left side of the relation after it."""
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
    if words and (words[-1].removesuffix("s") in PART_BEFORE or words[-1] == "of" and words[0] in FRACTION_WORDS):
        return None
    if len(before) > 1 and before[-2].kind in ("op", "number") and before[-1].text in (".", ",", "("):
        glued = run[0].kind == "number" and len(run[0].text) == 3
        if before[-2].kind == "op" or before[-1].text == "," and glued:
            return None  # ".8 + . 84", "14, 400 / 80", "100 + (100 * 0.1 = 110"
    lead = next((token for token in reversed(before[-MAX_UNIT_WORDS - 1 :]) if token.kind != "word"), BLANK)
    joined = words[-2] if words[1:] and words[-1] == "the" else words[-1] if words else ""
    if lead.kind == "number" and joined in ("of", "in", "at", "for", "with", "each", "to", "from"):
        return None  # "8 packs of 5 bags * 4", "adds 20 to the 29 + 24": the run is only the end of the calculation
    if words and lead.kind == "op":
        return None  # "25 classmates + his 1 teacher + 1": the run is only the end of a sum
    first = run[0]
    if first.kind in ("close", "percent") or first.kind == "op" and first.text != "-":
        return None
    if first.kind == "op" and words and (lead.kind == "number" or len(run) > 1 and run[1].start > first.end):
        return None  # "the price - 5 + 3"
    if _has_spaced_bracket(run):
        return None
    return Side(tuple(run), whole=chained and not before, labelled=bool(words))
