"""YAML in which every key of a mapping stands once and is written out: no key twice, no merge key (`<<`)."""

from collections.abc import Iterator
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


def parse(text: str) -> tuple[Any, list[str]]:
    """The value of a YAML text, and what is wrong with its mappings, each as line, problem and way out.

    The value is what other readers make of the text: merged, and with the last value of a key that stands twice.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data(), [f"line {line}: {problem}" for line, problem in sorted(loader.wrong)]
    except yaml.YAMLError:
        yaml.safe_load(text)  # raises too, and quotes the place, which the parser in C does not
        raise
    finally:
        loader.dispose()


# In C it is eight times as fast: each call of Snakemake reads the config and the papers.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """A safe loader that keeps what is wrong with the mappings, as (line, problem)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.wrong: set[tuple[int, str]] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Looks at a mapping as it is written, before its merge keys are worked out (also where others merge it)."""
        self.wrong.update(self._wrong_with(node))
        super().flatten_mapping(node)

    def _wrong_with(self, node: yaml.MappingNode) -> Iterator[tuple[int, str]]:
        lines: dict[Any, int] = {}
        for written, _ in node.value:
            line = written.start_mark.line + 1
            if written.tag == _MERGE:
                yield line, "a merge key (<<). Name the entries under extends (docs/config.md), or write the keys out."
            elif isinstance(written, yaml.ScalarNode):
                key = self.construct_object(written)
                if key in lines:
                    yield line, f"{key} stands twice in one mapping (first in line {lines[key]}). Remove one."
                lines.setdefault(key, line)
