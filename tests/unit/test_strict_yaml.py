"""YAML that is refused: a key that stands twice in a mapping, and merge keys."""

import re
import time
from pathlib import Path

import pytest
import yaml

from scripts.lib.study import papers
from scripts.lib.study.strict_yaml import parse

MERGE = "a merge key (<<). Name the entries under extends (docs/config.md), or write the keys out."


def test_sound_text_is_read_as_yaml_reads_it() -> None:
    text = "a: {x: 1, y: [1, {x: 2}]}\nb: &b {x: 1}\nc: *b\nd: 1.0e-3\n"
    assert parse(text) == (yaml.safe_load(text), [])
    assert parse("") == (None, [])


def test_same_key_in_two_mappings_is_no_mistake() -> None:
    assert parse("[{a: 1}, {a: 1, b: {a: 1}}]")[1] == []


@pytest.mark.parametrize(
    ("text", "line", "key", "first"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a", 1),
        ("x:\n  - a: 1\n    'a': 1", 3, "a", 2),
        ("x: {a: 1, b: {c: 1,\n  c: 2}}", 2, "c", 1),
        ("? a\n: 1\n? a\n: 2", 3, "a", 1),
        ("1: a\n1: b", 2, "1", 1),
        ("a: {\nb: [1, {null: 2, ~: 3}]}", 2, "None", 2),
    ],
)
def test_key_that_stands_twice_is_told_with_both_lines(text: str, line: int, key: str, first: int) -> None:
    assert parse(text)[1] == [f"line {line}: {key} occurs twice in one mapping (first on line {first}). Remove one."]


def test_merge_key_is_told_with_its_line_and_the_way_out() -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc:\n  z: 3\n  <<: [*a]\n"
    values, wrong = parse(text)
    assert wrong == [f"line 2: {MERGE}", f"line 5: {MERGE}"]
    assert values == yaml.safe_load(text)  # so that other mistakes are those of what is meant


def test_text_that_looks_like_a_merge_key_is_a_key() -> None:
    assert parse("{'<<': 1}") == ({"<<": 1}, [])


def test_all_mistakes_are_told_in_the_order_of_their_lines() -> None:
    text = "a: {b: 1, b: 2}\nc: &c {d: 1,\n  d: 2}\na: {<<: *c}\n"
    assert [mistake.split(":")[0] for mistake in parse(text)[1]] == ["line 1", "line 3", "line 4", "line 4"]


def test_what_is_no_yaml_raises_with_its_place() -> None:
    with pytest.raises(yaml.YAMLError, match="(?s)line 1, column 12.*runs: {a: "):
        parse("runs: {a: [")


def test_papers_values_with_a_key_twice_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "FOLDER", tmp_path)
    (tmp_path / "new.yaml").write_text("tables: []\ntables: []\n", encoding="utf-8")
    with pytest.raises(ValueError, match="papers/new.yaml: line 2: tables occurs twice in one mapping"):
        papers.paper("new")


def laughs(inner: str, level: str) -> str:
    """A text of ten lines whose aliases write out to 9 ** 9 values."""
    lines = [f"a0: &a0 {inner}"]
    for number in range(1, 10):
        lines.append(f"a{number}: &a{number} " + level.replace("*", f"*a{number - 1}"))
    return "\n".join(lines)


TOO_MUCH = {
    "lists of lists": (laughs("[x]", f"[{', '.join(['*'] * 9)}]"), "line 7: its aliases (*x) expand to more than"),
    "mappings": (laughs("{x: 1}", f"{{{', '.join(f'k{n}: *' for n in range(9))}}}"), "its aliases (*x) expand"),
    "merge keys": (laughs("{x: 1}", f"{{<<: [{', '.join(['*'] * 9)}]}}"), "its aliases (*x) expand"),
    "a list within itself": ("a: &a [*a]", "line 1: more than 60 levels, or an alias (*x) within its own value"),
    "a mapping within itself": ("a:\n  b: &b {c: *b}", "line 2: more than 60 levels"),
    "depth": ("a: " + "[" * 900 + "]" * 900, "line 1: more than 60 levels"),
    "depth in lines": ("- " * 900 + "x", "line 1: more than 60 levels"),
    "length": ("# " + "x" * 10_000_000, "10,000,002 characters, more than the 10,000,000"),
}


@pytest.mark.parametrize("text, said", TOO_MUCH.values(), ids=TOO_MUCH)
def test_text_that_would_take_the_machine_is_refused_in_a_moment(small, text: str, said: str) -> None:
    start = time.monotonic()
    Path("more.yaml").write_text(text, encoding="utf-8")
    mistake = small.mistake("include: [more.yaml]")
    assert mistake.startswith("more.yaml: ") and said in mistake and "Write out what is meant" in mistake
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("text", ["a: " + "[" * 90_000, "- " * 90_000 + "x", "a: " + "{a: " * 90_000])
def test_depth_that_the_parser_does_not_follow_is_no_yaml(small, text: str) -> None:
    Path("more.yaml").write_text(text, encoding="utf-8")
    assert re.match("more.yaml: .*not YAML", small.mistake("include: [more.yaml]"))


def test_file_that_is_not_utf8_is_told(small) -> None:
    Path("more.yaml").write_bytes("study: größe".encode("latin-1"))
    assert "more.yaml: not UTF-8 text" in small.mistake("include: [more.yaml]")


@pytest.mark.parametrize("value", ["2026-02-31", "1" * 5000])
def test_value_that_python_does_not_have_is_no_yaml(small, value: str) -> None:
    Path("more.yaml").write_text(f"study: {value}", encoding="utf-8")
    assert re.match("more.yaml: .*not YAML", small.mistake("include: [more.yaml]"))
