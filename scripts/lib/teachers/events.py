"""What happened to the batches of a teacher, and which requests are under way in them."""

import json
import logging
from pathlib import Path
from typing import Any

from scripts.lib.jsonl import append_line, dumps

log = logging.getLogger(__name__)


class Events:
    """The history of each part, in an append-only file; the last state of a part counts."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / "events.jsonl"
        self.parts: dict[str, dict[str, Any]] = {}
        content = self.path.read_bytes() if self.path.exists() else b""
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.strip():
                self._read(line, number)
        self._torn = bool(content) and not content.endswith(b"\n")

    def _read(self, line: bytes, number: int) -> None:
        try:
            event = json.loads(line)
            self.parts.setdefault(event["part"], {}).update(event)
        except (ValueError, TypeError, KeyError):
            log.warning("%s, line %d is not an event: skipped", self.path, number)

    def add(self, part: str, **values: Any) -> None:
        """Records an event and syncs it to the disk before anything else happens."""
        line = dumps({"part": part, **values})
        append_line(self.path, f"\n{line}" if self._torn else line)  # on a new line, also after an incomplete one
        self._torn = False
        self.parts.setdefault(part, {}).update(values)

    def in_state(self, state: str, endpoint: str | None = None) -> list[str]:
        """The parts in a state, in order of creation; with `endpoint`, only those sent there."""
        return [
            part
            for part, values in self.parts.items()
            if values.get("state") == state and (endpoint is None or values.get("endpoint", endpoint) == endpoint)
        ]

    def file(self, part: str) -> Path:
        """The file of a part's requests; it exists until the part has ended."""
        return self.folder / f"{part}.jsonl"

    def under_way(self) -> set[int]:
        """The keys of sent requests without an answer."""
        files = [self.file(part) for part in self.in_state("submitting") + self.in_state("submitted")]
        keys: set[int] = set()
        for file in filter(Path.is_file, files):
            with file.open("rb") as lines:
                keys.update(int(json.loads(line)["custom_id"], 16) for line in lines)
        return keys
