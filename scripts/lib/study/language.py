"""The config language: deep merging, `extends:`, `for_each:` and `choose:`."""

import copy
import functools
import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.lib.study.mistakes import close

Place = Callable[[tuple], str]
MOST_MEMBERS = 10_000  # members of one family
TEMPLATE = "_"  # the prefix of entries that only serve as templates


class Written(str):
    """A text of a config file that knows the file's folder."""

    folder: Path

    def __new__(cls, text: str, folder: Path) -> "Written":
        written = super().__new__(cls, text)
        written.folder = folder
        return written

    def __deepcopy__(self, memo: dict) -> "Written":
        return self


def merge(below: dict, above: dict) -> dict:
    """`above` laid over `below`: mappings merge deeply, lists and values are replaced. Neither is changed."""
    merged = copy.deepcopy(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def expand(entries: dict, section: str, place: Place, families: dict, mistakes: list[str]) -> dict:
    """The section's entries with `extends` and `for_each` expanded, without templates.

    Args:
        entries: slug to entry.
        section: its name, for messages.
        place: describes the location of a key.
        families: collects (section, name with $axes) to the names made from it.
        mistakes: collects mistakes.
    """
    expanded: dict = {}
    for name in entries:
        entry = _extended(name, entries, section, place, mistakes, ())
        if str(name).startswith(TEMPLATE):
            if not isinstance(entry, dict):
                mistakes.append(
                    f"{place((section, name))} = {entry!r}: a template holds keys. Write some, or remove it."
                )
            continue
        if not isinstance(entry, dict) or "for_each" not in entry:
            members = {str(name): entry}
        else:
            members = _each(str(name), entry, (section, name), place, mistakes)
            families[section, str(name)] = list(members)
        for slug, value in members.items():
            if slug in expanded:
                mistakes.append(f"{place((section, name))}: it makes {slug!r}, which already exists. Rename one.")
            expanded[slug] = value
    return expanded


def chosen(value: Any, inputs: dict, place: Place, path: tuple, mistakes: list[str]) -> Any:
    """`value` with each mapping that has `choose:` replaced by the branch that `inputs` names, and its other keys.

    `{choose: webinstruct, scratch: {responses: x}, released: {dataset: y}, rows: 9}` is, under
    `inputs: {webinstruct: released}`, `{dataset: y, rows: 9}`. Branches are the keys that hold mappings.
    """
    if isinstance(value, list):
        return [chosen(item, inputs, place, (*path, index), mistakes) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "choose" in value:
        name = value["choose"]
        branches = {key: item for key, item in value.items() if isinstance(item, dict)}
        if not isinstance(name, str) or name not in inputs:
            mistakes.append(
                f"{place((*path, 'choose'))} = {name!r}: not under inputs (known: "
                f"{', '.join(sorted(inputs)) or 'none'}). Add it there."
            )
            return {key: item for key, item in value.items() if key != "choose" and key not in branches}
        if inputs[name] not in branches:
            mistakes.append(
                f"{place(('inputs', name))} = {inputs[name]!r}: {dotted(path)} has no such branch (it has: "
                f"{', '.join(branches)}). Name one of them."
            )
            return {key: item for key, item in value.items() if key != "choose" and key not in branches}
        rest = {key: item for key, item in value.items() if key != "choose" and key not in branches}
        value = merge(rest, branches[inputs[name]])
    return {key: chosen(item, inputs, place, (*path, key), mistakes) for key, item in value.items()}


def dotted(path: tuple) -> str:
    """`("tables", "t", "rows", 2, "of")` as `tables.t.rows[2].of`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def origin(path: tuple, written: dict, members: dict[tuple, str]) -> tuple:
    """The path at which the value at `path` was written: in the entry itself or in one that it extends.

    Args:
        path: section, slug and the keys below.
        written: the sections as in the files.
        members: (section, slug) of a family's member → the family's name.
    """
    if len(path) < 3 or not isinstance(written.get(path[0]), dict):
        return path
    section, slug, *keys = path
    entries, trail = written[section], [members.get((section, slug), slug)]
    while isinstance(entry := entries.get(trail[-1]), dict) and not _holds(entry, keys):
        found = [
            name for name in _named(entry) if name not in trail and _somewhere(name, entries, keys, [*trail, name])
        ]
        if not found:
            return path
        trail.append(found[0])
    return path if len(trail) == 1 else (section, trail[-1], *keys)


def _somewhere(name: str, entries: dict, keys: list, seen: list) -> bool:
    """Whether an entry, or one that it extends, has the keys."""
    entry = entries.get(name)
    if not isinstance(entry, dict):
        return False
    return _holds(entry, keys) or any(
        _somewhere(parent, entries, keys, [*seen, parent]) for parent in _named(entry) if parent not in seen
    )


def orphans(entries: Any) -> set[str]:
    """The entries that extend, directly or not, a missing one: what they lack is not their own mistake."""
    if not isinstance(entries, dict):
        return set()
    named = {name: _named(entry) if isinstance(entry, dict) else [] for name, entry in entries.items()}
    found = {name for name, parents in named.items() if not set(parents) <= set(entries)}
    while more := {name for name, parents in named.items() if name not in found and found & set(parents)}:
        found |= more
    return set(map(str, found))


def _named(entry: dict) -> list[str]:
    """The entries that an entry extends."""
    given = entry.get("extends", [])
    return [name for name in (given if isinstance(given, list) else [given]) if isinstance(name, str)]


def _holds(value: Any, keys: list) -> bool:
    """Whether a mapping has a value at the keys."""
    for key in keys:
        if isinstance(value, list) and isinstance(key, int):
            return True
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _extended(name: Any, entries: dict, section: str, place: Place, mistakes: list[str], seen: tuple) -> Any:
    """The entry merged over those that it extends; earlier names win over later ones."""
    entry = entries[name]
    if not isinstance(entry, dict) or "extends" not in entry:
        return entry
    trail = (*seen, name)
    parents = _parents(entry["extends"], entries, section, place, mistakes, trail)
    below = [_extended(parent, entries, section, place, mistakes, trail) for parent in reversed(parents)]
    own = {key: value for key, value in entry.items() if key != "extends"}
    return functools.reduce(_laid_over, [*(layer for layer in below if isinstance(layer, dict)), own])


def _parents(given: Any, entries: dict, section: str, place: Place, mistakes: list[str], trail: tuple) -> list:
    """The names under `extends`; invalid names and cycles are reported and skipped."""
    listed = isinstance(given, list)
    wrong, parents = [], []
    if given == []:
        wrong.append(f"{place((section, trail[-1], 'extends'))} = []: it names no entry. Name one, or remove it.")
    for index, parent in enumerate(given if listed else [given]):
        where = f"{place((section, trail[-1], 'extends', *([index] if listed else [])))} = {parent!r}"
        if not isinstance(parent, str | int) or parent not in entries:
            known = ", ".join(sorted(map(str, entries)))
            wrong.append(f"{where}: not under {section} (known: {known}).{close(parent, list(entries))}")
        elif parent in trail:
            cycle = [*trail[trail.index(parent) :], parent]
            wrong.append(f"{where}: a cycle ({' → '.join(map(str, cycle))}). Break it.")
        else:
            parents.append(parent)
    mistakes += [mistake for mistake in wrong if mistake not in mistakes]  # reported once, whatever extends it
    return parents


def _laid_over(below: dict, above: dict) -> dict:
    """`above` merged into `below`; a null in it deletes the key."""
    return _without_nulls(merge(below, above), above)


def _without_nulls(merged: dict, own: dict) -> dict:
    """`merged` without the keys that `own` sets to null."""
    kept = {}
    for key, value in merged.items():
        if key in own and own[key] is None:
            continue
        kept[key] = (
            _without_nulls(value, own[key]) if isinstance(value, dict) and isinstance(own.get(key), dict) else value
        )
    return kept


def _each(name: str, entry: dict, path: tuple, place: Place, mistakes: list[str]) -> dict[str, Any]:
    """The entries of one family: one for each element of the product of the axes."""
    axes = entry["for_each"]
    where = place((*path, "for_each"))
    if not isinstance(axes, dict) or not axes:
        mistakes.append(f"{where}: it must map each axis to its values, for example {{seed: [1, 2]}}.")
        return {}
    values: dict[str, dict[str, Any]] = {}
    for axis, given in axes.items():
        if axis not in _AXIS.findall(name):
            mistakes.append(f"{where}: axis {axis!r} is not in the name {name!r}. Write ${axis} into the name.")
        points: dict[str, Any] = {}
        for value in given.items() if isinstance(given, dict) else given if isinstance(given, list) else [given]:
            if isinstance(value, dict) and len(value) == 1:
                (value,) = value.items()
            slug, chosen = value if isinstance(value, tuple) else (value, value)
            if str(slug) in points:
                mistakes.append(f"{where}.{axis}: it holds {str(slug)!r} twice. Remove one.")
            points[str(slug)] = chosen
        if not points:
            mistakes.append(f"{where}.{axis}: it has no values. Add one, or remove the axis.")
        values[str(axis)] = points
    body = {key: value for key, value in entry.items() if key != "for_each"}
    unknown = sorted(_axes_in([name, body]) - set(values))
    if unknown:
        mistakes.append(f"{place(path)}: ${', $'.join(unknown)} is no axis of for_each ({', '.join(values)}).")
    count = math.prod(map(len, values.values()))
    if count > MOST_MEMBERS:
        mistakes.append(f"{where}: it makes {count:,} entries, more than {MOST_MEMBERS:,}. Give fewer values.")
        return {}
    members = {}
    for slugs in itertools.product(*values.values()):
        point = dict(zip(values, slugs, strict=True))
        chosen = {axis: values[axis][slug] for axis, slug in point.items()}
        members[_fill(name, point, point)] = _fill(body, point, chosen)
    return members


_AXIS = re.compile(r"\$([a-z_][a-z0-9_]*)")
_ROW_NAMES = {"of"}  # `$of` in a table row's name is the row's own slug, filled in when the table is made


def _axes_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(_axes_in(item) for item in value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*(_axes_in(item) for item in value)) if value else set()
    return set(_AXIS.findall(value)) - _ROW_NAMES if isinstance(value, str) else set()


def _fill(value: Any, slugs: dict[str, str], chosen: dict[str, Any]) -> Any:
    """`value` with `$axis` replaced: by the slug inside a string, by the value itself where it is the whole string."""
    if isinstance(value, dict):
        return {key: _fill(item, slugs, chosen) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, slugs, chosen) for item in value]
    if not isinstance(value, str):
        return value
    whole = _AXIS.fullmatch(value)
    if whole and whole[1] in chosen:
        return copy.deepcopy(chosen[whole[1]])
    filled = _AXIS.sub(lambda match: slugs.get(match[1], match[0]), value)
    return Written(filled, value.folder) if isinstance(value, Written) else filled
