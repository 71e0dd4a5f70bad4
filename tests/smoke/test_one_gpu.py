"""The study for one GPU at the tiny scale: both its tables through the same rules, no hub, no key, no GPU."""

import json
from pathlib import Path

import pytest

from scripts.lib.study import papers
from tests import hub_layouts
from tests.project import Project, copied
from tests.warm import Warm


class Evening(Project):
    """A copy of the project in which the tiny study is made."""

    study = "one-gpu-tiny"
    options = ("--quiet", "rules", "progress", "--scheduler", "greedy", "--max-jobs-per-timespan", "100/10s")
    options += ("--configfile", "config/one-gpu-7b.yaml", "config/scale/tiny.yaml", "--config", "engine=cpu")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, warm: Warm) -> Evening:
    """With both tables made."""
    folder = copied(tmp_path_factory.mktemp("evening") / "redpen")
    hub_layouts.write(folder / "hub")
    study = Evening(folder, warm.program)
    study.make(f"scale={{hub: {folder}/hub}}", "--", "evening", "evening_7b")
    return study


def test_evening_has_a_row_for_each_kind_of_data(finished: Evening) -> None:
    cells = json.loads((finished.results / "tables" / "evening.json").read_text())
    assert {cell["row"] for cell in cells if cell["column"] == "MATH-500" and cell["value"] is not None} == {
        *("Base", "SFT (noisy answers)", "SFT-verified (judged right)", "CFT", "Δ (CFT − best SFT)")
    }
    assert "THE NUMBERS MEAN NOTHING" in (Path(finished.results) / "tables" / "evening.md").read_text()


def test_some_rows_of_the_papers_table_have_their_printed_values(finished: Evening) -> None:
    cells = json.loads((finished.results / "tables" / "evening_7b.json").read_text())
    printed = papers.printed("cft_table2_sft_vs_cft")
    rows = [name for name in printed if name.startswith("Qwen2.5-Math-7B: ")]
    assert list(dict.fromkeys(cell["row"] for cell in cells)) == rows
    for cell in cells:
        assert cell["paper"] == printed[cell["row"]].get(cell["column"])
        assert cell["value"] is not None or cell["gap"] == "answers by GPT-4o need a key"
