"""The config's schema: types converted, defaults filled in, and every violation reported."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scripts.lib.study import language, strict_yaml
from scripts.lib.study.mistakes import Place, close

if TYPE_CHECKING:
    from jsonschema import ValidationError

SCHEMA = Path(__file__).resolve().parents[3] / "config" / "schema.yaml"

# What a type of the schema, and one of Python, is called in a message.
KINDS = {
    **{"object": "a mapping", "array": "a list", "string": "text", "number": "a number"},
    **{"integer": "a whole number", "boolean": "true or false", "null": "null"},
}
GIVEN = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
# What a pattern of the schema asks for; others are shown as they are.
IN_WORDS = {
    "^[a-z0-9][a-z0-9.-]*$": "it must begin with a lowercase letter or digit, and have only those, dots and hyphens."
    " Rename it",
    "^[a-z][a-z0-9_]*$": "it must begin with a lowercase letter, and have only those, digits and underscores."
    " Rename it",
    r"\.j2$": "it must be a file that ends in .j2. Name a prompt file",
}

# YAML 1.1 reads 5e-4 as text, since it has no decimal point.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@cache
def schema() -> dict:
    """The config's JSON schema, with the parts under `$shared` inserted where `$properties` names them."""
    written = strict_yaml.parse(SCHEMA.read_text(encoding="utf-8"))[0]
    shared = written.pop("$shared")
    return _with_shared(written, shared)


def _with_shared(node: Any, shared: dict[str, dict]) -> Any:
    if isinstance(node, list):
        return [_with_shared(item, shared) for item in node]
    if not isinstance(node, dict):
        return node
    while "$properties" in node:  # a shared part may name another one
        own = {key: item for key, item in node.items() if key != "$properties"}
        node = {**shared[node["$properties"]], **own}
    return {key: _with_shared(item, shared) for key, item in node.items()}


def dereferenced(node: dict) -> dict:
    """The schema node with its `$ref` followed; keys beside the `$ref` win."""
    while "$ref" in node:
        target = schema()
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def branch(node: dict, value: Any) -> tuple[dict | None, str | None]:
    """The branch of a `oneOf` that `value` selects, and the key that selects it (source, kind), if there is one."""
    options = [dereferenced(option) for option in node["oneOf"]]
    for option in options:
        for key, rule in option["properties"].items():
            if "const" in rule:
                if isinstance(value, dict) and value.get(key) == rule["const"]:
                    return option, key
                break
        else:
            # No key with a constant: the branch whose required keys are present.
            if isinstance(value, dict) and set(option["required"]) <= set(value):
                return option, None
    chooser = next((key for key, rule in options[0]["properties"].items() if "const" in rule), None)
    return None, chooser


def conform(value: Any, node: dict, path: tuple) -> Any:
    """`value` with leaves converted to the schema's types where that is safe, and defaults filled in."""
    node = dereferenced(node)
    if "oneOf" in node:
        node = branch(node, value)[0] or {}
    if isinstance(value, dict):
        properties = node.get("properties", {})
        extra = node.get("additionalProperties")
        done = {}
        for key, item in value.items():
            key = str(key) if isinstance(key, int) and "propertyNames" in node else key
            rule = properties.get(key, extra if isinstance(extra, dict) else {})
            done[key] = conform(item, rule, (*path, key))
        for key, rule in properties.items():
            rule = dereferenced(rule)
            if key not in done and "default" in rule:
                done[key] = conform(copy.deepcopy(rule["default"]), rule, (*path, key))
        return done
    if isinstance(value, list):
        return [conform(item, node.get("items", {}), (*path, index)) for index, item in enumerate(value)]
    return _leaf(value, node)


def _leaf(value: Any, node: dict) -> Any:
    wanted = node.get("type", [])
    wanted = {wanted} if isinstance(wanted, str) else set(wanted)
    if isinstance(value, str) and "string" not in wanted:
        if "null" in wanted and value in ("null", "None"):
            return None
        if "boolean" in wanted and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if wanted & {"integer", "number"} and re.fullmatch(r"[+-]?\d+", value):
            return int(value)
        if "number" in wanted and NUMBER.fullmatch(value):
            return float(value)
    if isinstance(value, int) and not isinstance(value, bool) and "number" in wanted:
        return float(value)
    if isinstance(value, float) and value.is_integer() and "integer" in wanted:
        return int(value)
    return value


def files_named(value: Any, node: dict, path: tuple = ()) -> Iterator[tuple[Any, Any, tuple, dict]]:
    """(container, key, key path, schema) of each text in `value` that names a file."""
    node = dereferenced(node)
    if "oneOf" in node:
        node = branch(node, value)[0] or {}
    extra = node.get("additionalProperties")
    others = node.get("items", extra if isinstance(extra, dict) else {})
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        rule = dereferenced(node.get("properties", {}).get(key, others))
        if isinstance(item, str) and "format" in rule:
            yield value, key, (*path, key), rule
        elif isinstance(item, dict | list):
            yield from files_named(item, rule, (*path, key))


def with_values(overrides: Any, nodes: Sequence[dict] | None = None) -> Any:
    """Values from the command line, which Snakemake passes as text; those without a schema type are read as YAML.

    Values with a type are left to `conform`; a task's own settings, for example, have none.

    Args:
        overrides: the values.
        nodes: the schema nodes that may apply to them (initially the schema itself).
    """
    nodes = [schema()] if nodes is None else nodes
    if isinstance(overrides, dict):
        return {key: with_values(value, _below(nodes, key)) for key, value in overrides.items()}
    if isinstance(overrides, list):
        return [with_values(value, _below(nodes, 0)) for value in overrides]
    return _read(overrides) if isinstance(overrides, str) and not nodes else overrides


def _read(text: str) -> Any:
    """The number or boolean that a text states, else the text."""
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else text


def _below(nodes: Sequence[dict], key: Any) -> list[dict]:
    """The schema nodes that may apply to a key of a mapping or an item of a list; empty if anything is allowed."""
    found = []
    for node in map(dereferenced, nodes):
        for option in map(dereferenced, node.get("oneOf", [node])):
            rule = option.get("properties", {}).get(key) or option.get("additionalProperties") or option.get("items")
            found += [rule] if isinstance(rule, dict) and rule else []
    return found


# --- validation -----------------------------------------------------------------------------------------------------


def validate(study: dict, place: Place, lost: Set[tuple] = frozenset()) -> tuple[list[str], set[tuple]]:
    """All violations of the schema in `study`, and the (section, slug) of the entries with one.

    Args:
        study: all sections, with defaults filled in.
        place: describes the location of a key.
        lost: entries that extend a missing one, which is reported: their missing keys are not.
    """
    errors = list(_flat(_errors(study, schema())))
    mistakes = _described(
        [error for error in errors if tuple(error.absolute_path) not in lost or _of_keys(error)], place, names=study
    )
    broken = {tuple(error.absolute_path)[:2] for error in errors} | set(lost)
    recipes = study["recipes"]
    both = isinstance(study["runs"], dict) and isinstance(recipes, dict)
    sound: dict[tuple[str, str], dict] = {}  # of the seeds of a run, only one is checked
    for slug, run in study["runs"].items() if both else ():
        name = run.get("recipe") if isinstance(run, dict) else None
        recipe = recipes.get(name) if isinstance(name, str) else None
        if isinstance(recipe, dict) and isinstance(run["overrides"], dict):
            same = (name, repr(run["overrides"]))
            if same in sound:
                run["hyperparameters"] = copy.deepcopy(sound[same])
                continue
            path = ("runs", slug, "overrides")
            run["hyperparameters"], wrong = with_overrides(recipe, run["overrides"], path, place)
            if not wrong:
                sound[same] = run["hyperparameters"]
            mistakes += wrong
            broken |= {path[:2]} if wrong else set()
    return list(dict.fromkeys(mistakes)), broken


def _of_keys(error: "ValidationError") -> bool:
    """Whether an error is about existing keys, not about missing ones."""
    return error.validator == "additionalProperties"


def with_overrides(recipe: dict, overrides: dict, path: tuple, place: Place) -> tuple[dict, list[str]]:
    """The recipe with a run's overrides, and the mistakes in them (the recipe itself is checked elsewhere)."""
    node = {"$ref": "#/$defs/recipe", "$defs": schema()["$defs"]}
    full = conform(language.merge(recipe, overrides), node, ())
    wrong = []
    for error in _flat(_errors(full, node)):
        at = list(error.absolute_path)[:1] or sorted(set(overrides) - set(recipe))
        if set(at) & set(overrides):
            wrong.append(error)
    return full, _described(wrong, place, path)


def _errors(value: Any, node: dict) -> Iterable["ValidationError"]:
    import jsonschema

    def pattern(validator, wanted: str, text: Any, _: dict) -> Iterator["ValidationError"]:
        # In Python `$` also matches before a trailing line break, which would end up in a file name.
        if isinstance(text, str) and not re.search(re.sub(r"\$$", r"\\Z", wanted), text):
            yield jsonschema.ValidationError(f"{text!r} does not match {wanted!r}")

    kind = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
    return kind(node).iter_errors(value)


def _flat(errors: Iterable["ValidationError"]) -> list["ValidationError"]:
    """The errors, with each failed `oneOf` replaced by the errors of the branch that the value selects."""
    flat = []
    for error in errors:
        if error.validator != "oneOf":
            flat.append(error)
            continue
        options = [dereferenced(option) for option in error.schema["oneOf"]]
        chosen, chooser = branch(error.schema, error.instance)
        if chosen is None:
            error.choices = [o["properties"][chooser]["const"] if chooser else o["title"] for o in options]
            error.chooser = chooser
            flat.append(error)
        else:
            index = next(i for i, option in enumerate(options) if option["title"] == chosen["title"])
            flat += _flat(sub for sub in error.context if sub.schema_path[0] == index)
    return flat


def _described(
    errors: Sequence["ValidationError"],
    place: Place,
    below: tuple = (),
    names: Mapping[str, Any] = MappingProxyType({}),
) -> list[str]:
    """The errors as place, problem and fix, each once; a misspelt key counts once, not also as a missing one.

    Args:
        errors: what is wrong.
        place: says where a key stands.
        below: the keys above all of them.
        names: the entries by section. One without a key that each must have may be another one, misspelt.
    """
    meant: dict[tuple, set[str]] = {}  # the keys meant by misspelt ones, by their mapping
    mistakes = []
    for error in errors:
        if error.validator == "additionalProperties":
            path = (*below, *error.absolute_path)
            known = sorted(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - set(known), key=str):
                near = close(key, known)
                meant.setdefault(path, set()).update(re.findall(r"mean (.*)\?", near))
                mistakes.append(f"{place((*path, key))}: there is no such key (known: {', '.join(known)}).{near}")
    for error in errors:
        path = (*below, *error.absolute_path)
        missing = error.validator == "required" and [key for key in error.validator_value if key not in error.instance]
        if error.validator != "additionalProperties" and not (missing and set(missing) <= meant.get(path, set())):
            empty = missing and len(path) == 2 and len(missing) == len(error.validator_value)
            near = close(path[1], [name for name in names.get(path[0], ()) if name != path[1]]) if empty else ""
            mistakes.append(_describe(error, place, path) + near)
    return list(dict.fromkeys(mistakes))


def _describe(error: "ValidationError", place: Place, path: tuple) -> str:
    """One error as place, problem and fix."""
    value, rule = error.instance, error.validator_value
    where = place(path)
    if error.validator == "oneOf":
        if error.chooser:
            given = value.get(error.chooser) if isinstance(value, dict) else value
            choices = ", ".join(error.choices)
            near = close(given, error.choices)
            return f"{place((*path, error.chooser))} = {given!r}: it must be one of {choices}.{near}"
        what = "row" if path and isinstance(path[-1], int) else "entry"
        return f"{where}: it must be a {' or a '.join(error.choices)} {what} (docs/config.md)."
    if error.validator == "required":
        missing = [key for key in rule if key not in value]
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        return f"{where}: {', '.join(missing)} {are} missing. Add {them} (docs/config.md)."
    if error.validator == "maxLength":
        at = place((*path, value)) if "propertyNames" in error.absolute_schema_path else where
        named = at.replace(value, f"{value[:40]}…")
        return f"{named}: a name of {len(value)} characters; files are named after it: at most {rule}. Shorten it."
    if error.validator == "pattern":
        at = (*path, value) if "propertyNames" in error.absolute_schema_path else path
        return f"{place(at)} = {value!r}: {IN_WORDS.get(rule, f'it must match {rule}. Correct it')}."
    if error.validator == "enum":
        return f"{where} = {value!r}: it must be one of {', '.join(map(str, rule))}.{close(value, rule)}"
    if error.validator == "type":
        wanted = " or ".join(KINDS[name] for name in ([rule] if isinstance(rule, str) else rule))
        if value is None:
            return f"{where}: it is empty, but it must be {wanted}. Indent what belongs to it, or remove it."
        kind = type(value)  # YAML has dates as well
        given = KINDS[GIVEN[kind]] if kind in GIVEN else f"a {kind.__name__}"
        said = f"{where} = {value!r}: {given}, but it must be {wanted}."
        return f"{said} A bracket or a quote is missing in it." if str(value)[:1] in "{[" else said
    limits = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "above",
        "exclusiveMaximum": "below",
        "minItems": "at least this many entries:",
        "minProperties": "at least this many keys:",
    }
    if error.validator in limits:
        return f"{where} = {value!r}: it must be {limits[error.validator]} {rule}."
    return f"{where} = {value!r}: {error.message}."
