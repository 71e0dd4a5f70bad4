"""LoRA adapters from elsewhere, merged into the model that they were trained on."""

from pathlib import Path

from scripts.lib.generation.chat import file_tokenizer
from scripts.lib.generation.model_checks import base_of, mend_generation_config
from scripts.lib.generation.model_folders import open_to_umask
from scripts.lib.jsonl import BadInput, file_hash


def merge_adapter(settings: dict, folder: Path) -> dict:
    """Writes the model at `settings["base"]` with the LoRA adapter at `settings["path"]` merged into it in float32.

    The result has the base's dtype, and the adapter's tokenizer if it has one.

    Raises:
        BadInput: the folder has no adapter, or one that does not fit the base.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM

    adapter, base = Path(settings["path"]), Path(settings["base"])
    if not (adapter / "adapter_config.json").exists():
        raise BadInput(f"{adapter}: not an adapter: it has no adapter_config.json. Correct the entry's path or source.")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, trust_remote_code=False)
    try:
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError, OSError) as error:
        raise BadInput(
            f"{adapter}: the adapter does not fit {base} ({' '.join(str(error).split())[:300]}). Correct the entry's "
            f"base: adapter_config.json names {base_of(adapter)}."
        ) from None
    mend_generation_config(merged.generation_config)
    merged.to(AutoConfig.from_pretrained(base, trust_remote_code=False).dtype or torch.float32).save_pretrained(folder)
    file_tokenizer(adapter if (adapter / "tokenizer_config.json").exists() else base).save_pretrained(folder)
    open_to_umask(folder)
    return {"adapter_sha256": {file.name: file_hash(file) for file in sorted(adapter.glob("adapter_*"))}}
