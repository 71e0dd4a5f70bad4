"""Verdicts on single answers: what states the gold, and what only looks like it."""

import pytest

from scripts.lib.grading import Item, compare, graders, library
from scripts.lib.grading.equality import equal
from scripts.lib.grading.formulas import Formula
from scripts.lib.grading.nodes import UnreadableError
from tests import shared_data

SAME = [
    (r"\frac{1}{2}", "0.5"),
    (r"\frac{1}{2}", "x = 1/2"),
    ("1.07e16", r"1.07 \times 10^{16}"),
    ("1.07e16", r"1.07 \cdot 10^{16}\text{ Hz}"),
    ("4e33", "4×10³³ erg/s"),
    ("6e13", r"6 \times 10^{13} \text{ years}"),
    (r"\$40", "40"),
    (r"\$40", r"\$40.00"),
    ("40", r"40 \text{ dollars}"),
    (r"\$18,000", "18000"),
    ("18000", "18{,}000"),
    ("1,234", "1234"),
    ("1234", "1,234"),
    (r"62.5\%", "62.5"),
    (r"62.5\%", "0.625"),
    ("62.5%", r"\frac{5}{8}"),
    ("8", r"8\%"),
    ("0.08", r"8\%"),
    (r"8 \%", "8 percent"),
    ("-3,0", "0, -3"),
    ("1,3,5", "5, 3 and 1"),
    ("1,3,5", r"\{1,3,5\}"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    (r"1+\sqrt{19}, 1-\sqrt{19}", r"1 \pm \sqrt{19}"),
    (r"x=1 \text{ or } x=2", "2, 1"),
    ("2, 1", "x = 1 or x = 2"),
    ("(3,4)", "(3, 4)"),
    ("(3,4)", "3, 4"),
    ("(3,4)", "(x,y) = (3,4)"),
    ("(3,4)", "x = 3, y = 4"),
    ("x=3, y=4", "(3,4)"),
    (r"(-\infty, 2]", r"x \le 2"),
    ("[2,5)", r"2 \leq x < 5"),
    (r"(-\infty,0)\cup(3,\infty)", "x<0 or x>3"),
    (r"(-\infty,0)\cup(3,\infty)", r"(3, \infty) \cup (-\infty, 0)"),
    (r"(-\infty,3)\cup(3,\infty)", r"x \ne 3"),
    (r"(-\infty,3)\cup(3,\infty)", r"\mathbb{R} \setminus \{3\}"),
    (r"-80\leq g(x)\leq 82", "[-80,82]"),
    ("(0,1)", "]0,1["),
    ("(0,4]", r"x \in (0,4]"),
    (r"\begin{pmatrix} 1 \\ 4 \\ 3 \end{pmatrix}", "(1,4,3)"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    (r"\begin{pmatrix} 1/2 \\ 1 \end{pmatrix}", r"\begin{pmatrix} 0.5 \\ 1 \end{pmatrix}"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\left[\begin{array}{cc}1&2\\3&4\end{array}\right]"),
    (r"\begin{pmatrix} 1/2 \\ 1 \end{pmatrix}", r"\frac12\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    (r"\begin{pmatrix} -64 & 0 \\ 0 & -64 \end{pmatrix}", r"A = \begin{pmatrix} -64 & 0 \\ 0 & -64 \end{pmatrix}"),
    (r"\text{Monday}", "Monday"),
    (r"\text{Monday}", r"\textbf{monday}"),
    ("two lines", r"\text{two lines}"),
    (r"\text{(C)}", "C"),
    (r"\text{C}", "(C)"),
    (r"\text{even}", "even"),
    ("True", "Yes"),
    ("False", r"\text{No}"),
    ("True", "true."),
    (r"\mbox{four}", "4"),
    ("4", "four"),
    ("4x-5y=-50", "5y - 4x = 50"),
    ("2x + z - 5 = 0", "z = 5 - 2x"),
    ("y = 2x + 3", "y=3+2x"),
    ("y = 2x+3", "2x+3"),
    ("f(x)=x+1", "x+1"),
    ("k=1", "1"),
    ("x^2 + y^2 = 13", "y^2+x^2=13"),
    (r"\frac{x^2}{16} - \frac{y^2}{9} = 1", "9x^2-16y^2=144"),
    ("MR=SRMC", "SRMC = MR"),
    (r"90^\circ", "90"),
    ("90", r"90^{\circ}"),
    (r"90^{\circ}, 60^{\circ}", "60, 90"),
    (r"\frac{\pi}{2}", "π/2"),
    (r"\sqrt{2}", "√2"),
    (r"2\sqrt{3}", "2√3"),
    ("x^2", "x²"),
    ("0.5", "½"),
    (r"6\frac{1}{6}", "37/6"),
    ("3.5", "3 1/2"),
    (r"\frac{639}{40}", r"15\frac{39}{40}"),
    ("2516_8", "2516"),
    ("2516_8", "2516_{8}"),
    ("11111_2", r"11111_{\text{two}}"),
    ("4:30", "4:30"),
    (r"\text{4:30 p.m.}", "4:30 PM"),
    ("3:4", r"\frac{3}{4}"),
    (r"\frac{x+1}{x}", r"1 + \frac{1}{x}"),
    (r"2\sin x\cos x", r"\sin 2x"),
    (r"\frac{1}{\sqrt 2}", r"\frac{\sqrt{2}}{2}"),
    (r"\binom{2n}{n}", r"\frac{(2n)!}{(n!)^2}"),
    ("2^{1009}", "2^{1009}"),
    (r"\tan 15^\circ", r"2-\sqrt{3}"),
    ("np.arcsin(10/13)", r"\arcsin(10/13)"),
    (r"\frac{a M^{1 / 3}}{G M^{2 / 3}+b}", r"\frac{aM^{1/3}}{b+GM^{2/3}}"),
    ("x / 2-1 / 4+c e^{-2 x}", r"y = \frac{x}{2}-\frac14+Ce^{-2x}"),
    ("E_{1},E_{2}", "E_2, E_1"),
    (r"\frac{37}{4} m", r"\frac{37m}{4}"),
    (r"5\text{ cm}", "5cm"),
    (r"12\pi\text{ square inches}", r"12\pi"),
    (r"25 \, \text{km}", "25000 m"),
    (r"12 \text{ gm}", "12 grams"),
    ("3", "3.0"),
    ("3", "3."),
    ("+2", "2"),
    ("-1./3", r"-\frac13"),
    ("0.333", "1/3"),
    (r"\frac{1}{3}", r"0.\overline{3}"),
    (r"\left\lfloor\log _{2} n\right\rfloor+1", r"1+\lfloor \log_2 n \rfloor"),
    ("$69$,$84$", "84, 69"),
    ("$221,$8$", "8, 221"),
    ("$(2,2,2),(3,4,3)$", "(3,4,3), (2,2,2)"),
    ("$f(x)=x,f(x)=-x$", r"f(x) = \pm x"),
    ("$f(x)=x$,$f(x)=2-x$", "x and 2-x"),
    ("[0, 5]", "[0,5]"),
    ("[0.333, 0.25]", "[1/3, 1/4]"),
    ("(c)", "c"),
    ("(c)", "(C)"),
    (r"\sqrt{a^2+b^2}", r"\sqrt{b^2 + a^2}"),
    ("i", "i"),
    (r"1+\sqrt{3} i", r"1 + i\sqrt{3}"),
    (r"\{4,5,7\}", "7, 5, 4"),
    (r"k \geqslant 2", r"k \ge 2"),
    (r"\$\dfrac23 \approx \$0.67", r"\frac{2}{3}"),
    (r"0.56 = 56\%", "56%"),
    (r"0.56 = 56\%", "0.56"),
    ("41/12", r"\frac{41}{12} \text{ km}"),
    (r"\angle B E A_{1}=90, \angle A E B_{1}=90", "90, 90"),
    (r"m_{\max }=n^{2}-n-1", "n^2-n-1"),
    (r"\frac{dM}{dt}=kM", r"\dot{M} = kM"),
    (r"20\text{ miles}", "20 miles"),
    ("10,000", "10 000"),
    ("5", "5 apples"),
    (r"7\text{ hours}.", "7"),
    ("June 20", r"\text{June 20}"),
    (r"\text{A, B}", "B, A"),
    (r"\text{Softball, Kickball, Picnic}", "Softball, Kickball, Picnic"),
    ("x=5", r"\boxed{5}"),
    (r"(-\infty,\infty)", r"\mathbb{R}"),
    (r"(-\infty,\infty)", "all real numbers"),
    ("1:1", "2:2"),
    (r"-\frac{1}{2}", r"\frac{-1}{2}"),
    (r"-\frac{1}{2}", r"\frac{1}{-2}"),
    ("1 + 274i", "274i + 1"),
    (r"3\sqrt{13}", r"\sqrt{117}"),
    ("e^{t}/3", r"\frac{1}{3}e^t"),
    (r"\ln 2 + i\pi / 3", r"\ln(2)+\frac{i\pi}{3}"),
    (r"\frac{2}{3} \frac{C}{S}", r"\frac{2C}{3S}"),
]

DIFFERENT = [
    (r"62.5\%", "6250"),
    ("62.5", "0.625"),
    ("8", "0.08"),
    ("8", "800"),
    ("0.08", "8"),
    ("1,3,5", "1,3"),
    ("1,3,5", "5"),
    ("5", "1,3,5"),
    ("2", "1, 2"),
    ("1, 2", "2"),
    ("(3,4)", "(4,3)"),
    ("(3,4]", "(3,4)"),
    ("[1,4]", "(1,4)"),
    ("(3,4]", "[3,4]"),
    (r"(2,\infty)", r"[2,\infty)"),
    (r"(-\infty,0)\cup(3,\infty)", r"(-\infty,0)"),
    ("x=3", "x=-3"),
    ("y = -1", "x = -1"),
    ("y = 2x+3", "y=2x-3"),
    ("12", "12.1"),
    ("12", "120"),
    ("12", "1.2"),
    ("1/3", "0.33"),
    (r"\sqrt{2}", "1.4"),
    (r"\sqrt{2}", "1.41"),
    ("3.14159", "3.14"),
    (r"\pi", "3.14"),
    ("x^2", "x^3"),
    ("x", "|x|"),
    ("2x", "3x"),
    ("2x", "2y"),
    ("I(0)", "0"),
    ("0", "I(0)"),
    (r"\text{odd}", "even"),
    (r"\text{odd}", "neither odd nor even"),
    ("True", "False"),
    ("True", "not true"),
    ("(c)", "(b)"),
    (r"\text{A, B}", "A"),
    (r"\text{A}", "A, B"),
    ("C", "D"),
    ("1.07e16", "1.07"),
    ("1.07e16", "1.07e15"),
    ("1.07e16", r"1.08 \times 10^{16}"),
    ("3", "3, 4"),
    ("3", "3 or 4"),
    (r"3 \pm 1", "4"),
    ("4", r"3 \pm 1"),
    ("25 km", "25 m"),
    ("5 hours", "5 minutes"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}"),
    ("2516_8", "2516_7"),
    ("11111_2", "31"),
    ("100", "1"),
    ("10", "10%0"),
    ("12", "12x"),
    ("12x", "12"),
    ("5y-4x=50", "5y-4x=51"),
    ("1e-3", "1e-4"),
    ("1234567890123", "1234567890124"),
    ("2^{1009}", "2^{1010}"),
    ("1", "1+x-x+y"),
    ("0", r"\frac{1}{a}+b"),
    ("1/2", "1/3"),
    ("1/2", "2"),
    (r"\frac{1}{2n+2}", r"\frac{1}{2n+1}"),
    ("7", ""),
    ("7", r"\frac{}{}"),
    (r"k \ge 2", "k > 2"),
    ("(1,2,3)", "{1,2,4}"),
    ("4:30", "4:31"),
    ("3:4", "4:3"),
    ("Monday", "Tuesday"),
    ("i", "1"),
    ("e", "2.7"),
    ("-5", "5"),
    ("5", "-5"),
    ("2", "x+2"),
    ("x+2", "2"),
    ("(1,234)", "1234"),
    ("2/25", "8/25"),
    ("12%", "12.5%"),
    ("0.5", "50"),
    ("1000", "1,00"),
    ("20", "20/3"),
    ("3", "3:00"),
    ("1/4", "14"),
    ("9.8", "9.81"),
    ("100", "99.99"),
    ("0.333", "0.33"),
    ("f(x)=x", "f(x)=-x"),
    ("f(x)=x,f(x)=-x", "f(x)=x"),
    ("16", r"\frac{16}{1+1}"),
    ("12", "12 or 13"),
    ("7,14,18", "7,14,18,21"),
]


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_an_answer_that_states_the_gold_is_right(gold, answer):
    assert compare.same_answer(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_an_answer_that_differs_is_wrong(gold, answer):
    assert not compare.same_answer(gold, answer)


def test_a_tolerance_counts_only_where_the_benchmark_states_it():
    assert compare.same_answer("18.8", "18.75", {"error": "1e-1"})
    assert not compare.same_answer("18.8", "18.7", {"error": "1e-2"})
    assert not compare.same_answer("18.8", "18.7")


def test_a_list_gold_does_not_mind_the_kind_of_brackets():
    assert compare.same_answer("[1, 4]", "(1, 4)", {"answer_type": "list of integer"})
    assert not compare.same_answer("[1, 4]", "(4, 1)", {"answer_type": "list of integer"})


MATH_FILES = [
    "gsm8k/train.jsonl.gz", "gsm8k/test.jsonl", "math/train.jsonl.gz", "math/test.jsonl.gz", "math500/test.jsonl",
    "minerva_math/test.jsonl", "olympiadbench/test.jsonl", "aime24/test.jsonl", "aime25/test.jsonl",
    "amc23/test.jsonl", "theoremqa/test.jsonl", "svamp/test.jsonl", "mawps/test.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", MATH_FILES)
def test_every_gold_is_right_when_it_is_the_answer(name):
    rejected = []
    for row in shared_data.rows(name):
        gold = str(row["answer"])
        options = {key: row[key] for key in ("answer_type", "error", "unit") if row.get(key)}
        item = Item("So it is $\\boxed{" + gold + "}$.", gold, options=options)
        if not graders.ours(graders.extract(item), item):
            rejected.append(gold)
    assert rejected == []


def test_math_verify_needs_no_parsing_for_a_whole_number_alone_in_the_only_box():
    for gold, answer, expected in (("12", "12", True), ("12", "13", False), ("-3", "-3", True)):
        text = f"so it is $\\boxed{{{answer}}}$."
        assert library._certain(text, gold) is expected
        assert library.math_verify(text + " {}", gold) is expected  # a brace after the box: the long way


@pytest.mark.parametrize(
    "text",
    [
        "the final answer is 5, not $\\boxed{7}$",
        "$\\boxed{7}$ percent",
        "$\\boxed{7} and \\frac{1}{2}$",
        "$x = \\boxed{7}$",
    ],
)
def test_math_verify_takes_the_long_way_where_it_could_read_the_text_differently(text):
    assert library._certain(text, "7") is None


@pytest.mark.parametrize("gold", ["0", "12", "123456789012345", "-3", "007", r"\frac{1}{2}"])
def test_a_gold_that_is_not_parsed_is_what_parsing_would_give(gold):
    import math_verify

    parsed = math_verify.parse("\\boxed{" + gold + "}", parsing_timeout=None)
    assert library._parsed_gold(gold) == parsed
    assert [type(value) for value in library._parsed_gold(gold)] == [type(value) for value in parsed]


@pytest.mark.parametrize(
    "text", ["10^{10^{10^{10}}}", "(" * 5000, "9^{9^{9^9}}", "1e999999", "2 3", "\\frac{1}{0}", "x +", "(10^8)!", ""]
)
def test_a_formula_out_of_bounds_is_unreadable_at_once(text):
    with pytest.raises(UnreadableError):
        Formula(text).value()


def test_formulas_are_equal_by_value_at_many_points():
    assert equal(Formula("\\sin^2 x + \\cos^2 x"), Formula("1 + y - y"))
    assert not equal(Formula("\\lfloor n/2 \\rfloor"), Formula("n/2"))
    assert not equal(Formula("x^{2}"), Formula("x^{2} + 10^{-9}"))


@pytest.mark.parametrize(
    ("gold", "text", "expected"),
    [("C", "The answer is (C).", True), ("(c)", "\\boxed{C}", True), ("C", "D", False), ("blue", "I pick B.", False)],
)
def test_choices_are_compared_by_letter(gold, text, expected):
    item = Item(text, gold, kind="choice", choices=("red", "green", "blue", "grey"))
    assert graders.ours(graders.extract(item), item) is expected


@pytest.mark.parametrize(
    ("answer", "same"),
    [
        *[
            (answer, True)
            for answer in ("1540", "1,540", "x = 1540", "28 * 55 = 1540", r"28 \times 55 = 1540", "-1540")
        ],
        *[(answer, False) for answer in ("28 * 55", "28*55 = 28 * 55", r"28 \times 55", "x = 1600 - 60", "3080 / 2")],
        *[(answer, False) for answer in ("(28)(55) * 1", "28 · 55", r"28 \cdot 55")],
    ],
)
def test_calculation_is_no_answer_where_its_result_is_asked_for(answer: str, same: bool) -> None:
    gold = "-1540" if answer.startswith("-") else "1540"
    assert compare.same_answer(gold, answer, {"answer_type": "computed"}) == same
    assert compare.same_answer(gold, answer), "without the question's word for it, the values are compared"
