"""Arithmetic statements in running text, read and checked with exact rational numbers.

`find_statements` reads text such as "5 apples * 3 = 16 apples", "A = (2 + 3) = 6" or "$\\frac{3}{4} \\cdot 8 = 6$"
and says for each relation between two sides made of numbers only whether it holds. A side that holds a letter used as
an unknown, an operator without a number, a clock time or anything else that is not plain arithmetic is not judged.
Where a sign can be read in more than one way (a percent sign, a mixed number, hours beside minutes) a statement is
false only if every reading is.
"""

from scripts.lib.teachers.arithmetic.statements import MAX_CHARACTERS, Statement, find_statements, show_number, value_of

__all__ = ["MAX_CHARACTERS", "Statement", "find_statements", "show_number", "value_of"]
