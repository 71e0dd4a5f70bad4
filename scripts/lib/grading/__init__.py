"""Grades answers: what each of four graders says of a prediction, given a gold answer.

`pool` runs the graders in worker processes, `scoring` makes scores of their verdicts. The names below are all that
other rooms need. Importing this package loads no grader, so that a config that only needs the version is read at once.
"""

from collections.abc import Sequence

from scripts.lib.grading.items import COMPUTED, GRADER_OPTIONS, GRADER_VERSION, SETS, Grade, Item

__all__ = ["COMPUTED", "GRADER_OPTIONS", "GRADER_VERSION", "SETS", "Grade", "Item", "grade"]


def grade(items: Sequence[Item], *, workers: int | None = None, deadline_s: float = 10.0) -> list[Grade]:
    """The grades of `items`, in their order: `scripts.lib.grading.pool.grade`."""
    from scripts.lib.grading import pool

    return pool.grade(items, workers=workers, deadline_s=deadline_s)
