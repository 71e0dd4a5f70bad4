"""Estimates the time left of a run from the jobs that have finished and from the plan."""

import json
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.lib.cli import duration

SHORT_S = 3.0  # assumed seconds of a job if nothing is known about its rule


class Pace:
    """Estimates the remaining time of a run.

    A job is assumed to take as long as jobs of the same rule took in this run. Without such jobs, the estimate is the
    plan's time, scaled by this machine's speed so far, or the mean time in earlier runs of the study.
    """

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}
        self.pending: dict[tuple, float] = {}  # (rule, wildcards) of unfinished jobs → planned seconds
        self.before: dict[str, float] = {}
        self.planned = self.measured = 0.0
        self.start = time.monotonic()

    def plan(self, jobs: Mapping[tuple[str, Mapping[str, str]], float] | Iterable, timings: Path) -> None:
        """Sets the jobs to run, as (rule, wildcards) with their planned seconds, and the folder of earlier timings."""
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
        """`about 7 min left`, or empty at the end. `running`: start times of the running jobs."""
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
    """`7 min`, `3 h 10 min`: a duration, rounded as an estimate deserves."""
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return duration(600 * round(seconds / 600))


def earlier(folder: Path) -> float | None:
    """The mean seconds of the jobs whose timings are in a folder (None: there are none that can be read)."""
    found = []
    for file in folder.rglob("*.jsonl"):
        try:
            found.append(float(json.loads(file.read_text(encoding="utf-8").splitlines()[-1])["s"]))
        except (OSError, ValueError, KeyError, IndexError, TypeError):  # e.g. empty after a power loss
            continue
    return statistics.mean(found) if found else None


def _key(rule: str, wildcards: Mapping[str, str]) -> tuple:
    return rule, tuple(map(str, wildcards.values()))
