"""Chooses and renders one run's training rows.

sft: question → answer (a sampled response, a teacher's, or the dataset's worked solution). cft: [question; response] →
critique. cgd: [question; response; critique] → refined answer. All give `{"id", "messages", "completion"}`; dpo, spin
and thinkpo give `{"id", "messages", "chosen", "rejected"}`.

A training set has one part or several, in given shares. Rows are drawn by a hash of seed and id, first one of each
question, then a second one, so that every run that draws from the same pool gets the same responses. Rows that the
trainer would leave out (over `max_tokens`, an end token inside: `limit`) are removed before counting.

The summary states how many rows were requested and found (`rows_asked`, `rows`), and how many were left out without the
config asking for it (`left_out`, by reason), also in the datasets behind them (`datasets`).

    python -m scripts.build_train_set --settings '{"run": "sft-verified", "seed": 1, "rows": 96, \\
        "when_short": "fail", \\
        "parts": [{"method": "sft", "kind": "responses", "keep": "correct", "weight": 1, "files": 1, \\
        "prompt": "prompts/answer.j2"}]}' --data results/laptop/responses/arithmetic-self/graded.jsonl \\
        --datasets results/laptop/datasets/arithmetic.json \\
        --train-set results/laptop/train_sets/sft-verified.jsonl \\
        --summary results/laptop/train_sets/sft-verified.json
"""

import argparse
import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.prompts import hashes
from scripts.lib.jsonl import BadInput, read_json, write_json, write_rows
from scripts.lib.study.quotas import least
from scripts.lib.training import lengths
from scripts.lib.training.controls import question_of
from scripts.lib.training.pools import Limit, drawn, of_length, pool_of, rendered
from scripts.lib.training.stored import Row

VERSION = 2  # raise by hand when the training set would differ
log = logging.getLogger(__name__)

# Counts of a part that are not losses: the config asks for them.
ASKED_FOR = ("filtered_out", "questions_without_contrast", "format_only", "pairs")


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: parts, rows, seed")
    parser.add_argument("--data", nargs="+", required=True, help="the parts' files (JSON Lines), in their order")
    parser.add_argument("--datasets", nargs="*", default=[], help="summaries of the datasets behind them (JSON)")
    parser.add_argument("--tokenizer", default=None, help="a model folder, to count tokens")
    parser.add_argument("--workers", type=int, default=1, help="threads that count tokens")
    parser.add_argument("--train-set", required=True, help="JSON Lines to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Filters, chooses and renders the rows of each part."""
    settings = args.settings
    summary = cli.Summary("build_train_set", settings)
    ruler = lengths.Ruler(args.tokenizer, settings.get("limit"), args.workers)
    datasets = {Path(file).stem: dataset_counts(read_json(file)) for file in args.datasets}
    files = list(args.data)
    shares = split(settings["rows"], [part["weight"] for part in settings["parts"]])
    rows: list[tuple[str, Row, dict]] = []  # name, row and part
    counts = []
    for number, (part, wanted) in enumerate(zip(settings["parts"], shares, strict=True)):
        mine, files = files[: part["files"]], files[part["files"] :]
        chosen, count = rows_of_part(settings, part, mine, wanted, ruler, datasets)
        several = len(settings["parts"]) > 1
        rows += [(f"{number}:{row['id']}" if several else row["id"], row, part) for row in chosen]
        counts.append(count)
    if not rows:
        raise BadInput(f"run {settings['run']}: no row is left to train on. Check runs.{settings['run']}.data.")
    rows.sort(key=lambda named: named[0])
    write_rows(args.train_set, (rendered(row, part) | {"id": name} for name, row, part in rows))
    fields = {"rows": len(rows), "rows_asked": asked_for(counts), "left_out": losses(counts), "datasets": datasets}
    fields |= unchanged(counts)
    tell(settings["run"], fields)
    prompts = hashes(part["prompt"] for part in settings["parts"])
    write_json(args.summary, summary.fields(**fields, parts=counts, prompt_sha256=prompts))
    return 0


def split(rows: int | None, weights: list[float]) -> list[int | None]:
    """`rows`, split in proportion to `weights` (None: each part gives all its rows).

    >>> split(10, [1, 2])
    [3, 7]
    """
    if rows is None:
        return [None] * len(weights)
    edges = [round(rows * sum(weights[:count]) / sum(weights)) for count in range(len(weights) + 1)]
    return [after - before for before, after in zip(edges, edges[1:], strict=False)]


def rows_of_part(
    settings: dict, part: dict, files: list[str], wanted: int | None, ruler: lengths.Ruler, datasets: dict
) -> tuple[list[Row], dict]:
    """The training rows of one part, and its counts.

    Args:
        settings: the job's settings.
        part: one of its parts.
        files: the part's files.
        wanted: number of rows from the part (None: all, or the number under `gap_rows` or `like_rows`).
        ruler: measures rows.
        datasets: facts about the datasets behind the part, for error messages.

    Raises:
        BadInput: there are fewer rows than the settings allow.
    """
    *files, like = [*files, None] if not part.get("like") else files
    limit, seed = Limit(part, ruler), settings["seed"]
    pool, usable, count = pool_of(part, files, seed, limit)
    asked = by_length(part) if wanted is None else wanted
    chosen = choose_each(of_length(pool, part, like, limit), part, asked, seed, limit)
    loosened = len(chosen) < enough(asked, settings)
    if loosened:
        if settings["when_short"] != "take-unfiltered":
            count["left_out"] |= limit.left_out
            raise BadInput(too_few(settings, part, files, count, len(chosen), asked) + told_of(datasets))
        chosen = choose_each(usable, part, asked, seed, limit)
    if part.get("length_gap"):
        count["mean_gap"] = lengths.mean_gap(chosen, ruler.tokens)
    count["left_out"] |= limit.left_out
    questions = len(set(map(question_of, chosen)))
    count |= {"in_pool": len(pool), "rows": len(chosen), "rows_asked": asked, "questions": questions}
    count["filter_loosened"] = loosened
    if part.get("critique_shown", "own") != "own":
        count["critiques_unchanged"] = sum(row.get("critique_unchanged", False) for row in chosen)
    return chosen, count


def by_length(part: dict) -> int | None:
    """The number of rows of a part that chooses them by length; None for other parts."""
    return part["gap_rows"] if part.get("length_gap") else part["like_rows"] if part.get("like") else None


def enough(asked: int | None, settings: dict) -> int:
    """The smallest acceptable number of rows."""
    return least(asked or 1, settings["when_short"], settings.get("slack", 0.0))


def choose_each(pool: list[Row], part: dict, wanted: int | None, seed: int, limit: Limit) -> list[Row]:
    """`choose`, for SPIN from the pairs of each iteration in equal shares."""
    if part["method"] != "spin" or wanted is None:
        return choose(pool, wanted, seed, limit)
    shares = split(wanted, [1.0] * len(part["iterations"]))
    chosen = []
    for iteration, share in zip(part["iterations"], shares, strict=True):
        mine = [row for row in pool if row["id"].startswith(f"t{iteration}:")]
        chosen += choose(mine, share, seed, limit)
    return chosen


def choose(pool: list[Row], wanted: int | None, seed: int, limit: Limit) -> list[Row]:
    """`wanted` rows of the pool that fit, drawn by a hash of seed and id: one of each question before a second of any.

    Rows are asked whether they fit only until there are enough; those that are next in turn are measured with them.
    """
    waiting: dict[str, Iterator[tuple[float, str, Row]]] = {}
    for draw in sorted(((drawn(row, seed), row["id"], row) for row in pool), key=lambda item: item[:2]):
        waiting.setdefault(question_of(draw[2]), []).append(draw)
    waiting = {question: iter(rows) for question, rows in waiting.items()}
    heap = [(1, *next(rows)) for rows in waiting.values()]
    heapq.heapify(heap)
    chosen: list[Row] = []
    while heap and (wanted is None or len(chosen) < wanted):
        turn, _, _, row = heapq.heappop(heap)
        if not limit.knows(row):
            lacking = len(pool) if wanted is None else wanted - len(chosen)
            following = heapq.nsmallest(min(lacking, lengths.BATCH) - 1, heap)
            limit.measure([row, *(item[-1] for item in following)])
        taken = limit.fits(row)
        chosen += [row] if taken else []
        for following in itertools.islice(waiting[question_of(row)], 1):
            heapq.heappush(heap, (turn + taken, *following))
    return chosen


def dataset_counts(summary: dict) -> dict:
    """The counts of rows in a dataset's summary."""
    left_out = {reason: count for reason, count in summary.get("left_out", {}).items() if count}
    return {"rows": summary["rows"], "rows_asked": summary.get("rows_asked"), "left_out": left_out}


def asked_for(counts: list[dict]) -> int | None:
    """The number of rows requested from all parts; None if one gives all its rows."""
    asked = [count["rows_asked"] for count in counts]
    return None if None in asked else sum(asked)


def losses(counts: list[dict]) -> dict[str, int]:
    """The rows dropped from the parts, by reason, except those that the config asks to drop."""
    total: Counter = Counter()
    for count in counts:
        for reason, number in count["left_out"].items():
            total.update(number if isinstance(number, dict) else {reason: number})  # SPIN counts by iteration
    return {reason: number for reason, number in total.items() if number and reason not in ASKED_FOR}


def unchanged(counts: list[dict]) -> dict[str, int]:
    """The number of rows of a CGD control that show the row's own critique; {} if there is no control."""
    found = [count["critiques_unchanged"] for count in counts if "critiques_unchanged" in count]
    return {"critiques_unchanged": sum(found)} if found else {}


def tell(run: str, fields: dict) -> None:
    """Logs missing rows and losses."""
    if fields["rows_asked"] is not None and fields["rows"] < fields["rows_asked"]:
        log.warning("run %s: %d of the %d rows requested", run, fields["rows"], fields["rows_asked"])
    if fields["left_out"]:
        reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in fields["left_out"].items())
        log.warning("run %s: left out: %s", run, reasons)
    if fields.get("critiques_unchanged"):
        log.warning(
            "run %s: %d of its %d rows keep their own critique unchanged",
            run,
            fields["critiques_unchanged"],
            fields["rows"],
        )


def too_few(settings: dict, part: dict, files: list[str], count: dict, found: int, asked: int | None) -> str:
    """The error message for a pool that is too small, with the size that would suffice."""
    run, wanted = settings["run"], asked or 0
    share = found / count["rows_in"] if count["rows_in"] else 0
    about = f"about {round(wanted / share)} would do" if share else "none passes, so more rows may not help"
    what = "rows" if part["method"] in ("sft", "cft", "cgd") else "pairs"
    fewest = enough(asked, settings)
    slack = f" ({fewest} would do)" if fewest < wanted else ""
    longer = "raise max_tokens in its recipe, " if "over_max_tokens" in count["left_out"] else ""
    return (
        f"run {run}: {wanted or 'some'} {what} requested{slack}, but the {count['rows_in']} rows in {', '.join(files)} "
        f"give {found} under keep: {part['keep']} ({about}; {count}). Raise samples or the dataset's rows, "
        f"{longer}loosen runs.{run}.data.keep, lower runs.{run}.data.rows, or set slack there."
    )


def told_of(datasets: dict) -> str:
    """What the datasets behind a run have dropped, for its error message."""
    lines = [
        f" Of dataset {name}, {sum(made['left_out'].values())} rows were left out earlier ({made['left_out']})."
        for name, made in datasets.items()
        if made["left_out"]
    ]
    return "".join(lines)


if __name__ == "__main__":
    cli.run(main, parse_args)
