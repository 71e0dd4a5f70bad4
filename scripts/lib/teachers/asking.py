"""Asks a teacher for what its journal does not hold, request by request or in batches."""

import itertools
import logging
from collections.abc import Callable, Iterator

from scripts.lib.cli import Progress
from scripts.lib.jsonl import BadInput
from scripts.lib.teachers.events import Events
from scripts.lib.teachers.ledger import check_budget, estimate
from scripts.lib.teachers.requests import Request
from scripts.lib.teachers.teaching import Teaching

log = logging.getLogger(__name__)


def ask(teaching: Teaching, requests: Callable[[], Iterator[Request | None]], shard: tuple[int, int] = (0, 1)) -> None:
    """Requests every answer that is not in the journal; requests without an answer end up in `teaching.errors`.

    Args:
        teaching: the open teacher.
        requests: returns an iterator over the requests of all rows of the entry; None for a row without a request.
        shard: (i, n): this job has the rows i, i + n, i + 2n, …. In batch mode it requests all rows: a shard that
            waits a day must not wait for another shard.

    Raises:
        BadInput: the estimate for all rows exceeds the budget (or costs something without a budget), requests are
            pending in batches that this job does not collect, answers cannot be written to disk, or the endpoint cannot
            be used. Received answers are kept.
    """
    whole = estimate(teaching.teacher, teaching.limits, requests(), teaching.journal, teaching.ledger)
    said = whole.text(teaching.ledger, teaching.limits)
    log.info("%s: %s; spent so far: $%.2f", teaching.slug, said, teaching.ledger.spent)
    check_budget(teaching.slug, whole, teaching.ledger)
    if not whole.requests:
        return
    batch = teaching.limits["mode"] == "batch"
    missing = teaching.missing(requests() if batch else itertools.islice(requests(), shard[0], None, shard[1]))
    first = next(missing, None)
    if first is None:
        return
    check_batches(teaching, requests)
    teaching.check_disk()
    if batch:
        from scripts.lib.teachers.batch import ask_all
    else:
        from scripts.lib.teachers.live import ask_all
    total = whole.requests if batch else -(-whole.requests // shard[1])
    progress = Progress("answered", total, unit="requests")
    try:
        teaching.errors = ask_all(teaching, itertools.chain([first], missing), progress)
    finally:
        if teaching.disk_refused:
            teaching.write_again()


def check_batches(teaching: Teaching, requests: Callable[[], Iterator[Request | None]]) -> None:
    """Stops if requests are pending in batches of another teacher, or of this one before it was set to live mode.

    Raises:
        BadInput: the requests would be paid for twice.
    """
    for folder in sorted(teaching.state.glob("*/batches")):
        if folder.parent == teaching.folder and teaching.limits["mode"] == "batch":
            continue  # those will be collected
        under_way = Events(folder).under_way()
        twice = sum(int(request.key, 16) in under_way for request in teaching.missing(requests())) if under_way else 0
        if twice:
            raise BadInput(
                f"teacher {teaching.slug}: {twice:,} of its requests are under way in batches of teacher "
                f"{folder.parent.name}, and would be paid for twice. Collect them first: start the entry that sent "
                f"them, with mode: batch. If its batches are gone for good, delete {folder}."
            )
