"""Writes docs/config.md, the reference of every config key, from config/schema.yaml.

python -m scripts.describe_config --out docs/config.md
"""

import textwrap

from scripts.lib import cli
from scripts.lib.jsonl import dumps
from scripts.lib.study.schema import dereferenced, schema

INTRO = """# Config reference

Made from `config/schema.yaml` by `python -m scripts.describe_config --out docs/config.md`; do not
edit it here.

Sections map a name (slug) to settings; an entry names the entries it builds on.

- `extends: <entry of the same section>` inherits its keys: give only those that differ. Mappings
  merge, lists are replaced whole, `null` deletes a key. `extends: [a, b]` inherits from several: if
  two have a key, the first in the list wins, and the entry's own keys override all.
- An entry whose name starts with `_` is a template: others extend it, and it is not part of the
  study. It may lack required keys.
- `for_each: {axis: [values]}` makes one entry for each value, with `$axis` replaced in the name and
  in the settings.
- In a run, a mapping with `choose: <name>` is replaced by the branch that
  `inputs: {<name>: <branch>}` names, plus its other keys.
- A file's `include: [files]` belong to its study; a sweep's `base: <file>` is the study that it
  adds to.
- Files that a config names (`base`, `include`, `path`, `task_path`, prompts, templates) are
  relative to the config file. If a prompt or template is not there, the project's is used:
  `prompts/answer.j2` means the same in every config. What `--config` names is relative to the work
  folder, as is a `repo` that is a local folder. Until the next release, a file found only in the
  work folder is used, with a warning that names both places.

A value may have a YAML anchor (`&x`) and be repeated as `*x`. YAML's merge key (`<<`) is refused,
as is a key that occurs twice in one mapping, and a file whose aliases expand to more than 200,000
values. Snakemake reads a config first: in one with `__use_yte__` it runs Python. Use only configs
from people whose programs you would run.
"""


def page() -> str:
    """The whole reference as Markdown."""
    top = {key: dereferenced(node) for key, node in schema()["properties"].items()}
    single = {key: node for key, node in top.items() if node["type"] != "object" or "properties" in node}
    parts = [INTRO, "## Top level\n", table({key: node for key, node in single.items() if key != "scale"}, {"study"})]
    for name, node in top.items():
        if name in single and name != "scale":
            continue
        parts.append(f"## {name}\n\n{textwrap.fill(node['description'], 100)}\n")
        entry = node if name == "scale" else dereferenced(node["additionalProperties"])
        parts += variants(entry)
    return "\n".join(parts)


def variants(entry: dict) -> list[str]:
    """The tables of an entry: one, or one for each of its variants."""
    if "oneOf" not in entry:
        return rows_of(entry)
    parts = []
    for option in map(dereferenced, entry["oneOf"]):
        parts += [f"### {option['title']}\n", *rows_of(option)]
    return parts


def rows_of(entry: dict) -> list[str]:
    """The table of an entry's keys, followed by the tables of keys that contain mappings."""
    if "items" not in entry and "properties" not in entry:
        return ["Each is a name.\n"]
    if "properties" not in entry:
        return [f"A list of {dereferenced(entry['items']).get('description', 'names')}.\n"]
    parts = [table(entry["properties"], set(entry.get("required", ())))]
    for key, node in entry["properties"].items():
        node = dereferenced(node)
        inner = dereferenced(node["items"]) if "items" in node else node
        if "oneOf" in inner and "items" in node:
            for option in map(dereferenced, inner["oneOf"]):
                parts += [f"`{key}`, {option['title']}:\n", table(option["properties"], set(option["required"]))]
        elif "properties" in inner:
            parts += [f"`{key}`:\n", table(inner["properties"], set(inner.get("required", ())))]
    return parts


def table(properties: dict, required: set[str]) -> str:
    """One Markdown table of keys."""
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    # The key that selects the variant comes first, also if the others are merged into it.
    for key, node in sorted(properties.items(), key=lambda item: "const" not in item[1]):
        node = dereferenced(node)
        default = "required" if key in required else f"`{dumps(node['default'])}`" if "default" in node else ""
        lines.append(f"| `{key}` | {kind_of(node)} | {default} | {node.get('description', '').replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def kind_of(node: dict) -> str:
    """The type of a key's values, in a few words."""
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "oneOf" in node:
        return " or ".join(dereferenced(option)["title"] for option in node["oneOf"])
    kinds = node.get("type", "any")
    words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[key]}" for key, sign in limits.items() if key in node]
    return " ".join([words, *bounds])


if __name__ == "__main__":
    cli.run_page(page, __doc__)
