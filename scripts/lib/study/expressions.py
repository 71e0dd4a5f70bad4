"""Expressions over named cells of tables, for example `mean(cft) - max(mean(sft), mean(verified))`.

A name stands for one cell or for several (one a benchmark); arithmetic runs cell by cell. `mean(x)`, `min(x)` and
`max(x)` run over the cells of one name, `min(x, y)` and `max(x, y)` cell by cell over several; `change(x, y)` is the
change from x to y in percent; `abs(x)`.
"""

import ast
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import ndarray

# Minimum and maximum number of arguments of each function.
FUNCTIONS = {"mean": (1, 1), "min": (1, 9), "max": (1, 9), "change": (2, 2), "abs": (1, 1)}
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def names_in(expression: str) -> set[str]:
    """The names of cells in an expression.

    Raises:
        ValueError: it is not an expression, or uses something that is not supported.
    """
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        match node:
            case ast.Name(id=name):
                names.add(name)
            case ast.Constant(value=value) if type(value) in (int, float):
                pass
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                visit(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                visit(left)
                visit(right)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                fewest, most = FUNCTIONS[name]
                if not fewest <= len(arguments) <= most:
                    wanted = f"{fewest}" if fewest == most else f"{fewest} to {most}"
                    raise ValueError(f"{name} takes {wanted} arguments, not {len(arguments)}")
                for argument in arguments:
                    visit(argument)
            case _:
                raise ValueError(f"{ast.unparse(node)!r} has no meaning here (functions: {', '.join(FUNCTIONS)})")

    visit(_parsed(expression))
    return names


def evaluate(expression: str, values: Mapping[str, "ndarray"]) -> "ndarray":
    """The expression's value, shape (draws, 1), from the values of each name, shape (draws, cells).

    Raises:
        ValueError: it is not an expression, its value is not a single number, or names have different numbers of cells.
    """
    import numpy

    def applied(name: str, arguments: list) -> "ndarray":
        first = arguments[0]
        if name == "mean":
            return first.mean(axis=1, keepdims=True)
        if name == "abs":
            return numpy.abs(first)
        if name == "change":
            return change(*arguments)
        over, pairwise = {"min": (numpy.min, numpy.minimum), "max": (numpy.max, numpy.maximum)}[name]
        if len(arguments) == 1:
            return over(first, axis=1, keepdims=True)
        for other in arguments[1:]:
            first = pairwise(first, other)
        return first

    def value_of(node: ast.AST) -> "ndarray":
        match node:
            case ast.Name(id=name):
                return values[name]
            case ast.Constant(value=value):
                return numpy.array([[float(value)]])
            case ast.UnaryOp(operand=operand):
                return -value_of(operand)
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](value_of(left), value_of(right))
            case ast.Call(func=function, args=arguments):
                return applied(function.id, [value_of(argument) for argument in arguments])

    names_in(expression)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        value = value_of(_parsed(expression))
    if value.shape[1] != 1:
        raise ValueError(f"{expression!r} is {value.shape[1]} figures, not one: take mean, min or max of them")
    return value


def change(before: "ndarray", after: "ndarray") -> "ndarray":
    """The change in percent; from 0 to 0 it is 0, from 0 to anything else infinite."""
    import numpy

    with numpy.errstate(divide="ignore", invalid="ignore"):
        change = 100 * (after - before) / before
    return numpy.where((before == 0) & (after == 0), 0.0, change)


def _parsed(expression: str) -> ast.AST:
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{expression!r} is not an expression ({error.msg})") from None
