"""Which questions of benchmarks were trained on: the same ones by fingerprint, near ones by a common run of words."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scripts.lib.questions.fingerprints import fingerprint

RUN = 13  # words and numbers in a row that count as an overlap, since GPT-3 (arXiv 2005.14165, appendix C)
# A run that occurs in more questions of a benchmark than this, numbers aside, is the benchmark's standard wording.
FORM_OF_WORDS = 10


@dataclass(frozen=True)
class Place:
    """The location of a question: the file's name without its suffix, and the row's id."""

    file: str
    id: str


def runs_of_words(mark: str) -> set[str]:
    """All runs of 13 words or numbers in a fingerprint; none if it is shorter."""
    words = [token for token in mark.split() if token[0].isalnum()]
    return {" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1)}


def _without_numbers(run: str) -> str:
    return re.sub(r"[\d.]+", "#", run)


@dataclass
class Overlap:
    """Searches a table's benchmarks for each of its training questions.

    Attributes:
        compared: number of questions by benchmark.
        trained: number of different training questions.
        same: pairs (benchmark question, training question) that are the same question.
        near: pairs that share a run of 13 words but are not the same.
    """

    compared: Counter = field(default_factory=Counter)
    same: dict[Place, Place] = field(default_factory=dict)
    _near: dict[Place, Place] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _by_mark: dict[str, list[Place]] = field(default_factory=dict)
    _by_run: dict[str, list[Place]] = field(default_factory=dict)

    def add_benchmark(self, name: str, rows: Iterable[dict]) -> None:
        """Adds the questions of a benchmark; all benchmarks must be added before the first training question."""
        found: dict[str, list[Place]] = {}
        forms: Counter = Counter()
        for row in rows:
            self.compared[name] += 1
            mark, place = fingerprint(row["question"]), Place(name, row["id"])
            self._by_mark.setdefault(mark, []).append(place)
            runs = runs_of_words(mark)
            forms.update({_without_numbers(run) for run in runs})
            for run in runs:
                found.setdefault(run, []).append(place)
        for run, places in found.items():
            if forms[_without_numbers(run)] <= FORM_OF_WORDS:
                self._by_run.setdefault(run, []).extend(places)

    def add_trained(self, name: str, rows: Iterable[dict]) -> None:
        """Compares the questions of a dataset with the benchmarks."""
        for row in rows:
            mark = fingerprint(row["question"])
            if hash(mark) in self._seen:
                continue
            self._seen.add(hash(mark))
            place = Place(name, row["id"])
            for asked in self._by_mark.get(mark, ()):
                self.same.setdefault(asked, place)
            for run in runs_of_words(mark) & self._by_run.keys():
                for asked in self._by_run[run]:
                    self._near.setdefault(asked, place)

    @property
    def trained(self) -> int:
        return len(self._seen)

    @property
    def near(self) -> dict[Place, Place]:
        return {asked: trained for asked, trained in self._near.items() if asked not in self.same}
