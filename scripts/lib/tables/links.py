"""Link targets of a table's cells and rows in the study page (results/<study>/study.html)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from urllib.parse import quote

from scripts.lib.study.cells import averaged, specs

Places = dict[tuple[str, str], str]  # row and column → a fragment of the page's address


def link(*names: str, **query: str) -> str:
    """An address in the page: `#/table/cft_table2/CFT/Equations?show=flipped`."""
    path = "#/" + "/".join(quote(name, safe="") for name in names)
    more = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return f"{path}?{more}" if more else path


def of_cells(table: str, settings: Mapping, scores: Mapping, cells: Sequence[Mapping]) -> Places:
    """The answers behind each cell; for a difference, those that the checkpoint loses to the best of the others.

    An average links to the list of its cells, if one of them has answers.

    Args:
        table: its id.
        settings: its entry in the study, or its settings.
        scores: by checkpoint and benchmark, with the `accuracy` of each; missing ones have no answers to show.
        cells: the table's cells.
    """
    rows_of = row_names(cells)
    found = {
        (cell["row"], cell["column"]): link("table", table, cell["row"], cell["column"])
        for cell in cells
        if cell.get("checkpoint") in scores
    }
    for row, column, cell in specs(settings):
        of, benchmark = cell.get("of"), cell.get("benchmark")
        others = [other for other in cell.get("best_of", ()) if benchmark in scores.get(other, {})]
        if others and benchmark in scores.get(of, {}) and (of, column["name"]) in rows_of:
            best = max(others, key=lambda other: scores[other][benchmark]["accuracy"] or 0)
            target = link("table", table, rows_of[of, column["name"]], column["name"], show="lost", against=best)
            found[row["name"], column["name"]] = target
    means = {place: link("average", table, *place) for place, over in of_averages(settings) if found.keys() & {*over}}
    return {**means, **found}


def of_averages(settings: Mapping) -> Iterator[tuple[tuple[str, str], list[tuple[str, str]]]]:
    """The (row, column) of each average of a table, and of the cells that it averages."""
    for row, column, cell in specs(settings):
        if cell.get("function") == "average":
            yield (row["name"], column["name"]), averaged(settings, row, column, cell)


def row_names(cells: Sequence[Mapping]) -> Places:
    """The row that shows a checkpoint in a column."""
    return {(cell["checkpoint"], cell["column"]): cell["row"] for cell in cells if "checkpoint" in cell}


def of_rows(settings: Mapping, runs: Collection[str]) -> dict[str, str]:
    """The address of each row's training data, for rows that show one of `runs`."""
    shown = {row["name"]: row.get("of") for row in settings["rows"] if "best_of" not in row}
    return {name: link("train", of) for name, of in shown.items() if of in runs}
