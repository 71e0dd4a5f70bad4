"""A critique of a response to a maths question, written by rule and exact arithmetic, without a model.

The grader decides whether the final answer is right; the critique's verdict always equals it. This module finds what to
say: the first step with a false calculation, else where the response departs from a worked solution, else the answer
itself. In the style `derive` the text works the problem out before it judges, from the worked solution
(scripts/lib/teachers/derivation.py); what it judges and where it points is the same. The text is a function of the
arguments alone, so a second run writes the same bytes.

Example, for the response "3 + 4 = 8\\n8 * 2 = 16" with answer "14":
"Step 1: 3 + 4 = 8 is wrong: 3 + 4 = 7. The final answer 16 is wrong; it should be 14. Conclusion: wrong [END]"
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from scripts.lib.teachers.arithmetic import MAX_CHARACTERS, Statement, find_statements, show_number, value_of
from scripts.lib.teachers.derivation import NO_DERIVATION, derive

MAX_QUOTE = 80  # characters of an answer or of one calculation
MAX_SOLUTION = 240  # characters of a worked solution without calculations
LONG_STATEMENT = 30  # characters above which the sides are not repeated
MAX_LISTED = 4  # calculations quoted in one sentence

_NUMBERED = re.compile(r"(?m)^[ \t]*(?:\*\*)?(?:Step\s+)?(\d{1,3})\s?[.:)](?=\s|\*)")
_INLINE = re.compile(r"(?i)(?<![A-Za-z])step\s+(\d{1,3})\s?[:.]")
_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\b[MD]r\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\b[ei]\.)\s+(?=[A-Z0-9$\\(#])"
)
_CONTINUES = re.compile(r"\s*(?:&\s*)?(?:=|≈|\\approx\b|\\end\{|[)\]}.,;]*\s*$)")


@dataclass(frozen=True)
class Critique:
    """One critique.

    Attributes:
        text: plain English that ends with "Conclusion: right [END]" or "Conclusion: wrong [END]".
        verdict: equal to the grader's.
        first_wrong_step: 1-based over `split_steps(response)`; None if no step could be named.
        reason: how the flaw was found; None if none was found; "arithmetic" also for a mistake
            on the way to a right answer.
        derived: whether the text works the problem out first.
    """

    text: str
    verdict: Literal["right", "wrong"]
    first_wrong_step: int | None
    reason: Literal["arithmetic", "solution", "answer"] | None
    derived: bool = False


def split_steps(response: str) -> list[str]:
    """Returns the steps of a response, in order, stripped; [] for a blank one.

    Steps are the numbered ones ("Step 1:", "2.") if line starts count from 1; text before the first one belongs
    to it. Else steps are lines; a line that starts with a relation sign belongs to the previous one. In a single line,
    they are "Step 1: ... Step 2: ..." or the sentences.
    """
    return [response[start:end].strip() for start, end in _step_spans(response)]


def write_critique(
    response: str,
    *,
    correct: bool,
    extracted: str | None,
    answer: str,
    solution: str | None = None,
    style: Literal["brief", "derive"] = "brief",
) -> Critique:
    """Returns the critique of `response`; never raises on any text, and the same arguments give the same critique.

    Args:
        response: the text to judge; text beyond MAX_CHARACTERS is not read.
        correct: the grader's verdict on the final answer.
        extracted: the final answer that the grader read, None if it found none.
        answer: the reference answer.
        solution: a worked solution, used if the flaw is not arithmetic, and for the derivation.
        style: `derive` solves the problem first; without a worked solution, the text says that it cannot.
    """
    worked = derive(solution, _quote(answer)) if style == "derive" else None
    said, verdict, step, reason = _judge(response[:MAX_CHARACTERS], correct, extracted, answer, solution, worked)
    text = " ".join([*said, f"Conclusion: {verdict} [END]"])
    if style == "derive":
        text = "\n".join([*(worked or [NO_DERIVATION]), text])
    return Critique(text, verdict, step, reason, worked is not None)


def _judge(
    response: str, correct: bool, extracted: str | None, answer: str, solution: str | None, worked: list[str] | None
) -> tuple[list[str], Literal["right", "wrong"], int | None, Literal["arithmetic", "solution", "answer"] | None]:
    """(sentences, verdict, first wrong step, reason) on a response; `worked` is the derivation that precedes it."""
    spans = _step_spans(response)
    statements = find_statements(response)
    slip = next((statement for statement in statements if not statement.holds), None)
    step = None if slip is None else _step_of(slip, spans)
    given = "" if extracted is None else _quote(extracted)
    if correct:
        final = f"The final answer {given or _quote(answer)} is right."
        said = [f"Step {step} has a slip: {_explain(slip)}."] if slip else _all_hold(statements)
        return [*said, final], "right", step, "arithmetic" if slip else None
    final = f"The final answer {given} is wrong; it should be {_quote(answer)}."
    if not given:
        final = f"The response gives no final answer; it should be {_quote(answer)}."
    if slip:
        return [f"Step {step}: {_explain(slip)}.", final], "wrong", step, "arithmetic"
    lost = _answer_slip(statements, extracted, answer)
    if lost:
        step = _step_of(statements[-1], spans)
        said = f"The calculations hold and end at {_show(lost)}, but the answer given is {given or 'missing'}."
        return [said, final], "wrong", step, "answer"
    if solution and solution.strip():
        way = _compare(statements, solution)
        step = None if way.strange is None or not way.steps else _step_of(way.strange, spans)
        said = _against_derivation(way, step) if worked else _right_way(way, step, solution)
        return [*said, final], "wrong", step, "solution"
    said = "The calculations hold, but the approach is wrong." if statements else "No step leads to the answer."
    return [said, final], "wrong", None, "answer"


def _step_spans(response: str) -> list[tuple[int, int]]:
    """Where each step starts and ends; the spans cover the text, so that every calculation belongs to one of them."""
    if not response.strip():
        return []
    starts = _counted(_NUMBERED, response)
    lines = [match.start() for match in re.finditer(r"(?m)^(?=[^\n]*\S)", response)]
    if not starts and len(lines) > 1:
        starts = [at for at in lines if not _CONTINUES.match(response, at, _line_end(response, at))]
    if not starts:
        starts = _counted(_INLINE, response) or [0, *(match.end() for match in _SENTENCE.finditer(response))]
    starts = [0, *starts[1:]]
    return list(zip(starts, [*starts[1:], len(response)], strict=True))


def _counted(marker: re.Pattern[str], text: str) -> list[int]:
    """The offsets of at least two markers numbered 1, 2, 3, …; [] if there are none."""
    starts: list[int] = []
    for match in marker.finditer(text):
        if int(match.group(1)) == len(starts) + 1:
            starts.append(match.start())
    return starts if len(starts) > 1 else []


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _step_of(statement: Statement, spans: Sequence[tuple[int, int]]) -> int:
    return max(1, sum(start <= statement.position for start, _ in spans))


def _explain(slip: Statement) -> str:
    """A sentence that a statement is false and what it should be: "3 + 4 = 8 is wrong: 3 + 4 = 7"."""
    wrong = f"{_show(slip)} is wrong"
    if slip.value is None or slip.bare or len(slip.left) > MAX_QUOTE or len(slip.right) > MAX_QUOTE:
        return f"{wrong}: the two sides are not equal"
    places = len(slip.right.partition(".")[2]) if slip.literal else 0
    value, stated = (show_number(side, max(2, places)) for side in (slip.value, slip.stated))
    if max(len(value), len(stated)) > MAX_QUOTE or value == stated:
        return f"{wrong}: the two sides are not equal"
    sign = "%" if slip.percent else ""
    left, right = _equals(slip.left, value + sign), _equals(slip.right, stated + sign)
    if slip.literal:
        return f"{wrong}: {left}"
    if _is_number(slip.left):
        return f"{wrong}: {right}"
    if len(slip.left) + len(slip.right) > LONG_STATEMENT:
        return f"{wrong}: the left side is {value}{sign}, the right side {stated}{sign}"
    return f"{wrong}: {left} but {right}"


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[\s(\-]*[\d.,]+[\s)]*", text))


def _equals(side: str, value: str) -> str:
    if _is_number(side):
        return side
    return f"{side} is {value}" if value.startswith("about") else f"{side} = {value}"


def _show(statement: Statement) -> str:
    left, right = statement.left, statement.right
    return f"{_clip(left)} = {_clip(right)}"


def _all_hold(statements: Sequence[Statement]) -> list[str]:
    shown = _listed(_distinct(statements), ", ")
    return [f"The calculations hold: {shown}."] if shown else []


def _listed(statements: Sequence[Statement], joint: str) -> str:
    """The first calculations and the last one, so that the result is not cut off."""
    shown = [_show(statement) for statement in statements]
    if len(shown) <= MAX_LISTED:
        return joint.join(shown)
    return f"{joint.join(shown[: MAX_LISTED - 1])}, and so on to {shown[-1]}"


def _distinct(statements: Sequence[Statement]) -> list[Statement]:
    """The calculations with a result, each once: a calculator mark repeats the text before it."""
    kept: dict[tuple[Fraction | None, Fraction], Statement] = {}
    for statement in statements:
        if statement.literal and not statement.bare:
            kept.setdefault((statement.value, statement.stated), statement)
    return list(kept.values())


def _answer_slip(statements: Sequence[Statement], extracted: str | None, answer: str) -> Statement | None:
    """The last calculation, if it yields the reference answer but the response then states another one."""
    reference = value_of(answer)
    if reference is None or not statements or statements[-1].stated != reference:
        return None
    return statements[-1] if extracted is None or value_of(extracted) != reference else None


@dataclass(frozen=True)
class _Way:
    """A response's calculations compared with those of a worked solution.

    Attributes:
        steps: the solution's calculations.
        agreed: the response's calculations whose results the solution shares, up to the first one that it lacks.
        strange: that first one; None if there is none.
    """

    steps: list[Statement]
    agreed: list[Statement]
    strange: Statement | None

    @property
    def missing(self) -> list[Statement]:
        """The solution's calculations from the first result that the response never reaches."""
        seen = {statement.stated for statement in self.agreed}
        return self.steps[next((index for index, step in enumerate(self.steps) if step.stated not in seen), 0) :]


def _compare(statements: Sequence[Statement], solution: str) -> _Way:
    steps = _distinct(find_statements(solution))
    results = {statement.stated for statement in steps}
    agreed: list[Statement] = []
    for statement in _distinct(statements):
        if statement.stated not in results:
            return _Way(steps, agreed, statement)
        agreed.append(statement)
    return _Way(steps, agreed, None)


def _right_way(way: _Way, step: int | None, solution: str) -> list[str]:
    """Where the response departs from the worked solution, and how the solution continues."""
    if not way.steps:
        formulas = [part for part in split_steps(solution) if "=" in part]
        worked = _quote(" ".join(formulas) or solution, MAX_SOLUTION)
        return [f"The approach does not lead to the answer. The right way: {worked}."]
    right_way = _listed(way.missing, ", then ")
    if way.strange is None:
        return [f"The steps do not lead to the answer. The right way goes on with {right_way}."]
    return [f"By step {step} ({_show(way.strange)}) the work has left the right way: {right_way}."]


def _against_derivation(way: _Way, step: int | None) -> list[str]:
    """Where the response departs from the critique's derivation."""
    if not way.steps:
        return ["The response does not come to this."]
    said = [f"The response agrees on {_listed(way.agreed, ', ')}."] if way.agreed else []
    if way.strange is not None:
        return [*said, f"By step {step} ({_show(way.strange)}) the response has left this way."]
    if not way.agreed:
        return ["The response shows none of these calculations."]
    whole = {statement.stated for statement in way.steps} <= {statement.stated for statement in way.agreed}
    return [*said, "It ends elsewhere." if whole else f"It does not go on to {_show(way.missing[0])}."]


def _clip(text: str, limit: int = MAX_QUOTE) -> str:
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def _quote(text: str, limit: int = MAX_QUOTE) -> str:
    """Quoted text on one line, shortened, without calculator marks and without the words that end a critique."""
    text = re.sub(r"<<[^<>\n]*>>|(?i:\[END\]|conclusion\s*:\s*(?:right|wrong)?)", "", text[: 4 * limit])
    return _clip(" ".join(text.split()), limit).rstrip(".").strip() or "(blank)"
