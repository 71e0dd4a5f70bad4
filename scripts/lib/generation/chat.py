"""Where the prompt ends and the answer begins: chat templates turned into token ids.

Training and sampling share these functions, so that a model is asked in exactly the form it was trained on. The
prompt is rendered with the assistant's turn opened; the answer is what follows, closed by exactly one end token.
"""

from pathlib import Path

from scripts.lib.generation.prompts import Message
from scripts.lib.jsonl import BadInput


def load_tokenizer(model: str | Path, template: str | Path | None = None):
    """The tokenizer in the model folder, with the chat template in the file `template` in place of its own.

    Raises:
        BadInput: the folder holds no tokenizer, there is no chat template, or no end-of-turn token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"{model}: no tokenizer could be loaded ({error}). Make the model folder anew.") from None
    if template is not None:
        tokenizer.chat_template = Path(template).read_text(encoding="utf-8")
    if not tokenizer.chat_template:
        raise BadInput(f"{model}: the tokenizer has no chat template. Name one in config (template: …).")
    if tokenizer.eos_token_id is None:
        raise BadInput(f"{model}: the tokenizer has no end token. Set eos_token in its tokenizer_config.json.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def prompt_ids(tokenizer, messages: list[Message]) -> list[int]:
    """Token ids of the conversation with the assistant's turn opened, ready for generation."""
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def answer_ids(tokenizer, answer: str) -> list[int]:
    """Token ids of the assistant's answer, closed by exactly one end token.

    Raises:
        BadInput: the text holds the end token itself, which would end the answer early.
    """
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    if tokenizer.eos_token_id in ids:
        raise BadInput(f"an answer contains the end token {tokenizer.eos_token!r}: {answer[:80]!r}…")
    return [*ids, tokenizer.eos_token_id]
