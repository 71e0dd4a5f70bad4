"""Estimates the time left of a run from the jobs that have finished and from the plan."""

import json
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.lib.cli import duration

SHORT_S = 3.0  # of a job of a rule of which nothing is known


class Pace:
    """Estimates the rest of a run.

    A job takes as long as those of its rule took in this run; where there was none, as long as the plan says, by the
    ratio of this machine to the plan's so far, or as those of earlier runs of the study.
    """

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}
        self.pending: dict[tuple, float] = {}  # (rule, wildcards) of what has not finished, to seconds in the plan
        self.before: dict[str, float] = {}
        self.planned = self.measured = 0.0
        self.start = time.monotonic()

    def plan(self, jobs: Mapping[tuple[str, Mapping[str, str]], float] | Iterable, timings: Path) -> None:
        """Takes what is to run: (rule, wildcards, seconds in the plan), and the folder of earlier runs' times."""
        self.pending = {_key(rule, wildcards): seconds for rule, wildcards, seconds in jobs}
        self.before = {
            rule: seconds for rule in {key[0] for key in self.pending} if (seconds := earlier(timings / rule))
        }
        self.start = time.monotonic()

    def finished(self, rule: str, wildcards: Mapping[str, str], seconds: float) -> None:
        """Notes a finished job."""
        planned = self.pending.pop(_key(rule, wildcards), 0.0)
        self.took.setdefault(rule, []).append(seconds)
        if planned:
            self.planned += planned
            self.measured += seconds

    def left(self, running: Iterable[float] = ()) -> str:
        """`about 7 min left`, or nothing at the end. `running`: when the running jobs were started."""
        if not self.pending:
            return ""
        now = time.monotonic()
        ratio = self.measured / self.planned if self.planned else 1.0
        rest = sum(self._expected(rule, planned * ratio) for (rule, _), planned in self.pending.items())
        rest -= min(rest, sum(now - start for start in running))
        worked = sum(map(sum, self.took.values()))
        at_once = max(1.0, worked / max(now - self.start, 1e-9))
        seconds = rest / at_once
        return "less than a minute left" if seconds < 60 else f"about {rounded(seconds)} left"

    def _expected(self, rule: str, planned: float) -> float:
        if rule in self.took:
            return statistics.mean(self.took[rule])
        return self.before.get(rule) or planned or SHORT_S


def rounded(seconds: float) -> str:
    """`7 min`, `3 h 10 min`: no finer than an estimate is."""
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return duration(600 * round(seconds / 600))


def earlier(folder: Path) -> float | None:
    """The mean seconds that jobs took whose times lie in a folder (None: there are none that can be read)."""
    found = []
    for file in folder.rglob("*.jsonl"):
        try:
            found.append(float(json.loads(file.read_text(encoding="utf-8").splitlines()[-1])["s"]))
        except (OSError, ValueError, KeyError, IndexError, TypeError):  # empty after a loss of power
            continue
    return statistics.mean(found) if found else None


def _key(rule: str, wildcards: Mapping[str, str]) -> tuple:
    return rule, tuple(map(str, wildcards.values()))
