"""Prompts are jinja files under `prompts/`, named in config, with a block for each message.

    {% block system %}You are a careful mathematician.{% endblock %}
    {% block user %}{{ question }}{% endblock %}

A file may hold the blocks `system` and `user`; `user` is required. Unknown names inside a block are errors. A file may
include others of its folder.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jinja2

from scripts.lib.jsonl import BadInput, file_hash
from scripts.lib.study.contents import located, with_included

Message = dict[str, str]  # {"role": "user", "content": "What is 3 + 4?"}


@cache
def _template(path: str) -> jinja2.Template:
    folder = jinja2.FileSystemLoader(located(path).parent)
    environment = jinja2.Environment(loader=folder, undefined=jinja2.StrictUndefined, autoescape=False)
    try:
        template = environment.get_template(Path(path).name)
    except jinja2.TemplateNotFound as error:
        included = "" if error.name == Path(path).name else f" (it includes {error.name})"
        raise BadInput(f"{path}: there is no such prompt file{included}. Prompts lie under prompts/.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text ({error}). Convert the file to UTF-8.") from None
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
        if any("\ud800" <= character <= "\udfff" for character in content):
            raise BadInput(f"{path}: it writes half of a surrogate pair. Write the character itself.")
        messages.append({"role": role, "content": content.strip()})
    return messages


def hashes(paths: Iterable[str | None]) -> dict[str, str]:
    """sha256 by path of the prompt files that are named, with what they include; None entries are skipped."""
    named = {path for path in paths if path}
    return {
        str(file): file_hash(file) for file in sorted({file for path in named for file in with_included(located(path))})
    }
