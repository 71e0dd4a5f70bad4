"""Where the files are that a config names: beside the config file, as those under `base` and `include`.

A prompt or a chat template may also be one of the project's. For one release a file found only in the work folder still
counts, with a warning: earlier configs named files relative to it.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.lib.study import schema
from scripts.lib.study.contents import ROOT, located
from scripts.lib.study.language import Written
from scripts.lib.study.mistakes import Place

log = logging.getLogger(__name__)
OF_PROJECT = "project-file"  # schema format of keys whose file may be one of the project's own


def written_in(value: Any, folder: Path) -> Any:
    """`value` of a config file, with texts that know its `folder`."""
    if isinstance(value, dict):
        return {key: written_in(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [written_in(item, folder) for item in value]
    return Written(value, folder) if isinstance(value, str) else value


def alike(one: Any, other: Any) -> bool:
    """Whether two files have equal values, in which equal texts also name the same file."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if one != other or not isinstance(one, Written) or one.folder == other.folder:
        return one == other
    named = [file for file in (one.folder / one, other.folder / other) if os.path.exists(file)]
    return not named or len(named) == 2 and os.path.samefile(*named)


def plain(value: Any) -> Any:
    """`value` with ordinary texts."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Written) else value


def settled(study: dict, place: Place) -> dict:
    """The study, with each file that a config file names given relative to the working folder.

    Files that exist there, and files named on the command line, keep their names, so that no job reruns for a new one.
    """
    for holder, key, path, rule in schema.files_named(study, schema.schema()):
        if isinstance(holder[key], Written):
            holder[key] = _settled(holder[key], rule, place(path))
    return plain(study)


def _settled(file: Written, rule: Mapping[str, Any], where: str) -> str:
    beside, may_be_the_projects = file.folder / file, rule["format"] == OF_PROJECT
    if os.path.abspath(beside) == os.path.abspath(file):
        return file
    other = os.path.exists(file) and not (may_be_the_projects and _same(Path(file), ROOT / file))
    if os.path.exists(beside):
        if other and not _same(beside, Path(file)):
            log.warning(
                "%s = %r: using %s, beside the config file; %s in the work folder is another one. If you mean that "
                "one, write %r",
                *(where, str(file), short(beside), file, os.path.relpath(file, file.folder)),
            )
        return _named(beside, may_be_the_projects)
    if other:
        log.warning(
            "%s = %r: there is no %s beside the config file, so %s in the work folder is used. The next release will "
            "not look there: write %r",
            *(where, str(file), short(beside), file, os.path.relpath(file, file.folder)),
        )
        return file
    return file if may_be_the_projects else short(os.path.abspath(beside))


def _named(file: Path, may_be_the_projects: bool) -> str:
    """The name of an existing file, independent of where the project is installed."""
    place = Path(os.path.abspath(file))
    if may_be_the_projects and place.is_relative_to(ROOT) and _same(place, located(place.relative_to(ROOT))):
        return str(place.relative_to(ROOT))
    return short(place)


def _same(one: Path, other: Path) -> bool:
    return os.path.exists(other) and os.path.samefile(one, other)


def short(file: str | Path) -> str:
    """A path, relative to the working folder if it is inside it."""
    path, here = Path(os.path.normpath(file)), Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)
