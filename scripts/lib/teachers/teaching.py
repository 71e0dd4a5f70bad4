"""A teacher behind an OpenAI-compatible endpoint: its journal, what it has cost, and what it answered.

Everything that a teacher wrote lies in its journal under `state/teachers/<teacher>/`, one record for each response,
under a key made from the model, the messages, the sampling and the sample number. All journals under `state/teachers/`
are searched, so no study, shard or renamed teacher asks again for what was paid for once.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from scripts.lib.journal import IndexedJournal, held
from scripts.lib.jsonl import BadInput
from scripts.lib.teachers.ledger import Ledger
from scripts.lib.teachers.replies import problem_of
from scripts.lib.teachers.requests import Request


class Teaching:
    """One teacher at work: its journals, what it has cost, and the way to ask it. Use it as a context manager.

    The teacher's folder is locked: all its jobs, whatever their shard or study, ask one after the other, so its limits
    and its budget hold over all of them.

    Args:
        slug: the entry's name under teachers.
        teacher: what decides the answers: model, temperature, top_p, max_tokens, token_parameter.
        limits: what does not: endpoint, mode, concurrency, rates, price, budget.
        state: the folder of all teachers' journals, `state/teachers`.
    """

    def __init__(self, slug: str, teacher: dict, limits: dict, state: str | Path) -> None:
        self.slug, self.teacher, self.limits, self.state = slug, teacher, limits, Path(state)
        self.folder = self.state / slug
        self.ledger = Ledger(limits["price"], limits["budget"])
        self.errors: dict[str, str] = {}

    def __enter__(self) -> "Teaching":
        self._stack = ExitStack()
        self._stack.enter_context(held(self.folder))
        self.journal = self._stack.enter_context(journals(self.folder, self.ledger))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def missing(self, requests: Iterable[Request | None]) -> Iterator[Request]:
        """The requests without an answer, each once."""
        seen: set[int] = set()
        for request in requests:
            if request is None or request.key in self.journal or int(request.key, 16) in seen:
                continue
            seen.add(int(request.key, 16))
            yield request

    def keep(self, key: str, value: dict) -> None:
        """Writes one response into the journal, before anything else is done with it."""
        self.journal.add(key, value)
        self.ledger.add(value)

    def answer(self, request: Request) -> tuple[dict | None, str | None]:
        """(journal record, why it cannot be used) of a request that was asked."""
        if request.key in self.journal:
            value = self.journal[request.key]
            return value, problem_of(value)
        return None, self.errors.get(request.key, "not answered")


def journals(folder: Path, ledger: Ledger, writes: bool = True) -> IndexedJournal:
    """The journal of a teacher's folder, searched with all the others; `ledger` takes in what this teacher has cost.

    To write, the folder must be held.
    """

    def seen(file: Path, value: dict) -> None:
        if file.parent == folder:
            ledger.add(value)

    own = folder / "answers.jsonl"
    others = sorted(file for file in folder.parent.glob("*/*.jsonl") if file != own or not writes)
    return IndexedJournal(own if writes else None, others, seen)


def check_errors(what: str, errors: int, asked: int, allowed: float, reasons: dict[str, int]) -> None:
    """Stops where a larger share of the rows than `allowed` has no usable answer.

    Raises:
        BadInput: with the most frequent reasons.
    """
    if asked and errors / asked > allowed:
        often = sorted(reasons.items(), key=lambda item: -item[1])[:3]
        listed = "; ".join(f"{count} × {reason}" for reason, count in often)
        raise BadInput(
            f"{what}: {errors} of {asked} rows have no usable answer, more than max_errors = {allowed:g} allows "
            f"({listed}). The answers are kept. Mend the cause and start again, or raise max_errors."
        )
