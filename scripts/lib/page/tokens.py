"""Training rows as the model reads them: the rendered prompt, and the answer cut into its tokens.

It reads tokenizer and chat template from the model folder without transformers, whose import takes longer than the
whole page. A test compares it with scripts/lib/generation/chat.py, which training uses.
"""

from functools import cached_property
from pathlib import Path

from scripts.lib.generation.chat import ANSWERED, ASKED
from scripts.lib.generation.prompts import Message
from scripts.lib.jsonl import BadInput, read_json


class Reader:
    """A model's tokenizer and chat template.

    Args:
        folder: the model folder, with tokenizer.json and tokenizer_config.json.
        template: a chat template file that replaces the folder's own.
    """

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.settings = read_json(folder / "tokenizer_config.json")
        own = folder / "chat_template.jinja"
        self.source = (template or own).read_text(encoding="utf-8") if template or own.is_file() else None
        self.source = self.source or self.settings.get("chat_template")

    @staticmethod
    def there(folder: Path) -> bool:
        """Whether a model folder has the files that a Reader reads."""
        return all((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))

    def special(self, name: str) -> str | None:
        """A special token's text (`eos_token`)."""
        token = self.settings.get(name)
        return token["content"] if isinstance(token, dict) else token

    @cached_property
    def _template(self):
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _refuse
        return environment.from_string(self.source)

    def rendered(self, messages: list[Message], opened: bool) -> str:
        """The conversation as text; with `opened`, followed by the generation prompt.

        Raises:
            BadInput: the template rejects the messages.
        """
        from jinja2 import TemplateError

        tokens = {name: self.special(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
        tokens = {name: token for name, token in tokens.items() if token is not None}
        try:
            return self._template.render(messages=messages, add_generation_prompt=opened, **tokens)
        except (TemplateError, ValueError, TypeError) as error:
            raise BadInput(f"the chat template does not take these messages: {error}") from None

    def prompt(self, messages: list[Message]) -> str:
        """The conversation as text, with the generation prompt."""
        return self.rendered(messages, True)

    @cached_property
    def end(self) -> str:
        """The token that ends an answer: the one that the chat template adds, else the tokenizer's end token."""
        after = self.rendered([*ASKED, ANSWERED], False).rpartition(ANSWERED["content"])[2].lstrip()
        known = [token.content for token in self.tokenizer.get_added_tokens_decoder().values()]
        found = max((token for token in known if after.startswith(token)), key=len, default=None)
        return found or self.special("eos_token") or ""

    def holds_end(self, text: str) -> bool:
        """Whether a text contains the end token."""
        return self.tokenizer.token_to_id(self.end) in self.tokenizer.encode(text, add_special_tokens=False).ids

    def count(self, text: str) -> int:
        """The number of tokens in a text."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def cuts(self, text: str) -> list[int]:
        """The length of each token in characters (0: the token does not complete a character)."""
        last, lengths = 0, []
        for _, end in self.tokenizer.encode(text, add_special_tokens=False).offsets:
            lengths.append(max(end - last, 0))
            last = max(end, last)
        return lengths


def _refuse(message: str):
    raise ValueError(message)
