"""Values packed for the page: JSON, compressed by gzip, as base64. No byte of it can be taken for HTML or a script."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LEVEL = 6  # of gzip: 9 takes twice as long for 1 % less


def packed(value: Any) -> str:
    """The value as base64 text: sorted JSON, gzipped; equal values give equal text."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # Model output may contain a lone surrogate, which UTF-8 cannot encode.
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), LEVEL, mtime=0)).decode()


def unpacked(text: str) -> Any:
    """The inverse of `packed`."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


@dataclass
class Part:
    """One piece of the page's data, read by the browser when a view needs it.

    Attributes:
        name: `rows/cft/gcd`, for example.
        text: the packed value.
        rank: if the page would be too large, parts of the highest rank move first into a file beside it; parts of
            rank 0 always stay.
    """

    name: str
    text: str
    rank: int = 0


@dataclass
class Parts:
    """All pieces, in order."""

    parts: list[Part] = field(default_factory=list)

    def add(self, name: str, value: Any, rank: int = 0) -> None:
        """Packs a value and adds it under a name."""
        self.parts.append(Part(name, packed(value), rank))

    def split(self, budget: int) -> tuple[list[Part], list[Part]]:
        """The parts in the page, at most `budget` bytes, and the parts that move to files beside it.

        Parts move by rank, the highest first, and within a rank the largest first.
        """
        size = sum(len(part.text) for part in self.parts)
        leaving: set[str] = set()
        for part in sorted(self.parts, key=lambda part: (-part.rank, -len(part.text), part.name)):
            if size <= budget or not part.rank:
                break
            leaving.add(part.name)
            size -= len(part.text)
        stay = [part for part in self.parts if part.name not in leaving]
        return stay, [part for part in self.parts if part.name in leaving]


def volumes(parts: Iterable[Part], limit: int) -> list[list[Part]]:
    """The parts in order, in groups of at most `limit` bytes (or a single part); each group is a file."""
    groups: list[list[Part]] = []
    size = 0
    for part in parts:
        if not groups or size + len(part.text) > limit:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += len(part.text)
    return groups
