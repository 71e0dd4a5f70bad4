"""Our verdict on answers as people and models write them, kind by kind, with neighbours in both directions."""

import pytest

from scripts.lib.grading import Item, graders
from tests.unit.grader_kinds import CHOICES, MATH


def verdict(text, gold, kind="math", choices=()):
    item = Item(text, gold, kind, choices)
    return graders.ours(graders.extract(item), item)


@pytest.mark.parametrize(
    ("gold", "text", "right"), [pytest.param(*row, id=f"{kind}-{row[1][:40]}") for kind in MATH for row in MATH[kind]]
)
def test_a_mathematical_answer(gold, text, right):
    assert verdict(text, gold) is right


@pytest.mark.parametrize(("gold", "text", "right", "choices"), CHOICES)
def test_a_letter(gold, text, right, choices):
    assert verdict(text, gold, "choice", choices) is right


@pytest.mark.parametrize(
    "loop", ["\n", " ", "\n\n---", " I hope this helps.", "**", "\nThe answer is 7.", "$ ", "\n\nThank you!"]
)
def test_a_loop_behind_an_answer_changes_nothing(loop):
    assert verdict("The answer is 7." + loop * (60_000 // len(loop)), "7") is True
    assert verdict("So \\boxed{7}." + loop * (60_000 // len(loop)), "7") is True
    assert verdict("The answer is 7." + loop * (60_000 // len(loop)), "8") is False


def test_long_lists_are_compared_in_any_order():
    numbers = [str(number) for number in range(120)]
    gold, turned = ", ".join(numbers), ", ".join(reversed(numbers))
    assert verdict(f"\\boxed{{{turned}}}", gold) is True
    assert verdict(f"\\boxed{{{turned.replace('57', '157')}}}", gold) is False
