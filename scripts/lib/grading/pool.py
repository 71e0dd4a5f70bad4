"""Verdicts for many (prediction, gold) pairs, computed in worker processes that are killed at a deadline.

Model output is data: it may hold `10^{10^{10}}`, 5,000 nested brackets or megabytes of nothing, and no library that
reads formulas survives all of it. Every comparison therefore runs in a worker process, and the deadline is kept here,
outside. A worker reports each part of each verdict as soon as it has it, so that the parent knows which row a silent
worker hangs on, and keeps what the row had before. That row costs one deadline; the rest of its chunk goes to another
worker. (`pebble` times a whole chunk and loses its finished rows, so it is not used.)
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


NO_GOLD = Grade(None, None, None, None)


def grade(items: Sequence[Item], *, workers: int | None = None, deadline_s: float = 10.0) -> list[Grade]:
    """The grades of `items`, in their order.

    Args:
        items: what to grade.
        workers: worker processes; by default one for each core, and never more than there are chunks.
        deadline_s: seconds that one item may take, all three verdicts together.

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
    """A process, the pipe to it, the chunk that it has and the item that it is at."""

    def __init__(self, context: multiprocessing.context.BaseContext):
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.chunk: deque[int] = deque()
        self.since = self.part_since = time.monotonic()
        self.parts: dict[str, object] = {}
        self.ready = False

    def next_item(self) -> None:
        """Starts the clock for the next item of the chunk."""
        self.since = self.part_since = time.monotonic()
        self.parts = {}

    def limit(self, deadline_s: float) -> tuple[float, float]:
        """When the worker is late, and the seconds that it then has had."""
        if "paper_style" not in self.parts:
            return self.since + deadline_s, deadline_s
        seconds = min(deadline_s, MATH_VERIFY_S)
        return min(self.since + deadline_s, self.part_since + seconds), seconds

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Pool:
    """One grading run: hands out chunks, collects parts, kills what is late."""

    def __init__(self, items: Sequence[Item], grades: list, chunks: deque, count: int, deadline_s: float):
        self.items, self.grades, self.chunks = items, grades, chunks
        self.count, self.deadline_s = count, deadline_s
        self.context = multiprocessing.get_context("forkserver")
        # A worker that replaces a killed one is then a fork of a process that has these already.
        self.context.set_forkserver_preload(["math_verify", "mpmath", "scripts.lib.grading.warm"])
        self.workers: list[_Worker] = []
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
        worker.next_item()
        try:
            worker.pipe.send([self.items[index] for index in worker.chunk])
        except OSError:  # it died; _collect sees the closed pipe
            LOG.debug("worker %s is gone", worker.process.pid)

    def _collect(self) -> None:
        now = time.monotonic()
        next_deadline = min((w.limit(self.deadline_s)[0] - now for w in self.workers if w.chunk), default=1.0)
        ready = set(wait([worker.pipe for worker in self.workers], timeout=max(0.0, min(1.0, next_deadline))))
        for worker in list(self.workers):
            failure = self._read(worker) if worker.pipe in ready else None
            late, seconds = worker.limit(self.deadline_s)
            if failure is None and worker.chunk and time.monotonic() > late:
                failure = f"no answer within {seconds:g} s"
            if failure is not None:
                self._give_up(worker, failure)

    def _read(self, worker: _Worker) -> str | None:
        """Takes what the worker has sent; returns why it is of no more use, if it is not."""
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if message is None:
                    worker.ready = True
                    continue
                worker.parts.update(message)
                if "paper_style" in message:
                    worker.part_since = time.monotonic()
                if worker.parts.pop("done", False):
                    self._finish(worker)
        except (EOFError, OSError):
            worker.process.join(1.0)
            return f"the worker process ended (exit code {worker.process.exitcode})"
        return None

    def _finish(self, worker: _Worker, failure: str | None = None) -> None:
        index, parts = worker.chunk.popleft(), worker.parts
        errors = [str(parts["error"])] if "error" in parts else []
        if failure is not None:
            missing = next((part for part in PARTS if part not in parts), "report")
            errors.append(f"{missing}: {failure}")
        self.grades[index] = Grade(
            verdict=bool(parts.get("verdict")),
            extracted=parts.get("extracted"),
            math_verify=parts.get("math_verify"),
            paper_style=parts.get("paper_style"),
            error="; ".join(errors) or None,
        )
        self.left -= 1
        worker.next_item()

    def _give_up(self, worker: _Worker, failure: str) -> None:
        self.workers.remove(worker)
        worker.stop()
        if worker.chunk:
            self._finish(worker, failure)
            LOG.info("row given up: %s", failure)
        elif not worker.ready:
            raise RuntimeError(
                f"scripts.lib.grading.pool: a grading worker did not start: {failure}. Run the same rows with "
                "workers=1 and read the traceback above."
            )
        if worker.chunk:
            self.chunks.appendleft(list(worker.chunk))

    def _log(self) -> None:
        now = time.monotonic()
        if now - self.logged < LOG_EVERY_S:
            return
        self.logged = now
        done = self.total - self.left
        rate = done / (now - self.start)
        LOG.info("graded %d of %d rows, %.0f rows/s, %.0f s left", done, self.total, rate, self.left / max(rate, 1e-9))


def _work(pipe: Connection) -> None:
    """The life of a worker: chunks in, parts of verdicts out, until the pipe closes."""
    import gc
    import resource
    import signal

    from scripts.lib.grading import graders  # not in the parent, which only hands out and collects

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
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
        for item in items:
            errors: list[str] = []
            for name, value in graders.parts(item, errors):
                pipe.send({name: value})  # at once: the next part may hang
            pipe.send({"error": "; ".join(errors), "done": True} if errors else {"done": True})
