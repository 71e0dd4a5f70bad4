"""YAML in which every key of a mapping occurs once and is written out: no key twice, no merge key (`<<`).

A text that would overload the machine is refused: one that is very long, nested very deeply, or whose aliases (`*x`)
expand to far more than it holds.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"
MOST_CHARACTERS = 10_000_000
MOST_VALUES = 200_000  # with all aliases expanded; the project's longest file has 4,100
MOST_LEVELS = 60


class TooMuch(yaml.YAMLError):
    """A text is rejected because of its size, depth or aliases."""


def parse(text: str) -> tuple[Any, list[str]]:
    """The value of a YAML text, and the mistakes in its mappings, each as line, problem and fix.

    The value is that of other YAML readers: merged, and with the last value of a repeated key.

    Raises:
        yaml.YAMLError: it is not YAML, or too much of it.
    """
    if len(text) > MOST_CHARACTERS:
        raise TooMuch(f"{len(text):,} characters, more than the {MOST_CHARACTERS:,} allowed in a config")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, []
        _values_in(node, {}, 1)
        return loader.construct_document(node), [f"line {line}: {problem}" for line, problem in sorted(loader.wrong)]
    except TooMuch:
        raise
    except ValueError as error:  # an impossible date, a number with thousands of digits
        raise yaml.YAMLError(str(error)) from None
    except yaml.YAMLError:
        with suppress(RecursionError):  # from text that is nested too deeply
            yaml.safe_load(text)  # raises too, and quotes the place, unlike the C parser
        raise
    finally:
        loader.dispose()


def _values_in(node: yaml.Node, known: dict[int, int], level: int) -> int:
    """The number of values in a node with all aliases expanded; `known` caches counted nodes.

    Raises:
        TooMuch: there are too many, or they are nested too deeply or in themselves.
    """
    line = f"line {node.start_mark.line + 1}"
    if known.setdefault(id(node), 0):
        return known[id(node)]
    if level > MOST_LEVELS:
        raise TooMuch(f"{line}: more than {MOST_LEVELS} levels, or an alias (*x) within its own value")
    inner = node.value if isinstance(node, yaml.CollectionNode) else ()
    flat = [part for parts in inner for part in parts] if isinstance(node, yaml.MappingNode) else inner
    count = 1 + sum(_values_in(part, known, level + 1) for part in flat)
    if count > MOST_VALUES:
        raise TooMuch(f"{line}: its aliases (*x) expand to more than {MOST_VALUES:,} values")
    known[id(node)] = count
    return count


def unreadable(file: str | Path) -> str | None:
    """Why a file is not YAML, with its line, or None. A file that cannot be opened is reported by its reader."""
    try:
        parse(Path(file).read_text(encoding="utf-8"))
    except TooMuch as error:
        return f"{file}: {error}. Write out what is meant, or use extends."
    except yaml.YAMLError as error:
        return f"{file}: {syntax(error)}"
    except (OSError, UnicodeDecodeError):
        pass
    return None


def syntax(error: yaml.YAMLError) -> str:
    """A syntax error as line, problem and fix."""
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = " ".join(str(getattr(error, "problem", None) or error).split())
    began = getattr(error, "context_mark", None)
    opened = f" ({error.context}, from line {began.line + 1})" if began and mark and began.line != mark.line else ""
    return f"not YAML{where}: {problem}{opened}. Correct the line: a bracket, a quote, a colon or the indentation."


# The C loader is eight times as fast, and each call of Snakemake reads the config and the papers.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """A safe loader that collects mistakes in mappings, as (line, problem)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.wrong: set[tuple[int, str]] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Checks a mapping as written, before its merge keys are resolved (also if others merge it)."""
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
                    yield line, f"{key} occurs twice in one mapping (first on line {lines[key]}). Remove one."
                lines.setdefault(key, line)
