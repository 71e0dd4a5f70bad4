"""A table of cells as Markdown, LaTeX, CSV and one HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.lib.jsonl import replacing, write_text
from scripts.lib.study.cells import DIGITS
from scripts.lib.tables import flags
from scripts.lib.tables.escape import csv_cell, markdown_cell
from scripts.lib.tables.latex import latex_table

MARKS = {"within": "=", "above": "▲", "below": "▼"}
GAP = "gap"
STUDY_PAGE = "study.html"
PAGE = Path(__file__).with_name("table.html.j2")
CSV_FIELDS = ("value", "se", "n", "by_our_grader", "with_validation", "paper", "difference", "mark", "flags")
CSV_FIELDS += ("seed_deviation", "low", "high", "gap", "state")


def number(value: float | int | str | None, unit: str, signed: bool = False) -> str:
    """A number for readers: 71.1, 5,603, 1.0e-07; a dash if there is none."""
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
    """Our value: `75.1 ± 1.9`, for several seeds `75.1 ± 1.9 (0.6)`, at 0 or 100 % `0.0 (0.0 to 3.7)`, or `gap`.

    In a partial table it may also be `not run`, or `75.1 ± 1.9 (outdated)`.
    """
    if cell["value"] is None and "gap" in cell:
        return cell.get("state", GAP)
    text = number(cell["value"], cell["unit"])
    if "at_edge" in cell:
        text += " ({} to {})".format(*(number(limit, cell["unit"]) for limit in cell["at_edge"]))
    elif cell["se"] is not None:
        text += f" ± {number(cell['se'], cell['unit'])}"
    if "seed_deviation" in cell:
        text += f" ({number(cell['seed_deviation'], cell['unit'])})"
    text += flags.marks_of(cell)
    text = f"{text} ★" if cell.get("best") else text
    return f"{text} ({cell['state']})" if "state" in cell else text


def beside(cell: Mapping) -> str:
    """The paper's value, our difference and its mark: `71.1, +4.0 ▲`; empty if the paper has none."""
    if cell["paper"] is None:
        return ""
    # Beside a gap or a text, the paper's value is shown as printed.
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
    """One line for each reason for gaps, with the cells concerned."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        if "gap" in cell and cell["value"] is None:
            reasons.setdefault(cell["gap"], {}).setdefault(cell["row"], []).append(cell["column"])
    total = len({cell["column"] for cell in cells})

    def named(row: str, columns: list[str]) -> str:
        return row if len(columns) == total else f"{row} ({', '.join(columns)})"

    return [f"{'; '.join(named(*item) for item in rows.items())}: {reason}" for reason, rows in reasons.items()]


def write(
    out: Path,
    table_id: str,
    title: str,
    cells: Sequence[Mapping],
    notes: Sequence[str],
    heading: str = " ",
    links: Mapping[object, str] | None = None,
) -> None:
    """Writes `<out>.md .tex .csv .html`.

    Args:
        out: path without a suffix.
        table_id: for the LaTeX label.
        title: title above the table.
        cells: row by row (see scripts.lib.tables.figures.Cells).
        notes: paragraphs below the table.
        heading: heading of the column of row names.
        links: by row and column, or by row: the address in the study page that the HTML table links to.
    """
    shown = texts(cells, heading)
    reasons = gaps(cells)
    write_text(f"{out}.md", markdown(shown, title, notes, reasons))
    write_text(f"{out}.tex", latex_table(shown, title, table_id, [*notes, *(["Gaps:"] if reasons else []), *reasons]))
    with replacing(f"{out}.csv") as temporary:
        csv_frame(cells).to_csv(temporary, index=False)
    below = [*notes, *(["Gaps:"] if reasons else []), *reasons]
    write_text(f"{out}.html", page(shown, title, cells, below, links or {}))


def texts(cells: Sequence[Mapping], heading: str):
    """The cells as a data frame of texts, with the row names as its index."""
    import pandas

    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    shown = pandas.DataFrame("", index=pandas.Index(rows, name=heading), columns=columns)
    for cell in cells:
        shown.loc[cell["row"], cell["column"]] = text(cell)
    return shown


def markdown(shown, title: str, notes: Sequence[str], reasons: Sequence[str]) -> str:
    """The table in Markdown; cells are text, shown unchanged even if they look like numbers."""
    plain = shown.map(markdown_cell).rename(index=markdown_cell, columns=markdown_cell)
    parts = [f"**{title}**", plain.reset_index().to_markdown(index=False, disable_numparse=True), *notes]
    parts += ["Gaps:", "\n".join(f"- {reason}" for reason in reasons)] if reasons else []
    return "\n\n".join(parts) + "\n"


def csv_frame(cells: Sequence[Mapping]):
    """The cells as a data frame, one cell per line: numbers as floats, counts as integers, flags by name."""
    import pandas

    rows = [{**cell, "flags": " ".join(cell["flags"]) if "flags" in cell else None} for cell in cells]
    rows = [row | (dict(zip(("low", "high"), row["at_edge"])) if "at_edge" in row else {}) for row in rows]
    fields = [field for field in CSV_FIELDS if any(row.get(field) is not None for row in rows)]
    names = ("row", "column", "unit", *fields)
    frame = pandas.DataFrame([{name: csv_cell(row.get(name)) for name in names} for row in rows], dtype=object)
    whole = [isinstance(row["value"], int) or (row["unit"] == "count" and row["value"] is not None) for row in rows]
    for place, row in enumerate(rows):
        if whole[place] and not isinstance(row["value"], str) and float(row["value"]).is_integer():
            frame.loc[place, "value"] = int(row["value"])
    return frame


def page(shown, title: str, cells: Sequence[Mapping], notes: Sequence[str], links: Mapping[object, str]) -> str:
    """The table as one self-contained HTML page; its links lead to the study page, one folder above."""
    import jinja2

    by_place = {(cell["row"], cell["column"]): cell for cell in cells}
    to = {place: f"../{STUDY_PAGE}{fragment}" for place, fragment in links.items()}
    rows = [
        (
            row,
            to.get(row),
            [_shown(by_place[row, column]) | {"link": to.get((row, column))} for column in shown.columns],
        )
        for row in shown.index
    ]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(PAGE.read_text(encoding="utf-8"))
    heading = str(shown.index.name or "").strip()
    columns = list(shown.columns)
    return template.render(title=title, heading=heading, columns=columns, rows=rows, notes=notes, links=bool(links))


def _shown(cell: Mapping) -> dict[str, str]:
    """What the page shows for a cell: kind (a CSS class), figure, beside, hint (its gap, flags, interval)."""
    kind = "gap" if cell["value"] is None and "gap" in cell else cell.get("mark", "")
    hints = [cell["gap"]] if "gap" in cell else [flags.FLAGS[name].says for name in cell.get("flags", {})]
    return {"kind": kind, "figure": figure(cell), "beside": beside(cell), "hint": "; ".join(hints)}
