r"""Statements of several parts, each part of which counts: congruences, implications, ratios, sequences, families.

Each function gives a verdict on two cleaned answers, or None if they are no statements of its kind. `same` compares
two parts.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from scripts.lib.grading import pieces
from scripts.lib.grading.nodes import Point, UnreadableError, floating
from scripts.lib.grading.values import Context
from scripts.lib.grading.wording import same_time, time_of_day

Same = Callable[[str, str], bool]

MODULUS = re.compile(
    r",?\s*\(?\s*(?:\\pmod|\\bmod|\\mod|(?:\\text\s*\{\s*)?\bmod(?:ulo)?\b\s*\}?|\(\s*\\text\s*\{\s*mod\s*\})\s*"
    r"(?:\{\s*(?P<braced>[^{}]+)\}|(?P<plain>\w+))\s*\)?"
)
# What has an order or a kind of its own, and no value: such statements are right only where they look the same.
CONTAINERS = re.compile(
    r"[∀∃⊂⊆⊃⊇∉→⨯]|\\(?:forall|exists|subset|subseteq|supset|supseteq|mapsto|perp|parallel)(?![a-z])"
)
LONGEST_CONDITION = 100  # characters: "where k is an integer"
PARAMETERS = "knmljpt"
INTEGER = re.compile(
    r"[,;]?\s*\(?\s*(?:\\text\s*\{\s*,?\s*)?(?:\b(?:where|for|with|any|all|every|some|integers?)\b[\s}]*(?:\\text\s*\{\s*)?)*"
    r"(?P<name>[a-zA-Z])\s*(?:∈\s*(?:ℤ|⦃\s*0\s*,\s*±1.*⦄|\\text\s*\{\s*integers?\s*\})|"
    r"(?:\\text\s*\{\s*)?\s*(?:is|are|being|any|an)\b\s+(?:an?\s+|any\s+)*integers?\s*\}?)\s*\)?\s*\.?\s*$"
)


# ---------------------------------------------------------------------------------------------------------------------
# Congruences


def congruence(gold: str, answer: str, same: Same, context: Context) -> bool | None:
    """The verdict where one side names a modulus: the same residues of the same moduli."""
    left, right = _residues(gold, context), _residues(answer, context)
    if left is None and right is None:
        return False if "≡" in gold + answer else None
    if left is None:  # 2 for 2 (mod 5): the question named the modulus
        return len(right) == 1 and same(gold, right[0][0])
    if right is None:
        return False
    return _same_classes(left, right, same, context)


def _residues(text: str, context: Context) -> list[tuple[str, str]] | None:
    """(residue, modulus) of each congruence in `text`, where it is a list of them."""
    marked = _with_moduli(text)
    if "⟪" not in marked:
        sides = [side.strip() for side in text.split("≡")]
        return [(sides[-1], "")] if len(sides) > 1 and all(sides) else None
    found: list[tuple[str, str]] = []
    waiting: list[str] = []
    for item in pieces.items(marked):
        residue, mark, modulus = item.partition("⟪")
        residue = pieces.right(residue.rpartition("≡")[2].strip() or residue)
        waiting += pieces.plus_minus(residue.strip()) if residue.strip() else []
        if mark:
            found += [(residue, modulus.rstrip("⟫ ").strip()) for residue in waiting]
            waiting = []
    return found + [(residue, "") for residue in waiting] or None


def _with_moduli(text: str) -> str:
    text = MODULUS.sub(lambda match: f" ⟪{(match['braced'] or match['plain']).strip()}⟫", text)
    return text.replace("⟫)", "⟫")


def _same_classes(left: list[tuple[str, str]], right: list[tuple[str, str]], same: Same, context: Context) -> bool:
    classes = [{_class(residue, modulus, context) for residue, modulus in side} for side in (left, right)]
    if not any(None in side for side in classes):
        return classes[0] == classes[1]
    if len(left) != len(right):
        return False
    pairs = zip(left, right, strict=True)
    return all(m == n and bool(m) and same(a, b) for (a, m), (b, n) in pairs)


def _class(residue: str, modulus: str, context: Context) -> tuple[int, int] | None:
    """Residue and modulus as numbers, the residue reduced."""
    values = [whole_value(text, context) for text in (residue, modulus)]
    if values[0] is None or not values[1]:
        return None
    return values[0] % abs(values[1]), abs(values[1])


def whole_value(text: str, context: Context) -> int | None:
    """The whole number that `text` is."""
    value = constant(text, context)
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else None


def constant(text: str, context: Context) -> object:
    """The value of `text` where it is a formula without variables; None for other texts."""
    formula = context.formula(text)
    if formula is None or formula.symbols:
        return None
    try:
        return formula.value()
    except UnreadableError:
        return None


# ---------------------------------------------------------------------------------------------------------------------
# Implications, approximations


def implication(gold: str, answer: str, same: Same, context: Context) -> bool | None:
    """The verdict where one side has an arrow: all parts in order, or what a derivation ends with."""
    for sign in "⇔⇒":
        if sign not in gold and sign not in answer:
            continue
        left, right = ([part.strip() for part in text.split(sign) if part.strip()] for text in (gold, answer))
        if len(left) > 1 and len(right) > 1:
            straight = len(left) == len(right) and all(map(same, left, right))
            turned = sign == "⇔" and len(left) == len(right) and all(map(same, left, reversed(right)))
            return straight or turned or (_derives(left) and _derives(right) and same(left[-1], right[-1]))
        if len(left) > 1:
            return _derives(left) and same(left[-1], answer)
        return bool(right) and same(gold, right[-1])
    return None


def _derives(parts: list[str]) -> bool:
    """Whether parts are steps to one result (2x = 6, so x = 3) rather than a condition and what follows from it."""
    letters = [set(re.findall(r"(?<![\\A-Za-z])[A-Za-z](?![A-Za-z])", part)) for part in parts]
    return all("=" in part for part in parts) and letters[-1] <= letters[0]


def approximation(gold: str, answer: str, same: Same, context: Context) -> bool | None:
    """The verdict where one side has an approximate value beside the exact one: the first value counts."""
    if "≈" not in gold and "≈" not in answer:
        return None
    left, right = _values_of(gold), _values_of(answer)
    return bool(left and right) and any(same(value, right[0]) for value in left)


def _values_of(text: str) -> list[str]:
    """The values between the signs, without a name that stands before them."""
    found = [part.strip() for part in text.split("≈") if part.strip()]
    return found[1:] if len(found) > 1 and pieces.is_name(found[0]) else found


# ---------------------------------------------------------------------------------------------------------------------
# Ratios, sequences


def ratio(gold: str, answer: str, same: Same, context: Context) -> bool | None:
    """The verdict on ratios, which are equal in proportion, and on times of day, which are not."""
    times = time_of_day(gold), time_of_day(answer)
    if all(times) and gold.count(":") == 1:
        return same_time(*times)
    if any(time and time[2] for time in times):
        return False if ":" in gold and ":" in answer else None
    left, right = _terms(gold), _terms(answer)
    if len(left) < 2 and len(right) < 2:
        return None
    if len(left) != len(right):
        shorter, longer = sorted((left, right), key=len)
        return len(longer) == 2 and _quotient(shorter[0], longer, left is shorter, same)
    return all(
        same(f"({left[0]})*({term})", f"({right[0]})*({other})") for term, other in zip(right, left, strict=True)
    )


def _terms(text: str) -> list[str]:
    return [term.strip() for term in pieces.split(text, ":")] if re.search(r"[\w)}]\s*:\s*[\w({\\-]", text) else [text]


def _quotient(value: str, terms: list[str], gold_first: bool, same: Same) -> bool:
    quotient = f"({terms[0]})/({terms[1]})"
    return same(value, quotient) if gold_first else same(quotient, value)


def sequence(gold: str, answer: str, same: Same, context: Context) -> bool | None:
    """The verdict where one side has dots: the same first terms and the same last one, in order."""
    if "…" not in gold and "…" not in answer:
        return None
    gold, answer = (re.sub(r"\.\s*\.\s*\.", "…", text) for text in (gold, answer))
    if "…" not in gold or "…" not in answer:
        return False
    for signs in (",;", "+", "*", ":", "<≤"):
        left, right = _around_dots(gold, signs), _around_dots(answer, signs)
        if left and right:
            (head, tail), (other_head, other_tail) = left, right
            shared = min(len(head), len(other_head))
            if shared < min(2, max(len(head), len(other_head))) or len(tail) != len(other_tail):
                return False
            return all(map(same, head[:shared], other_head[:shared])) and all(map(same, tail, other_tail))
    return False


def _around_dots(text: str, signs: str) -> tuple[list[str], list[str]] | None:
    """Terms before and after the dots of a sequence whose terms `signs` part."""
    opened = text[:1] in "([⦃" and text[-1:] in ")]⦄"
    inner = text[1:-1] if opened else text
    inner = inner.rpartition("=")[2]
    terms = [term.strip() for term in pieces.split(inner, signs) if term.strip()]
    if terms.count("…") != 1 or len(terms) < 2:
        return None
    at = terms.index("…")
    return terms[:at], terms[at + 1 :]


# ---------------------------------------------------------------------------------------------------------------------
# Families: x = π/4 + kπ, k ∈ ℤ


def without_parameter(text: str) -> tuple[str, str]:
    """`text` without "k ∈ ℤ" at its end, and the name that stands for any integer (nothing where none does)."""
    match = INTEGER.search(text, max(0, len(text) - LONGEST_CONDITION))
    return (text[: match.start()].rstrip(" ,;({"), match["name"]) if match and match.start() else (text, "")


def parameter_of(text: str, declared: str, context: Context) -> str:
    """The name that stands for any integer: the declared one, or the only one that can."""
    formula = context.formula(pieces.right(text))
    if formula is None:
        return ""
    if declared in formula.symbols:
        return declared
    found = [name for name in formula.symbols if name in PARAMETERS]
    return found[0] if len(found) == 1 else ""


def family(gold: str, answer: str, names: tuple[str, str], context: Context) -> bool | None:
    """The verdict on two values `A + Bk` for all integers k: equal when they run through the same values."""
    gold, answer = pieces.right(gold), pieces.right(answer)
    left, right = (_line(text, name, context) for text, name in zip((gold, answer), names, strict=True))
    if left is None or right is None:
        return None
    (start, step), (other_start, other_step) = left, right
    if step == 0 or abs(step - other_step) > 1e-30 and abs(step + other_step) > 1e-30:
        return False
    shift = (other_start - start) / step
    return abs(shift - round(shift)) < 1e-30


def renamed(gold: str, answer: str, names: tuple[str, str], context: Context) -> bool:
    """Whether two values are equal once the names that stand for any integer are the same."""
    left, right = (_line(pieces.right(text), name, context) for text, name in zip((gold, answer), names, strict=True))
    return left is not None and right is not None and all(abs(a - b) < 1e-30 for a, b in zip(left, right, strict=True))


def _line(text: str, name: str, context: Context) -> tuple[object, object] | None:
    """(value at 0, step) of a formula that is linear in `name` and has no other variable."""
    import mpmath

    formula = context.formula(text)
    if formula is None or formula.symbols != {name}:
        return None
    try:
        with mpmath.workdps(60):
            values = [floating(formula.value(Point({name: Fraction(k)}), 60)) for k in (0, 1, 2, 5)]
            start, step = values[0], values[1] - values[0]
            errors = [abs(start + k * step - value) for k, value in ((2, values[2]), (5, values[3]))]
            linear = all(error < mpmath.mpf(10) ** -40 for error in errors)
            return (start, step) if linear else None
    except UnreadableError:
        return None
