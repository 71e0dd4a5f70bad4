"""JSON Lines: errors that name the file and the line, and files that are whole or not there."""

import errno
import gzip
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import (
    AsWritten,
    BadInput,
    DiskFull,
    append_line,
    content_key,
    disk_full,
    dumps,
    each_row,
    file_hash,
    make_folder,
    read_json,
    read_rows,
    replacing,
    replacing_folder,
    write_json,
    write_rows,
    write_text,
    writing,
)
from tests.disk_image import mount, small_disk, why_not


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


def test_byte_order_mark_is_no_part_of_a_row(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"id": 1}\n\xef\xbb\xbf{"id": 2}\n'  # two such files behind each other
    (tmp_path / "r.jsonl").write_bytes(content)
    (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(content))
    for name in ("r.jsonl", "r.jsonl.gz"):
        assert read_rows(tmp_path / name) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_that_are_no_numbers_in_json_are_refused_with_their_line(tmp_path: Path, word: str) -> None:
    (tmp_path / "r.jsonl").write_text(f'{{"id": 1}}\n{{"id": 2, "a": [{word}]}}\n')
    found = refusal(tmp_path / "r.jsonl")
    assert found.endswith(f"r.jsonl, line 2: {word}, which JSON does not have. Write a number or null.")


def test_lone_surrogates_become_a_replacement_character_and_are_counted(tmp_path: Path) -> None:
    line = r'{"id": "a\ud800", "\uDC00": ["\ud83d\ude00", {"t": "\ud83dx\udfff"}], "kept": "\\ud800"}'
    (tmp_path / "r.jsonl").write_text(line)
    mended: Counter = Counter()
    (row,) = read_rows(tmp_path / "r.jsonl", mended=mended)
    assert row == {"id": "a\ufffd", "\ufffd": ["😀", {"t": "\ufffdx\ufffd"}], "kept": "\\ud800"}
    assert mended == {"lone_surrogates": 4}
    write_rows(tmp_path / "out.jsonl", [row])


def test_numbers_can_keep_the_text_that_they_were_read_from(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"a": [0.30, 1e5, 1.0, 7]}')
    (row,) = read_rows(tmp_path / "r.jsonl", number=AsWritten)
    assert list(map(str, row["a"])) == ["0.30", "1e5", "1.0", "7"] and row["a"] == [0.3, 100000.0, 1.0, 7]


@pytest.mark.parametrize(
    ("content", "options", "parts"),
    [
        (b'{"id": 1}\n{"id": 2', {}, ["r.jsonl, line 2: not a JSON object", "cut off"]),
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


# --- what is on the disk ----------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is synced and renamed, in order, by the names that it has at that moment."""
    seen, names = [], {}
    real = os.fsync, os.replace, os.open

    def opened(path, *rest, **options):
        handle = real[2](path, *rest, **options)
        names[handle] = Path(path).name
        return handle

    def synced(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        seen.append((f"sync {kind}", plain(names[handle])))
        real[0](handle)

    def replaced(source, target):
        seen.append(("rename", Path(target).name))
        real[1](source, target)

    def plain(name: str) -> str:
        return name.replace(f".{os.getpid()}@{socket.gethostname()}", "")

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return seen


def test_file_is_on_the_disk_before_its_name_and_its_folder_after_it(tmp_path: Path, calls: list) -> None:
    write_text(tmp_path / "new" / "f", "text")
    order = [("sync folder", tmp_path.name), ("sync file", ".f.tmp"), ("rename", "f"), ("sync folder", "new")]
    assert calls == order


def test_folder_is_on_the_disk_with_all_that_is_in_it(tmp_path: Path, calls: list) -> None:
    with replacing_folder(tmp_path / "d") as temporary:
        (temporary / "sub").mkdir(parents=True)
        (temporary / "sub" / "a").write_text("a")
        (temporary / "link").symlink_to("/etc/hostname")
    order = [("sync file", "a"), ("sync folder", "sub"), ("sync folder", ".d.tmp"), ("rename", "d")]
    assert calls == [*order, ("sync folder", tmp_path.name)]


def test_old_folder_gives_way_in_one_step(tmp_path: Path, calls: list) -> None:
    write_text(tmp_path / "d" / "old", "")
    calls.clear()
    with replacing_folder(tmp_path / "d") as temporary:
        temporary.mkdir()
    moved = f".d.{os.getpid()}@{socket.gethostname()}.old.tmp"
    assert [name for call, name in calls if call == "rename"] == [moved, "d"]
    assert list(tmp_path.rglob("*")) == [tmp_path / "d"]


def test_appended_line_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append((tmp_path / "f").read_text()))
    append_line(tmp_path / "f", "one")
    append_line(tmp_path / "f", "two")
    assert synced == ["one\n", "one\n", "one\ntwo\n"], "the file, its folder once, the file"


def test_folder_that_cannot_be_synced_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refused)
    write_text(tmp_path / "f", "text")
    assert (tmp_path / "f").read_text() == "text"


# --- what ended processes left ----------------------------------------------------------------------------------------


@pytest.fixture
def ended() -> int:
    """The pid of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_leftovers_of_ended_processes_are_removed_by_the_next_job_of_that_output(tmp_path: Path, ended: int) -> None:
    here = socket.gethostname()
    for name in (f".f.{ended}.tmp", f".f.{ended}@{here}.tmp", f".f.{ended}@{here}.old.tmp"):
        write_text(tmp_path / name / "part", "")
    for name in (".f.txt", f".g.{ended}.tmp", f".f.x.{ended}.tmp", ".f.tmp"):
        (tmp_path / name).write_text("")
    write_text(tmp_path / "f", "text")
    left = {".f.txt", f".g.{ended}.tmp", f".f.x.{ended}.tmp", ".f.tmp", "f"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (tmp_path / f".f.{process.pid}.tmp").write_text("half")
        write_text(tmp_path / "f", "text")
        process.stdin.close()
    assert (tmp_path / f".f.{process.pid}.tmp").exists()


def test_process_that_has_the_number_of_an_ended_one_is_not_taken_for_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        old = tmp_path / f".f.{process.pid}.tmp"
        old.write_text("half")
        os.utime(old, (time.time() - 3600,) * 2)
        write_text(tmp_path / "f", "text")
        process.stdin.close()
    assert not old.exists()


def test_what_another_host_was_writing_goes_after_a_day(tmp_path: Path) -> None:
    young, old = tmp_path / ".f.1@elsewhere.tmp", tmp_path / ".f.2@elsewhere.tmp"
    for file in (young, old):
        file.write_text("")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    write_text(tmp_path / "f", "text")
    assert young.exists() and not old.exists()


# --- files without rows -----------------------------------------------------------------------------------------------


def test_file_without_a_row_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for content in (b"", b"\n", b" \n\n"):
        (tmp_path / "r.jsonl").write_bytes(content)
        for read in (read_rows, lambda file: list(each_row(file))):
            with pytest.raises(BadInput, match="r.jsonl: it has no rows.*delete the file and run"):
                read(tmp_path / "r.jsonl")


def test_file_that_may_be_empty_says_so_itself(tmp_path: Path) -> None:
    assert write_rows(tmp_path / "r.jsonl", []) == 0
    assert read_rows(tmp_path / "r.jsonl", may_be_empty=True) == []
    assert list(each_row(tmp_path / "r.jsonl", may_be_empty=True)) == []
    (tmp_path / "r.jsonl").write_bytes(b"")
    with pytest.raises(BadInput, match="no rows"):
        read_rows(tmp_path / "r.jsonl", may_be_empty=True)


# --- disks that cannot be written -------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    if reason := why_not():
        pytest.skip(reason)
    with small_disk(tmp_path / "small", "1m") as folder:
        yield folder


def test_full_disk_is_told_and_the_old_file_stays(small: Path) -> None:
    write_text(small / "f", "old")
    with pytest.raises(DiskFull, match=r"small/f: it cannot be written: the disk is full. Make room there, then run"):
        write_text(small / "f", "x" * 2_000_000)
    assert [(file.name, file.read_text()) for file in small.iterdir()] == [("f", "old")]


def test_full_disk_is_told_for_a_folder(small: Path) -> None:
    with pytest.raises(DiskFull, match="small/d: it cannot be written"), replacing_folder(small / "d") as temporary:
        temporary.mkdir()
        (temporary / "part").write_bytes(b"x" * 2_000_000)
    assert list(small.iterdir()) == []


def test_full_disk_is_told_by_every_library_that_writes(small: Path) -> None:
    import torch
    from safetensors.torch import save_file

    large = {"a": torch.zeros(1_000_000)}
    for save in (torch.save, save_file):
        with pytest.raises(DiskFull, match="f: it cannot be written: the disk is full"), replacing(small / "f") as file:
            save(large, str(file))


def test_line_that_finds_no_room_leaves_no_half(small: Path) -> None:
    append_line(small / "f", "one")
    with pytest.raises(DiskFull):
        append_line(small / "f", "x" * 2_000_000)
    append_line(small / "f", "two")
    assert (small / "f").read_text() == "one\ntwo\n"


def test_read_only_disk_is_told(small: Path) -> None:
    write_text(small / "f", "old")
    mount("-o", "remount,ro", small)
    for file in (small / "f", small / "deep" / "f"):
        with pytest.raises(DiskFull, match="the file system is read-only. Mount it for writing"):
            write_text(file, "new")


@pytest.mark.parametrize("call", ["write_text(sys.argv[1], text)", "open(sys.argv[1], 'w').write(text)"])
def test_limit_on_the_size_of_files_is_one_line_for_the_user(tmp_path: Path, call: str) -> None:
    program = (
        "import argparse, sys\n"
        "from scripts.lib import cli\n"
        "from scripts.lib.jsonl import write_text\n"
        "text = 'x' * 100_000\n"
        f"def main(args): {call}\n"
        "cli.run(main, lambda argv: argparse.Namespace())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "f")],
        cwd=ROOT,
        text=True,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "it cannot be written: the file would be larger than is allowed. Raise the limit (`ulimit -f`" in done.stderr


@pytest.mark.parametrize(
    ("number", "part"),
    [(errno.EDQUOT, "the quota is used up"), (errno.EACCES, "you may not write there"), (errno.EROFS, "read-only")],
)
def test_reason_is_told(tmp_path: Path, number: int, part: str) -> None:
    with pytest.raises(DiskFull, match=f"f: it cannot be written: .*{part}"), replacing(tmp_path / "f"):
        raise OSError(number, "no", str(tmp_path / ".f.tmp"))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    unreadable = OSError(errno.EACCES, "no", "/elsewhere/input")
    for error in (OSError(errno.EIO, "fault"), ValueError("no"), BadInput("mine"), unreadable, RuntimeError("half")):
        assert disk_full(error, tmp_path / "f") is None
        with pytest.raises(type(error)) as caught, writing(tmp_path / "f"):
            raise error
        assert caught.value is error


def test_folders_above_are_made_and_a_file_in_their_place_is_an_error(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b").is_dir() and make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "f").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "f")
