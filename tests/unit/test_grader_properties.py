"""What holds of our verdict whatever the answer: symmetry, no care for typography, no error, exactness."""

import time
from fractions import Fraction

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed: pip install -r envs/test.txt")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.lib.grading import answers, choices
from scripts.lib.grading.compare import prepared, same_answer
from scripts.lib.grading.formulas import Formula
from scripts.lib.grading.nodes import Point, UnreadableError

settings.register_profile(
    "grader", derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("grader")

INTEGERS = st.integers(-999, 999)
ENDS = st.sampled_from(["[)", "(]", "()", "[]"])
SIGNS = "0123456789+-*/^=<>()[]{}\\,.:;!%$ \n abcxyzπ√∞½²°≤≈≡…"
TEXTS = st.text(alphabet=SIGNS, max_size=60)
COMMANDS = st.lists(
    st.sampled_from(
        ["\\frac", "\\sqrt", "{", "}", "2", "x", "\\boxed", "\\text{ cm}", "^", "_", "\\pmod", "=", "\\pm"]
    ),
    max_size=14,
).map("".join)


@st.composite
def formulas(draw, depth=3):
    """LaTeX of a formula in x and y with small whole numbers."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["x", "y", *map(str, range(2, 10))]))
    left, right = draw(formulas(depth=depth - 1)), draw(formulas(depth=depth - 1))
    shape = draw(st.sampled_from(["({0}+{1})", "({0}-{1})", "{0} \\cdot {1}", "\\frac{{{0}}}{{{1}}}", "({0})^{{2}}"]))
    return shape.format(left, right)


@st.composite
def values(draw):
    """LaTeX of a value without variables, none of which is worth the same one unit further."""
    number, other = draw(st.integers(2, 99)), draw(st.integers(2, 99))
    return draw(
        st.sampled_from(
            [f"{number}", f"-{number}", f"\\frac{{{number}}}{{{other}}}", f"{number}\\sqrt{{7}}", f"{number}\\pi",
             f"({number}, {other})", f"[{number}, {number + other}]", f"{number}^{{{other}}}", f"{number}!"]
        )
    )  # fmt: skip


@given(TEXTS | COMMANDS)
def test_nothing_raises_and_nothing_takes_long(text):
    start = time.perf_counter()
    answers.extract(text)
    answers.extract("\\boxed{" + text + "}")
    choices.choice_letter(text)
    assert same_answer(text, "17") in (True, False)
    assert same_answer("\\frac{1}{2}", text) in (True, False)
    assert time.perf_counter() - start < 3


@given(TEXTS.filter(str.strip))
def test_an_answer_is_the_same_as_itself(text):
    assert same_answer(text, text)


@given(values(), values())
def test_values_are_compared_alike_from_both_sides(one, other):
    assert same_answer(one, other) == same_answer(other, one)


@given(values())
def test_typography_changes_nothing(value):
    assert same_answer(value, value.replace("\\frac", "\\dfrac"))
    assert same_answer(value, value.replace("(", "\\left( ").replace(")", " \\right)"))
    assert same_answer(value, f"$ {value} $")
    assert same_answer(value, value.replace("-", "−").replace("\\pi", "π"))
    assert same_answer(value, "".join(chr(ord(s) + 0xFEE0) if s.isdigit() else s for s in value))
    assert same_answer(value, value.replace("{", "{ ").replace(",", " ,"))
    assert same_answer(value, "\u200b".join(value.split(" ")))


def has_value(formula):
    """Whether the formula has a value somewhere: `1/(x-x)` has none, and equals nothing that does not look the same."""
    try:
        return Formula(formula).value(Point(x=Fraction(7, 3), y=Fraction(-11, 5))) is not None
    except UnreadableError:
        return False


@given(formulas().map(prepared).filter(has_value))
def test_a_formula_rewritten_with_the_same_value_stays_equal(formula):
    assert same_answer(formula, f"{formula} + 0 \\cdot x" if "x" in formula else f"1 \\cdot ({formula})")
    assert same_answer(formula, f"\\frac{{2({formula})}}{{2}}")
    assert same_answer(formula, f"({formula}) + 3 - 3")


@given(formulas(), st.integers(1, 9))
def test_a_formula_with_something_added_is_another_one(formula, number):
    assert not same_answer(formula, f"{formula} + {number}")
    assert not same_answer(formula, f"{formula} + 10^{{-{number}0}}")


@given(st.integers(-(10**25), 10**25), st.integers(0, 24), st.integers(1, 9))
def test_a_changed_digit_is_never_forgiven(number, place, change):
    digits = str(abs(number) + 10**24)
    place %= len(digits)
    other = digits[:place] + str((int(digits[place]) + change) % 10) + digits[place + 1 :]
    assert not same_answer(digits, other)
    assert not same_answer(digits, f"-{digits}")


@given(st.integers(2, 30), st.integers(2, 60))
def test_huge_numbers_are_exact(base, exponent):
    assert same_answer(f"{base}^{{{exponent}}}", str(base**exponent))
    assert not same_answer(f"{base}^{{{exponent}}}", str(base**exponent + 1))
    assert not same_answer(f"{base}^{{-{exponent}}}", "0")


@given(st.integers(0, 40), st.integers(2, 40), st.integers(-5, 5), st.integers(2, 40))
def test_a_congruence_is_its_residue_and_its_modulus(residue, modulus, turns, other):
    gold = f"n \\equiv {residue} \\pmod{{{modulus}}}"
    assert same_answer(gold, f"n \\equiv {residue + turns * modulus} \\pmod {{{modulus}}}")
    assert not same_answer(gold, f"n \\equiv {residue + 1} \\pmod{{{modulus}}}")
    if other != modulus:
        assert not same_answer(gold, f"n \\equiv {residue} \\pmod{{{other}}}")


@given(st.integers(1, 500), st.sampled_from([("m", "cm", 100), ("kg", "g", 1000), ("h", "min", 60), ("ft", "in", 12)]))
def test_another_unit_of_the_same_kind_stays_equal_and_a_wrong_one_never_is(number, units):
    large, small, factor = units
    gold = f"{number} \\text{{ {large}}}"
    assert same_answer(gold, f"{number * factor} \\text{{ {small}}}")
    assert not same_answer(gold, f"{number} \\text{{ {small}}}")
    assert not same_answer(gold, f"{number} \\text{{ {large}}}^2")


@given(
    INTEGERS, st.integers(1, 99), st.sampled_from(["[)", "(]", "()", "[]"]), st.sampled_from(["[)", "(]", "()", "[]"])
)
def test_the_ends_of_an_interval_count(low, length, one, other):
    gold, answer = (f"{ends[0]}{low}, {low + length}{ends[1]}" for ends in (one, other))
    assert same_answer(gold, answer) == (one == other)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_a_set_has_no_order_and_a_tuple_has(numbers, random):
    turned = numbers[:]
    random.shuffle(turned)
    inner, other = ", ".join(map(str, numbers)), ", ".join(map(str, turned))
    assert same_answer(f"\\{{{inner}\\}}", f"\\{{{other}\\}}")
    assert same_answer(f"({inner})", f"({other})") == (numbers == turned)
