"""Prompts are jinja files under `prompts/`, named in config, with a block for each message.

    {% block system %}You are a careful mathematician.{% endblock %}
    {% block user %}{{ question }}{% endblock %}

A file may hold the blocks `system` and `user`; `user` is required. Unknown names inside a block are errors.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jinja2

from scripts.lib.jsonl import BadInput, file_hash

Message = dict[str, str]  # {"role": "user", "content": "What is 3 + 4?"}


@cache
def _template(path: str) -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False, autoescape=False)
    try:
        template = environment.from_string(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such prompt file. Prompts lie under prompts/.") from None
    except jinja2.TemplateSyntaxError as error:
        raise BadInput(f"{path}, line {error.lineno}: {error.message}.") from None
    if "user" not in template.blocks:
        raise BadInput(f"{path}: no block named user. Write {{% block user %}}…{{% endblock %}}.")
    return template


def render(path: str | Path, **values: object) -> list[Message]:
    """The messages of the prompt file `path`, filled with `values`.

    Raises:
        BadInput: no such file, a syntax error, no `user` block, or a name in it that has no value.
    """
    template = _template(str(path))
    messages = []
    for role in ("system", "user"):
        if role not in template.blocks:
            continue
        try:
            content = "".join(template.blocks[role](template.new_context(values)))
        except jinja2.UndefinedError as error:
            raise BadInput(f"{path}: {error}. A prompt may use: {', '.join(sorted(values))}.") from None
        messages.append({"role": role, "content": content.strip()})
    return messages


def hashes(paths: Iterable[str | None]) -> dict[str, str]:
    """sha256 by path of the prompt files that are named; None entries are left out."""
    return {path: file_hash(path) for path in sorted({path for path in paths if path})}
