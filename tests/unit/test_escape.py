"""Cells that other programs read: no text becomes a formula, a column, a line or HTML."""

import csv
import io

import pytest

from scripts.lib.tables.escape import csv_cell, markdown_cell


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", " =1", "-", "-x", "+4.0 ▲", "--1"]
)
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(text)])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline="")))[0].startswith("'")


@pytest.mark.parametrize("value", ["-4.2", "+4.0", "-1.0e-07", "-5,603", "-.5", "-4.2 ± 1.9", "+20 %", "-4.2%"])
def test_number_stays_a_number(value: str) -> None:
    assert csv_cell(value) == value


@pytest.mark.parametrize("value", [-4.2, 0, None, True, "", "CFT", "a=b", "71.1 - 2", "–", "−4.2"])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) is value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SFT | all", r"SFT \| all"),
        (r"a\|b", r"a\\\|b"),
        ("<script>", "&lt;script>"),
        ("&lt;b&#62; R&D", "&amp;lt;b&amp;#62; R&D"),
        ("a\nb\r\nc\u2028d\re", "a<br>b<br>c<br>d<br>e"),
        ("71.1 ± 1.9 [70, +1.1 ▲]", "71.1 ± 1.9 [70, +1.1 ▲]"),
    ],
)
def test_markdown_cell_is_one_cell_of_plain_text(text: str, expected: str) -> None:
    assert markdown_cell(text) == expected
