"""What takes long says why, at the end of a run of tests."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.cli import ROOT
from tests.slow import MISSING, Slow

TESTS = """
import pytest

@pytest.fixture
def ready():
    '''Everything is made.

    And more.
    '''

@pytest.mark.slow("trains three times")
def test_with_reason(ready): pass

def test_without(): pass
"""


def run(folder: Path, tests: str) -> str:
    """What pytest says of these tests where everything is slow."""
    (folder / "test_these.py").write_text(tests)
    (folder / "conftest.py").write_text(
        "from tests import slow\nslow.LONG_S = -1\ndef pytest_configure(config):\n"
        "    config.addinivalue_line('markers', 'slow')\n    config.pluginmanager.register(slow.Slow())\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_test_gives_its_reason_and_a_fixture_its_docstring(tmp_path: Path) -> None:
    said = run(tmp_path, TESTS)
    assert "test_these.py::test_with_reason: trains three times\n" in said
    assert "fixture ready: Everything is made.\n" in said
    assert f"test_these.py::test_without: {MISSING}\n" in said


@pytest.mark.parametrize("mark", [pytest.mark.slow(), pytest.mark.slow(" "), pytest.mark.slow(why="x")], ids=str)
def test_mark_without_a_reason_is_refused(mark: pytest.MarkDecorator) -> None:
    item = SimpleNamespace(nodeid="test_with_reason", iter_markers=lambda name: [mark.mark])
    with pytest.raises(pytest.UsageError, match="test_with_reason: the mark slow takes the reason"):
        Slow().pytest_collection_modifyitems([item])
