"""From config files to one resolved, checked study.

`resolve` is a pure function of the files and the command line's overrides. It merges the files, expands `extends:` and
`for_each:`, converts values to the schema's types, fills in defaults, validates, checks that every name exists, and
applies `scale:`. It reports every mistake at once, each as place, problem and way out.
"""

import copy
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from scripts.lib.study import expand, language, runs, strict_yaml
from scripts.lib.study.checks import Checks

SCHEMA = Path(__file__).resolve().parents[3] / "config" / "schema.yaml"
SECTIONS = (
    *("inputs", "machines", "engines", "models", "datasets", "responses", "teachers", "critiques", "answers"),
    *("recipes", "runs", "seeds", "benchmarks", "suites", "tables", "figures", "claims"),
)


class ConfigError(Exception):
    """All mistakes of a config, one a line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = list(mistakes)
        count = len(self.mistakes)
        head = "1 mistake in the config:" if count == 1 else f"{count} mistakes in the config:"
        super().__init__("\n".join([head, *(f"  - {mistake}" for mistake in self.mistakes)]))


@cache
def schema() -> dict:
    """The config's JSON schema. Its own keys are put together with merge keys, which JSON schemas cannot do."""
    return strict_yaml.parse(SCHEMA.read_text(encoding="utf-8"))[0]


def resolve(files: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> dict:
    """The resolved study: every section present, every default filled in, every name checked.

    Args:
        files: the config files, in the order they were named.
        overrides: values from the command line; mappings merge deeply, lists are replaced, `base` is one more file.

    Raises:
        ConfigError: with every mistake found.
    """
    mistakes: list[str] = []
    overrides = _plain(overrides or {})
    files = [*files, *([overrides.pop("base")] if "base" in overrides else [])]
    raw, origin = merge_files(files, mistakes)
    raw = language.merge(raw, overrides)

    def place(path: Sequence[str | int]) -> str:
        """`config.yaml: runs.cft.start`: what brought the value (a file, the command line), and the keys down to it."""
        if not path:
            return ", ".join(map(_short, files)) or "command line"
        entry = tuple(path[: 2 if path[0] in SECTIONS else 1])
        source = "command line" if _sets(overrides, path) else origin.get(entry, "command line")
        return f"{source}: {language.dotted(tuple(path))}"

    families: dict[tuple[str, str], list[str]] = {}
    for section in SECTIONS:
        if isinstance(raw.get(section), dict):
            raw[section] = language.expand(raw[section], section, place, families, mistakes)
    inputs = raw.get("inputs") if isinstance(raw.get("inputs"), dict) else {}
    if isinstance(raw.get("runs"), dict):
        raw["runs"] = language.chosen(raw["runs"], inputs, place, ("runs",), mistakes)
    for (section, family), names in families.items():
        origin |= {(section, name): origin[section, family] for name in names if (section, family) in origin}
    study = conform(raw, schema(), ())
    found, broken = validate(study, place)
    mistakes += found
    if all(isinstance(study[section], dict) for section in SECTIONS):

        def with_overrides(recipe: dict, overrides: dict, path: tuple) -> tuple[dict, list[str]]:
            return _with_overrides(recipe, overrides, path, place)

        sampling = conform({}, {"$ref": "#/$defs/sampling"}, ())
        mistakes += runs.expand_spin(study, broken, families, sampling, with_overrides, place)
        checks = Checks(study, place, broken)
        expand.expand_seeds(checks, families)
        expand.expand_rows(checks, families)
        checks.all()
        mistakes += checks.told
    if mistakes:
        raise ConfigError(mistakes)
    study["tables"] = {slug: expand.as_cells(table, study) for slug, table in study["tables"].items()}
    return _scaled(study) if "scale" in study else study


def read_files(files: Sequence[str | Path], mistakes: list[str]) -> dict[str, dict]:
    """What each config file holds, by its name; a file that another names under `base` or `include` comes before it.

    Such names are relative to the file that holds them. A file that is named several times is read once.
    """
    read: dict[str, dict] = {}
    seen: set[Path] = set()

    def read_file(file: Path, named_by: str) -> None:
        if file.resolve() in seen:
            return
        seen.add(file.resolve())
        name = _short(file)
        try:
            values, wrong = strict_yaml.parse(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, IsADirectoryError):
            mistakes.append(f"{named_by or name}: there is no such config file. Check the path.")
            return
        except yaml.YAMLError as error:
            mistakes.append(f"{name}: not YAML: {' '.join(str(error).split())}. Mend the line.")
            return
        mistakes.extend(f"{name}: {mistake}" for mistake in wrong)
        values = values or {}
        if not isinstance(values, dict):
            mistakes.append(f"{name}: a {type(values).__name__}, not a mapping. Write `key: value` lines.")
            return
        for key, wanted in (("base", str), ("include", list)):
            named = values.pop(key, wanted())
            if not isinstance(named, wanted) or not all(isinstance(path, str) for path in named):
                what = "one config file" if wanted is str else "a list of config files"
                mistakes.append(f"{name}: {key} = {named!r}: it must be {what}. Write it so.")
                continue
            for path in filter(None, [named] if wanted is str else named):
                read_file(file.parent / path, f"{name}: {key} = {path!r}")
        read[name] = values

    for file in files:
        read_file(Path(file), "")
    return read


def merge_files(files: Sequence[str | Path], mistakes: list[str]) -> tuple[dict, dict[tuple, str]]:
    """The files' values merged, and the file that each key (section,) and entry (section, slug) comes from."""
    merged: dict = {}
    origin: dict[tuple, str] = {}
    for name, values in read_files(files, mistakes).items():
        for key, value in values.items():
            if key in SECTIONS and isinstance(value, dict) and isinstance(merged.get(key, {}), dict):
                there = merged.setdefault(key, {})
                for slug, entry in value.items():
                    if slug in there and there[slug] != entry:
                        mistakes.append(
                            f"{name}: {key}.{slug} differs from the entry in {origin[key, slug]}. "
                            "Give it another name (extends: takes over the rest), or remove one."
                        )
                        continue
                    there[slug] = entry
                    origin.setdefault((key, str(slug)), name)
            elif key in merged and merged[key] != value:
                mistakes.append(
                    f"{name}: {key} = {value!r} differs from {merged[key]!r} in {origin[key,]}. Remove one of them."
                )
            else:
                merged[key] = value
            origin.setdefault((key,), name)
    return merged, origin


def _sets(overrides: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Whether the overrides hold the value at `path`, not only a mapping that was merged into others."""
    value: Any = overrides
    for key in path:
        if not isinstance(value, Mapping):
            return True
        if key not in value:
            return False
        value = value[key]
    return not isinstance(value, Mapping)


def _short(file: str | Path) -> str:
    path, here = Path(os.path.normpath(file)), Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def _plain(value: Any) -> Any:
    """The value with ordinary dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else copy.deepcopy(value)


# --- types and defaults ---------------------------------------------------------------------------------------------


def dereferenced(node: dict) -> dict:
    """The schema node with its `$ref` followed; keys beside the `$ref` win."""
    while "$ref" in node:
        target = schema()
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def branch(node: dict, value: Any) -> tuple[dict | None, str | None]:
    """The branch of a `oneOf` that `value` chooses, and the key that chooses it (source, kind), where there is one."""
    options = [dereferenced(option) for option in node["oneOf"]]
    for option in options:
        for key, rule in option["properties"].items():
            if "const" in rule:
                if isinstance(value, dict) and value.get(key) == rule["const"]:
                    return option, key
                break
        else:
            # No key with a constant: the branch whose required keys are there.
            if isinstance(value, dict) and set(option["required"]) <= set(value):
                return option, None
    chooser = next((key for key, rule in options[0]["properties"].items() if "const" in rule), None)
    return None, chooser


def conform(value: Any, node: dict, path: tuple) -> Any:
    """`value` with its leaves converted to the schema's types where that is safe, and with defaults filled in."""
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
        if "number" in wanted and re.fullmatch(r"[+-]?\d+\.\d*([eE][+-]?\d+)?", value):
            return float(value)
    if isinstance(value, int) and not isinstance(value, bool) and "number" in wanted:
        return float(value)
    if isinstance(value, float) and value.is_integer() and "integer" in wanted:
        return int(value)
    return value


# --- validation -----------------------------------------------------------------------------------------------------


def validate(study: dict, place) -> tuple[list[str], set[tuple]]:
    """Every way in which `study` breaks the schema, and the (section, slug) of the entries that do."""
    errors = list(_flat(jsonschema.Draft202012Validator(schema()).iter_errors(study)))
    mistakes = [_describe(error, place) for error in errors]
    broken = {tuple(error.absolute_path)[:2] for error in errors}
    recipes = study["recipes"]
    both = isinstance(study["runs"], dict) and isinstance(recipes, dict)
    for slug, run in study["runs"].items() if both else ():
        name = run.get("recipe") if isinstance(run, dict) else None
        recipe = recipes.get(name) if isinstance(name, str) else None
        if isinstance(recipe, dict) and isinstance(run["overrides"], dict):
            path = ("runs", slug, "overrides")
            run["hyperparameters"], wrong = _with_overrides(recipe, run["overrides"], path, place)
            mistakes += wrong
            broken |= {path[:2]} if wrong else set()
    return list(dict.fromkeys(mistakes)), broken


def _with_overrides(recipe: dict, overrides: dict, path: tuple, place) -> tuple[dict, list[str]]:
    """The recipe with a run's overrides, and what is wrong with them (the recipe itself is checked elsewhere)."""
    node = {"$ref": "#/$defs/recipe", "$defs": schema()["$defs"]}
    full = conform(language.merge(recipe, overrides), node, ())
    wrong = []
    for error in _flat(jsonschema.Draft202012Validator(node).iter_errors(full)):
        at = list(error.absolute_path)[:1] or sorted(set(overrides) - set(recipe))
        if set(at) & set(overrides):
            wrong.append(_describe(error, place, path))
    return full, wrong


def _flat(errors) -> list[jsonschema.ValidationError]:
    """The errors, with each failed `oneOf` replaced by the errors of the branch that the value chooses."""
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


def _describe(error: jsonschema.ValidationError, place, below: tuple = ()) -> str:
    """One error as place, problem and way out."""
    path = (*below, *error.absolute_path)
    value, rule = error.instance, error.validator_value
    where = place(path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(value) - set(known), key=str)
        lines = []
        for key in unknown:
            lines.append(
                f"{place((*path, key))}: there is no such key (known: {', '.join(known)}).{_close(key, known)}"
            )
        return "; ".join(lines)
    if error.validator == "oneOf":
        if error.chooser:
            found = value.get(error.chooser) if isinstance(value, dict) else value
            return f"{place((*path, error.chooser))} = {found!r}: it must be one of {', '.join(error.choices)}."
        what = "row" if path and isinstance(path[-1], int) else "entry"
        return f"{where}: it must be a {' or a '.join(error.choices)} {what} (docs/config.md)."
    if error.validator == "required":
        missing = [key for key in rule if key not in value]
        return f"{where}: {', '.join(missing)} is missing. Add it (docs/config.md)."
    if error.validator == "pattern":
        at = (*path, value) if "propertyNames" in error.absolute_schema_path else path
        return f"{place(at)} = {value!r}: it must match {rule}. Write it so."
    if error.validator == "enum":
        return f"{where} = {value!r}: it must be one of {', '.join(map(str, rule))}.{_close(value, rule)}"
    if error.validator == "type":
        wanted = " or ".join([rule] if isinstance(rule, str) else rule)
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value, re.IGNORECASE):
            mantissa, exponent = re.split("e", value, flags=re.IGNORECASE)
            return f"{where} = {value!r}: YAML reads this as text. Write {mantissa}.0e{exponent}."
        return f"{where} = {value!r}: a {type(value).__name__}, but it must be: {wanted}."
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


def _close(word: Any, known: Sequence[Any]) -> str:
    import difflib

    near = difflib.get_close_matches(str(word), [str(item) for item in known], n=1)
    return f" Did you mean {near[0]}?" if near else ""


# --- scale ----------------------------------------------------------------------------------------------------------


def _scaled(study: dict) -> dict:
    """The study shrunk as `scale` says: fewer rows, steps and tokens, and a random tiny model for each model."""
    scale = study["scale"]
    study["study"] = f"{study['study']}-{scale['suffix']}"

    def less(entry: dict, key: str, most: int) -> None:
        entry[key] = most if entry.get(key) is None else min(entry[key], most)

    for slug, model in study["models"].items():
        study["models"][slug] = {"source": "random", "family": model["family"], "shape": scale["model"]}
    benchmarks = study["benchmarks"].values()
    for source in (*study["datasets"].values(), *(b["questions"] for b in benchmarks if "questions" in b)):
        less(source, "rows", scale["rows"])
        if source["source"] == "hub" and scale["hub"] is not None:
            source |= {"repo": f"{scale['hub']}/{source['repo'].replace('/', '--')}", "revision": None}
            source.pop("expect_rows", None)
    for entry in (*study["responses"].values(), *benchmarks):
        for key, most in (("samples", "samples"), ("max_tokens", "max_tokens"), ("limit", "rows")):
            if key in entry:
                less(entry, key, scale[most])
        if "self_critique" in entry:
            less(entry["self_critique"], "max_tokens", scale["max_tokens"])
            less(entry["self_critique"], "regenerations", scale["samples"])
    for entry in (*study["critiques"].values(), *study["answers"].values(), *benchmarks):
        if "max_errors" in entry:
            entry["max_errors"] = 1.0  # a random model writes no verdict
        if entry.get("kind") == "harness" and scale["hub"] is not None:
            entry["task_path"] = f"{scale['hub']}/lm-eval"
            entry["shots"] = entry["shots"] and 1  # null and 0 stay
    for entry in (*study["responses"].values(), *study["critiques"].values(), *study["answers"].values()):
        entry["shards"] = 1
    for teacher in study["teachers"].values():
        if "max_tokens" in teacher:
            less(teacher, "max_tokens", scale["max_tokens"])
    for run in study["runs"].values():
        mixed = len(run["data"].get("self_play", [run]))  # SPIN trains on the pairs of up to two iterations
        less(run["data"], "rows", scale["rows"] * mixed)
        for part in (run["data"], *run["data"].get("mix", ())):
            for key in ("gap_rows", "like_rows"):
                less(part, key, scale["rows"])
        less(run["hyperparameters"], "global_batch", scale["rows"])
        # A random model gets nothing right, so a filter would leave no row: it is loosened, and the summary says so.
        run["data"]["when_short"] = "take-unfiltered"
        steps = [step for step in run["hyperparameters"]["candidate_steps"] if step < scale["max_steps"]]
        run["hyperparameters"] |= {"max_steps": scale["max_steps"], "save_steps": 1, "candidate_steps": steps}
    return study
