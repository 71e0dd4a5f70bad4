"""Grades answers: what each of three graders says of a prediction, given a gold answer.

`pool` runs the graders in worker processes, `scoring` makes scores of their verdicts. The names below are all that
other rooms need.
"""

from scripts.lib.grading.pool import GRADER_OPTIONS, GRADER_VERSION, Grade, Item, grade

__all__ = ["GRADER_OPTIONS", "GRADER_VERSION", "Grade", "Item", "grade"]
