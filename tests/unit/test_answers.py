"""Where an answer stands in a text, and what it looks like without decoration."""

import time

import pytest

from scripts.lib.grading import answers, choices, spelling
from tests import shared_data

EXTRACTED = [
    ("So \\boxed{3}, no: \\boxed{\\frac{1}{2}}.", r"\frac{1}{2}"),
    ("\\boxed{2} and \\boxed{3}", "2, 3"),
    ("$x = \\boxed{2}$ or $x = \\boxed{3}$", "2, 3"),
    ("First \\boxed{2}. That was wrong, it is \\boxed{3}.", "3"),
    ("\\boxed{\\text{a {nested} one}}", r"\text{a {nested} one}"),
    ("it is \\boxed 7 then", "7"),
    ("$\\boxed{12$", "12"),
    ("\\fbox{4}", "4"),
    ("The answer is 12.", "12"),
    ("The answer is 12 apples and so on.", "12"),
    ("The answer is: 1,234.5", "1,234.5"),
    ("Final Answer: The final answer is $\\frac{1}{2}$. I hope it is correct.", r"\frac{1}{2}"),
    ("Thus the answer is \\(x=5\\) and \\(x=7\\).", "x=5, x=7"),
    ("**Answer:** 15 mph", "15 mph"),
    ("the answer is three boxes of pens", "three"),
    ("16 - 3 = <<16-3=13>>13\nA: 26", "26"),
    ("It is 5 + 7 = <<5+7=12>>12\n#### 12 apples", "12 apples"),
    ("Step 4: #### 5", "5"),
    ("<think>5 or 6</think> <answer> 7 </answer>", "7"),
    ("<answer>so \\boxed{8}</answer>", "8"),
    ("<|begin_of_thought|> the answer is 4 <|end_of_thought|> It is 5.", "5"),
    ("<think>the answer is 4</think> \\boxed{5}", "5"),
    ("so 3 + 4 = 7", "7"),
    ("The total is $12.50 in all.", "$12.50"),
    ("x is $\\frac{1}{2}$.", r"\frac{1}{2}"),
    ("The plane is \\[5x - 7y + 4 = 0\\]", "5x - 7y + 4 = 0"),
    ("he made 3/4 of it", "3/4"),
    ("The probability is 25%.", "25%"),
    ("that is 4343_6.", "4343_6"),
    ("I think the answer is correct. It is 18.", "18"),
    ("The answer is 5.\n\nQuestion: What is 1 + 1?\nThe answer is 2.", "5"),
    ("\\boxed{}", ""),
    ("I do not know.", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "expected"), EXTRACTED)
def test_the_final_answer_of_a_text(text, expected):
    assert answers.extract(text) == expected


def test_a_thought_that_was_cut_off_has_no_answer_though_it_spoke_of_one():
    text = (
        "I think the answer is 6. But wait, let me check this again. "
        + "We look at another case. " * 30
        + "Does 27 divide"
    )
    assert answers.extract(text) != "6"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"$\left(\dfrac12,\, 5\right]$.", r"(\frac {1}{2}, 5 ]"),
        (r"\$18{,}000", "18000"),
        (r"371,\!043,\!400", "371043400"),
        (r"11,\! 111,\! 100", "11111100"),
        (r"90^{\circ}", "90°"),
        ("−2×10⁻³", "-2*10^{-3}"),
        ("½", r"\frac {1}{2}"),
        (r"\{1\pm\sqrt{5}\}", r"⦃1±\sqrt {5}⦄"),
        ("units}", "units"),
        ("x\u200b = 5", "x = 5"),
        (r"62.5\%", "62.5%"),
    ],
)
def test_one_spelling_for_one_answer(text, expected):
    assert spelling.clean(text) == expected


def test_words_have_no_case_articles_or_punctuation():
    assert spelling.words(r"\text{The Monday.}") == spelling.words("monday") == "monday"
    assert spelling.words("4:30 p.m.") == spelling.words("4:30 PM")


CHOICES = ("foo", "bar", "baz", "qux", "dog", "ethics of care", "ethics", "12", "grey", "violet")
LETTERS = [
    ("The answer is (G).", "G"),
    ("The answer is G", "G"),
    ("Answer: c", "C"),
    ("The correct answer is: **E. dog**", "E"),
    ("\\boxed{C}", "C"),
    ("\\boxed{\\text{(J)}}", "J"),
    ("\\boxed{dog}", "E"),
    ("**B**", "B"),
    ("B) bar", "B"),
    ("(B)", "B"),
    ("b", "B"),
    ("I think (D) is correct", "D"),
    ("I choose the third option", "C"),
    ("The answer is dog.", "E"),
    ("The answer is the ethics of care.", "F"),
    ("<think>maybe A</think> The answer is B.", "B"),
    ("Option A looks wrong.\nSo the answer is (H).", "H"),
    ("The answer is (A) and (B).", None),
    ("A or B", None),
    ("None of these. A cat is fine.", None),
    ("The answer is (K).", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "expected"), LETTERS)
def test_the_letter_that_a_text_chooses(text, expected):
    assert choices.choice_letter(text, CHOICES) == expected


def test_letters_agree_with_the_labels_of_mmlu_pro():
    rows = shared_data.rows("mmlu_pro/llama2_7b_graded.jsonl.gz")
    verdicts = [choices.choice_letter(row["response"], row["choices"]) == row["answer"] for row in rows]
    agreed = sum(verdict == row["correct"] for verdict, row in zip(verdicts, rows, strict=True))
    assert agreed / len(rows) >= 0.995


def test_megabytes_are_read_in_bounded_time():
    start = time.perf_counter()
    for text in ("\\boxed{" * 50_000, "answer is " * 50_000, "$" * 300_000, "1," * 200_000, "<answer>" * 50_000):
        answers.extract(text)
        choices.choice_letter(text)
    assert time.perf_counter() - start < 20  # 1 s on a quiet machine; hours if a pattern were not linear
