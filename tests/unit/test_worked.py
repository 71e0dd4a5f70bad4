"""Worked solutions are exact: every line is a true equation, and the last number is the row's answer."""

import re
from fractions import Fraction

import pytest

from scripts.lib.questions import worked
from scripts.lib.questions.sources import prepare

ROWS = 300
TASKS = {
    "chain_sum": {"min_terms": 2, "max_terms": 6, "min_digits": 1, "max_digits": 4, "allow_negation": True},
    "basic_arithmetic": {"min_terms": 2, "max_terms": 6, "min_digits": 1, "max_digits": 3},
    "simple_equations": {},
}


def rows_of(task: str) -> list[dict]:
    """Rows as they are used: those with a wrong reference answer are left out."""
    pytest.importorskip("reasoning_gym")
    rows, _ = prepare({"source": "reasoning-gym", "tasks": {task: TASKS[task]}, "rows": ROWS, "seed": 7})
    return rows


def exact(text: str) -> Fraction:
    """The value of an expression, computed here and not by the module under test."""
    assert re.fullmatch(r"[\d+*/() -]+", text), text
    # Operators bind to fractions, so that nothing is rounded.
    return eval(re.sub(r"\d+", r"Fraction(\g<0>)", text), {"Fraction": Fraction})


@pytest.mark.parametrize("task", TASKS)
def test_last_number_of_a_solution_is_the_rows_answer(task: str) -> None:
    for row in rows_of(task):
        assert row["solution"].splitlines()[-1] == f"The answer is {row['answer']}.", row["question"]


@pytest.mark.parametrize("task", TASKS)
def test_every_line_is_a_true_equation(task: str) -> None:
    lines = 0
    for row in rows_of(task):
        *steps, _ = row["solution"].splitlines()
        lines += len(steps)
        for step in steps:
            shown = re.sub("[a-z]", f"({row['answer']})", step)  # the variable of an equation
            assert len({exact(side) for side in shown.split(" = ")}) == 1, f"{row['question']}: {step}"
    assert lines >= ROWS


@pytest.mark.parametrize(
    ("expression", "solution"),
    [
        ("12 - 7 + 45", "12 - 7 = 5\n5 + 45 = 50\nThe answer is 50."),
        ("2 - 3 * (4 - 9)", "4 - 9 = -5\n3 * (-5) = -15\n2 - (-15) = 17\nThe answer is 17."),
        ("-3 + 1", "-3 + 1 = -2\nThe answer is -2."),
        ("7 / 2 - 1", "7 / 2 = 7/2\n7/2 - 1 = 5/2\nThe answer is 5/2."),
        ("5", "The answer is 5."),
    ],
)
def test_expression_is_worked_out_in_order(expression: str, solution: str) -> None:
    assert worked.expression_solution(expression) == solution


@pytest.mark.parametrize(
    ("equation", "solution"),
    [
        ("3*x + 4 = 19", "3*x = 19 - 4 = 15\nx = 15 / 3 = 5\nThe answer is 5."),
        ("56 - 98*x = -1218", "-98*x = -1218 - 56 = -1274\nx = -1274 / (-98) = 13\nThe answer is 13."),
        ("x - 4 = 1", "x = 1 + 4 = 5\nThe answer is 5."),
        ("2*x = 6", "x = 6 / 2 = 3\nThe answer is 3."),
    ],
)
def test_equation_is_worked_out_in_order(equation: str, solution: str) -> None:
    assert worked.equation_solution(equation, "x") == solution


@pytest.mark.parametrize("expression", ["2 ** 3", "f(2)", "2 < 3", "__import__('os')"])
def test_anything_but_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="not plain arithmetic"):
        worked.expression_solution(expression)


def test_equation_that_is_not_linear_is_refused() -> None:
    with pytest.raises(ValueError, match="not linear in x"):
        worked.equation_solution("x*x = 4", "x")


@pytest.mark.parametrize("equation", ["0 = 0", "x - x = 3", "2*x = 2*x"])
def test_equation_without_a_single_solution_is_refused(equation: str) -> None:
    with pytest.raises(ValueError, match="x has no single solution"):
        worked.equation_solution(equation, "x")


def test_own_solution_of_a_task_is_taken_over() -> None:
    metadata = {"answer_cot": "So 2 + 2 = 4.\n#### 4"}
    assert worked.solution("gsm_symbolic", metadata) == "So 2 + 2 = 4.\nThe answer is 4."


def test_task_without_a_solution_has_none() -> None:
    assert worked.solution("gcd", {"numbers": [4, 6]}) is None
    # The expression is the answer here, not its value; and decimals would not be exact.
    assert worked.solution("countdown", {"expression": "94*4 - 61"}) is None
    assert worked.solution("decimal_chain_sum", {"expression": "4.4 + 1.2"}) is None
