"""A table of cells as Markdown, LaTeX, CSV and one HTML page."""

import html
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.lib.jsonl import replacing, write_text
from scripts.lib.study.cells import DIGITS
from scripts.lib.tables import flags

MARKS = {"within": "=", "above": "▲", "below": "▼"}
GAP = "gap"
CSV_FIELDS = ("value", "se", "n", "by_our_grader", "with_validation", "paper", "difference", "mark", "flags")
CSV_FIELDS += ("low", "high", "gap", "state")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2em; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .35em .7em; border-bottom: 1px solid #ddd; text-align: right; vertical-align: top; }}
th:first-child {{ text-align: left; }}
thead th {{ border-bottom: 2px solid #555; }}
small {{ display: block; color: #666; white-space: nowrap; }}
.above {{ background: #e3f1ff; }} .below {{ background: #fff0dd; }} .gap {{ color: #888; font-style: italic; }}
p {{ max-width: 60em; }}
</style></head><body>
<h1>{title}</h1>
<table><thead><tr><th></th>{head}</tr></thead>
<tbody>
{rows}
</tbody></table>
{notes}
</body></html>
"""


def number(value: float | int | str | None, unit: str, signed: bool = False) -> str:
    """A figure as it is read: 71.1, 5,603, 1.0e-07; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    sign = "+" if signed or unit == "change" else ""
    digits = DIGITS[unit]
    if digits is None:
        return f"{value:{sign}g}" if abs(value) >= 1e-3 or value == 0 else f"{value:{sign}.1e}"
    return f"{value:{sign},.{digits}f}"


def figure(cell: Mapping) -> str:
    """What was measured: `75.1 ± 1.9`, or `gap`; in a partial table also `not run`, `75.1 ± 1.9 (outdated)`."""
    if cell["value"] is None and "gap" in cell:
        return cell.get("state", GAP)
    text = number(cell["value"], cell["unit"])
    text = text if cell["se"] is None else f"{text} ± {number(cell['se'], cell['unit'])}"
    text += flags.marks_of(cell)
    text = f"{text} ★" if cell.get("best") else text
    return f"{text} ({cell['state']})" if "state" in cell else text


def beside(cell: Mapping) -> str:
    """What the paper printed: `71.1, +4.0 ▲`; empty where it printed nothing."""
    if cell["paper"] is None:
        return ""
    # Beside a gap or a text it stands as it is printed.
    plain = cell["value"] is None or cell["unit"] not in DIGITS
    parts = [str(cell["paper"]) if plain else number(cell["paper"], cell["unit"])]
    if "difference" in cell:
        parts.append(
            f"{number(cell['difference'], cell['unit'], signed=True)} {MARKS.get(cell.get('mark'), '')}".strip()
        )
    return ", ".join(parts)


def text(cell: Mapping) -> str:
    """A cell of the Markdown and LaTeX tables: `75.1 ± 1.9 [71.1, +4.0 ▲]`."""
    shown = figure(cell)
    return f"{shown} [{beside(cell)}]" if beside(cell) else shown


def gaps(cells: Sequence[Mapping]) -> list[str]:
    """One line for each reason why cells are gaps, with the cells that it concerns."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        if "gap" in cell and cell["value"] is None:
            reasons.setdefault(cell["gap"], {}).setdefault(cell["row"], []).append(cell["column"])
    total = len({cell["column"] for cell in cells})

    def named(row: str, columns: list[str]) -> str:
        return row if len(columns) == total else f"{row} ({', '.join(columns)})"

    return [f"{'; '.join(named(*item) for item in rows.items())}: {reason}" for reason, rows in reasons.items()]


def write(
    out: Path, table_id: str, title: str, cells: Sequence[Mapping], notes: Sequence[str], heading: str = " "
) -> None:
    """Writes `<out>.md .tex .csv .html`.

    Args:
        out: path without an ending.
        table_id: for the LaTeX label.
        title: above the table.
        cells: row by row (see scripts.lib.tables.figures.Cells).
        notes: paragraphs below it.
        heading: of the rows' names.
    """
    import pandas

    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    shown = pandas.DataFrame("", index=pandas.Index(rows, name=heading), columns=columns)
    for cell in cells:
        shown.loc[cell["row"], cell["column"]] = text(cell)
    lines = gaps(cells)
    notes = [*notes, *(["Gaps:"] if lines else [])]
    listed = "\n".join(f"- {line}" for line in lines)
    body = shown.reset_index().to_markdown(index=False, disable_numparse=True)
    write_text(Path(f"{out}.md"), "\n\n".join([f"**{title}**", body, *notes, *([listed] if listed else [])]) + "\n")
    write_text(Path(f"{out}.tex"), latex_table(shown, title, table_id))
    listed_flags = [{**cell, "flags": " ".join(cell["flags"]) if "flags" in cell else None} for cell in cells]
    fields = [field for field in CSV_FIELDS if any(cell.get(field) is not None for cell in listed_flags)]
    frame = pandas.DataFrame(
        [{key: cell.get(key) for key in ("row", "column", "unit", *fields)} for cell in listed_flags]
    )
    if "n" in frame:
        frame["n"] = frame["n"].astype("Int64")
    with replacing(Path(f"{out}.csv")) as temporary:
        frame.to_csv(temporary, index=False)
    write_text(Path(f"{out}.html"), page(title, rows, columns, cells, [*notes, *lines]))


def page(title: str, rows: list[str], columns: list[str], cells: Sequence[Mapping], notes: Sequence[str]) -> str:
    """The table as one HTML page that needs no other file."""
    by_place = {(cell["row"], cell["column"]): cell for cell in cells}
    lines = []
    for row in rows:
        row_cells = [f"<th>{html.escape(row)}</th>"]
        for column in columns:
            cell = by_place[row, column]
            kind = "gap" if cell["value"] is None and "gap" in cell else cell.get("mark", "")
            reason = f' title="{html.escape(cell["gap"])}"' if "gap" in cell else ""
            paper = f"<small>{html.escape(beside(cell))}</small>" if beside(cell) else ""
            row_cells.append(f'<td class="{kind}"{reason}>{html.escape(figure(cell))}{paper}</td>')
        lines.append(f"<tr>{''.join(row_cells)}</tr>")
    return _page(title, columns, lines, notes)


def _page(title: str, columns: Sequence[str], lines: Sequence[str], notes: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    paragraphs = "\n".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return PAGE.format(title=html.escape(title), head=head, rows="\n".join(lines), notes=paragraphs)


def latex_table(shown, title: str, table_id: str) -> str:
    """A data frame of texts as a LaTeX table."""
    escaped = shown.map(latex).rename(index=latex, columns=latex)
    return escaped.to_latex(caption=latex(title), label=f"tab:{table_id}")


def letter(mark: str) -> str:
    """The letter that a raised one stands for: c for ᶜ."""
    return unicodedata.normalize("NFKC", mark)


def latex(plain: str) -> str:
    """Plain text as LaTeX shows it."""
    special = {character: f"\\{character}" for character in "&%$#_{}"}
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
    names |= {"★": r"$\star$", **{flag.mark: rf"$^{{{letter(flag.mark)}}}$" for flag in flags.FLAGS.values()}}
    names |= {"▲": r"$\uparrow$", "▼": r"$\downarrow$", "–": "--", "−": r"$-$", "Δ": r"$\Delta$", "λ": r"$\lambda$"}
    return plain.translate(str.maketrans(special | names))
