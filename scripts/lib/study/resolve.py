"""From config files to one resolved, checked study.

`resolve` is a pure function of the files and the command line's overrides. It merges the files, expands `extends:` and
`for_each:`, converts values to the schema's types, fills in defaults, validates, checks that every name exists, and
applies `scale:`. It reports every mistake at once, each as place, problem and way out.
"""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.study import expand, language, paths, quotas, runs, schema, strict_yaml
from scripts.lib.study.checks import Checks
from scripts.lib.study.scale import scaled
from scripts.lib.study.urls import masked

SECTIONS = (
    *("inputs", "machines", "engines", "models", "datasets", "responses", "teachers", "critiques", "refinements"),
    *("answers", "recipes", "runs", "seeds", "benchmarks", "suites", "tables", "figures", "targets", "claims"),
)

OF_SWEEPS = ("inputs", "plan")  # what a sweep may override


class ConfigError(Exception):
    """All mistakes in a config, one per line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = [masked(mistake) for mistake in mistakes]
        count = len(self.mistakes)
        head = "1 mistake in the config:" if count == 1 else f"{count} mistakes in the config:"
        super().__init__("\n".join([head, *(f"  - {mistake}" for mistake in self.mistakes)]))


def resolve(files: Sequence[str | Path], overrides: Mapping[str, Any] | None = None) -> dict:
    """The resolved study: every section present, every default filled in, every name checked.

    Args:
        files: the config files, in order.
        overrides: values from the command line; mappings merge deeply, lists are replaced, `base` names a further file.

    Raises:
        ConfigError: with every mistake found.
    """
    mistakes: list[str] = []
    overrides = schema.with_values(_plain(overrides or {}))
    files = [*files, *([overrides.pop("base")] if "base" in overrides else [])]
    raw, origin = merge_files(files, mistakes)
    raw = written = language.merge(raw, overrides)
    families: dict[tuple[str, str], list[str]] = {}
    members: dict[tuple[str, str], str] = {}  # (section, name made from a family) → the family

    def place(path: Sequence[str | int]) -> str:
        """`config.yaml: runs.cft.start`: the value's origin (a file, the command line) and its key path."""
        if not path:
            return ", ".join(map(paths.short, files)) or "command line"
        path = language.origin(tuple(path), written, members) if path[0] in SECTIONS else path
        entry = tuple(path[: 2 if path[0] in SECTIONS else 1])
        found = origin.get(entry, "command line")
        source = "command line" if _sets(overrides, path) else origin.get(tuple(path[:2]), found)
        return f"{source}: {language.dotted(tuple(path))}"

    raw = dict(raw)
    for section in SECTIONS:
        if isinstance(raw.get(section), dict):
            raw[section] = language.expand(raw[section], section, place, families, mistakes)
    if isinstance(raw.get("tables"), dict):
        raw["tables"] = expand.take_rows(raw["tables"], place, mistakes)
    inputs = raw.get("inputs") if isinstance(raw.get("inputs"), dict) else {}
    if isinstance(raw.get("runs"), dict):
        raw["runs"] = language.chosen(raw["runs"], inputs, place, ("runs",), mistakes)
    members |= {(section, name): family for (section, family), names in families.items() for name in names}
    for (section, family), names in families.items():
        origin |= {(section, name): origin[section, family] for name in names if (section, family) in origin}
    study = paths.settled(schema.conform(raw, schema.schema(), ()), place)
    lost = {(section, slug) for section in SECTIONS for slug in language.orphans(written.get(section))}
    lost |= {(section, name) for (section, name), family in members.items() if (section, family) in lost}
    breaches, broken = schema.validate(study, place, lost)
    mistakes += breaches
    if all(isinstance(study[section], dict) for section in SECTIONS):

        def with_overrides(recipe: dict, overrides: dict, path: tuple) -> tuple[dict, list[str]]:
            return schema.with_overrides(recipe, overrides, path, place)

        sampling = schema.conform({}, {"$ref": "#/$defs/sampling"}, ())
        mistakes += runs.expand_spin(study, broken, families, sampling, with_overrides, place)
        checks = Checks(study, place, broken)
        expand.expand_seeds(checks, families)
        expand.expand_rows(checks, families)
        checks.all()
        quotas.check(checks)
        mistakes += checks.told
    if mistakes:
        raise ConfigError(mistakes)
    study["tables"] = {slug: expand.as_cells(table, study) for slug, table in study["tables"].items()}
    return scaled(study) if "scale" in study else study


def read_files(files: Sequence[str | Path], mistakes: list[str]) -> dict[str, dict]:
    """The content of each config file, by its name; files under `base` or `include` precede the file that names them.

    Such names are relative to the file that contains them. A file that is named several times is read once. `base`
    stays in the content, since it marks the file as a sweep.
    """
    read: dict[str, dict] = {}
    seen: set[Path] = set()

    def read_file(file: Path, named_by: str) -> None:
        name = paths.short(file)
        real = Path(os.path.realpath(file))
        if real in seen:
            return
        seen.add(real)
        try:
            values, wrong = strict_yaml.parse(file.read_text(encoding="utf-8"))
        except OSError as error:
            known = isinstance(error, FileNotFoundError | IsADirectoryError)
            problem = "there is no such config file" if known else f"it cannot be read ({error.strerror})"
            mistakes.append(f"{named_by or name}: {problem}. Check the path.")
            return
        except UnicodeDecodeError as error:
            mistakes.append(f"{name}: not UTF-8 text ({error}). Convert the file to UTF-8.")
            return
        except strict_yaml.TooMuch as error:
            mistakes.append(f"{name}: {error}. Write out what is meant, or use extends.")
            return
        except yaml.YAMLError as error:
            mistakes.append(f"{name}: {strict_yaml.syntax(error)}")
            return
        mistakes.extend(f"{name}: {mistake}" for mistake in wrong)
        values = values or {}
        if not isinstance(values, dict):
            mistakes.append(f"{name}: a {type(values).__name__}, not a mapping. Write `key: value` lines.")
            return
        for key, wanted in (("base", str), ("include", list)):
            named = values.get(key, wanted()) if key == "base" else values.pop(key, wanted())
            if not isinstance(named, wanted) or not all(map(_is_name, named if wanted is list else [named])):
                what = "one config file" if wanted is str else "a list of config files"
                mistakes.append(f"{name}: {key} = {named!r}: it must be {what}. Write it so.")
                continue
            for path in filter(None, [named] if wanted is str else named):
                read_file(file.parent / path, f"{name}: {key} = {path!r}")
        read[name] = {key: paths.written_in(value, file.parent) for key, value in values.items()}

    for file in files:
        read_file(Path(file), "")
    return read


def merge_files(files: Sequence[str | Path], mistakes: list[str]) -> tuple[dict, dict[tuple, str]]:
    """The files' values merged, and the file that each key (section,) and entry (section, slug) comes from."""
    merged: dict = {}
    origin: dict[tuple, str] = {}
    swept: dict[tuple, str] = {}  # (key, inner key) → the sweep that sets it
    for name, values in read_files(files, mistakes).items():
        sweeps = bool(values.pop("base", None))
        for key, value in values.items():
            if sweeps and key in OF_SWEEPS and isinstance(value, dict) and isinstance(merged.get(key, {}), dict):
                # A sweep's values win over the study that it extends, but not over another sweep's.
                there = merged.setdefault(key, {})
                for inner, item in value.items():
                    if (key, inner) in swept and there[inner] != item:
                        mistakes.append(f"{name}: {key}.{inner} differs from {swept[key, inner]}. Remove one of them.")
                    there[inner] = item
                    origin[key, str(inner)] = swept[key, inner] = name
                continue
            if key in SECTIONS and isinstance(value, dict) and isinstance(merged.get(key, {}), dict):
                there = merged.setdefault(key, {})
                for slug, entry in value.items():
                    if slug in there and not paths.alike(there[slug], entry):
                        mistakes.append(
                            f"{name}: {key}.{slug} differs from the entry in {origin[key, slug]}. "
                            "Give it another name (extends: takes over the rest), or remove one."
                        )
                        continue
                    there[slug] = entry
                    origin.setdefault((key, str(slug)), name)
            elif key in merged and key in SECTIONS and not isinstance(value, dict):
                said = "it is empty" if value is None else "a list" if isinstance(value, list) else repr(value)
                mistakes.append(
                    f"{name}: {key}: {said}, but it must be a mapping, from the name of each entry to its keys."
                    " Write it so, or remove it."
                )
                continue
            elif key in merged and merged[key] != value:
                mistakes.append(
                    f"{name}: {key} = {value!r} differs from {merged[key]!r} in {origin[key,]}. Remove one of them."
                )
            else:
                merged[key] = value
            origin.setdefault((key,), name)
    return merged, origin


def _is_name(file: Any) -> bool:
    return isinstance(file, str) and "\0" not in file


def _sets(overrides: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Whether the overrides set the value at `path` itself, not just part of a mapping."""
    value: Any = overrides
    for key in path:
        if not isinstance(value, Mapping):
            return True
        if key not in value:
            return False
        value = value[key]
    return not isinstance(value, Mapping)


def _plain(value: Any) -> Any:
    """The value, with plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else copy.deepcopy(value)
