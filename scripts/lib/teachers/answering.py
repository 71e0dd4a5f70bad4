"""The answers of a teacher behind an endpoint, row by row: those to questions, and refined ones."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.lib.jsonl import write_rows
from scripts.lib.teachers.asking import ask
from scripts.lib.teachers.ledger import Usage
from scripts.lib.teachers.requests import Request
from scripts.lib.teachers.teaching import Teaching, check_errors

Asked = Iterator[tuple[dict, Request | None]]
Fields = Callable[[dict | None, str | None, bool], dict]


def write_answers(
    teaching: Teaching, rows: Callable[[], Asked], shard: tuple[int, int], file: str | Path, fields: Fields
) -> dict:
    """Requests missing answers, writes the rows of this shard with their answers, and returns counts for the summary.

    Args:
        teaching: the open teacher.
        rows: returns an iterator over all rows, each with its request; None for a row with an error.
        shard: (i, n): this job has the rows i, i + n, i + 2n, ….
        file: JSON Lines to write.
        fields: (journal record or None, why it is unusable, whether thoughts are trained on) → the row's
            fields from its answer.

    Raises:
        BadInput: more rows than allowed have no usable answer; then nothing is written.
    """
    counts: Counter[str] = Counter(rows=0, errors=0)
    reasons: Counter[str] = Counter()
    ask(teaching, lambda: (request for _, request in rows()), shard)
    usage, with_thoughts = Usage(teaching.ledger), teaching.teacher.get("with_thoughts", False)

    def answered() -> Iterator[dict]:
        for row, request in itertools.islice(rows(), shard[0], None, shard[1]):
            counts.update(rows=1, errors="error" in row, not_asked=request is None)
            if request is not None:
                value, error = teaching.answer(request)
                usage.add(request, value)
                row = {**row, **fields(value, error, with_thoughts), **({"error": error} if error else {})}
                counts["errors"] += error is not None
                reasons.update([error] if error else [])
            yield row
        asked = counts["rows"] - counts["not_asked"]
        check_errors(str(file), reasons.total(), asked, teaching.limits["max_errors"], reasons)

    write_rows(file, answered())
    not_asked = counts.pop("not_asked")
    return {**counts, **({"not_asked": not_asked} if not_asked else {}), "error_reasons": reasons, **usage.fields()}
