"""The program: one line out for each line in, whatever the lines hold."""

import gzip
import json

import pytest

from scripts import grade_file
from scripts.lib.grading import GRADER_VERSION
from scripts.lib.jsonl import BadInput


def run(tmp_path, lines, *arguments):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    assert grade_file.main(grade_file.parse_args([*arguments, str(source), str(target)])) == 0
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_one_line_out_for_each_line_in(tmp_path):
    out = run(
        tmp_path,
        [
            {"id": "a", "gold": "\\frac{1}{2}", "prediction": "so \\boxed{0.5}"},
            {"id": "b", "gold": None, "prediction": "so \\boxed{0.5}"},
            "not json",
            {"id": "c", "gold": "3", "prediction": None},
            {"gold": 5, "prediction": "it is 5"},
            {"id": "d", "prediction": "it is 5"},
            "[1]",
        ],
        "--kind",
        "math",
    )
    assert [row["verdict"] for row in out] == [True, None, None, False, True, None, None]
    assert [row.get("id") for row in out] == ["a", "b", None, "c", None, "d", None]
    assert [index for index, row in enumerate(out) if "error" in row] == [2, 5, 6]
    assert out[0] == {
        "id": "a", "gold": "\\frac{1}{2}", "prediction": "so \\boxed{0.5}", "verdict": True,
        "extracted": "0.5", "ours": True, "math_verify": True,
        "authors_cft": True, "authors_thinkpo": True,
        "grader_version": GRADER_VERSION,
    }  # fmt: skip
    assert "'gold'" in out[5]["error"]


def test_columns_and_choices_can_be_named(tmp_path):
    rows = [
        {"answer": "B", "text": "It is clearly the dog.\nThe answer is dog.", "options": ["cat", "dog"]},
        {"answer": "B", "text": "The answer is (A).", "options": ["cat", "dog"]},
        {"answer": "B", "text": "The answer is (A).", "options": "cat"},
    ]
    fields = ("--gold-field", "answer", "--prediction-field", "text", "--choices-field", "options")
    out = run(tmp_path, rows, "--kind", "choice", *fields)
    assert [row["verdict"] for row in out] == [True, False, None]
    assert out[0]["extracted"] == "B"
    assert out[0]["math_verify"] is None
    assert "not a list" in out[2]["error"]


def test_an_empty_file_gives_an_empty_file(tmp_path):
    (tmp_path / "in.jsonl").write_text("")
    assert grade_file.main(grade_file.parse_args([str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")])) == 0
    assert (tmp_path / "out.jsonl").read_text() == ""


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.jsonl"):
        grade_file.main(grade_file.parse_args([str(tmp_path / "none.jsonl"), str(tmp_path / "out.jsonl")]))
    assert not (tmp_path / "out.jsonl").exists()


def test_the_output_appears_complete_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "in.jsonl").write_text('{"gold": "1", "prediction": "1"}\n')
    monkeypatch.setattr(grade_file, "line_out", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        grade_file.main(grade_file.parse_args([str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")]))
    assert not (tmp_path / "out.jsonl").exists()


def test_a_verdict_can_be_explained(tmp_path, capsys):
    rows = [
        {"id": "a", "gold": "1,3,5", "prediction": "so \\boxed{5, 3, 1}"},
        {"id": "b", "gold": "3 kg", "prediction": "That makes 3 \\text{ lb}, so \\boxed{3 \\text{ lb}}"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert grade_file.main(grade_file.parse_args([str(tmp_path / "in.jsonl"), "--explain"])) == 0
    both = capsys.readouterr().out
    assert "read as: box" in both and "verdict: True" in both
    assert grade_file.main(grade_file.parse_args(["--explain", "b", str(tmp_path / "in.jsonl")])) == 0
    second = capsys.readouterr().out
    assert "verdict: False" in second and "1,3,5" not in second
    with pytest.raises(BadInput, match="'c'"):
        grade_file.main(grade_file.parse_args(["--explain", "c", str(tmp_path / "in.jsonl")]))
    assert not (tmp_path / "out.jsonl").exists()


def test_gzipped_rows_with_byte_order_marks_are_graded_with_numbers_as_written(tmp_path):
    rows = [
        '{"gold": 0.3, "prediction": "0.30"}',
        '{"gold": 1e3, "prediction": "1000"}',
        '{"gold": NaN, "prediction": ""}',
    ]
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress("".join(f"\ufeff{row}\n" for row in rows).encode()))
    assert grade_file.main(grade_file.parse_args([str(tmp_path / "in.jsonl.gz"), str(tmp_path / "out.jsonl")])) == 0
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["verdict"] for row in out] == [True, True, None]
    assert out[2]["error"] == "unreadable row: NaN is not a JSON number"


def test_file_that_is_only_named_gz_is_told(tmp_path):
    (tmp_path / "in.jsonl.gz").write_text("{}")
    with pytest.raises(BadInput, match="in.jsonl.gz: cannot be read"):
        grade_file.main(grade_file.parse_args([str(tmp_path / "in.jsonl.gz"), str(tmp_path / "out.jsonl")]))


def test_the_set_of_a_row_decides_what_the_authors_graders_say(tmp_path, caplog):
    row = {"gold": "5", "prediction": "so \\boxed{5 m}"}
    out = run(tmp_path, [{**row, "of": name} for name in ("minerva", "math500", "minervaa", None)], "--set-field", "of")
    assert [line["authors_cft"] for line in out] == [False, True, True, True]
    assert "no set of the authors' graders: minervaa (known: math, math500" in caplog.text


def graded(source, *arguments):
    target = source.parent / "out.jsonl"
    assert grade_file.main(grade_file.parse_args([*arguments, str(source), str(target)])) == 0
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_output_that_is_the_input_is_refused_and_the_input_stays(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text('{"gold": "1", "prediction": "1"}\n')
    (tmp_path / "link.jsonl").symlink_to(source)
    for name in ("in.jsonl", "link.jsonl"):
        with pytest.raises(BadInput, match="the output would overwrite the input"):
            grade_file.main(grade_file.parse_args([str(source), str(tmp_path / name)]))
    assert source.read_text() == '{"gold": "1", "prediction": "1"}\n'


@pytest.mark.parametrize("flag", ["--gold-field", "--prediction-field", "--set-field"])
def test_column_that_no_row_has_stops_before_anything_is_graded(tmp_path, flag):
    (tmp_path / "in.jsonl").write_text('{"gold": "1", "prediction": "1"}\n')
    with pytest.raises(BadInput, match=rf"no row has the column 'answer' \(there are: gold, prediction\).*{flag}"):
        graded(tmp_path / "in.jsonl", flag, "answer")
    assert not (tmp_path / "out.jsonl").exists()


def test_columns_of_the_input_are_kept_also_those_with_our_names(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"gold": "1", "prediction": "1", "verdict": "yes", "model": "m"}\n')
    (row,) = graded(tmp_path / "in.jsonl")
    assert (row["model"], row["input_verdict"], row["verdict"]) == ("m", "yes", True)


def test_accuracy_is_printed_with_its_error(tmp_path, capsys):
    rows = [{"gold": "1", "prediction": answer} for answer in ("1", "1", "2", "1", "2")] + [
        {"gold": None, "prediction": ""}
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    graded(tmp_path / "in.jsonl")
    said = capsys.readouterr().out
    assert said == "accuracy 60.0 ± 24.5 %: 3 right of 5 (1 without a verdict); 0 of 6 rows with an error\n"


def test_csv_gzipped_csv_and_parquet_are_read(tmp_path):
    text = 'id,gold,prediction\na,1/2,"so\n\\boxed{0.5}"\nb,,x\n'
    (tmp_path / "in.csv").write_text(text)
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(text.encode()))
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"id": "a", "gold": "1/2", "prediction": "so \\boxed{0.5}"}, {"id": "b", "gold": None, "prediction": "x"}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "in.parquet")
    for name in ("in.csv", "in.csv.gz", "in.parquet"):
        out = graded(tmp_path / name)
        assert [(row["id"], row["verdict"]) for row in out] == [("a", True), ("b", None)], name
    (tmp_path / "torn.parquet").write_bytes(b"PAR")
    with pytest.raises(BadInput, match="torn.parquet: cannot be read"):
        graded(tmp_path / "torn.parquet")
