"""Every table and figure of the three papers, end to end at the tiny scale: the same rules, no hub, no key, no GPU."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study import papers
from tests import hub_layouts
from tests.fault_server import FaultServer
from tests.warm import Warm

# What the endpoint says to all: a critique with its conclusion, and a judge's rating.
ANSWER = "The sum is as it should be. Rating: [[7]]\nConclusion: right [END]"
STUDIES = [f"config/{name}.yaml" for name in ("cft", "spin", "thinkpo")]
PRICED = ("gpt-4o", "gpt-4o-mini", "gpt-4-judge")


class Papers:
    """A copy of the project in which the papers' tiny study is made."""

    def __init__(self, folder: Path, server: FaultServer, warm: Warm, punkt: Path) -> None:
        self.folder, self.server, self.warm, self.punkt = folder, server, warm, punkt
        self.results = folder / "results" / "papers-tiny"

    def make(self) -> str:
        """Makes all tables of the three studies at the tiny scale, and returns what Snakemake printed."""
        environment = {
            **os.environ,
            "REDPEN_PYTHON_LAPTOP": str(self.warm.program),
            "REDPEN_PYTHON_HARNESS": str(self.warm.program),
            "OPENAI_BASE_URL": self.server.url,
            "OPENAI_API_KEY": "none-is-needed",
            "NLTK_DATA": str(self.punkt),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "snakemake", "--quiet", "rules", "progress", "--keep-going"]
        command += ["--scheduler", "greedy", "--max-jobs-per-timespan", "100/10s"]  # docs/papers.md
        command += ["--configfile", *STUDIES, "config/scale/tiny.yaml"]
        command += ["--config", "engine=cpu", f"scale={{hub: {self.folder}/hub}}"]
        # A teacher with a price asks nothing without a budget.
        command += [f"teachers={{{', '.join(f'{name}: {{budget: 5}}' for name in PRICED)}}}", "--", "all_tables"]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=1800)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-6000:]
        return said


@pytest.fixture(scope="module")
def study(tmp_path_factory, punkt: Path, warm: Warm):
    """The project's tracked files in a folder of their own, with a stand-in for the hub and for the teachers."""
    folder = tmp_path_factory.mktemp("papers") / "redpen"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    hub_layouts.write(folder / "hub")
    with FaultServer(answer=lambda _: (ANSWER, "stop")) as server:
        yield Papers(folder, server, warm, punkt)


@pytest.fixture(scope="module")
def finished(study: Papers) -> Papers:
    """With the tables made."""
    study.make()
    return study


def cells_of(study: Papers, table: str) -> dict[tuple[str, str], dict]:
    found = json.loads((study.results / "tables" / f"{table}.json").read_text())
    return {(cell["row"], cell["column"]): cell for cell in found}


@pytest.mark.parametrize("table", papers.known_tables())
def test_table_has_the_papers_values_beside_ours(finished: Papers, table: str) -> None:
    cells = cells_of(finished, table)
    for label, row in papers.printed(table).items():
        for column, printed in row.items():
            cell = cells[label, column]
            assert cell["paper"] == printed
            assert cell["value"] is not None or cell.get("gap") or printed is None, (label, column)
    markdown = (finished.results / "tables" / f"{table}.md").read_text()
    assert "THE NUMBERS MEAN NOTHING" in markdown
    for ending in ("tex", "csv", "html"):
        assert (finished.results / "tables" / f"{table}.{ending}").stat().st_size > 0


def test_second_run_has_nothing_to_do(finished: Papers) -> None:
    assert "Nothing to be done" in finished.make()
