"""How far each of the verdicts agrees with the labels of real graded outputs; prints a Markdown table.

    python -m bench.grading_quality [--every 5] [--disagreements longshort_minerva]

Reads the labelled sets of `tests/shared_data.py` and leaves out those that are not there. A set's labels were made by
some other grader, so a row counts what that grader said, not what is true: read the disagreements.
"""

import argparse
import sys
from collections.abc import Sequence

from _pytest.outcomes import Skipped

from scripts.lib.grading import Grade, Item, grade
from tests import shared_data

MATH = ("openai_graded_gsm8k/graded.jsonl.gz", "cs336_r1_math/sft.jsonl.gz", "eic_math/cases.jsonl.gz",
        "mr_gsm8k/human_critiques.jsonl.gz", "bigbench_mistake/traces.jsonl.gz")  # fmt: skip


def labelled_sets() -> dict[str, list[tuple[Item, bool]]]:
    """Items and labels by the name of their set."""
    sets: dict[str, list[tuple[Item, bool]]] = {}
    for name in MATH:
        sets[name.split("/")[0]] = [
            (Item(row["response"], row["answer"]), row["correct"])
            for row in _rows(name)
            # Other subjects of BIG-Bench-Mistake have answers that are not values.
            if row.get("answer") is not None and row.get("subject", "multistep_arithmetic") == "multistep_arithmetic"
        ]
    for row in _rows("longshort_skyt1/pairs.jsonl.gz"):
        kind = "minerva" if "minerva" in row["id"] else "math500"
        rows = [row, *row["short_responses"]]
        sets.setdefault(f"longshort_{kind}", []).extend(
            (Item(r["response"], row["answer"]), r["correct"]) for r in rows
        )
    sets["mmlu_pro"] = [
        (Item(row["response"], row["answer"], kind="choice", choices=tuple(row["choices"])), row["correct"])
        for row in _rows("mmlu_pro/llama2_7b_graded.jsonl.gz")
    ]
    sets["grader_cases"] = [
        (Item(row["prediction"], row["gold"], row["kind"], tuple(row.get("choices", ()))), row["label"])
        for row in _rows("grader_cases/cases.jsonl")
    ]
    return {name: rows for name, rows in sets.items() if rows}


def _rows(name: str) -> list[dict]:
    try:
        return shared_data.rows(name)
    except Skipped:
        return []


def cells(grades: list[Grade], labels: list[bool], field: str) -> str:
    """Agreement, false accepts and false rejects of one verdict against the labels."""
    verdicts = [bool(getattr(result, field)) for result in grades]
    pairs = list(zip(verdicts, labels, strict=True))
    agreed = sum(verdict == label for verdict, label in pairs) / len(pairs)
    accepts = sum(verdict and not label for verdict, label in pairs)
    return f"{agreed:.4f} | {accepts} | {sum(label and not verdict for verdict, label in pairs)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.grading_quality", description=__doc__.split("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="grade every n-th row only (1)")
    parser.add_argument("--disagreements", metavar="SET", help="print the rows of SET where ours is not the label")
    args = parser.parse_args(argv)
    sets = labelled_sets()
    if args.disagreements:
        rows = sets[args.disagreements][:: args.every]
        for (item, label), result in zip(rows, grade([item for item, _ in rows]), strict=True):
            if result.verdict != label:
                print(
                    f"label {label}: gold {item.gold!r}, extracted {result.extracted!r}, ends {item.prediction[-90:]!r}"
                )
        return 0
    print("| set | rows | ours | FA | FR | math-verify | FA | FR | CFT | FA | FR | ThinkPO | FA | FR | errors |")
    print("| --- |" + " ---: |" * 11)
    for name, rows in sets.items():
        rows = rows[:: args.every]
        grades, labels = grade([item for item, _ in rows]), [label for _, label in rows]
        errors = sum(result.error is not None for result in grades)
        columns = " | ".join(
            cells(grades, labels, field) for field in ("verdict", "math_verify", "authors_cft", "authors_thinkpo")
        )
        print(f"| {name} | {len(rows)} | {columns} | {errors} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
