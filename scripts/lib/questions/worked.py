"""Worked solutions of reasoning-gym problems, exact by construction: every line is computed with integers.

A solution ends in `The answer is N.`. A task without a function here brings its own solution (gsm_symbolic) or none.
"""

import ast
import re
from fractions import Fraction

# Tasks whose metadata contain an expression of whole numbers, and whose answer is its value. (countdown asks for the
# expression itself, decimal_chain_sum rounds, circuit_logic is not arithmetic.)
_EXPRESSIONS = {"basic_arithmetic", "chain_sum", "products"}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def _number(value: Fraction, first: bool = False) -> str:
    return f"({value})" if value < 0 and not first else str(value)


def expression_solution(expression: str) -> str:
    """The operations of an arithmetic expression in the order of evaluation, one per line.

    >>> expression_solution("12 - 7 + 45")
    '12 - 7 = 5\\n5 + 45 = 50\\nThe answer is 50.'
    """
    lines: list[str] = []

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant):
            return Fraction(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if not isinstance(node, ast.BinOp) or type(node.op) not in _SIGNS:
            raise ValueError(f"not plain arithmetic: {expression!r}")
        left, right = value(node.left), value(node.right)
        sign = _SIGNS[type(node.op)]
        results = {"+": left + right, "-": left - right, "*": left * right}
        result = results[sign] if sign in results else left / right
        lines.append(f"{_number(left, first=True)} {sign} {_number(right)} = {result}")
        return result

    final = value(ast.parse(expression.strip(), mode="eval").body)
    return "\n".join([*lines, f"The answer is {final}."])


def equation_solution(equation: str, variable: str) -> str:
    """A linear equation in one variable, solved by moving the constant and dividing.

    >>> equation_solution("3*x + 4 = 19", "x")
    '3*x = 19 - 4 = 15\\nx = 15 / 3 = 5\\nThe answer is 5.'
    """
    left, right = (_linear(side, variable) for side in equation.split("="))
    if left[0] == right[0]:
        raise ValueError(f"{variable} has no single solution: {equation!r}")
    slope, constant, goal = left[0] - right[0], left[1], right[1]
    lines = []
    if constant:
        moved = f"{goal} - {constant}" if constant > 0 else f"{goal} + {-constant}"
        lines.append(f"{_term(slope, variable)} = {moved} = {goal - constant}")
    final = (goal - constant) / slope
    if slope != 1:
        lines.append(f"{variable} = {goal - constant} / {_number(slope)} = {final}")
    return "\n".join([*lines, f"The answer is {final}."])


def _term(slope: Fraction, variable: str) -> str:
    return variable if slope == 1 else f"{slope}*{variable}"


def _linear(side: str, variable: str) -> tuple[Fraction, Fraction]:
    """(slope, constant) of one side of a linear equation."""

    def value(node: ast.expr) -> tuple[Fraction, Fraction]:
        if isinstance(node, ast.Constant):
            return Fraction(0), Fraction(node.value)
        if isinstance(node, ast.Name) and node.id == variable:
            return Fraction(1), Fraction(0)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            slope, constant = value(node.operand)
            return -slope, -constant
        if isinstance(node, ast.BinOp):
            (a, b), (c, d) = value(node.left), value(node.right)
            if isinstance(node.op, ast.Add):
                return a + c, b + d
            if isinstance(node.op, ast.Sub):
                return a - c, b - d
            if isinstance(node.op, ast.Mult) and not (a and c):
                return a * d + b * c, b * d
        raise ValueError(f"not linear in {variable}: {side!r}")

    return value(ast.parse(side.strip(), mode="eval").body)


def terse(answer: str) -> str:
    """The answer without the steps.

    >>> terse("50")
    'The answer is 50.'
    """
    return f"The answer is {answer}."


def solution(task: str, metadata: dict) -> str | None:
    """The worked solution of one reasoning-gym row, or None if the task has none.

    Args:
        task: the reasoning-gym name of the task.
        metadata: the row's `metadata`.

    Raises:
        ValueError: the problem has no single solution.
    """
    if "answer_cot" in metadata:
        return re.sub(r"\n*####\s*(.*)$", r"\nThe answer is \1.", metadata["answer_cot"].strip())
    if task in _EXPRESSIONS:
        return expression_solution(metadata["expression"])
    if task == "simple_equations":
        return equation_solution(metadata["equation"], metadata["variable"])
    return None
