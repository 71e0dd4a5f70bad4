r"""Whether two answers state the same.

Both are taken apart (lists, tuples, intervals, matrices, equations, units), and the smallest pieces are compared as
numbers, formulas or words. What this reader cannot read is right only if it looks the same; there is no second reader
to fall back on. All is pure and bounded.
"""

import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from scripts.lib.grading import golds, pieces, relations, spelling, wording
from scripts.lib.grading.answers import unbox
from scripts.lib.grading.equality import same_solutions
from scripts.lib.grading.intervals import as_interval, number
from scripts.lib.grading.items import COMPUTED
from scripts.lib.grading.numerals import spelled, without_dots
from scripts.lib.grading.typography import fold
from scripts.lib.grading.units import CURRENCIES, TEXT
from scripts.lib.grading.values import Context, one_notation, same_formulas, same_values

MAX_UNLIKE = 40  # items of a list that are compared pairwise, after plainly equal ones are paired
VALUE_SYMBOLS = re.compile(r"\\(?:frac|sqrt|pi)(?![A-Za-z])")
LEAD = re.compile(r"\s*\\text\s*\{\s*(?P<words>[^{}\d=]{3,80})\}\s*(?=[-\\\d(\[⦃]|[A-Za-z]\s*[=<>≤≥])")
MONEY = re.compile(r"\\\$|[€£¥₹]|\\(?:pounds|euro|yen)(?![A-Za-z])|(?<![\w$])\$(?=\s?\d[^$]*$)")
OPERATORS = re.compile(r"\\text\s*\{\s*(lcm|gcd|min|max|sin|cos|tan|log|ln|exp)\s*\}(?=\s*[({_\\^\w])")
# Two numbers with a sign of arithmetic between them.
CALCULATION = re.compile(r"\d[\s)}\]]*(?:[-+*/^×·÷]|\\(?:times|cdot|div)(?![A-Za-z]))[\s({\[]*-?\d")
NEGATIVE = re.compile(r"^(?:minus|negative)\s+(?=[\d\\∞]|[a-z]\b)", re.IGNORECASE)
# [1, 2]^T: a column for a row, and both are vectors.
TRANSPOSED = re.compile(r"([(\[][^()\[\]]+,[^()\[\]]+[)\]])\s*\^\s*\{?\s*(?:\\text\s*\{\s*)?(?:T|\\top)\s*\}{0,2}\s*")
# What a question may ask for and an answer repeat: the sum of two unknowns, the length of a segment.
_UNKNOWN = r"(?:[A-Za-z](?:_\{?\w\}?)?|[A-Z]{2})"
_LENGTH = r"(?:[A-Z]{2}|z|\\(?:vec|text|overrightarrow)\s*\{\w+\})"
ASKED = re.compile(rf"\|{{1,2}}\s*{_LENGTH}\s*\|{{1,2}}|{_UNKNOWN}(?:\s*[-+*/]\s*{_UNKNOWN})+")
PLAIN_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
MAX_DEPTH = 30  # of pieces in pieces
AXES = ({"x", "y"}, {"x", "z"}, {"y", "z"})  # two names that are never the same
PAIRS = ("()", "[]", "⦃⦄", "⟦⟧")
STEPS = (relations.implication, relations.congruence, relations.approximation, relations.sequence)


def same_answer(
    gold: str, answer: str, options: Mapping[str, object] | None = None, steps: list[str] | None = None
) -> bool:
    r"""Whether `answer` means the same as `gold`.

    Args:
        gold: the reference answer.
        answer: the final answer of a text.
        options: the benchmark's facts about the gold answer: `answer_type`, `error` (a tolerance), `unit`.
        steps: collects a line for each step of the comparison.

    >>> same_answer("\\frac{1}{2}", "x = 0.5")
    True
    """
    gold, answer = fold(gold), fold(answer)
    if (options or {}).get("answer_type") == COMPUTED and CALCULATION.search(answer.rpartition("=")[2]):
        if steps is not None:
            steps.append(f"the question asks for a result, and {answer!r} is a calculation")
        return False
    if re.sub(r"\s", "", gold) == re.sub(r"\s", "", answer):
        return True
    return any(_same_reading(reading, answer, options or {}, steps) for reading in golds.readings(gold))


def _same_reading(gold: str, answer: str, options: Mapping[str, object], steps: list[str] | None) -> bool:
    answer = golds.without_quotes(unbox(answer) if "\\boxed" in answer else answer)
    context = Context(
        tolerance=_tolerance(options.get("error")),
        unit=prepared(str(options.get("unit") or "")),
        answer_type=str(options.get("answer_type") or "").lower(),
        money=(_currency(gold), _currency(answer)),
        steps=steps,
    )
    left, right = prepared(gold), prepared(answer)
    if not TEXT.match(left):
        right = _without_lead(right)
    context.note(f"gold as {left!r}, answer as {right!r}")
    if not left or not right:
        return wording.is_nothing(left or gold) and wording.is_nothing(right or answer)
    said = wording.truth(left, gold=True)
    if said is not None:
        return wording.truth(right) == said
    return _same(left, right, context)


def _tolerance(error: object) -> Fraction | None:
    try:
        return Fraction(str(error)) if error not in (None, "") else None
    except (ValueError, ZeroDivisionError):
        return None


def _currency(text: str) -> str:
    """The currency whose sign stands in `text`."""
    match = MONEY.search(text)
    sign = match[0].strip("\\ ") if match else ""
    return CURRENCIES.get(sign[:1], {"pounds": "gbp", "euro": "euro", "yen": "yen"}.get(sign, ""))


def prepared(text: str) -> str:
    r"""`text` in one spelling, with common plain-text notation converted to LaTeX.

    >>> prepared("2**3 <= x")
    '2^3 ≤ x'
    """
    if PLAIN_NUMBER.fullmatch(text):
        return text
    if not text.lstrip().startswith("**"):
        text = re.sub(r"(?<=[\w)}\].])\s?\*\*\s?(?=[\w({\\.-])", "^", text)
    text = re.sub(r"√\s?(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text).replace("∛", "\\sqrt[3]")
    text = text.replace("<=", "≤").replace(">=", "≥").replace("!=", "≠").replace("=>", "⇒")
    text = re.sub(r"\\(?:Rightarrow|Longrightarrow)(?![A-Za-z])", r"\\implies ", text)
    text = re.sub(r"\\(?:iff|Leftrightarrow|Longleftrightarrow)(?![A-Za-z])", "⇔", text)
    text = re.sub(r"\\(?:ngtr|notin)(?![A-Za-z])", "∉", text)
    if re.search(r"\\(?:vec|mathbf|overrightarrow|boldsymbol|bm)(?![A-Za-z])", text):
        text = re.sub(r"\\times(?![A-Za-z])", "⨯", text)  # of vectors it is no product of numbers
    text = re.sub(r"\\(?:forall)(?![A-Za-z])", "∀", re.sub(r"\\exists(?![A-Za-z])", "∃", text))
    if "..." in text:
        text = re.sub(r"(?<=\d)\.\.\.(?=[\s$}]*$)", r"\\ldots ", text)
    text = spelling.clean(text)
    text = re.sub(r"(?<![A-Za-z\\])(?:infinity|infty|inf|oo)(?![A-Za-z])", "∞", text)
    text = OPERATORS.sub(r"\\\1 ", text)
    text = re.sub(r"(?<=\d)\s?x\s?(?=10\s?\^)", "*", text)  # 4.2 x 10^-5
    text = re.sub(r"^(\d+) (?:in|out of) (\d+)$", r"\1/\2", text)  # of chances
    if len(set(pieces.BASIS.findall(text))) > 1:
        text = pieces.BASIS.sub(r"\\hat {\1}", text)
    row = TRANSPOSED.fullmatch(text)
    text = without_dots(NEGATIVE.sub("-", row[1] if row else text))
    return re.sub(r"(?<=[\d})])\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=[\d\\(])", ":", text)


def _without_lead(text: str) -> str:
    r"""`text` without introductory words: `\text{The solutions are } 2, 3`."""
    match = LEAD.match(text)
    return text[match.end() :] if match and not pieces.DENIES.search(match["words"]) else text


# ---------------------------------------------------------------------------------------------------------------------
# Structure


def _same(gold: str, answer: str, context: Context) -> bool:
    """Whether two cleaned answers are the same; the core of the comparison."""
    context.budget -= 1
    if context.budget < 0 or context.depth > MAX_DEPTH:
        context.note("given up: too many pieces")
        return False
    context.depth += 1
    try:
        return _same_statements(gold, answer, context)
    finally:
        context.depth -= 1


def _same_statements(gold: str, answer: str, context: Context) -> bool:
    (gold, gold_integer), (answer, answer_integer) = map(relations.without_parameter, (gold, answer))
    gold, answer = pieces.bare(gold), pieces.bare(answer)
    if not gold or not answer:
        return False
    if pieces.compact(gold) == pieces.compact(answer):
        return not all(context.money) or context.money[0] == context.money[1]
    verdict = _statement(gold, answer, context)
    if verdict is None:
        verdict = _same_words(gold, answer)
    if verdict is not None:
        context.note(f"{gold!r} and {answer!r}: {'the same' if verdict else 'different'} as statements or words")
        return verdict
    gold, answer = (_one_shape(text, context) for text in (gold, answer))
    verdict = _same_families(gold, gold_integer, answer, answer_integer, context)
    return _same_shapes(gold, answer, context) if verdict is None else verdict


def _statement(gold: str, answer: str, context: Context) -> bool | None:
    """The verdict on statements of several parts; None if neither is one."""
    for step in STEPS:
        verdict = step(gold, answer, lambda g, a: _same(g, a, context), context)
        if verdict is not None:
            return verdict
    if relations.CONTAINERS.search(gold) or relations.CONTAINERS.search(answer):
        return False  # they do not look the same
    return None


def _same_words(gold: str, answer: str) -> bool | None:
    said = wording.saying(gold)
    if said and wording.saying(answer):
        return said == wording.saying(answer)
    verdict = wording.same_letters(gold, answer)
    if verdict is None and (wording.is_text(gold) or wording.is_text(answer)):
        verdict = wording.same_text(gold, answer)
    return verdict


def _one_shape(text: str, context: Context) -> str:
    """`text` with matrices as brackets and inequalities as intervals."""
    return spelled(text) or as_interval(
        pieces.without_matrices(text), lambda point: number(relations.constant(point, context))
    )


def _same_families(gold: str, gold_integer: str, answer: str, answer_integer: str, context: Context) -> bool | None:
    """The verdict where a value is meant for all integers; None if none is."""
    if not gold_integer and not answer_integer and "\\pi" not in gold and "°" not in gold:
        return None
    left, right = pieces.items(gold), pieces.items(answer)
    if len(left) != len(right):
        return None
    names = [
        [relations.parameter_of(item, declared, context) for item in side]
        for side, declared in ((left, gold_integer), (right, answer_integer))
    ]
    if not all(names[0]) or not all(names[1]):
        return None
    rest = list(zip(right, names[1], strict=True))
    for item, name in zip(left, names[0], strict=True):
        same = relations.family if gold_integer or answer_integer else relations.renamed
        found = next((k for k, (o, n) in enumerate(rest) if same(item, o, (name, n), context)), None)
        if found is None:
            return False if gold_integer or answer_integer else None
        del rest[found]
    return True


def _same_shapes(gold: str, answer: str, context: Context) -> bool:
    gold_items, answer_items = pieces.items(gold), pieces.items(answer)
    if len(gold_items) > 1 or len(answer_items) > 1:
        return _same_lists(gold, gold_items, answer, answer_items, context)
    gold_group, answer_group = pieces.group(gold), pieces.group(answer)
    if gold_group or answer_group:
        return _same_groups(gold, gold_group, answer, answer_group, context)
    if pieces.has(gold, "=") or pieces.has(answer, "="):
        return _same_equations(gold, answer, context)
    verdict = relations.ratio(gold, answer, lambda g, a: _same(g, a, context), context)
    if verdict is None:
        verdict = same_values(gold, answer, context)
        context.note(f"{gold!r} and {answer!r}: {'the same' if verdict else 'different'} as values")
    return verdict


# ---------------------------------------------------------------------------------------------------------------------
# Lists


def _match_all(gold: list[str], answer: list[str], context: Context) -> bool:
    """Whether the lists are equal in some order, each item used once."""
    if len(gold) != len(answer):
        return False
    left, right = _unpaired(gold, answer, context)
    if len(left) > MAX_UNLIKE:
        return False
    for item in left:
        found = next((index for index, other in enumerate(right) if _same(item, other, context)), None)
        if found is None:
            return False
        del right[found]
    return True


def _unpaired(gold: list[str], answer: list[str], context: Context) -> tuple[list[str], list[str]]:
    """What is left of both lists without the items that are plainly equal."""
    keys = [[_key(item, context) for item in side] for side in (gold, answer)]
    shared = Counter(keys[0]) & Counter(keys[1])
    left = []
    for side, side_keys in zip((gold, answer), keys, strict=True):
        rest, spare = [], Counter(shared)
        for item, key in zip(side, side_keys, strict=True):
            if spare[key] > 0:
                spare[key] -= 1
            else:
                rest.append(item)
        left.append(rest)
    return left[0], left[1]


def _key(item: str, context: Context) -> str:
    """The same for two items only if they are equal."""
    value = relations.constant(item, context) if len(item) < 30 else None
    return str(value) if isinstance(value, Fraction) and value.denominator < 10**9 else pieces.compact(item)


def _in_order(gold: list[str], answer: list[str], context: Context) -> bool:
    return len(gold) == len(answer) and all(_same(g, a, context) for g, a in zip(gold, answer, strict=True))


def _same_lists(gold: str, gold_items: list[str], answer: str, answer_items: list[str], context: Context) -> bool:
    """Compares where at least one side is an unbracketed list."""
    gold_group = pieces.group(gold) if len(gold_items) == 1 else None
    answer_group = pieces.group(answer) if len(answer_items) == 1 else None
    if gold_group or answer_group:
        group, items = (gold_group, answer_items) if gold_group else (answer_group, gold_items)
        inner = [value for piece in group[1] for value in pieces.plus_minus(piece)]
        items = pieces.in_order_of_names(items)
        pair = (inner, items) if gold_group else (items, inner)
        if group[0] == "⦃":
            return _match_all(*pair, context)
        # (1,2) for the gold x=1, y=2, or 1,2 for (1,2): in this order only; and not where it is an interval.
        return _in_order([pieces.right(g) for g in pair[0]], [pieces.right(a) for a in pair[1]], context)
    if len(gold_items) != len(answer_items):
        if len(gold_items) == 1 and any(_same(gold, number, context) for number in pieces.as_one_number(answer)):
            return True
        answer_items = _distinct(answer_items, context)
        if len(gold_items) != len(answer_items):
            return False
        if len(gold_items) == 1:
            return _same(gold_items[0], answer_items[0], context)
    if _match_all(gold_items, answer_items, context):
        return True
    names = [pieces.left(item) for item in gold_items], [pieces.left(item) for item in answer_items]
    if all(names[0]) != all(names[1]) and (
        len(set(names[0])) == len(gold_items) or len(set(names[1])) == len(answer_items)
    ):
        # x=1, y=2 against 1, 2: the values, in order.
        return _in_order([pieces.right(g) for g in gold_items], [pieces.right(a) for a in answer_items], context)
    return _with_shared_name(gold_items, answer_items, context)


def _with_shared_name(gold_items: list[str], answer_items: list[str], context: Context) -> bool:
    """`n = 2, 3` against `2, 3`, or `n = 2, n = 3`: a name before the first item only is that of all."""
    if {pieces.left(gold_items[0]), pieces.left(answer_items[0])} in AXES:
        return False
    sides = [_named_once(items) for items in (gold_items, answer_items)]
    return sides != [gold_items, answer_items] and _match_all(sides[0], sides[1], context)


def _named_once(items: list[str]) -> list[str]:
    first, *rest = items
    if "=" in first and not any("=" in item for item in rest):
        return [pieces.right(first), *rest]
    names = {pieces.left(item) for item in items}
    return [pieces.right(item) for item in items] if len(names) == 1 and all(names) else items


def _distinct(items: list[str], context: Context) -> list[str]:
    kept: dict[str, str] = {}
    for item in items:
        key = _key(item, context)
        if key not in kept and (len(kept) > MAX_UNLIKE or not any(_same(o, item, context) for o in kept.values())):
            kept[key] = item
    return list(kept.values())


def _same_groups(gold: str, gold_group, answer: str, answer_group, context: Context) -> bool:
    """Compares where at least one side is one bracketed list."""
    if not (gold_group and answer_group):
        group, other = (gold_group, answer) if gold_group else (answer_group, gold)
        if len(group[1]) == 1:  # {5} or a 1x1 matrix against 5
            return _same(group[1][0], other, context) if gold_group else _same(other, group[1][0], context)
        if "=" in other:
            left, right = other.split("=", 1)[0], other.rsplit("=", 1)[1]
            if pieces.is_name(left):
                return _same(gold, right, context) if gold_group else _same(right, answer, context)
        parts = pieces.components(other, len(group[1])) if group[0] in "([⟦" else []
        pair = (group[1], parts) if gold_group else (parts, group[1])
        return bool(parts) and _in_order(*pair, context)
    (gold_open, gold_items, gold_close), (answer_open, answer_items, answer_close) = gold_group, answer_group
    if gold_open == "⦃" or answer_open == "⦃":
        gold_items = [value for item in gold_items for value in pieces.plus_minus(item)]
        answer_items = [value for item in answer_items for value in pieces.plus_minus(item)]
        if gold_open == answer_open:
            return _match_all(_distinct(gold_items, context), _distinct(answer_items, context), context)
        return (
            len(gold_items) > 1
            and "(" not in (gold_open, answer_open)
            and _match_all(gold_items, answer_items, context)
        )
    interval = (
        len(gold_items) == 2 and not context.answer_type.startswith("list") and "⟦" not in (gold_open, answer_open)
    )
    if interval and (gold_open, gold_close) != (answer_open, answer_close):
        return False
    if not interval and not all(pair in PAIRS for pair in (gold_open + gold_close, answer_open + answer_close)):
        return gold_open + gold_close == answer_open + answer_close and _in_order(gold_items, answer_items, context)
    return _in_order(gold_items, answer_items, context)


# ---------------------------------------------------------------------------------------------------------------------
# Equations


def _same_equations(gold: str, answer: str, context: Context) -> bool:
    gold_sides, answer_sides = pieces.sides(gold), pieces.sides(answer)
    if not gold_sides or not answer_sides:
        return False
    if len(gold_sides) == 1 and len(answer_sides) == 1:  # a side is missing
        return not pieces.has(gold_sides[0] + answer_sides[0], "=") and _same(gold_sides[0], answer_sides[0], context)
    if len(answer_sides) == 1:
        return _value_for_equation(gold_sides, answer, context)
    if len(gold_sides) == 1:
        return _equation_for_value(gold, answer_sides, context)
    gold_named, answer_named = (pieces.is_name(side[0]) for side in (gold_sides, answer_sides))
    if gold_named and answer_named:
        names = pieces.compact(gold_sides[0]), pieces.compact(answer_sides[0])
        if set(names) not in AXES and _same(gold_sides[-1], answer_sides[-1], context):
            return True
    return _same_solutions(gold_sides, answer_sides, context)


def _value_for_equation(gold_sides: list[str], answer: str, context: Context) -> bool:
    """`5` for the gold `x = 5`, `0.56` for `0.56 = 56%`, `i` for `i^5 = i^4 i = i`."""
    if pieces.is_name(gold_sides[0]) and not _is_identity(gold_sides, context):
        return _same(gold_sides[-1], answer, context)
    if not re.search(r"[A-Za-z]", VALUE_SYMBOLS.sub("", gold_sides[0])):
        return any(_same(side, answer, context) for side in gold_sides)
    return _is_identity(gold_sides, context) and _same(gold_sides[-1], answer, context)


def _equation_for_value(gold: str, answer_sides: list[str], context: Context) -> bool:
    """`x = 5` for the gold `5`, and what a chain of equalities ends with."""
    if len(answer_sides) == 2 and _asks(answer_sides[1]) and not _asks(answer_sides[0]):
        answer_sides = answer_sides[::-1]  # 5 = x
    named = _asks(answer_sides[0])
    if named or not re.search(r"[A-Za-z]", VALUE_SYMBOLS.sub("", answer_sides[0])):
        return _same(gold, answer_sides[-1], context) or (
            len(answer_sides) > 2 and named and _same(gold, answer_sides[1], context)
        )
    if len(answer_sides) > 2 or _is_identity(answer_sides, context):
        return _same(gold, answer_sides[-1], context)
    return False


def _asks(side: str) -> bool:
    """Whether a side of an equation only repeats what is asked for: `x`, `m + n`, `|AB|`."""
    return pieces.is_name(side) or ASKED.fullmatch(side) is not None


def _is_identity(sides: list[str], context: Context) -> bool:
    """Whether all sides of a chain are equal whatever their variables are."""
    if any(context.formula(side) is None for side in sides):
        return False
    return all(same_formulas(one, other, context) for one, other in zip(sides, sides[1:], strict=False))


def _same_solutions(gold_sides: list[str], answer_sides: list[str], context: Context) -> bool:
    """Whether two equations have the same solutions because one is a multiple of the other."""
    difference = one_notation(*(f"({sides[0]})-({sides[-1]})" for sides in (gold_sides, answer_sides)))
    left, right = context.formula(difference[0]), context.formula(difference[1])
    return left is not None and right is not None and same_solutions(left, right)
