r"""Grades the answers in a file: one line of JSON out for each row in, in order, and the accuracy on the terminal.

    python -m scripts.grade_file --kind math --gold-field gold --prediction-field prediction IN.jsonl OUT.jsonl
    python -m scripts.grade_file --explain a IN.jsonl

A row in:   {"id": "a", "gold": "\\frac{1}{2}", "prediction": "... so it is \\boxed{0.5}."}
A line out: the same columns, and {"verdict": true, "extracted": "0.5", "ours": true, "math_verify": true,
             "authors_cft": true, "authors_thinkpo": true, "grader_version": 4}

IN is JSON Lines, CSV with a heading (.csv), either of them gzipped (.gz), or Parquet (.parquet). A column of the input
that has the name of one of ours is kept under `input_<name>`.

`verdict` (ours) is true or false, or null if the row has no gold or grading failed. `error` is there only if a part of
the grade failed: the line is not a JSON object, or a comparison ran into the deadline. If no row has a required column,
the program stops before grading. `--set-field` names the column with the set of each row: the authors' graders have
special rules for some sets. `--explain` writes no file: it explains our verdict on one row or on all.
"""

import argparse
import csv
import gzip
import io
import json
import logging
import math
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading import GRADER_OPTIONS, GRADER_VERSION, SETS, Grade, Item, grade
from scripts.lib.jsonl import AsWritten, BadInput, replacing

LOG = logging.getLogger(__name__)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, metavar="IN", help="rows to grade: .jsonl, .csv (.gz), .parquet")
    parser.add_argument(
        "output", type=Path, nargs="?", metavar="OUT.jsonl", help="JSON Lines: the rows with their verdicts"
    )
    parser.add_argument("--kind", choices=("math", "choice"), default="math", help="what the answers are (math)")
    parser.add_argument("--gold-field", default="gold", help="column of the reference answer (gold)")
    parser.add_argument("--prediction-field", default="prediction", help="column of the model's text (prediction)")
    parser.add_argument("--choices-field", help="column with the list of the options' texts (choice only)")
    parser.add_argument("--set-field", help="column that says which set a row is of: " + ", ".join(SETS))
    parser.add_argument("--workers", type=int, help="worker processes (one for each core)")
    parser.add_argument("--deadline", type=float, default=10.0, metavar="SECONDS", help="limit per grader and row (10)")
    parser.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="ID",
        help="explain our verdict on the row ID, or, as the last argument without ID, on all rows",
    )
    args = parser.parse_args(argv)
    if args.deadline <= 0 or (args.workers is not None and args.workers < 1):
        parser.error("--deadline must be positive and --workers at least 1")
    if args.output is None and args.explain is None:
        parser.error("name the file to write, OUT.jsonl, or ask for --explain")
    return args


def read_items(lines: Sequence[str], args: argparse.Namespace) -> tuple[list[dict], list[Item], list[str | None]]:
    """Rows, items and errors, one of each per line; a line that cannot be parsed has an item without a gold answer."""
    rows, items, errors = [], [], []
    for line in lines:
        row, item, error = {}, Item(None, None, args.kind), None
        try:
            found = json.loads(line.removeprefix("\ufeff"), parse_float=AsWritten, parse_constant=_refused)
            if not isinstance(found, dict):
                raise ValueError("the line is not a JSON object")
            row = found
            missing = [name for name in (args.gold_field, args.prediction_field) if name not in row]
            if missing:
                raise ValueError(f"no column {missing[0]!r} (there are: {', '.join(map(str, row)) or 'none'})")
            item = _item(row, args)
        except (ValueError, RecursionError) as problem:
            error = f"unreadable row: {problem}"[:300]
        rows.append(row)
        items.append(item)
        errors.append(error)
    return rows, items, errors


def _item(row: dict, args: argparse.Namespace) -> Item:
    choices = row.get(args.choices_field) if args.choices_field else None
    if choices is not None and not isinstance(choices, list):
        raise ValueError(f"column {args.choices_field!r} is not a list")
    options = {name: row[name] for name in GRADER_OPTIONS if row.get(name) is not None}
    return Item(
        prediction=_text(row[args.prediction_field]),
        gold=_text(row[args.gold_field]),
        kind=args.kind,
        choices=tuple(str(choice) for choice in choices or ()),
        options=options if args.kind == "math" else {},
        of_set=_set(row, args),
    )


def _set(row: dict, args: argparse.Namespace) -> str:
    """The set of a row: the authors' graders keep units on minerva and read letters differently on gpqa."""
    return str(row.get(args.set_field) or "") if args.set_field else ""


def warn_of_sets(items: Sequence[Item]) -> None:
    """Logs the sets that the authors' graders do not know, since a misspelt name would silently lose its rules."""
    unknown = sorted({item.of_set for item in items if item.of_set} - set(SETS))
    if unknown:
        LOG.warning("no set of the authors' graders: %s (known: %s)", ", ".join(unknown), ", ".join(SETS))


def _refused(word: str) -> None:
    raise ValueError(f"{word} is not a JSON number")


def _text(value: object) -> str | None:
    if isinstance(value, AsWritten):
        return str(value)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def line_out(row: dict, result: Grade, error: str | None) -> str:
    """One line of the output: the row's own columns, then the verdicts."""
    ours = {
        "verdict": result.verdict,
        "extracted": result.extracted,
        "ours": result.verdict,
        "math_verify": result.math_verify,
        "authors_cft": result.authors_cft,
        "authors_thinkpo": result.authors_thinkpo,
        "grader_version": GRADER_VERSION,
    }
    if error or result.error:
        ours["error"] = error or result.error
    kept = {f"input_{name}" if name in ours else name: value for name, value in row.items()}
    return json.dumps(kept | ours, ensure_ascii=True)


def explanations(rows: Sequence[dict], items: Sequence[Item], wanted: str) -> list[str]:
    """How our verdict is reached, for the row whose id is `wanted` or for all rows with a gold answer.

    Raises:
        BadInput: no row has that id.
    """
    from scripts.lib.grading import graders

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    lines = []
    for row, item in zip(rows, items, strict=True):
        if item.gold is None or (wanted and str(row.get("id")) != wanted):
            continue
        lines += [f"{row.get('id', '(no id)')}:", *(f"  {line}" for line in graders.explain(item))]
    if wanted and not lines:
        raise BadInput(f"no row with a gold has the id {wanted!r}. Name another id, or put --explain last without one.")
    return lines


def read_lines(path: Path) -> list[str]:
    """The rows of a file as lines of JSON; bytes that are not UTF-8 become U+FFFD.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            return read_parquet(path)
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            text = file.read().decode("utf-8", errors="replace")
        if ".csv" in path.suffixes[-2:]:
            csv.field_size_limit(sys.maxsize)  # a model's text may be long
            rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="more columns")
            return [json.dumps({name: value or None for name, value in row.items()}) for row in rows]
    except (OSError, EOFError, zlib.error, csv.Error) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise BadInput(f"{path}: cannot be read ({reason}). Name an existing file of rows.") from None
    lines = text.split("\n")
    return lines if lines[-1].strip() else lines[:-1]


def read_parquet(path: Path) -> list[str]:
    """The rows of a Parquet file as lines of JSON.

    Raises:
        BadInput: it is not a Parquet file.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid as problem:
        raise BadInput(f"{path}: cannot be read ({problem}). Name an existing file of rows.") from None
    return [json.dumps(row, default=str) for row in rows]


def check_columns(rows: Sequence[dict], args: argparse.Namespace) -> None:
    """Raises BadInput if a column that a flag names is in no row, so that no row would get a verdict."""
    there = {name: None for row in rows for name in row}
    for flag in ("gold_field", "prediction_field", "choices_field", "set_field"):
        name = getattr(args, flag)
        if rows and name is not None and name not in there:
            listed = ", ".join(map(str, there)) or "none"
            shown = "--" + flag.replace("_", "-")
            raise BadInput(f"{args.input}: no row has the column {name!r} (there are: {listed}). Name it with {shown}.")


def main(args: argparse.Namespace) -> int:
    """Grades a file."""
    if args.output is not None and args.output.exists() and args.output.samefile(args.input):
        raise BadInput(f"{args.output}: the output would overwrite the input. Name another file to write.")
    rows, items, errors = read_items(read_lines(args.input), args)
    check_columns(rows, args)
    if args.explain is not None:
        sys.stdout.write("".join(f"{line}\n" for line in explanations(rows, items, args.explain)))
        return 0
    warn_of_sets(items)
    grades = grade(items, workers=args.workers, deadline_s=args.deadline)
    with replacing(args.output) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row, result, error in zip(rows, grades, errors, strict=True):
            out.write(line_out(row, result, error) + "\n")
    failed = sum(error is not None or result.error is not None for result, error in zip(grades, errors, strict=True))
    sys.stdout.write(f"{accuracy([result.verdict for result in grades])}; {failed} of {len(rows)} rows with an error\n")
    return 0


def accuracy(verdicts: Sequence[bool | None]) -> str:
    """The share of right answers among those with a verdict, with its standard error."""
    judged = [verdict for verdict in verdicts if verdict is not None]
    if not judged:
        return "no row has a verdict"
    right = sum(judged)
    mean = right / len(judged)
    error = math.sqrt(mean * (1 - mean) / max(1, len(judged) - 1))
    without = f" ({len(verdicts) - len(judged)} without a verdict)" if len(judged) < len(verdicts) else ""
    return f"accuracy {100 * mean:.1f} ± {100 * error:.1f} %: {right} right of {len(judged)}{without}"


if __name__ == "__main__":
    cli.run(main, parse_args)
