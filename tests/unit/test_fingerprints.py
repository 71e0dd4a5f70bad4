"""What makes a question another one, and what is only another way to set it."""

import re

import pytest

from scripts.lib.questions.fingerprints import fingerprint

ANSWER_IN_BOX = "Please reason step by step, and put your final answer within \\boxed{}."

SAME = [
    ("What is 3 + 4.", "What is 3 + 4"),
    ("What is 3+4 ?", "what is  3 + 4"),
    ("Compute 3 − 4", "Compute 3 - 4"),
    ("Compute 2–3", "compute 2-3"),
    (r"Simplify \dfrac{1}{2}", r"Simplify \frac{1}{2}"),
    (r"\frac12 + x", r"\tfrac{1}{2}+x"),
    (r"\left( 2, 3 \right)", "(2, 3)"),
    ("３ + ４", "3 + 4"),
    ("What is 2 + 2? Let's think step by step.", "What is 2 + 2?"),
    ("What is 2 + 2? Let’s think step by step", "What is 2 + 2?"),
    (f"Find x.\n{ANSWER_IN_BOX}", "Find x"),
    ("Find x. Let us reason step by step.", "Find x."),
    ("Find x. Make sure to put your answer (and only answer) inside \\boxed{}.", "Find x."),
    ("Think step by step and write your final answer in \\boxed{answer}. Find x.", "Find x."),
    ("Question: Is it 5?\nAnswer:", "Is it 5?"),
    ("Find the sum. Show your work.", "Find the sum."),
    ("Find $x$ if $x^2=4$.", "Find x if x^2 = 4"),
    (r"Find \(x\) with \[x = 2\]", "Find $x$ with $$x = 2$$"),
    ("x²", "$x^{2}$"),
    ("x₁ + x₂", "x_1 + x_{2}"),
    ("3 × 4", r"3 \times 4"),
    ("3 * 4", r"3 \cdot 4"),
    ("6 ÷ 2", "6/2"),
    (r"x \leq 3", "x ≤ 3"),
    (r"an angle of $90^\circ$", "an angle of 90°"),
    (r"\pi r^{2}", "π r²"),
    (r"\text{Find } x\,y", "Find x y"),
    (r"\mathbb{R}", "ℝ"),
    ("1,000 apples", "1000 apples"),
    (r"10{,}000 and 10,\!000", "10000 and 10000"),
    ("a\u00a0b\u200b", "a b"),
    ("the so-called “rule”", 'the so-called "rule"'),
    ("5 &lt; 7", "5 < 7"),
    ("½ of it", "1/2 of it"),
    ("**Find** x", "Find x"),
    ("Tom, who has 3 hats, leaves", "Tom who has 3 hats leaves"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_typography_is_folded(first: str, second: str) -> None:
    assert fingerprint(first) == fingerprint(second)


DIFFERENT = [
    ("LCM of 48, 4", "LCM of 4, 84"),
    ("LCM of 48, 4", "LCM of 484"),
    ("Calculate -2 + 4", "Calculate -( 2 + 4 )"),
    ("What is 5!?", "What is 5?"),
    ("What is 5!", "What is 5"),
    ("What is 5!!", "What is 5!"),
    ("3 + 4", "3 - 4"),
    ("-3 + 4", "3 + 4"),
    ("3.4", "34"),
    ("3.4", "3, 4"),
    ("(a + b)c", "a + bc"),
    ("the interval (1, 2)", "the interval [1, 2]"),
    ("the point (1,234)", "the point (1234)"),
    ("f'(x)", "f(x)"),
    ("|x|", "x"),
    ("x²", "x2"),
    ("x_1", "x^1"),
    ("3½", "31/2"),
    ("2:3", "23"),
    ("5%", "5"),
    (r"\frac{1}{23}", r"\frac{12}{3}"),
    (r"a \times b", r"a \cdot b"),
    (r"x \le 3", "x < 3"),
    ("2 ? 3 = 5", "2 3 = 5"),
    ("1, 2, ..., 9", "1, 2, 9"),
    ("turn\n1 2 3\n4 5 6", "turn\n1 2\n3 4\n5 6"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\34\end{pmatrix}"),
    ("count:\n##  #\n#   #\n##  #\n", "count:\n## #\n# #\n## #\n"),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_mathematics_is_kept(first: str, second: str) -> None:
    assert fingerprint(first) != fingerprint(second)


def test_a_question_that_is_only_a_request_keeps_its_words() -> None:
    assert fingerprint("Show your work.") == "show your work"


def test_no_two_different_problems_of_lcm_are_one() -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    problems = reasoning_gym.create_dataset("lcm", size=7500, seed=1)
    numbers: dict[str, set[tuple[str, ...]]] = {}
    for index in range(7500):
        question = problems[index]["question"]
        numbers.setdefault(fingerprint(question), set()).add(tuple(re.findall(r"\d+", question)))
    assert [asked for asked in numbers.values() if len(asked) > 1] == []


@pytest.mark.parametrize(
    "task", ["basic_arithmetic", "chain_sum", "simple_equations", "fraction_simplification", "gcd"]
)
def test_no_two_different_problems_of_arithmetic_are_one(task: str) -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    problems = reasoning_gym.create_dataset(task, size=500, seed=2)
    found: dict[str, set[str]] = {}
    for index in range(500):
        question = problems[index]["question"]
        found.setdefault(fingerprint(question), set()).add(" ".join(question.split()))
    assert [texts for texts in found.values() if len(texts) > 1] == []
