"""Texts that a study takes from configs and data, as cells of a table that another program reads."""

import re

# The start of text that a spreadsheet runs as a formula, and numbers, which are exempt: -4.2, 5,603, +1.0e-07,
# 75.1 ± 1.9, 20 %.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
DIGITS = r"(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
NUMBER = re.compile(rf"[+-]?{DIGITS}(?: ?%)?(?: ± {DIGITS})?")


def csv_cell(value: object) -> object:
    """A cell of a CSV table: text that a spreadsheet would run as a formula gets a leading apostrophe.

    >>> csv_cell("=HYPERLINK(A1)"), csv_cell("-4.2"), csv_cell(-4.2)
    ("'=HYPERLINK(A1)", '-4.2', -4.2)
    """
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def markdown_cell(text: str) -> str:
    r"""A cell of a Markdown table, escaped: its text cannot end the cell, break the line or become HTML.

    >>> markdown_cell("a|b <b>\nc")
    'a\\|b &lt;b><br>c'
    """
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    # A backslash before the bar would undo the escape.
    text = re.sub(r"(\\*)\|", lambda found: found[1] * 2 + r"\|", text)
    return re.sub(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", "<br>", text)
