"""Checks of tables of cells: each cell shows something that exists, and no part of the paper's table is missing."""

import fnmatch
import re
from collections.abc import Mapping

from scripts.lib.study import papers
from scripts.lib.study.cells import METRICS, OVER_SAMPLES, SOURCES, is_score, metric_kind, specs, suite_of
from scripts.lib.study.expand import CHECKPOINTS
from scripts.lib.study.mistakes import Mistakes


def check_cells(path: tuple, table: Mapping, mistakes: Mistakes) -> None:
    """Checks that each cell of a table shows something that exists, and that each row of the paper's table is there."""
    _Table(path, table, mistakes).check()


class _Table:
    """One table of cells under `path`."""

    def __init__(self, path: tuple, table: Mapping, mistakes: Mistakes) -> None:
        self.path, self.table, self.mistakes, self.study = path, table, mistakes, mistakes.study
        self.columns = [column["name"] for column in table["columns"]]
        self.rows = [row["name"] for row in table["rows"]]

    def check(self) -> None:
        if len(set(self.columns)) < len(self.columns):
            self.mistakes.wrong((*self.path, "columns"), "two columns have the same name. Rename one.")
        printed: Mapping = {}
        if self.table["paper"] is not None:
            try:
                printed = papers.printed(self.table["paper"])
            except KeyError:
                known = ", ".join(papers.known_tables())
                text = f"no paper has it (known: {known}). Correct it."
                self.mistakes.wrong((*self.path, "paper"), text, self.table["paper"])
                return
            self._whole(printed)
        for row in self.table["rows"]:
            for name in set(row["cells"]) - set(self.columns):
                self._tell(f"{row['name']!r} has cells for {name!r}, which is not a column. Correct it.")
        for row, column, cell in specs(self.table):
            self._names(row, column, cell)
            if "function" in cell:
                self._function(row, column, cell)
            if printed.get(row["name"], {}).get(column["name"]) and not set(SOURCES) & set(cell):
                text = "nothing says what it shows. Give it a benchmark, fact, text or function, or a gap."
                self._tell(f"{_at(row, column)}: {text}")

    def _tell(self, text: str) -> None:
        self.mistakes.wrong((*self.path, "rows"), text)

    def _whole(self, printed: Mapping) -> None:
        """Checks that all rows and columns of the paper are there, and no other rows."""
        there = {"rows": (self._wanted(printed), self.rows)}
        if "only" not in self.table:
            there["columns"] = (list(next(iter(printed.values()))), self.columns)
        for kind, (wanted, names) in there.items():
            lacking = [name for name in wanted if name not in names]
            if lacking:
                listed = ", ".join(map(repr, lacking))
                text = f"the paper's {listed} lacks. Add it, with a gap where it is not reproduced."
                self.mistakes.wrong((*self.path, kind), text)
        other = [name for name in self.rows if name not in printed]
        if other:
            names, rows = ", ".join(map(repr, other)), ", ".join(printed)
            self._tell(f"{names} is not a row of {self.table['paper']} (its rows: {rows}). Correct the name.")

    def _wanted(self, printed: Mapping) -> list[str]:
        """The required rows of the paper's table: all, or those under `only`."""
        only = self.table.get("only", ["*"])
        for pattern in only:
            if not fnmatch.filter(printed, pattern):
                text = f"{pattern!r} is not a row of {self.table['paper']} (its rows: {', '.join(printed)}). Fix it."
                self.mistakes.wrong((*self.path, "only"), text)
        return [name for name in printed if any(fnmatch.fnmatchcase(name, pattern) for pattern in only)]

    def _names(self, row: Mapping, column: Mapping, cell: Mapping) -> None:
        """Checks that the checkpoints, benchmarks and runs that a cell names exist."""
        at = _at(row, column)
        for name in (cell.get("of"), *cell.get("best_of", ())):
            if name is not None and all(name not in self.study[section] for section in CHECKPOINTS):
                self._tell(f"{at}: of = {name!r}: not under models or runs. Correct the name or add the entry.")
        if is_score(cell):
            name = cell["benchmark"]
            if "of" not in cell:
                self._tell(f"{at}: a score of no checkpoint. Name one (of).")
            if name not in self.study["benchmarks"]:
                self._tell(f"{at}: benchmark = {name!r}: not under benchmarks. Correct it or add the entry.")
            elif suite_of(self.table, self.study["suites"], name) is None:
                self._tell(f"{at}: benchmark {name!r} is in none of the table's suites. Name one that has it.")
            else:
                self._metric(at, name, cell.get("metric", "accuracy"))
            if cell.get("best_of") and cell.get("metric", "accuracy") != "accuracy":
                text = (
                    f"metric = {cell['metric']!r}: a difference (best_of) is one of accuracies. Give the cell a text."
                )
                self._tell(f"{at}: {text}")
        if "setting" in cell and cell.get("benchmark") not in self.study["benchmarks"]:
            name = cell.get("benchmark")
            self._tell(f"{at}: a setting of {name!r}, which is not under benchmarks. Name the benchmark.")
        if "fact" in cell and cell.get("of") not in self.study["runs"]:
            text = f"a fact of {cell.get('of')!r}, which is not a run. Name a run, or give a gap with its reason."
            self._tell(f"{at}: {text}")
        if "previous" in cell and cell["previous"] not in self.rows:
            self._tell(f"{at}: previous = {cell['previous']!r} is not a row of the table. Correct it.")

    def _metric(self, at: str, name: str, metric: str) -> None:
        """Checks that the benchmark has the metric that a cell shows, by its settings over samples or its kind."""
        entry, kind = self.study["benchmarks"][name], metric_kind(metric)
        if kind not in METRICS or not isinstance(entry, dict):
            return
        if kind not in OVER_SAMPLES:
            if entry.get("kind") != "critique":
                text = f"only benchmarks of kind critique have it, and {name!r} is of another. Name one, or accuracy."
                self._tell(f"{at}: metric = {metric!r}: {text}")
            return
        key = OVER_SAMPLES[kind]
        k = re.search(r"_at_(\d+)", metric)
        if key not in entry or (k and int(k[1]) not in entry[key]):
            add = f"add {k[1]} to benchmarks.{name}.{key}" if k else f"add benchmarks.{name}.{key}"
            self._tell(f"{at}: metric = {metric!r}: {name!r} does not report it. Correct it, or {add}.")

    def _function(self, row: Mapping, column: Mapping, cell: Mapping) -> None:
        """Checks that a function's arguments exist in the table and have the right number."""
        at, function = _at(row, column), cell["function"]
        of_rows = "function" in row and "function" not in row["cells"].get(column["name"], {})
        wrong = [name for name in cell.get("over", []) if name not in (self.rows if of_rows else self.columns)]
        if wrong or (not of_rows and "over" not in cell):
            what = "rows" if of_rows else "columns"
            self._tell(f"{at}: over = {wrong or None}: it must name {what} of the table.")
        if of_rows and function != "average":
            self._tell(f"{at}: function = {function!r}: a row can only be an average. Put it into a column.")
        wanted = {"change": 2, "gain": 1}.get(function)
        if not of_rows and wanted and len(cell.get("over", ())) != wanted:
            self._tell(f"{at}: {function} is over {wanted} column(s). Correct over.")


def _at(row: Mapping, column: Mapping) -> str:
    return f"{row['name']!r}, {column['name']!r}"
