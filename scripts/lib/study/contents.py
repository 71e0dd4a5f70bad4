"""The content of the files that a study names: a digest is part of the settings of exactly the jobs that read the
file."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.lib.jsonl import content_key, file_hash, write_json

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[3]
DIGITS = 16  # hexadecimal digits of a digest
MISSING = "missing"  # replaces a digest: the job that reads the file says what to do
LARGE_BYTES = 1 << 20  # larger files are hashed again only if size, time or inode differ
# A template that another one includes: {% include "x.j2" %}, {% extends %}, {% import %}, {% from %}.
NAMED = re.compile(r"\{%[-+]?\s*(?:include|extends|import|from)\s+[\"']([^\"']+)[\"']")


def located(file: str | Path) -> Path:
    """A file that a config names, in the working folder or else in the project folder."""
    return Path(file) if os.path.exists(file) else ROOT / file


def of_project(name: str) -> str:
    """The path of a project file for rules: from another working folder, its installed location."""
    return name if Path.cwd() == ROOT else str(ROOT / name)


def with_included(template: Path) -> list[Path]:
    """A template and everything that it includes, directly or not, each once; names are relative to its folder."""
    pending, seen = [template], {}
    while pending:
        file = pending.pop()
        if file not in seen and file.is_file():
            seen[file] = None
            text = file.read_text(encoding="utf-8", errors="replace")  # the program that uses it reports invalid UTF-8
            pending += [template.parent / name for name in NAMED.findall(text)]
    return list(seen)


class Contents:
    """Digests of files and folders.

    Large files are not read at each call: their digests are cached with size, modification time and inode.

    Args:
        memory: the JSON file of the cache. Deleting it only means that files are hashed again.
    """

    def __init__(self, memory: str | Path) -> None:
        self.memory = Path(memory)
        self._remembered: dict[str, list] | None = None
        self._digests: dict[str, str] = {}

    def digest(self, name: str) -> str:
        """The digest of a file (of a prompt with its includes) or of a folder (names and contents)."""
        if name not in self._digests:
            self._digests[name] = self._digest(located(name))
        return self._digests[name]

    def _digest(self, path: Path) -> str:
        if not path.exists():
            return MISSING
        if path.is_dir():
            return content_key(sorted((str(file.relative_to(path)), self._hash(file)) for file in files_in(path)))
        if path.suffix == ".j2":
            return content_key([file_hash(file) for file in with_included(path)])
        return self._hash(path)[:DIGITS]

    def _hash(self, file: Path) -> str:
        """The sha256 of one file."""
        status = file.stat()
        if status.st_size < LARGE_BYTES:
            return hashlib.sha256(file.read_bytes()).hexdigest()
        key, stamp = str(file.resolve()), [status.st_size, status.st_mtime_ns, status.st_ino]
        *known, digest = self._memory().get(key, [None])
        if known != stamp:
            log.info("hashing %s", file)
            digest = file_hash(file)
            self._memory()[key] = [*stamp, digest]
            self._remember()
        return digest

    def _memory(self) -> dict[str, list]:
        if self._remembered is None:
            try:
                self._remembered = json.loads(self.memory.read_text(encoding="utf-8"))
            except (OSError, ValueError):  # missing or damaged: everything is hashed again
                self._remembered = {}
        return self._remembered

    def _remember(self) -> None:
        try:
            write_json(self.memory, self._remembered)
        except OSError as error:  # a read-only folder: files are hashed at each call
            log.warning("%s cannot be written (%s): large files are hashed on each call", self.memory, error)


def files_in(folder: Path) -> Iterator[Path]:
    """The files below a folder, except hidden ones."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))
