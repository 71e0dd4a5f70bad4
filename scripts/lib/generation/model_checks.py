"""Checks that a model folder has what training and generation will need, before any hour is spent."""

import logging
import tempfile
from pathlib import Path

from scripts.lib.generation.model_folders import refuse_code
from scripts.lib.jsonl import BadInput, read_json

log = logging.getLogger(__name__)
# Settings that only matter for random sampling, and their neutral values.
DRAWING = {"temperature": 1.0, "top_p": 1.0, "top_k": 50, "typical_p": 1.0, "min_p": None}


def check_model_folder(folder: Path, name: str) -> None:
    """Raises BadInput if the folder is not a complete model, needs code, or lacks tokens of its tokenizer.

    Args:
        folder: the folder.
        name: the model's name in messages.
    """
    if (folder / "adapter_config.json").exists():
        raise BadInput(
            f"{name}: this is a LoRA adapter of {base_of(folder)}, without the model that it changes. Make that model "
            "an entry of its own, and this one {source: adapter, path: …, base: <that entry>}."
        )
    if not list(folder.glob("*.safetensors")):
        raise BadInput(f"{name}: no *.safetensors in the model. Convert it with save_pretrained.")
    if not (folder / "config.json").exists():
        raise BadInput(f"{name}: no config.json in the model. Write the folder with save_pretrained.")
    refuse_code(folder)
    _check_vocabulary(folder, name)


def base_of(adapter: Path) -> str | None:
    """The model that an adapter's own file names as its base."""
    return read_json(adapter / "adapter_config.json").get("base_model_name_or_path")


def _check_vocabulary(folder: Path, name: str) -> None:
    from transformers import AutoConfig

    from scripts.lib.generation.chat import file_tokenizer

    rows = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config().vocab_size
    vocabulary = file_tokenizer(folder).get_vocab()
    beyond = sorted((token for token in vocabulary if vocabulary[token] >= rows), key=vocabulary.get)
    if beyond:
        shown = ", ".join(f"{token!r} ({vocabulary[token]})" for token in beyond[:3])
        raise BadInput(
            f"{name}: {len(beyond)} tokens of the tokenizer exceed its {rows} embeddings: {shown}. Resize the model "
            "(resize_token_embeddings) and save both again, or take the tokenizer that belongs to it."
        )


def check_generation_config(folder: str | Path) -> None:
    """Raises BadInput if the folder's generation config would end a training at its first save; logs fixes.

    `save_pretrained` rejects inconsistent configs, and many published ones are inconsistent.
    """
    from transformers import AutoConfig, GenerationConfig

    try:
        config = GenerationConfig.from_pretrained(folder)
    except OSError:  # no generation_config.json: transformers derives one from config.json
        config = GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    except ValueError as error:
        raise _unfit(folder, error) from None
    for change in mend_generation_config(config):
        log.warning("%s: the generation config %s", folder, change)
    try:
        config.validate(strict=True)
    except ValueError as error:
        raise _unfit(folder, error) from None


def _unfit(folder: str | Path, error: ValueError) -> BadInput:
    return BadInput(
        f"{folder}: the generation config cannot be saved with a checkpoint: {' '.join(str(error).split())} Correct "
        "generation_config.json in the model."
    )


def mend_generation_config(config) -> list[str]:
    """Fixes, in place, what can only mean one thing; returns the changes as sentences without a subject.

    A temperature above 0 means random sampling (`do_sample`), 0 means greedy decoding; a padding token of
    -1 means none.
    """
    return [*_mended_drawing(config), *_mended_padding(config)]


def _mended_drawing(config) -> list[str]:
    drawing = {
        key: getattr(config, key)
        for key, neutral in DRAWING.items()
        if getattr(config, key, None) not in (None, neutral)
    }
    if config.do_sample or not drawing:
        return []
    named = ", ".join(f"{key} = {value}" for key, value in drawing.items())
    if drawing.get("temperature") == 0 or config.do_sample is False:
        for key in drawing:
            setattr(config, key, None)
        return [f"sets {named} but does not sample (greedy): left out of checkpoints"]
    config.do_sample = True
    return [f"sets {named} without do_sample: checkpoints get do_sample = true"]


def _mended_padding(config) -> list[str]:
    if config.pad_token_id is None or config.pad_token_id >= 0:
        return []
    number, config.pad_token_id = config.pad_token_id, None
    return [f"sets pad_token_id = {number}, which is not a token: left out of checkpoints"]


def check_savable(model) -> None:
    """Raises BadInput if a checkpoint of the model could not be written, checked without its weights."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.config.save_pretrained(folder)
            model.generation_config.save_pretrained(folder)
        except ValueError as error:
            raise BadInput(
                f"{model.config.name_or_path}: a checkpoint of this model could not be saved: "
                f"{' '.join(str(error).split())} Correct the model's config.json."
            ) from None
