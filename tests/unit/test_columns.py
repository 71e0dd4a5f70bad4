"""Places in a row of a source."""

import pytest

from scripts.lib.questions.columns import value_at

ROW = {"a.b": 1, "messages": [{"content": "hi"}, {"content": "there"}], "input": "Question: x? Solution: 4", "n": None}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("a.b", 1),
        ("n", None),
        ("messages[0].content", "hi"),
        ("messages[-1].content", "there"),
        ({"column": "input", "after": "Question:", "before": "Solution:"}, "x?"),
        ({"column": "input", "after": "Solution:"}, "4"),
    ],
)
def test_value_is_found(place, value) -> None:
    assert value_at(ROW, place) == value


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("nothing", "nothing"),
        ("messages[2].content", "messages[2].content"),
        ("messages.content", "messages.content"),
        ("n[0]", "n[0]"),
        ({"column": "input", "after": "Answer:"}, "input with 'Answer:' in it"),
    ],
)
def test_place_that_is_not_there_is_named(place, named: str) -> None:
    with pytest.raises(LookupError) as caught:
        value_at(ROW, place)
    assert caught.value.args[0] == named
