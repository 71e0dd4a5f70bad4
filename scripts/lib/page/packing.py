"""Values packed for the page: JSON, compressed by gzip, as base64. No byte of it can be taken for HTML or a script."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LEVEL = 6  # of gzip: 9 takes twice as long for 1 % less


def packed(value: Any) -> str:
    """The value as text of the base64 alphabet, the same for the same value."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # A lone surrogate is no UTF-8; model output may hold one.
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), LEVEL, mtime=0)).decode()


def unpacked(text: str) -> Any:
    """What `packed` was given."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


@dataclass
class Part:
    """One piece of the page's data, read by the browser when a view needs it.

    Attributes:
        name: `rows/cft/gcd`, for example.
        text: the packed value.
        rank: the higher, the sooner it goes into a file beside the page where the page would be too large; parts of
            rank 0 never do.
    """

    name: str
    text: str
    rank: int = 0


@dataclass
class Parts:
    """All pieces, in order."""

    parts: list[Part] = field(default_factory=list)

    def add(self, name: str, value: Any, rank: int = 0) -> None:
        """Packs a value under a name."""
        self.parts.append(Part(name, packed(value), rank))

    def split(self, budget: int) -> tuple[list[Part], list[Part]]:
        """The parts that stay in the page, and those that go beside it so that the page has at most `budget` bytes.

        Parts leave by rank, the highest first, and the largest first within a rank.
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
    """The parts in groups of at most `limit` bytes (or one part), in order: one file each."""
    groups: list[list[Part]] = []
    size = 0
    for part in parts:
        if not groups or size + len(part.text) > limit:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += len(part.text)
    return groups
