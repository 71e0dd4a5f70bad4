"""Checks of tables of cells: each cell shows something that there is, and the paper's table is there whole."""

from collections.abc import Callable

from scripts.lib.study import cells, papers

Place = Callable[[tuple], str]
CHECKPOINTS = ("models", "runs", "seeds")  # what a table's row may be of


def without_sampling(table: dict, responses: dict) -> None:
    """Makes hours of sampling a gap where nothing is sampled, since the pairs are a released set."""
    for row, column, cell in list(cells.specs(table)):
        if cell.get("fact") == "sampling_hours" and cell.get("of") not in responses:
            row["cells"][column["name"]] = {"gap": "nothing is sampled: the pairs are a released set"}


def check_cells(path: tuple, table: dict, study: dict, place: Place, found: list[str]) -> None:
    """Whether each cell of a table shows something that there is, and each row of the paper's table has its row."""
    names = {"columns": [column["name"] for column in table["columns"]], "rows": [row["name"] for row in table["rows"]]}
    if len(set(names["columns"])) < len(names["columns"]):
        found.append(f"{place((*path, 'columns'))}: two columns have the same name. Rename one.")
    if table["paper"] is not None:
        try:
            printed = papers.printed(table["paper"])
        except KeyError:
            found.append(
                f"{place((*path, 'paper'))} = {table['paper']!r}: no paper has it (known: "
                f"{', '.join(papers.known_tables())}). Correct it."
            )
            return
        for kind, there in (("rows", list(printed)), ("columns", list(next(iter(printed.values()))))):
            lacking = [name for name in there if name not in names[kind]]
            if lacking:
                found.append(
                    f"{place((*path, kind))}: the paper's {', '.join(map(repr, lacking))} lacks. Add it, with a gap "
                    "where it is not reproduced."
                )
        other = [name for name in names["rows"] if name not in printed]
        if other:
            found.append(
                f"{place((*path, 'rows'))}: {', '.join(map(repr, other))} is no row of {table['paper']} (its rows: "
                f"{', '.join(printed)}). Correct the name."
            )
    seen: set[str] = set()

    def tell(mistake: str) -> None:
        if mistake not in seen:
            seen.add(mistake)
            found.append(mistake)

    for row in table["rows"]:
        for name in set(row["cells"]) - set(names["columns"]):
            tell(f"{place((*path, 'rows'))}: {row['name']!r} has cells for {name!r}, which is no column. Correct it.")
    for row, column, cell in cells.specs(table):
        where = f"{place((*path, 'rows'))}: {row['name']!r}, {column['name']!r}"
        for name in (cell.get("of"), *cell.get("best_of", ())):
            if name is not None and all(name not in study[section] for section in CHECKPOINTS):
                tell(f"{where}: of = {name!r}: not under models or runs. Correct the name or add the entry.")
        if cells.is_score(cell):
            if "of" not in cell:
                tell(f"{where}: a score of nothing. Say of which checkpoint (of).")
            if cell["benchmark"] not in study["benchmarks"]:
                tell(f"{where}: benchmark = {cell['benchmark']!r}: not under benchmarks. Correct it or add the entry.")
            elif cells.suite_of(table, study["suites"], cell["benchmark"]) is None:
                tell(
                    f"{where}: benchmark {cell['benchmark']!r} is in none of the table's suites. Name one that has it."
                )
        if "setting" in cell and cell.get("benchmark") not in study["benchmarks"]:
            tell(f"{where}: a setting of {cell.get('benchmark')!r}, which is not under benchmarks. Name the benchmark.")
        if "fact" in cell and cell.get("of") not in study["runs"]:
            tell(f"{where}: a fact of {cell.get('of')!r}, which is no run. Name a run, or say why there is a gap.")
        if "function" in cell:
            of_rows = "function" in row and "function" not in row["cells"].get(column["name"], {})
            there = names["rows" if of_rows else "columns"]
            wrong = [name for name in cell.get("over", []) if name not in there]
            if wrong or (not of_rows and "over" not in cell):
                tell(f"{where}: over = {wrong or None}: it must name {'rows' if of_rows else 'columns'} of the table.")
            if of_rows and cell["function"] != "average":
                tell(f"{where}: function = {cell['function']!r}: a row can only be an average. Put it into a column.")
            wanted = {"change": 2, "gain": 1}.get(cell["function"])
            if not of_rows and wanted and len(cell.get("over", ())) != wanted:
                tell(f"{where}: {cell['function']} is over {wanted} column(s). Correct over.")
        if "previous" in cell and cell["previous"] not in names["rows"]:
            tell(f"{where}: previous = {cell['previous']!r} is no row of the table. Correct it.")
        if (
            table["paper"] is not None
            and not set(cells.SOURCES) & set(cell)
            and printed.get(row["name"], {}).get(column["name"])
        ):
            tell(f"{where}: nothing says what it shows. Give it a benchmark, fact, text or function, or a gap.")
