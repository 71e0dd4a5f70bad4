"""Other people's model folders: only what a model is made of is taken, what is private stays private, no code runs."""

import ast
import json
import os
import stat
from pathlib import Path

import pytest

from scripts import fetch_model
from scripts.lib.cli import ROOT
from scripts.lib.generation import model_folders
from scripts.lib.generation.generator import weights_hash
from scripts.lib.generation.model_folders import checked_hashes, copy_model
from scripts.lib.jsonl import BadInput, read_json, write_json


@pytest.fixture
def source(tmp_path: Path, tokenizer) -> Path:
    """A model's folder as a user has it."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("model.safetensors", "chat_template.jinja"):
        (folder / name).write_text(name)
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str())
    write_json(folder / "config.json", {"model_type": "llama"})
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def fetched(folder: Path, target: Path, **settings: str) -> Path:
    settings = settings or {"source": "folder", "path": str(folder)}
    fetch_model.main(fetch_model.parse_args(["--settings", json.dumps(settings), "--model", str(target / "model")]))
    return target / "model"


def state_of(folder: Path) -> dict[str, tuple]:
    """What a user would see of a folder: mode, links, times and bytes."""
    return {
        str(file): (file.lstat().st_mode, file.lstat().st_nlink, file.lstat().st_mtime_ns, file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


# --- copies -----------------------------------------------------------------------------------------------------------


def test_folder_of_a_user_is_only_read(source: Path, target: Path) -> None:
    (source / "model.safetensors").chmod(0o400)
    before = state_of(source)
    made = fetched(source, target)
    assert state_of(source) == before
    assert (made / "model.safetensors").stat().st_ino != (source / "model.safetensors").stat().st_ino
    with (source / "model.safetensors").open("r+b") as file:
        file.write(b"M")
    checked_hashes(made)


def test_private_model_stays_private(source: Path, target: Path) -> None:
    source.chmod(0o700)
    (source / "model.safetensors").chmod(0o600)
    (source / "tokenizer.json").chmod(0o644)
    made = fetched(source, target)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made, *made.iterdir())}
    assert (modes["model"], modes["model.safetensors"], modes["tokenizer.json"]) == (0o700, 0o600, 0o644)


def test_only_the_files_of_a_model_are_taken(source: Path, target: Path, caplog) -> None:
    caplog.set_level("INFO")
    for name in ("modeling_own.py", "pytorch_model.bin", ".secret.json", "README.md"):
        (source / name).write_text("no")
    (source / "original").mkdir()
    (source / "original" / "more.json").write_text("{}")
    copy_model(source, target)
    expected = {"chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"}
    assert {path.name for path in target.iterdir()} == expected
    assert "left out, not part of a model: .secret.json, README.md, modeling_own.py, original" in caplog.text


def test_link_that_leads_out_of_the_folder_is_refused(source: Path, target: Path, tmp_path: Path) -> None:
    (tmp_path / "id_rsa").write_text("private")
    (source / "notes.txt").symlink_to(tmp_path / "id_rsa")
    with pytest.raises(BadInput, match="notes.txt: a link that leads out of the folder, to .*/id_rsa. Put the file"):
        fetched(source, target)
    assert list(target.iterdir()) == []


def test_link_inside_the_folder_is_followed(source: Path, target: Path) -> None:
    (source / "vocab.txt").symlink_to("tokenizer.json")
    copy_model(source, target)
    assert (target / "vocab.txt").read_text() == (source / "tokenizer.json").read_text() and not (
        target / "vocab.txt"
    ).is_symlink()


@pytest.mark.parametrize("kind", ["pipe", "folder", "broken link"])
def test_what_is_no_regular_file_is_refused(source: Path, target: Path, kind: str) -> None:
    odd = source / "odd.json"
    {"pipe": os.mkfifo, "folder": os.mkdir, "broken link": lambda path: path.symlink_to("gone")}[kind](odd)
    with pytest.raises(BadInput, match=r"odd.json: (not a regular file|it cannot be read)"):
        copy_model(source, target)


def test_snapshot_in_the_cache_of_the_hub_leads_to_its_own_blobs_and_no_further(
    source: Path, target: Path, tmp_path: Path, monkeypatch
) -> None:
    repo = tmp_path / "hub" / "models--owner--name"
    snapshot, blobs = repo / "snapshots" / ("a" * 40), repo / "blobs"
    snapshot.mkdir(parents=True)
    source.rename(blobs)
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    hub = {"source": "hub", "repo": "owner/name", "revision": "a" * 40}
    made = fetched(source, target, **hub)
    assert (made / "model.safetensors").read_text() == "model.safetensors"
    (tmp_path / "hub" / "token.json").write_text("private")
    (snapshot / "more.json").symlink_to("../../../token.json")
    with pytest.raises(BadInput, match="more.json: a link that leads out of the folder"):
        fetched(source, target / "again", **hub)


# --- code -------------------------------------------------------------------------------------------------------------


def test_model_that_only_its_own_code_can_load_is_refused(source: Path, target: Path, monkeypatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked on the terminal"))
    own = {"model_type": "own", "auto_map": {"AutoConfig": "configuration_own.OwnConfig"}}
    write_json(source / "config.json", own)
    (source / "configuration_own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(BadInput, match="config.json: model type 'own' is not part of transformers: it brings code of"):
        fetched(source, target)
    write_json(source / "config.json", {**own, "model_type": "llama"})
    assert not (fetched(source, target) / "configuration_own.py").exists()


def test_no_loader_may_run_code_that_lies_beside_a_model() -> None:
    """Every call that loads something with an Auto class, vLLM or lm-eval says so itself."""
    silent = []
    for file in sorted((ROOT / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not loads(ast.unparse(node.func)):
                continue
            said = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if said.get("trust_remote_code") != "False":
                silent.append(f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node.func)}")
    assert silent == []


def loads(function: str) -> bool:
    name, _, method = function.rpartition(".")
    return (name.startswith("Auto") and method == "from_pretrained") or function in ("vllm.LLM", "HFLM")


# --- hashes -----------------------------------------------------------------------------------------------------------


def test_one_flipped_bit_is_noticed_where_the_model_is_loaded(source: Path, target: Path) -> None:
    made = fetched(source, target)
    before = weights_hash(made)
    assert before == weights_hash(made)
    times = (made / "model.safetensors").stat()
    flipped = bytearray((made / "model.safetensors").read_bytes())
    flipped[3] ^= 1
    (made / "model.safetensors").write_bytes(flipped)
    os.utime(made / "model.safetensors", ns=(times.st_atime_ns, times.st_mtime_ns))
    told = r"model.safetensors: its content differs from what redpen.json recorded: .* Delete the folder .*/model and"
    with pytest.raises(BadInput, match=told):
        weights_hash(made)


def test_missing_and_changed_small_files_are_noticed_too(source: Path, target: Path) -> None:
    made = fetched(source, target)
    (made / "chat_template.jinja").write_text("another")
    with pytest.raises(BadInput, match="chat_template.jinja: its content differs from"):
        weights_hash(made)
    (made / "chat_template.jinja").unlink()
    with pytest.raises(BadInput, match="chat_template.jinja: it is missing, unlike"):
        weights_hash(made)


def test_hashes_are_recorded_for_a_trained_model_as_well(model_folder: Path, tokenizer, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from scripts.lib.training import trainers

    trained = AutoModelForCausalLM.from_pretrained(model_folder)
    with torch.no_grad():
        next(trained.parameters()).add_(0.1)
    trained.save_pretrained(tmp_path / "saved")
    origin = {"run": "sft", "step": 1}
    trainers.export(model_folder, tmp_path / "saved", tmp_path / "model", tokenizer, False, [], origin)
    recorded = read_json(tmp_path / "model" / "redpen.json")
    assert (
        recorded["sha256"] == model_folders.hashes_of(tmp_path / "model") and "model.safetensors" in recorded["sha256"]
    )
    umask = os.umask(0o077)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "model" / "model.safetensors").stat().st_mode) == 0o666 & ~umask
