"""What Snakemake's workflow catalogue expects of a repository: its places, its file, and `--report`."""

import base64
import re

import pytest
import yaml

from scripts.lib.cli import ROOT
from tests.workflow.conftest import TARGET, TINY, Tree

FROM_WORKFLOW = ("-s", "workflow/Snakefile")


@pytest.mark.slow("makes a table of the tiny laptop study")
def test_what_is_made_is_made_for_the_snakefile_under_workflow_too(finished: Tree) -> None:
    said = finished.make(*FROM_WORKFLOW, "-n", "--configfile", TINY, "--", TARGET)
    assert "Nothing to be done" in said, said


def test_snakefile_under_workflow_finds_config_and_rules_from_any_folder(project: Tree, tmp_path) -> None:
    entry = str(project.folder / "workflow" / "Snakefile")
    said = project.make("-s", entry, "--directory", str(tmp_path), "-n", "--", TARGET)
    assert re.search(rf"^{TARGET} +1$", said, re.MULTILINE) and "rule train:" in said, said


def test_catalogue_finds_its_file_and_the_instructions() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"]["conda"] is True and usage["report"] is True
    assert "workflow/Snakefile" in usage["mandatory-flags"]["desc"]
    named = re.findall(r"`([\w./*-]+\.yaml)`", (ROOT / "config" / "README.md").read_text(encoding="utf-8"))
    assert named and all(list((ROOT / "config").glob(name)) for name in named if name != "my.yaml"), named


@pytest.mark.slow("makes a table of the tiny laptop study")
def test_report_holds_the_table(tree: Tree) -> None:
    tree.make("--configfile", TINY, "--report", "report.html", "--", TARGET)
    report = (tree.folder / "report.html").read_text(encoding="utf-8")
    table = (tree.folder / "results" / "laptop-tiny" / "tables" / f"{TARGET}.html").read_bytes()
    held = [base64.b64decode(data) for data in re.findall(r"data:text/html;[^,]*base64,([\w+/=]+)", report)]
    assert table in held, f"{len(held)} pages"
