"""The RO-Crate of a study: what it packs, and that each step names its program and its files."""

import json
import zipfile

import pytest

from scripts import make_crate
from scripts.lib.jsonl import BadInput, write_json
from tests.synthetic_study import MADE_BY, Made


@pytest.fixture
def crate(tmp_path):
    """The names in the crate of a made-up study, and its entities by id."""
    results = Made(tmp_path).write()
    write_json(results / "train_sets" / "cft.json", {"rows": 16, "parts": [], "made_by": {**MADE_BY, "code": "abc"}})
    out = tmp_path / "crate.zip"
    assert make_crate.main(make_crate.parse_args(["--results", str(results), "--out", str(out)])) == 0
    with zipfile.ZipFile(out) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
        return set(archive.namelist()), {entity["@id"]: entity for entity in graph}


def test_everything_named_as_a_file_is_in_the_crate(crate):
    names, entities = crate
    files = {id for id, entity in entities.items() if "File" in entity["@type"]}
    assert files <= names
    assert {"Snakefile", "results/study.yaml", "results/tables/main.csv", "config/schema.yaml"} <= files


def test_the_snakefile_is_the_main_workflow_and_the_profiles_are_named(crate):
    _, entities = crate
    assert entities["./"]["mainEntity"] == {"@id": "Snakefile"}
    assert "ComputationalWorkflow" in entities["Snakefile"]["@type"]
    assert {"@id": "https://w3id.org/ro/wfrun/workflow/0.5"} in entities["./"]["conformsTo"]
    assert entities["#run"]["instrument"] == {"@id": "Snakefile"}


def test_a_step_names_its_program_its_files_and_their_hashes(crate):
    _, entities = crate
    step = entities["#results/made-up/train_sets/cft.jsonl"]
    assert entities[step["instrument"]["@id"]]["softwareRequirements"] == "python 3.11"
    (result,) = [step["result"]] if isinstance(step["result"], dict) else step["result"]
    assert len(entities[result["@id"]]["sha256"]) == 64
    assert step["startTime"] < step["endTime"]
    assert {"@id": "#results/made-up/train_sets/cft.jsonl"} in entities["./"]["mentions"]


def test_texts_of_answers_are_not_packed(crate):
    names, _ = crate
    assert not [name for name in names if name.endswith(".jsonl")]


def test_a_study_without_a_table_has_no_crate(tmp_path):
    results = Made(tmp_path).write()
    for file in (results / "tables").iterdir():
        file.unlink()
    with pytest.raises(BadInput, match="no table has been made"):
        make_crate.main(make_crate.parse_args(["--results", str(results)]))
