"""Every table and figure of the four papers, end to end at the tiny scale: the same rules, no hub, no key, no GPU."""

import json
from pathlib import Path

import pytest

from scripts.lib.study import papers
from tests import hub_layouts
from tests.fault_server import FaultServer
from tests.project import Project, copied
from tests.warm import Warm

# What the endpoint says to all: a critique with its conclusion, and a judge's rating.
ANSWER = "The sum is as it should be. Rating: [[7]]\nConclusion: right [END]"
STUDIES = [f"config/{name}.yaml" for name in ("cft", "one_shot", "spin", "thinkpo")]
PRICED = ("gpt-4o", "gpt-4o-mini", "gpt-4-judge")


class Papers(Project):
    """A copy of the project in which the papers' tiny study is made."""

    study = "papers-tiny"
    options = ("--quiet", "rules", "progress", "--keep-going")
    options += ("--scheduler", "greedy", "--max-jobs-per-timespan", "100/10s")  # docs/papers.md
    options += ("--configfile", *STUDIES, "config/scale/tiny.yaml", "--config", "engine=cpu")

    def make_tables(self) -> str:
        """Makes all tables of the four studies at the tiny scale, and returns what Snakemake printed."""
        # A teacher with a price asks nothing without a budget.
        budgets = ", ".join(f"{name}: {{budget: 5}}" for name in PRICED)
        return self.make(f"scale={{hub: {self.folder}/hub}}", f"teachers={{{budgets}}}", "--", "all_tables")


@pytest.fixture(scope="module")
def study(tmp_path_factory, punkt: Path, warm: Warm):
    """The project with a stand-in for the hub and for the teachers."""
    folder = copied(tmp_path_factory.mktemp("papers") / "redpen")
    hub_layouts.write(folder / "hub")
    with FaultServer(answer=lambda _: (ANSWER, "stop")) as server:
        endpoint = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none-is-needed"}
        yield Papers(folder, warm.program, NLTK_DATA=str(punkt), **endpoint)


@pytest.fixture(scope="module")
def finished(study: Papers) -> Papers:
    """With the tables made."""
    study.make_tables()
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
    assert "Nothing to be done" in finished.make_tables()
