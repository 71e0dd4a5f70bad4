"""What takes more than 20 seconds says why: a test by its mark, a fixture by its docstring. A run ends with their list.

@pytest.mark.slow("trains three times")
"""

import time
from collections.abc import Iterable

import pytest

LONG_S = 20
MISSING = 'says not why: give it @pytest.mark.slow("...")'


class Slow:
    """The plugin. It measures tests without their fixtures, and fixtures without those that they ask for."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.long: list[tuple[float, str, str]] = []  # seconds, name, why

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        for item in items:
            marks = list(item.iter_markers("slow"))
            if any(mark.kwargs or len(mark.args) != 1 or not str(mark.args[0]).strip() for mark in marks):
                raise pytest.UsageError(f'{item.nodeid}: the mark slow takes the reason: slow("trains three times")')
            self.reasons[item.nodeid] = marks[0].args[0] if marks else MISSING

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef):
        start = time.monotonic()
        try:
            return (yield)
        finally:
            lines = (fixturedef.func.__doc__ or "has no docstring").splitlines()
            self.note(time.monotonic() - start, f"fixture {fixturedef.argname}", lines[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.note(report.duration, report.nodeid, self.reasons[report.nodeid])

    def note(self, seconds: float, name: str, why: str) -> None:
        if seconds > LONG_S:
            self.long.append((seconds, name, why))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.long:
            terminalreporter.section(f"what took more than {LONG_S} seconds, and why")
        for seconds, name, why in sorted(self.long, reverse=True):
            terminalreporter.write_line(f"{seconds:6.0f}s {name}: {why}")
