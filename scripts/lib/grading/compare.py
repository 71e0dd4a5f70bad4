r"""The three verdicts on one answer: ours, a paper-style one and math-verify's. Pure; runs inside grading workers.

Ours takes both answers apart (lists, tuples, intervals, matrices, equations, units) and compares the smallest pieces as
numbers, formulas or words. Only where a piece is none of these it asks math-verify, with the extracted answer instead
of the whole text. A piece that was read on both sides and differs is wrong, whatever a more lenient reader would say.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from scripts.lib.grading import answers, library, paper_style, spelling
from scripts.lib.grading.choices import choice_letter
from scripts.lib.grading.formulas import UnreadableError, close, sample
from scripts.lib.grading.values import EXACT_DIGITS, NUMBER_WORDS, TEXT, Context, floating, same_values

ABOUT = re.compile(
    r"^(?:(?:\\text\s*\{\s*)?(?:approximately|about|around|roughly|nearly|exactly|only|approx\.?)\s*\}?|[≈≡⇒])"
    r"\s*(?=[-+\d.\\])"
)
UNWORKED = re.compile(r"\\(?:i*int|sum|prod|lim)(?![a-z])")  # math-verify would try to work these out
MAX_ITEMS = 64  # of a list, set or matrix
FALLBACK_CHARACTERS = 400  # math-verify's reader takes seconds for longer answers

OPENING, CLOSING = "([{⦃⟦", ")]}⦄⟧"
NAME = re.compile(
    r"(?:\\text\s*\{[^{}]*\}|\\[A-Za-z]+\s?|[A-Za-z])"
    r"(?:\\text\s*\{[^{}]*\}|\\(?!frac|sqrt|pi(?![a-z]))[A-Za-z]+\s?|[A-Za-z0-9_{}', ∩|]|\^\s*\{-1\})*"
    r"(?:\s*\([^()=]{1,60}\))?"
    r"|\\frac\s*\{\s*d[^{}]{0,20}\}\s*\{\s*d[^{}]{0,20}\}"
    r"|\([^()=]*[A-Za-z][^()=]*\)"
)
VALUE_SYMBOLS = re.compile(r"\\(?:frac|sqrt|pi)(?![A-Za-z])")
CONDITION = re.compile(
    r"(?<=[\w)}\]⦄])\s*,?\s*(?:\\text\s*\{\s*,?\s*(?:for|where|with|provided)\b|(?<=[\s,])(?:for|where|provided)\s).*$"
)
TRUTH = {"true": True, "yes": True, "false": False, "no": False, "correct": True, "incorrect": False}


def parts(item, errors: list[str]) -> Iterator[tuple[str, object]]:
    """The parts of the grade of `item` (a `scripts.lib.grading.pool.Item`), cheapest first.

    A part that fails is None (ours: False), and its error is appended to `errors`.
    """
    extracted = None
    steps: tuple[tuple[str, Callable], ...] = (
        ("extracted", lambda: extract(item)),
        ("verdict", lambda: ours(extracted, item)),
        ("paper_style", lambda: paper_style.verdict(item.prediction or "", item.gold, item.kind)),
        (
            "math_verify",
            lambda: None if item.kind == "choice" else library.math_verify(item.prediction or "", item.gold),
        ),
    )
    for name, step in steps:
        try:
            value = step()
            if name == "extracted":
                extracted = value
            yield name, value
        except Exception as error:  # whatever model output does to a parser is a row's error, not the run's
            errors.append(f"{name}: {type(error).__name__}: {error}"[:300])
            yield name, False if name == "verdict" else None


def _math_verify(item) -> bool | None:
    return None if item.kind == "choice" else library.math_verify(item.prediction or "", item.gold)


def extract(item) -> str | None:
    """The answer that ours compares: a letter for `choice`, an answer text for `math`."""
    if item.kind == "choice":
        return choice_letter(item.prediction or "", item.choices)
    return answers.extract(item.prediction or "")


def ours(extracted: str | None, item) -> bool:
    """Our verdict on an extracted answer."""
    if extracted is None:
        return False
    if item.kind == "choice":
        return extracted == gold_letter(item.gold, item.choices)
    return same_answer(item.gold, extracted, item.options)


def gold_letter(gold: str, choices: tuple[str, ...]) -> str | None:
    """The letter of a `choice` gold: `C`, `(c)`, or the text of a choice."""
    letter = re.fullmatch(r"\s*[(\[]?\s*([A-Za-z])\s*[)\].]?\s*", gold)
    return letter[1].upper() if letter else choice_letter(gold, choices)


def same_answer(gold: str, answer: str, options: Mapping[str, object] | None = None) -> bool:
    r"""Whether `answer` states what `gold` states.

    >>> same_answer("\\frac{1}{2}", "x = 0.5")
    True
    """
    options = options or {}
    context = Context(
        tolerance=_tolerance(options.get("error")),
        unit=spelling.clean(str(options.get("unit") or "")),
        answer_type=str(options.get("answer_type") or "").lower(),
    )
    if re.sub(r"\s", "", gold) == re.sub(r"\s", "", answer):
        return True
    left, right = spelling.clean(gold), spelling.clean(answer)
    if not left or not right:
        return False
    truth = _truth(left, gold=True)
    if truth is not None:
        return _truth(right) == truth
    if _same(left, right, context):
        return True
    if not context.unread or max(len(gold), len(answer)) > FALLBACK_CHARACTERS or UNWORKED.search(answer):
        return False
    if right.count("(") + right.count("{") > 60:
        return False
    return library.math_verify("\\boxed{" + answer + "}", gold)


def _tolerance(error: object) -> Fraction | None:
    try:
        return Fraction(str(error)) if error not in (None, "") else None
    except (ValueError, ZeroDivisionError):
        return None


def _truth(text: str, gold: bool = False) -> bool | None:
    found = spelling.words(text)
    return TRUTH.get(found if gold else found.split(" ")[0] if found else "")


# ---------------------------------------------------------------------------------------------------------------------
# Structure


def _same(gold: str, answer: str, context: Context) -> bool:
    """Whether two cleaned answers state the same; the heart of ours."""
    context.budget -= 1
    if context.budget < 0:
        return False
    gold, answer = _bare(gold), _bare(answer)
    if not gold or not answer:
        return False
    if _compact(gold) == _compact(answer):
        return True
    for sign in ("≈", "≡", "⇒"):
        if sign in gold or sign in answer:
            return any(_same(g, a, context) for g in _around(gold, sign) for a in _around(answer, sign))
    if _is_text(gold) or _is_text(answer):
        verdict = _same_text(gold, answer)
        if verdict is not None:
            return verdict
    gold, answer = _without_matrices(gold), _without_matrices(answer)
    gold, answer = _as_interval(gold), _as_interval(answer)
    gold_items, answer_items = _items(gold), _items(answer)
    if len(gold_items) > 1 or len(answer_items) > 1:
        return _same_lists(gold, gold_items, answer, answer_items, context)
    gold_group, answer_group = _group(gold), _group(answer)
    if gold_group or answer_group:
        return _same_groups(gold, gold_group, answer, answer_group, context)
    if "=" in gold or "=" in answer:
        return _same_equations(gold, answer, context)
    return same_values(gold, answer, context)


def _bare(text: str) -> str:
    """`text` without a wrapper that says nothing: \\text{...} or braces around all, "approximately", "x ∈"."""
    for _ in range(4):
        before = text
        text = text.strip().strip("$").strip()
        match = TEXT.fullmatch(text)
        if match:
            text = match[1]
        if text.startswith("{") and spelling.closing(text, 0) == len(text) - 1:
            text = text[1:-1]
        text = ABOUT.sub("", text)
        text = re.sub(r"^\s*(?:[A-Za-z](?:_\{?\w+\}?)?|[A-Za-z]\([A-Za-z]\))\s*∈\s*(?=[(\[⦃ℝ]|\]-)", "", text)
        text = CONDITION.sub("", text)
        text = text.rstrip(".,;: ").lstrip(",;: ")
        if text == before:
            break
    return text


def _compact(text: str) -> str:
    text = re.sub(r"\s+", "", TEXT.sub(r"\1", text))
    return re.sub(r"\{(\w)\}", r"\1", text)


def _around(text: str, sign: str) -> list[str]:
    return [piece for piece in text.split(sign) if piece.strip()] or [""]


def _split(text: str, signs: str) -> list[str]:
    """`text` cut at each of `signs` that stands outside all brackets."""
    pieces, depth, start = [], 0, 0
    for index, sign in enumerate(text):
        if sign in OPENING:
            depth += 1
        elif sign in CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and sign in signs:
            pieces.append(text[start:index])
            start = index + 1
    pieces.append(text[start:])
    return pieces


def _items(text: str) -> list[str]:
    """The parts of an unbracketed list or union, `a ± b` as two; one item if it is neither."""
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?\s*(%|°|[A-Za-z ]*|\\text\s*\{[^{}]*\})", text):
        return [text]
    text = re.sub(r"\\text\s*\{\s*,?\s*(?:and|or)\s*,?\s*\}", " , ", text)
    text = re.sub(r"(?:,\s*|\s+)(?:and|or)\s+(?!equal)", " , ", text)
    text = re.sub(r"(?<=[)\]}⦄])\s*U\s*(?=[(\[⦃{])", "∪", text)
    found = [piece.strip() for piece in _split(text, ",;∪¶") if piece.strip()]
    return [value for piece in found for value in _plus_minus(piece)] if len(found) <= MAX_ITEMS else [text]


def _plus_minus(text: str) -> list[str]:
    if not any(sign in text for sign in "±∓") or text.count("±") + text.count("∓") > 3 or text[0] in "([⟦":
        return [text]
    if text.startswith("⦃"):
        return [text]
    name, equals, right = text.rpartition("=")
    flip = str.maketrans("±∓", "-+")
    return [name + equals + right.translate(str.maketrans("±∓", "+-")), name + equals + right.translate(flip)]


def _group(text: str) -> tuple[str, list[str], str] | None:
    """(opening sign, items, closing sign) of a bracketed list, or None where the text is none."""
    if text[0] not in "([⦃⟦" or text[-1] not in ")]⦄⟧":
        return None
    depth = 0
    for index, sign in enumerate(text):
        depth += (sign in OPENING) - (sign in CLOSING)
        if depth == 0 and index < len(text) - 1:
            return None
    inner = text[1:-1]
    found = (
        _items(inner) if re.search(r"[A-Za-z±∓∪;¶]", inner) else [p.strip() for p in _split(inner, ",") if p.strip()]
    )
    if len(found) < 2 and text[0] not in "⦃⟦":
        return None
    return text[0], found, text[-1]


def _without_matrices(text: str) -> str:
    """`text` with a matrix as nested brackets: ⟦a,b⟧ for a vector, ⟦⟦a,b⟧,⟦c,d⟧⟧ for more."""
    if "\\begin" not in text:
        return text
    match = re.fullmatch(
        r"(?P<factor>[^\\]*?(?:\\(?:frac|sqrt)[^\\]*)?)\s*\*?\s*\\begin\s*\{\s*(?P<kind>[pbvBV]?(?:small)?matrix|array)\s*\}"
        r"(?:\s*\{[lcr| ]*\})?(?P<body>.*?)\\end\s*\{\s*(?P=kind)\s*\}",
        text.strip(" ()[]"),
    )
    if match is None or "\\begin" in match["body"]:
        return text
    rows = [[cell.strip() for cell in row.split("&")] for row in match["body"].split("¶") if row.strip()]
    factor = match["factor"].strip()
    if factor and "=" not in factor:
        rows = [[f"({factor})*({cell})" for cell in row] for row in rows]
    if len(rows) > MAX_ITEMS or any(len(row) > MAX_ITEMS for row in rows):
        return text
    if all(len(row) == 1 for row in rows):
        rows = [[row[0] for row in rows]]
    joined = ["⟦" + ",".join(row) + "⟧" for row in rows]
    return joined[0] if len(joined) == 1 else "⟦" + ",".join(joined) + "⟧"


def _as_interval(text: str) -> str:
    """An inequality of one name as an interval: `x ≥ 2` as [2,∞), `1 < x ≤ 3` as (1,3]; other texts as they are."""
    european = re.fullmatch(r"([\[\]])([^\[\]()]+,[^\[\]()]+)([\[\]])", text)
    if european and (european[1] == "]" or european[3] == "["):  # ]0,1[ is the open interval in much of Europe
        return f"{'(' if european[1] == ']' else '['}{european[2]}{')' if european[3] == '[' else ']'}"
    text = re.sub(r"\b(?:all\s+)?real\s+numbers?\b|\ball\s+reals\b|ℝ", "(-∞,∞)", text)
    if not any(sign in text for sign in "<>≤≥≠∖") or _has(text, ",;∪¶=") or re.search(r"\s(?:and|or)\s|text", text):
        return text
    excluded = re.fullmatch(r"\s*\(-∞,∞\)\s*∖\s*⦃([^,]+)⦄\s*", text) or re.fullmatch(r"\s*[A-Za-z]\s*≠\s*(.+)", text)
    if excluded:
        return f"(-∞,{excluded[1]})∪({excluded[1]},∞)"
    pieces = [piece.strip() for piece in re.split("[<>≤≥]", text)]
    signs = re.findall("[<>≤≥]", text)
    if any(not piece for piece in pieces) or "≠" in text:
        return text
    if len(signs) == 2 and NAME.fullmatch(pieces[1]):
        if all(sign in "<≤" for sign in signs):
            low, high = (pieces[0], signs[0]), (pieces[2], signs[1])
        elif all(sign in ">≥" for sign in signs):
            low, high = (pieces[2], signs[1]), (pieces[0], signs[0])
        else:
            return text
        return f"{'[' if low[1] in '≤≥' else '('}{low[0]},{high[0]}{']' if high[1] in '≤≥' else ')'}"
    if len(signs) == 1:
        (left, right), sign = pieces, signs[0]
        if not NAME.fullmatch(left):
            left, right, sign = right, left, {"<": ">", ">": "<", "≤": "≥", "≥": "≤"}[sign]
        if not NAME.fullmatch(left):
            return text
        return {"<": f"(-∞,{right})", "≤": f"(-∞,{right}]", ">": f"({right},∞)", "≥": f"[{right},∞)"}[sign]
    return text


def _has(text: str, signs: str) -> bool:
    return len(_split(text, signs)) > 1


def _match_all(gold: list[str], answer: list[str], context: Context) -> bool:
    """Whether the lists are equal in some order, each item used once."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for item in gold:
        found = next((index for index, other in enumerate(left) if _same(item, other, context)), None)
        if found is None:
            return False
        del left[found]
    return True


def _in_order(gold: list[str], answer: list[str], context: Context) -> bool:
    return len(gold) == len(answer) and all(_same(g, a, context) for g, a in zip(gold, answer, strict=True))


def _same_lists(gold: str, gold_items: list[str], answer: str, answer_items: list[str], context: Context) -> bool:
    """Compares where at least one side is an unbracketed list."""
    gold_group = _group(gold) if len(gold_items) == 1 else None
    answer_group = _group(answer) if len(answer_items) == 1 else None
    if gold_group or answer_group:
        group, items = (gold_group, answer_items) if gold_group else (answer_group, gold_items)
        inner = [value for piece in group[1] for value in _plus_minus(piece)]
        pair = (inner, items) if gold_group else (items, inner)
        if group[0] == "⦃":
            return _match_all(*pair, context)
        # (1,2) for the gold x=1, y=2, or 1,2 for (1,2): in this order only; and not where it is an interval.
        return _in_order([_right(g) for g in pair[0]], [_right(a) for a in pair[1]], context)
    if len(gold_items) != len(answer_items):
        merged = _joined_thousands(answer) if len(gold_items) == 1 else answer
        if merged != answer:
            return _same(gold, merged, context)
        answer_items = _distinct(answer_items, context)
        if len(gold_items) != len(answer_items):
            return False
        if len(gold_items) == 1:
            return _same(gold_items[0], answer_items[0], context)
    if _match_all(gold_items, answer_items, context):
        return True
    names = [_left(item) for item in gold_items], [_left(item) for item in answer_items]
    if all(names[0]) != all(names[1]) and (
        len(set(names[0])) == len(gold_items) or len(set(names[1])) == len(answer_items)
    ):
        # x=1, y=2 against 1, 2: the values, in order.
        return _in_order([_right(g) for g in gold_items], [_right(a) for a in answer_items], context)
    return False


def _distinct(items: list[str], context: Context) -> list[str]:
    kept: list[str] = []
    for item in items:
        if not any(_same(other, item, context) for other in kept):
            kept.append(item)
    return kept


def _joined_thousands(text: str) -> str:
    return re.sub(r"(?<=\d),\s?(?=\d{3}(?!\d))", "", text)


def _left(item: str) -> str:
    return _compact(item.partition("=")[0]) if "=" in item else ""


def _right(item: str) -> str:
    left, equals, right = item.partition("=")
    return right if equals and NAME.fullmatch(left.strip()) else item


def _same_groups(gold: str, gold_group, answer: str, answer_group, context: Context) -> bool:
    """Compares where at least one side is one bracketed list."""
    if not (gold_group and answer_group):
        group, other = (gold_group, answer) if gold_group else (answer_group, gold)
        if len(group[1]) == 1:  # {5} or a 1x1 matrix against 5
            return _same(group[1][0], other, context) if gold_group else _same(other, group[1][0], context)
        if "=" in other:
            left, right = other.split("=", 1)[0], other.rsplit("=", 1)[1]
            if NAME.fullmatch(left.strip()):
                return _same(gold, right, context) if gold_group else _same(right, answer, context)
        if "\\begin" in other or "\\" in other:
            context.unread = True
        return False
    (gold_open, gold_items, gold_close), (answer_open, answer_items, answer_close) = gold_group, answer_group
    if gold_open == "⦃" or answer_open == "⦃":
        gold_items = [value for item in gold_items for value in _plus_minus(item)]
        answer_items = [value for item in answer_items for value in _plus_minus(item)]
        if gold_open == answer_open:
            return _match_all(_distinct(gold_items, context), _distinct(answer_items, context), context)
        return len(gold_items) > 1 and gold_open != "(" and _match_all(gold_items, answer_items, context)
    interval = (
        len(gold_items) == 2 and not context.answer_type.startswith("list") and "⟦" not in (gold_open, answer_open)
    )
    if interval and (gold_open, gold_close) != (answer_open, answer_close):
        return False
    return _in_order(gold_items, answer_items, context)


# ---------------------------------------------------------------------------------------------------------------------
# Equations


def _same_equations(gold: str, answer: str, context: Context) -> bool:
    gold_sides = [side.strip() for side in _split(gold, "=") if side.strip()]
    answer_sides = [side.strip() for side in _split(answer, "=") if side.strip()]
    if not gold_sides or not answer_sides:
        return False
    if len(gold_sides) == 1 and len(answer_sides) == 1:
        return _same(gold_sides[0], answer_sides[0], context) if "=" not in gold_sides[0] + answer_sides[0] else False
    gold_named = len(gold_sides) > 1 and NAME.fullmatch(gold_sides[0]) is not None
    answer_named = len(answer_sides) > 1 and NAME.fullmatch(answer_sides[0]) is not None
    if len(answer_sides) == 1:
        if gold_named:
            return _same(gold_sides[-1], answer, context)
        if not re.search(r"[A-Za-z]", VALUE_SYMBOLS.sub("", gold_sides[0])):  # 0.56 = 56\%
            return any(_same(side, answer, context) for side in gold_sides)
        return False
    if len(gold_sides) == 1:
        if answer_named or not re.search(r"[A-Za-z]", VALUE_SYMBOLS.sub("", answer_sides[0])):
            return _same(gold, answer_sides[-1], context) or (
                len(answer_sides) > 2 and answer_named and _same(gold, answer_sides[1], context)
            )
        return _same(gold, answer_sides[-1], context) and len(answer_sides) > 2
    if gold_named and answer_named:
        names = _compact(gold_sides[0]), _compact(answer_sides[0])
        axes = names[0] != names[1] and all(name in ("x", "y", "z") for name in names)
        if not axes and _same(gold_sides[-1], answer_sides[-1], context):
            return True
    return _proportional(gold_sides, answer_sides, context)


def _proportional(gold_sides: list[str], answer_sides: list[str], context: Context) -> bool:
    """Whether two equations have the same solutions because one is a multiple of the other."""
    gold = context.formula(f"({gold_sides[0]})-({gold_sides[-1]})")
    answer = context.formula(f"({answer_sides[0]})-({answer_sides[-1]})")
    if gold is None or answer is None:
        context.unread = True
        return False
    if gold.symbols != answer.symbols or not gold.symbols:
        return False
    ratio = None
    for number in range(6):
        point = {name: sample(name, number) for name in gold.symbols}
        try:
            left, right = gold.value(point), answer.value(point)
            if not left or not right:
                continue
            now = (
                left / right
                if isinstance(left, Fraction) == isinstance(right, Fraction)
                else floating(left) / floating(right)
            )
        except (UnreadableError, ZeroDivisionError):
            continue
        if ratio is not None and not close(ratio, now, EXACT_DIGITS):
            return False
        if ratio is not None and number >= 3:
            return True
        ratio = now if ratio is None else ratio
    return False


# ---------------------------------------------------------------------------------------------------------------------
# Words


def _is_text(text: str) -> bool:
    """Whether the answer is words, or one letter that names something."""
    if re.fullmatch(r"\(?\s*(?:\\text\s*\{\s*\(?\s*)?[A-Za-z]\s*\)?\s*\}?\s*\)?", text):
        return True
    if re.search(r"\d\s*(?:\\text\s*\{\s*)?[ap]\.?\s?m\b", text, re.IGNORECASE):
        return True
    bare = re.sub(r"\\(?!text)[A-Za-z]+", " ", text).replace("\\text", " ")
    return re.search(r"[A-Za-z]{3,}", bare) is not None and not re.search(r"[=<>≤≥∈]", bare)


def _same_text(gold: str, answer: str) -> bool | None:
    """The verdict where at least one side is words; None where they are to be compared as values."""
    left, right = spelling.words(gold), spelling.words(answer)
    if left and left == right and _is_text(gold) and _is_text(answer):
        return True
    letter = re.fullmatch(r"\(?\s*(?:\\text\s*\{\s*\(?\s*)?([A-Za-z])\s*\)?\s*\}?\s*\)?", gold)
    if letter:
        named = re.match(r"\(?\s*(?:\\text\s*\{\s*)?\(?\s*([A-Za-z])\s*(?:\)|\}|\.\s|:|$)", answer)
        if named and ("(" in gold or "text" in gold or letter[1].isupper()):
            return named[1].upper() == letter[1].upper() if "(" in gold else named[1] == letter[1]
        return None
    if re.search(r"\d", gold) or re.search(r"\d", answer):
        return None
    if left in NUMBER_WORDS or right in NUMBER_WORDS:
        return None
    if _is_text(gold) and _is_text(answer):
        joined = re.sub(r"[\s-]", "", left), re.sub(r"[\s-]", "", right)
        if joined[0] == joined[1]:
            return True
        if all(re.fullmatch(r"[a-z]{4,}", text) for text in joined):
            return False  # and not a product of letters, in which "circle" would be "cleric"
    return None
