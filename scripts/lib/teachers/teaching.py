"""A teacher behind an OpenAI-compatible endpoint: its journal, what it has cost, and what it answered.

Everything that a teacher wrote is in its journal under `state/teachers/<teacher>/`, one record for each response,
under a key made from the model, the messages, the sampling and the sample number. All journals under `state/teachers/`
are searched, so no study, shard or renamed teacher pays for the same request twice.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from scripts.lib.journal import IndexedJournal, held
from scripts.lib.jsonl import BadInput, DiskFull, content_key, writing
from scripts.lib.teachers.ledger import ESTIMATED, Ledger, tally
from scripts.lib.teachers.replies import problem_of, thoughts_and_answer
from scripts.lib.teachers.requests import Request

log = logging.getLogger(__name__)

PROBE_BYTES = 1_000_000  # disk space that is checked before the first request, for pending answers


class Teaching:
    """An open teacher: its journals, its cost, and its answers. Use it as a context manager.

    Its model and its folder are locked: all jobs of teachers with the same model, whatever their names, shards and
    studies, run one after the other and first read the others' answers. So nothing is paid for twice, and limits and
    budget apply to all of them together.

    Args:
        slug: the entry's name under teachers.
        teacher: what determines the answers: model, temperature, top_p, max_tokens, token_parameter, extra_body.
        limits: what does not: endpoint, mode, concurrency, rates, price, budget.
        state: the folder of all teachers' journals, `state/teachers`.

    Attributes:
        errors: errors of requests without an answer, by key.
        unwritten: answers that could not be written to disk, by key.
    """

    def __init__(self, slug: str, teacher: dict, limits: dict, state: str | Path) -> None:
        self.slug, self.teacher, self.limits, self.state = slug, teacher, limits, Path(state)
        self.folder = self.state / slug
        self.ledger = Ledger(limits["price"], limits["budget"])
        self.errors: dict[str, str] = {}
        self.unwritten: dict[str, dict] = {}
        self.kept = 0
        self._disk: DiskFull | None = None
        self._without_usage = False

    def __enter__(self) -> "Teaching":
        self._stack = ExitStack()
        with ExitStack() as stack:
            stack.enter_context(held(lock_folder(self.state, self.teacher["model"])))
            stack.enter_context(held(self.folder))
            self.journal = stack.enter_context(journals(self.folder, self.ledger, self.teacher["model"]))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def expected_tokens(self) -> int:
        """The expected length of an answer, from the config."""
        return min(self.limits["expected_tokens"], self.teacher["max_tokens"])

    def missing(self, requests: Iterable[Request | None]) -> Iterator[Request]:
        """The requests without an answer, each once."""
        seen: set[int] = set()
        for request in requests:
            if request is None or request.key in self.journal or int(request.key, 16) in seen:
                continue
            seen.add(int(request.key, 16))
            yield request

    def check_disk(self) -> None:
        """Writes and removes a test file, before anything is paid for.

        Raises:
            BadInput: there is no space for answers.
        """
        probe = self.folder / ".probe"
        try:
            with writing(probe), probe.open("wb") as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except DiskFull as error:
            self._disk = error
            raise self.disk_fault() from None
        finally:
            probe.unlink(missing_ok=True)

    def keep(self, key: str, value: dict) -> bool:
        """Writes one response to the journal before any further use; returns whether it was written.

        Otherwise it waits in `unwritten` for `write_again`.
        """
        value = self.ledger.with_tokens({**value, "asked": self.teacher["model"]}, self.expected_tokens)
        if value.get("usage") == ESTIMATED and not self._without_usage:
            self._without_usage = True
            log.warning("%s: the endpoint reports no usage: its answers are counted by estimate", self.slug)
        self.ledger.add(value)
        return self._write(key, value)

    def _write(self, key: str, value: dict) -> bool:
        try:
            self.journal.add(key, value)
        except DiskFull as error:
            self._disk, self.unwritten[key] = error, value
            return False
        self.kept += 1
        return True

    def write_again(self) -> None:
        """Retries writing unwritten answers.

        Raises:
            BadInput: an answer could not be written, now or before.
        """
        waiting, self.unwritten = self.unwritten, {}
        for key, value in waiting.items():
            self._write(key, value)
        if self._disk:
            raise self.disk_fault()

    @property
    def disk_refused(self) -> bool:
        """Whether an answer could not be written to disk."""
        return self._disk is not None

    def disk_fault(self) -> BadInput:
        """The error for answers that cannot be written to disk."""
        folder, problem = f"{self.state.parent}/", self._disk.problem
        reason = f"the disk of {folder} is full" if problem == DiskFull.problem else f"{folder}: {problem}"
        lost = f"; {len(self.unwritten):,} could not be written and will be asked again" if self.unwritten else ""
        return BadInput(
            f"teacher {self.slug}: {reason}: no more requests are made, {self.kept:,} answers are kept{lost}. "
            f"{self._disk.way_out}, and run the same command again."
        )

    def answer(self, request: Request) -> tuple[dict | None, str | None]:
        """(journal record, why it is unusable) of a sent request; the text is without thoughts."""
        if request.key in self.journal:
            value = self.journal[request.key]
            thoughts, text = thoughts_and_answer(value)
            return {**value, "text": text, "thoughts": thoughts}, problem_of(value)
        return None, self.errors.get(request.key, "not answered")


def lock_folder(state: Path, model: str) -> Path:
    """The lock folder of a model: answers are keyed by its name, so all its users must wait for each other."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", model)[:60]
    return state / ".models" / f"{name}-{content_key(model)[:8]}"


@contextmanager
def journals(folder: Path, ledger: Ledger, model: str | None, writes: bool = True) -> Iterator[IndexedJournal]:
    """The journal of a teacher's folder, searched with all the others.

    To write, the folder must be held.

    Args:
        folder: the teacher's.
        ledger: collects the cost of this teacher, and of others with the same model.
        model: its name at the endpoint.
        writes: whether answers will be added.
    """
    own = folder / "answers.jsonl"
    others = sorted(file for file in folder.parent.glob("*/*.jsonl") if file != own or not writes)
    with IndexedJournal(own if writes else None, others, tally) as journal:
        for file, sums in journal.sums():
            for asked, used in sums.items():
                if file.parent == folder or asked == (model or ""):
                    ledger.add_sums(used)
        yield journal


def check_errors(what: str, errors: int, asked: int, allowed: float, reasons: dict[str, int]) -> None:
    """Stops if a larger share of the rows than `allowed` has no usable answer.

    Raises:
        BadInput: with the most frequent reasons.
    """
    if asked and errors / asked > allowed:
        often = sorted(reasons.items(), key=lambda item: -item[1])[:3]
        listed = "; ".join(f"{count} × {reason}" for reason, count in often)
        raise BadInput(
            f"{what}: {errors} of {asked} rows have no usable answer, more than max_errors = {allowed:g} allows "
            f"({listed}). The answers are kept. Fix the cause and start again, or raise max_errors."
        )
