"""Where the prompt ends and the answer begins: chat templates turned into token ids.

Training and sampling share these functions, so that a model is asked in exactly the form it was trained on. The
prompt is rendered with the assistant's turn opened; the answer is what follows, closed by exactly one end token.
"""

from pathlib import Path

import jinja2

from scripts.lib.generation.prompts import Message
from scripts.lib.jsonl import BadInput
from scripts.lib.study.contents import located

ASKED: list[Message] = [{"role": "user", "content": "2 + 2?"}]  # the conversation for trying out a template
ANSWERED: Message = {"role": "assistant", "content": "ANSWER"}


class EndInside(BadInput):
    """An answer contains its own end token, which would end it early."""


def file_tokenizer(model: str | Path):
    """The tokenizer in the model folder, with the end token from its files.

    Raises:
        BadInput: the folder has no tokenizer.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"{model}: no tokenizer could be loaded ({error}). Rebuild the model folder.") from None


def load_tokenizer(model: str | Path, template: str | Path | None = None):
    """The tokenizer in the model folder, with the chat template from the file `template` instead of its own.

    Its end token is the one that the template adds after an answer, since a base model's files often name another one.

    Raises:
        BadInput: the folder has no tokenizer, there is no chat template, it has no generation prompt, or nothing
            ends an answer.
    """
    tokenizer = file_tokenizer(model)
    if template is not None:
        tokenizer.chat_template = located(template).read_text(encoding="utf-8")
    if not tokenizer.chat_template:
        raise BadInput(f"{model}: the tokenizer has no chat template. Name one in config (template: …).")
    where = f"{template or model}: the chat template"
    _check_opening(tokenizer, where)
    tokenizer.eos_token = answer_end(tokenizer, where) or tokenizer.eos_token
    if tokenizer.eos_token_id is None:
        raise BadInput(f"{model}: the tokenizer has no end token. Set eos_token in its tokenizer_config.json.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def rendered(tokenizer, messages: list[Message], opened: bool, where: str = "the chat template") -> str:
    """The conversation as text.

    Args:
        tokenizer: holds the chat template.
        messages: the conversation.
        opened: whether to add the generation prompt.
        where: the template's name in error messages.

    Raises:
        BadInput: the template rejects the conversation.
    """
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened)
    except jinja2.TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise BadInput(
            f"{where} refuses a conversation of {roles}: {error}. Name another one in config (template: …), or take "
            "the refused block out of the prompt file."
        ) from None


def answer_end(tokenizer, where: str = "the chat template") -> str | None:
    """The token that the chat template adds after an answer, or None if no known token follows it."""
    after = rendered(tokenizer, [*ASKED, ANSWERED], False, where).rpartition(ANSWERED["content"])[2].lstrip()
    return max((token for token in tokenizer.get_added_vocab() if after.startswith(token)), key=len, default=None)


def _check_opening(tokenizer, where: str) -> None:
    """Raises BadInput if the template ignores `add_generation_prompt`, so that the model would write the header."""
    closed, opened = (rendered(tokenizer, ASKED, flag, where).rstrip() for flag in (False, True))
    whole = rendered(tokenizer, [*ASKED, ANSWERED], False, where)
    follows = whole.startswith(opened) and whole[len(opened) :].lstrip().startswith(ANSWERED["content"])
    if opened == closed and not follows:
        raise BadInput(
            f"{where} ignores add_generation_prompt: after a question it opens no assistant turn, yet answers have a "
            "heading. Name another template in config (template: …), or add the heading to this one."
        )


def token_ids(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, unchanged; one call for many texts takes half the time of many calls."""
    if not tokenizer.is_fast:
        return tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    # What transformers would call, but for the places of the tokens in the text, which nobody reads.
    backend = tokenizer.backend_tokenizer
    if backend.truncation or backend.padding:
        backend.no_truncation()
        backend.no_padding()
    if backend.encode_special_tokens != tokenizer.split_special_tokens:
        backend.encode_special_tokens = tokenizer.split_special_tokens
    return [text.ids for text in backend.encode_batch_fast(texts, add_special_tokens=False)]


def prompt_ids(tokenizer, messages: list[Message]) -> list[int]:
    """Token ids of `prompt_text`."""
    return token_ids(tokenizer, [prompt_text(tokenizer, messages)])[0]


def prompt_text(tokenizer, messages: list[Message]) -> str:
    """The conversation with the generation prompt.

    Raises:
        BadInput: the template rejects the messages, or omits the system message's content.
    """
    text = rendered(tokenizer, messages, True)
    if messages[0]["role"] == "system" and messages[0]["content"].strip() not in text:
        raise BadInput(
            f"the chat template leaves out the system message {messages[0]['content'][:60]!r}. Name another template "
            "in config (template: …), or take the system block out of the prompt file."
        )
    return text


def answer_ids(tokenizer, answer: str) -> list[int]:
    """Token ids of the assistant's answer, followed by exactly one end token.

    Raises:
        EndInside: the text contains the end token, which would end the answer early.
    """
    return closed(tokenizer, answer, token_ids(tokenizer, [answer])[0])


def closed(tokenizer, answer: str, ids: list[int]) -> list[int]:
    """The same for an answer whose token ids are known."""
    if tokenizer.eos_token_id in ids:
        raise EndInside(f"an answer contains the end token {tokenizer.eos_token!r}: {answer[:80]!r}…")
    return [*ids, tokenizer.eos_token_id]
