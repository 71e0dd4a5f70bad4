"""Time: nothing that an answer holds makes our verdict slow; reading takes a time that grows with the text's length."""

import time

import pytest

from scripts.lib.grading import answers, choices
from scripts.lib.grading.compare import same_answer

PIECES = [
    *(
        "a",
        "1,",
        "x ",
        "\\text{ cm}",
        "(",
        "((1,2),",
        "{",
        "\\frac{1}{2}",
        "\\sqrt{",
        "±",
        "≡",
        "\\pmod 5,",
        "x=",
        "…,",
    ),
    *("1:", "⇒", "(1,2)∪", "x≠1,", "9^", "99!+", "\\lfloor x", "|x|", "k\\pi,", "5 ft 3 in ", "for all integers "),
    *("\\begin{pmatrix}1&2\\\\", "\\sum_{k=1}^{n}", "\\int_0^1 x dx", "n^n", "e^{e^{", "\\binom{n}{k}", "is a "),
]


@pytest.mark.parametrize("piece", PIECES)
def test_an_answer_of_one_piece_over_and_over_is_compared_at_once(piece):
    start = time.process_time()
    for count in (30, 300):
        same_answer("7", piece * count)
        same_answer(piece * count, piece * count + "1")
    assert time.process_time() - start < 6  # 0.3 s on a quiet machine


@pytest.mark.parametrize(
    "piece", ["\n", " ", "*", "$", "$ ", "(", "\\boxed{", "\\boxed{7} ", "7", "111,", "x", "–", "#### "]
)
def test_a_text_ten_times_as_long_takes_no_more_than_ten_times_as_long(piece):
    texts = ["The answer is 7." + piece * (length // len(piece)) for length in (50_000, 500_000)]
    times = []
    for text in texts:
        start = time.process_time()
        answers.extract(text)
        choices.choice_letter(text)
        times.append(time.process_time() - start)
    assert times[1] < 30 * times[0] + 0.2  # a pattern that is not linear takes 100 times as long


def test_thirty_thousand_newlines_behind_an_answer_take_no_time():
    start = time.process_time()
    assert answers.extract("The answer is 7." + "\n" * 30_000) == "7"
    assert time.process_time() - start < 0.05
