"""How often the verifier teacher points at the step that people marked, and how often it calls a true one false.

Run as `python -m bench.verifier_accuracy`; takes a minute on one core. Reads the data through `tests.shared_data`.
"A false equation" is decided here without the module under test: the literal text on both sides of "=" is read by
Python's own `ast`, with exact fractions, and the sides differ (on MR-GSM8K, with rounded numbers: by more than half a
unit of the last place written).
"""

import ast
import re
import sys
import time
from collections import Counter
from fractions import Fraction
from statistics import median

from scripts.lib.teachers.arithmetic import find_statements, show_number
from scripts.lib.teachers.verifier import split_steps, write_critique
from tests.shared_data import rows

_OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_LEFT = re.compile(r"[-+*/().\d\s]+$")
_RIGHT = re.compile(r"[-+*/().\d\s]+")
MARK = re.compile(r"<<([^<>\n]*)>>")


def literal_value(text: str) -> Fraction | None:
    """The value of Python arithmetic text, None if Python's parser or the whitelist rejects it."""
    try:
        return _value(ast.parse(text.strip().rstrip("."), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    raise ValueError("not arithmetic")


def literal_pairs(text: str) -> list[tuple[Fraction | None, Fraction | None, str]]:
    """Both values and the right text at each "=", for sides that are digits, signs and brackets only."""
    sides, pairs = re.sub(r"(?<=\d)\s?x\s?(?=\d)", "*", text).split("="), []
    for before, after in zip(sides, sides[1:], strict=False):
        left, right = _LEFT.search(before), _RIGHT.match(after)
        if not (left and right and left.group().strip() and right.group().strip()):
            continue
        head, tail = before[: left.start()], after[right.end() :]
        # "x - 4 = 2" and "5 = 3x" have a letter as a term: such a side is not literal.
        term = re.search(r"\b[A-Za-z]\s*$", head) or left.group().strip()[0] in "+-*/" and re.search(r"\w\s*$", head)
        if term or tail[:1].isalpha() and not right.group()[-1].isspace():
            continue
        pairs.append((literal_value(left.group()), literal_value(right.group()), right.group().strip().rstrip(".")))
    return pairs


def holds_false_equation(text: str) -> bool:
    """Whether two literal sides of one "=" differ, exactly."""
    return any(None not in (left, right) and left != right for left, right, _ in literal_pairs(text))


def holds_false_result(text: str) -> bool:
    """The same for text with calculator marks, currency signs and rounded results."""
    for part in (*MARK.findall(text), MARK.sub("", text)):
        for left, right, written in literal_pairs(re.sub(r"[,$]", "", part)):
            half = Fraction(1, 2 * 10 ** len(written.partition(".")[2]))
            if None not in (left, right) and abs(left - right) > half:
                return True
    return False


def line(name: str, part: int, whole: int) -> None:
    print(f"{name:<86}{part:>6} of {whole:<6}{part / whole:>7.3f}" if whole else f"{name:<86}{part:>6} of 0")


def measure_bigbench() -> None:
    """First wrong step against the labelled one on BIG-Bench-Mistake multistep_arithmetic."""
    counts, misses = Counter(), {}
    for row in rows("bigbench_mistake/traces.jsonl.gz"):
        if row["subject"] != "multistep_arithmetic":
            continue
        steps, label = row["response"].split("\n"), row.get("first_error_step")
        counts["steps equal"] += split_steps(row["response"]) == [step.strip() for step in steps]
        counts["traces"] += 1
        found = write_critique(
            row["response"], correct=row["correct"], extracted=row["model_answer"], answer=row["answer"]
        ).first_wrong_step
        if label is None:
            false = any(holds_false_equation(step) for step in steps)
            counts["unlabelled, false" if false else "unlabelled, true"] += 1
            if found is not None:
                counts["unlabelled, false, flagged" if false else "unlabelled, true, flagged"] += 1
            continue
        counts["labelled"] += 1
        counts["labelled, hit"] += found == label
        false = holds_false_equation(steps[label - 1])
        counts["labelled, false"] += false
        counts["labelled, false, hit"] += false and found == label
        if found != label:
            earlier = any(holds_false_equation(step) for step in steps[: label - 1])
            kind = "label step readable and true" if not false else "missed"
            misses.setdefault("an earlier step holds a false equation" if earlier else kind, []).append(row["id"])
    print("BIG-Bench-Mistake, multistep_arithmetic (the trace's steps joined by line breaks)")
    for name, part, whole in (
        ("split_steps gives the trace's own steps", "steps equal", "traces"),
        ("first wrong step = label, labelled step holds a false equation", "labelled, false, hit", "labelled, false"),
        ("first wrong step = label, all traces with a labelled mistake", "labelled, hit", "labelled"),
        ("no labelled mistake, no false equation: flagged", "unlabelled, true, flagged", "unlabelled, true"),
        ("no labelled mistake, yet a false equation: flagged", "unlabelled, false, flagged", "unlabelled, false"),
    ):
        line(f"  {name}", counts[part], counts[whole])
    for kind, ids in sorted(misses.items()):
        print(f"  miss, {kind}: {', '.join(name.rpartition('-')[2] for name in ids)}")


def measure_mr_gsm8k() -> None:
    """First wrong step against the human-marked one on MR-GSM8K."""
    counts = Counter()
    for row in rows("mr_gsm8k/human_critiques.jsonl.gz"):
        given = re.search(r"####\s*([^\n]+)", row["response"])
        critique = write_critique(
            row["response"],
            correct=row["correct"],
            extracted=given and given.group(1),
            answer=row["answer"] or "not given",
            solution=row["solution"],
        )
        hit = critique.first_wrong_step == row["first_error_step"]
        steps = split_steps(row["response"])
        false = any(holds_false_result(step) for step in steps)
        at_label = steps[row["first_error_step"] - 1] if row["first_error_step"] <= len(steps) else ""
        counts["rows"] += 1
        counts["hit"] += hit
        counts["holds false"] += false
        counts[critique.reason] += 1
        counts[critique.reason, "hit"] += hit
        counts["none"] += critique.first_wrong_step is None
        if holds_false_result(at_label):
            counts["false at label"] += 1
            counts["false at label, hit"] += hit
    print("MR-GSM8K, solutions that people marked wrong")
    line("  hold a false equation anywhere", counts["holds false"], counts["rows"])
    line("  first wrong step = the marked one, all", counts["hit"], counts["rows"])
    line("  the same, marked step holds a false equation", counts["false at label, hit"], counts["false at label"])
    for reason in ("arithmetic", "solution", "answer"):
        line(f"  the same, found by {reason}", counts[reason, "hit"], counts[reason])
    line("  no step named", counts["none"], counts["rows"])


def measure_false_alarms() -> None:
    """Prints rows of text that its source calls right but has a statement judged false, for inspection."""
    gsm8k_test, gsm8k_train = rows("gsm8k/test.jsonl"), rows("gsm8k/train.jsonl.gz")
    graded = [row for row in rows("openai_graded_gsm8k/graded.jsonl.gz") if row["correct"]]
    sets = {
        "gsm8k test solutions, marks kept": [(row["id"], row["solution"]) for row in gsm8k_test],
        "gsm8k test solutions, marks stripped": [(row["id"], MARK.sub("", row["solution"])) for row in gsm8k_test],
        "gsm8k train solutions, marks kept": [(row["id"], row["solution"]) for row in gsm8k_train],
        "openai_graded_gsm8k, responses graded correct": [(row["id"], row["response"]) for row in graded],
        "MATH train solutions": [(row["id"], row["solution"]) for row in rows("math/train.jsonl.gz")],
    }
    print("Statements called false in texts that are right by their source (listed with what the left side comes to)")
    for name, texts in sets.items():
        judged = [(row_id, find_statements(text)) for row_id, text in texts]
        flagged = [(row_id, [s for s in found if not s.holds]) for row_id, found in judged]
        flagged = [(row_id, found) for row_id, found in flagged if found]
        statements = sum(len(found) for _, found in judged)
        line(f"  {name}: rows flagged ({statements} statements judged)", len(flagged), len(texts))
        for row_id, found in flagged:
            value = "?" if found[0].value is None else show_number(found[0].value)
            print(f"      {row_id}: {found[0].left} = {found[0].right}  [{value}]")


def measure_length() -> None:
    """Length of critiques of real responses with a worked solution, and the time per critique."""
    responses = rows("openai_graded_gsm8k/graded.jsonl.gz")
    start, lengths = time.perf_counter(), []
    for row in responses:
        critique = write_critique(
            row["response"],
            correct=row["correct"],
            extracted=row["response"].rpartition("A:")[2].strip(),
            answer=row["answer"],
            solution=row["solution"],
        )
        lengths.append(len(critique.text))
    each = (time.perf_counter() - start) / len(responses)
    print(f"Critiques of {len(responses)} real GSM8K responses: median {median(lengths):.0f} characters,", end=" ")
    print(f"90 % under {sorted(lengths)[len(lengths) * 9 // 10]}, {each * 1000:.1f} ms each")


def main() -> int:
    for measure in (measure_bigbench, measure_mr_gsm8k, measure_false_alarms, measure_length):
        measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
