"""The config's schema, and the page that is made from it."""

from collections.abc import Iterator

import jsonschema

from scripts import describe_config
from scripts.lib.cli import ROOT
from scripts.lib.study import strict_yaml
from scripts.lib.study.schema import SCHEMA, schema

KEYWORDS = {*jsonschema.Draft202012Validator.VALIDATORS, "$schema", "$defs", "title", "description", "default"}
ONE, SEVERAL, NAMED = ("items", "additionalProperties", "propertyNames"), ("oneOf",), ("properties", "$defs")


def nodes(node: dict, path: str = "") -> Iterator[tuple[str, dict]]:
    """Every schema within a schema, with its path."""
    yield path, node
    below = {key: node[key] for key in ONE if isinstance(node.get(key), dict)}
    below |= {f"{key}.{index}": option for key in SEVERAL for index, option in enumerate(node.get(key, ()))}
    below |= {f"{key}.{name}": rule for key in NAMED for name, rule in node.get(key, {}).items()}
    for key, rule in below.items():
        yield from nodes(rule, f"{path}.{key}".lstrip("."))


def test_schema_has_only_known_keywords() -> None:
    """A description that is cut off at its comma leaves its rest as a keyword."""
    found = dict(nodes(schema()))
    assert len(found) > 500
    assert {path: sorted(set(node) - KEYWORDS) for path, node in found.items() if set(node) - KEYWORDS} == {}
    jsonschema.Draft202012Validator.check_schema(schema())


def test_schema_has_no_merge_key_and_no_key_twice() -> None:
    assert strict_yaml.parse(SCHEMA.read_text(encoding="utf-8"))[1] == []


def test_page_of_the_schema_is_up_to_date() -> None:
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert page == describe_config.page(), "run: python -m scripts.describe_config --out docs/config.md"
