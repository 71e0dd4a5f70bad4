"""Every shipped study resolves to what tests/snapshots/ has: neither an edit nor a package changes one in silence."""

import difflib

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study import strict_yaml
from scripts.lib.study.resolve import read_files
from scripts.lib.study.schema import SCHEMA
from tests.study_snapshots import FOLDER, exact, shipped, snapshot, text


@pytest.mark.parametrize("name", shipped())
def test_study_resolves_to_its_snapshot(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    stored = file.read_text(encoding="utf-8") if file.is_file() else ""
    if exact(snapshot(name)) != exact(strict_yaml.parse(stored)[0]):
        lines = difflib.unified_diff(stored.splitlines(), text(name).splitlines(), file.name, "now", lineterm="", n=2)
        pytest.fail("\n".join([*lines, "Is it meant? Then run: make snapshots"]), pytrace=False)


def test_folder_holds_no_other_snapshots() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(shipped()), "run: make snapshots"


def test_every_config_file_is_part_of_a_snapshot() -> None:
    mistakes: list[str] = []
    read = read_files([ROOT / file for study in shipped().values() for file in study.files], mistakes)
    there = set((ROOT / "config").rglob("*.yaml")) - {SCHEMA}
    assert mistakes == [] and there - {(ROOT / name).resolve() for name in read} == set()
