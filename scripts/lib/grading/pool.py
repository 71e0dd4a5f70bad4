"""Verdicts for many (prediction, gold) pairs, computed in worker processes that are killed when a deadline passes.

Model output is data: it may hold `10^{10^{10}}`, 5,000 nested brackets or megabytes of nothing, and no library that
reads formulas survives all of it. Every comparison therefore runs in a worker process, and the deadline, one per
grader, is kept here, outside. A worker reports each part of each verdict as soon as it has it, so that the parent knows
which part of which row a silent worker hangs on, and keeps what the row had before. That part is null, with an error;
the parts that are still to come, and the rest of the chunk, go to another worker. (`pebble` times a whole chunk and
loses its finished rows, so it is not used.)
"""

import logging
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait

from scripts.lib.grading.items import PARTS, Grade, Item

LOG = logging.getLogger(__name__)
CHUNK_ROWS = 32  # rows sent to a worker at once: enough to hide the pipe, few enough to share the last ones out
MEMORY_BYTES = 4 << 30  # address space of one worker; a formula that asks for more gets a MemoryError
MATH_VERIFY_S = 5.0  # math-verify's own limit for one step; waiting longer for it would not change its verdict
LOG_EVERY_S = 30.0


NO_GOLD = Grade(None, None, None, None, None)


def grade(items: Sequence[Item], *, workers: int | None = None, deadline_s: float = 10.0) -> list[Grade]:
    """The grades of `items`, in their order.

    Args:
        items: what to grade.
        workers: worker processes; by default one for each core, and never more than there are chunks.
        deadline_s: seconds that each grader may take for one item.

    Returns:
        One Grade for each item. The same items give the same grades, whatever the number of workers, except where an
        item runs into the deadline.
    """
    grades: list[Grade | None] = [NO_GOLD if item.gold is None else None for item in items]
    todo = [index for index, item in enumerate(items) if item.gold is not None]
    if todo:
        count = workers or len(os.sched_getaffinity(0))
        size = max(1, min(CHUNK_ROWS, -(-len(todo) // (4 * count))))
        chunks = deque(todo[start : start + size] for start in range(0, len(todo), size))
        _Pool(items, grades, chunks, min(count, len(chunks)), deadline_s).run()
    return grades


class _Worker:
    """A process, its pipe, its chunk and its current item."""

    def __init__(self, context: multiprocessing.context.BaseContext):
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.chunk: deque[int] = deque()
        self.since = time.monotonic()
        self.ready = False

    def restart_clock(self) -> None:
        """Restarts the deadline when a part arrives or an item begins."""
        self.since = time.monotonic()

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Pool:
    """One grading run: distributes chunks, collects parts, kills late workers."""

    def __init__(self, items: Sequence[Item], grades: list, chunks: deque, count: int, deadline_s: float):
        self.items, self.grades, self.chunks = items, grades, chunks
        self.count, self.deadline_s = count, deadline_s
        self.context = multiprocessing.get_context("forkserver")
        # So that a replacement worker is a fork of a process that has already imported these.
        self.context.set_forkserver_preload(["math_verify", "mpmath", "scripts.lib.grading.warm"])
        self.workers: list[_Worker] = []
        self.parts: dict[int, dict[str, object]] = {}  # parts of unfinished items
        self.errors: dict[int, list[str]] = {}
        self.start = self.logged = time.monotonic()
        self.left = sum(len(chunk) for chunk in chunks)
        self.total = self.left

    def run(self) -> None:
        try:
            while self.left:
                waiting = sum(1 for worker in self.workers if not worker.chunk)
                while len(self.workers) < self.count and waiting < len(self.chunks):
                    self.workers.append(_Worker(self.context))
                    waiting += 1
                for worker in self.workers:
                    if worker.ready and not worker.chunk and self.chunks:
                        self._hand_out(worker)
                self._collect()
                self._log()
        finally:
            for worker in self.workers:
                worker.stop()

    def _hand_out(self, worker: _Worker) -> None:
        worker.chunk = deque(self.chunks.popleft())
        worker.restart_clock()
        try:
            worker.pipe.send([(self.items[index], self.parts.get(index, {})) for index in worker.chunk])
        except OSError:  # it died; _collect sees the closed pipe
            LOG.debug("worker %s is gone", worker.process.pid)

    def _collect(self) -> None:
        now = time.monotonic()
        next_deadline = min((w.since + self._seconds(w) - now for w in self.workers if w.chunk), default=1.0)
        ready = set(wait([worker.pipe for worker in self.workers], timeout=max(0.0, min(1.0, next_deadline))))
        for worker in list(self.workers):
            failure = self._read(worker) if worker.pipe in ready else None
            if failure is None and worker.chunk and time.monotonic() > worker.since + self._seconds(worker):
                failure = f"no answer within {self._seconds(worker):g} s"
            if failure is not None:
                self._give_up(worker, failure)

    def _missing(self, index: int) -> str | None:
        """The part of an item that is being computed."""
        return next((part for part in PARTS if part not in self.parts.get(index, {})), None)

    def _seconds(self, worker: _Worker) -> float:
        """The time limit of a worker's current part."""
        at_library = worker.chunk and self._missing(worker.chunk[0]) == "math_verify"
        return min(self.deadline_s, MATH_VERIFY_S) if at_library else self.deadline_s

    def _read(self, worker: _Worker) -> str | None:
        """Reads a worker's output; returns why the worker is unusable, if it is."""
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if message is None:
                    worker.ready = True
                    continue
                worker.restart_clock()
                index = worker.chunk[0]
                self.errors.setdefault(index, []).extend(message.pop("errors", ()))
                self.parts.setdefault(index, {}).update(message)
                if self._missing(index) is None:
                    worker.chunk.popleft()
                    self._finish(index)
        except (EOFError, OSError):
            worker.process.join(1.0)
            return f"the worker process ended (exit code {worker.process.exitcode})"
        return None

    def _finish(self, index: int) -> None:
        self.grades[index] = Grade(**self.parts.pop(index), error="; ".join(self.errors.pop(index, ())) or None)
        self.left -= 1

    def _give_up(self, worker: _Worker, failure: str) -> None:
        self.workers.remove(worker)
        worker.stop()
        if worker.chunk:
            self._lose_part(worker.chunk[0], failure)
            if self._missing(worker.chunk[0]) is None:
                self._finish(worker.chunk.popleft())
        elif not worker.ready:
            raise RuntimeError(
                f"scripts.lib.grading.pool: a grading worker did not start: {failure}. Run the same rows with "
                "workers=1 and read the traceback above."
            )
        if worker.chunk:
            self.chunks.appendleft(list(worker.chunk))

    def _lose_part(self, index: int, failure: str) -> None:
        """Sets the part being computed to null; if it was the extraction, the comparison is null too."""
        part = self._missing(index)
        parts = self.parts.setdefault(index, {})
        parts[part] = None
        if part == "extracted":
            parts["verdict"] = None
        self.errors.setdefault(index, []).append(f"{part}: {failure}")
        LOG.info("part of a row given up: %s: %s", part, failure)

    def _log(self) -> None:
        now = time.monotonic()
        if now - self.logged < LOG_EVERY_S:
            return
        self.logged = now
        done = self.total - self.left
        rate = done / (now - self.start)
        LOG.info("graded %d of %d rows, %.0f rows/s, %.0f s left", done, self.total, rate, self.left / max(rate, 1e-9))


def _work(pipe: Connection) -> None:
    """A worker's loop: chunks in, parts of verdicts out, until the pipe closes."""
    import gc
    import resource
    import signal

    from scripts.lib.grading import graders  # not in the parent, which only hands out and collects

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    logging.disable(logging.CRITICAL)  # math-verify logs a traceback for every formula that it cannot read
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.freeze()  # sympy's half a million objects are not garbage: no need to look at them again and again
    gc.set_threshold(20_000, 20, 20)
    pipe.send(None)
    while True:
        try:
            items = pipe.recv()
        except EOFError:
            return
        for item, done in items:
            errors: list[str] = []
            for name, value in graders.parts(item, errors, done):
                pipe.send({name: value, "errors": errors} if errors else {name: value})  # now: the next may hang
                errors.clear()
