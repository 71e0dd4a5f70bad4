"""Mistakes in a study, each as place, problem and way out."""

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scripts.lib.study.contents import ROOT

Place = Callable[[tuple], str]
_NO_VALUE = object()


def close(word: Any, known: Sequence[Any]) -> str:
    """` Did you mean cft?` if a known word is similar."""
    near = difflib.get_close_matches(str(word), [str(item) for item in known], n=1)
    return f" Did you mean {near[0]}?" if near else ""


class Mistakes:
    """Collects the mistakes of one study.

    Args:
        study: all sections, with defaults filled in.
        place: gives a key's origin (a file, the command line) and path.
        broken: (section, slug) of the entries that do not fit the schema; their names count, nothing else of them.
    """

    def __init__(self, study: dict, place: Place, broken: Iterable[tuple] = ()) -> None:
        self.study, self.place, self.broken = study, place, set(broken)
        self.told: list[str] = []

    def wrong(self, path: tuple, text: str, value: Any = _NO_VALUE) -> None:
        """Records a mistake once: the problem at `path` (with its value, if that matters), and how to fix it."""
        where = self.place(path) if value is _NO_VALUE else f"{self.place(path)} = {value!r}"
        mistake = f"{where}: {text}"
        if mistake not in self.told:
            self.told.append(mistake)

    def known(self, path: tuple, name: str | None, *sections: str) -> bool:
        """Whether one of the sections has an entry of this name; if not, records a mistake."""
        names = [slug for section in sections for slug in self.study[section]]
        if name in names:
            return True
        listed = ", ".join(sorted(names)) or "none"
        text = f"not under {' or '.join(sections)} (known: {listed}). Correct the name or add the entry."
        text += close(name, names)
        self.wrong(path, text, name)
        return False

    def file_there(self, path: tuple, file: str | None) -> None:
        """Records a mistake if the file that a key names does not exist."""
        if file is not None and not os.path.isfile(ROOT / file) and not os.path.isfile(file):
            self.wrong(path, "there is no such file. Correct the path or add the file.", file)

    def sound(self, section: str) -> dict:
        """The entries of a section that fit the schema."""
        return {slug: entry for slug, entry in self.study[section].items() if (section, slug) not in self.broken}
