"""JSON Lines: errors that name the file and the line, and files that are whole or not there."""

import gzip
from pathlib import Path

import pytest

from scripts.lib.jsonl import (
    BadInput,
    content_key,
    dumps,
    file_hash,
    read_json,
    read_rows,
    replacing,
    replacing_folder,
    write_json,
    write_rows,
    write_text,
)


def refusal(path: Path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        read_rows(path, **options)
    return str(caught.value)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [{"id": "b", "text": "a\u2028b\n\x85"}, {"id": "a", "n": None}]
    assert write_rows(tmp_path / "deep" / "r.jsonl", rows) == 2
    assert read_rows(tmp_path / "deep" / "r.jsonl") == rows


def test_gzipped_rows_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1}\n\n{"id": 2}\n'))
    assert read_rows(tmp_path / "r.jsonl.gz") == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("content", "options", "parts"),
    [
        (b'{"id": 1}\n{"id": 2', {}, ["r.jsonl, line 2: not a JSON object", "torn"]),
        (b'{"id": 1}\n\n[1]\n', {}, ["r.jsonl, line 3: a list, not a JSON object"]),
        (b'{"id": 1, "b": 2}\n', {"required": ("id", "q", "a")}, ["r.jsonl, line 1: no q, a (there are: b, id)"]),
        (b'{"id": 1}\n{"id": 1}\n', {}, ["r.jsonl, line 2: id 1 is also on line 1", "Give each row"]),
        (b'{"id": [1]}\n{"id": [1]}\n', {}, ["r.jsonl, line 2: id [1] is also on line 1"]),
        (b'{"name": 1}\n{"name": 1}\n', {"unique": "name"}, ["r.jsonl, line 2: name 1 is also on line 1"]),
        (b'{"id": 1}\n{"id": "\xe9"}\n', {}, ["r.jsonl: not UTF-8 text", "Convert"]),
    ],
)
def test_bad_rows_are_told_with_file_and_line(tmp_path: Path, content: bytes, options: dict, parts: list[str]) -> None:
    (tmp_path / "r.jsonl").write_bytes(content)
    found = refusal(tmp_path / "r.jsonl", **options)
    assert found.startswith(str(tmp_path)) and all(part in found for part in parts), found


def test_repeated_ids_are_fine_where_they_need_not_differ(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"id": 1}\n{"id": 1}\n')
    assert len(read_rows(tmp_path / "r.jsonl", unique=None)) == 2


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "none.jsonl")


def test_file_that_is_only_named_gz_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl.gz").write_text('{"id": 1}\n')
    assert "r.jsonl.gz: not a gzip file" in refusal(tmp_path / "r.jsonl.gz")


def test_torn_or_damaged_gzip_file_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"id": 1}\n' * 1000)
    for content in (whole[:-12], whole[:20] + b"\xff\xff" + whole[22:]):
        (tmp_path / "r.jsonl.gz").write_bytes(content)
        assert "r.jsonl.gz: not a gzip file" in refusal(tmp_path / "r.jsonl.gz", unique=None)


def test_replacing_keeps_the_old_file_when_the_block_raises(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "f") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("f", "old")]


def test_rows_that_end_in_an_error_leave_no_file(tmp_path: Path) -> None:
    def rows():
        yield {"id": 1}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_rows(tmp_path / "r.jsonl", rows())
    assert list(tmp_path.iterdir()) == []


def test_replacing_puts_the_new_file_in_place_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with replacing(tmp_path / "f") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "f").read_text() == "old"
    assert (tmp_path / "f").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_replacing_folder_keeps_the_old_one_when_the_block_raises(tmp_path: Path) -> None:
    write_text(tmp_path / "d" / "old", "")
    with pytest.raises(RuntimeError), replacing_folder(tmp_path / "d") as temporary:
        write_text(temporary / "half", "")
        raise RuntimeError
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "d", tmp_path / "d" / "old"]


def test_replacing_folder_puts_the_new_one_in_place_at_the_end(tmp_path: Path) -> None:
    write_text(tmp_path / "d" / "old", "")
    with replacing_folder(tmp_path / "d") as temporary:
        write_text(temporary / "new", "")
        assert (tmp_path / "d" / "old").exists()
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "d", tmp_path / "d" / "new"]


def test_json_is_the_same_bytes_whatever_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": "é"})
    write_json(tmp_path / "b", {"a": "é", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"a": "é", "b": 1}
    assert dumps({"b": 1, "a": "é"}) == '{"a": "é", "b": 1}'


@pytest.mark.parametrize(("content", "part"), [(None, "there is no such file"), ("{", "not JSON")])
def test_json_that_cannot_be_read_is_told(tmp_path: Path, content: str | None, part: str) -> None:
    if content is not None:
        write_text(tmp_path / "a.json", content)
    with pytest.raises(BadInput, match=f"a.json: {part}"):
        read_json(tmp_path / "a.json")


def test_content_key_follows_values_not_the_order_of_keys() -> None:
    assert content_key({"a": 1, "b": 2}, "x") == content_key({"b": 2, "a": 1}, "x")
    keys = [content_key(*parts) for parts in (("a", "b"), ("ab",), (["a", "b"],), ("b", "a"), (1,), ("1",))]
    assert len(set(keys)) == len(keys) and all(len(key) == 16 for key in keys)


def test_file_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_hash(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
