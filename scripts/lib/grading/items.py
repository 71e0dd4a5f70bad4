"""What is graded, and what a grade says. Cheap to import: no grader is loaded here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GRADER_VERSION = 4  # raise by hand when a verdict would change
GRADER_OPTIONS = ("answer_type", "error", "unit")  # columns of OlympiadBench and TheoremQA that tell how to read a gold
COMPUTED = "computed"  # an answer_type: the question asks for a result, so an unevaluated calculation is not an answer
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of the options of a multiple-choice question
# What a row can be of: the authors' graders have rules of their own for some of these sets.
SETS = ("math", "math500", "minerva", "gsm8k", "olympiadbench", "aime24", "amc23", "theoremqa", "gpqa", "mmlu-pro")
PARTS = (
    "extracted",
    "verdict",
    "authors_cft",
    "authors_thinkpo",
    "math_verify",
)  # parts of a grade, in order of computation


@dataclass(frozen=True)
class Item:
    """One answer to grade.

    Attributes:
        prediction: the model's whole text; None if it gave none.
        gold: the reference answer; None if there is none.
        kind: `math` or `choice`.
        choices: texts of the options, in order (`choice` only).
        options: the benchmark's facts about the gold answer: `answer_type`, `error` (a tolerance) and `unit`.
        of_set: the question's set (one of SETS, or empty).
    """

    prediction: str | None
    gold: str | None
    kind: str = "math"
    choices: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    of_set: str = ""


@dataclass(frozen=True)
class Grade:
    """The graders' verdicts on one item.

    Attributes:
        verdict: ours; None if there is no gold, and, with `error` set, if it failed or exceeded its deadline.
        extracted: the answer that our grader compared; None if the text has none.
        math_verify: math-verify's verdict on the whole text; None if it failed or does not apply (letters).
        authors_cft: the verdict of CFT's grader; None if it failed.
        authors_thinkpo: the verdict of ThinkPO's; None if it failed.
        error: which part failed and why.
    """

    verdict: bool | None
    extracted: str | None
    math_verify: bool | None
    authors_cft: bool | None
    authors_thinkpo: bool | None
    error: str | None = None
