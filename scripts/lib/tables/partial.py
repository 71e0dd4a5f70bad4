"""A table from what there is: cells that are not run or outdated say so, and what makes them.

Which files a cell needs, and whether they are up to date, is read from Snakemake's graph (scripts/lib/jobs/dag.py).
Nothing is run.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace

from scripts import make_table
from scripts.lib.grading import scoring
from scripts.lib.jobs import dag
from scripts.lib.jsonl import BadInput
from scripts.lib.study import papers
from scripts.lib.tables import figures

NOT_RUN, OUTDATED = "not run", "outdated"


class NotRun(Exception):
    """A cell needs a file that is not there; `target` is the file."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


def cells(
    table: str, configfiles: list[str] | None = None, overrides: Mapping | None = None
) -> tuple[dict, Path, list[dict]]:
    """The table's settings, the path of its files without an ending, and its cells.

    A cell that cannot be computed has `state: not run` and, in `gap`, the target that makes what it lacks. One that is
    computed from a file that Snakemake would make again has `state: outdated`.

    Raises:
        BadInput: the config is wrong, or it has no such table.
    """
    graph = dag.graph([table], configfiles or [], overrides)
    if table not in graph.study["tables"]:
        raise BadInput(f"{table}: not under tables (known: {', '.join(graph.study['tables'])}). Name one of them.")
    settings = json.loads(graph.study.table_settings(SimpleNamespace(table=table)))
    job = next(job for job in graph.jobs if job.rule == "make_table" and job.wildcards["table"] == table)
    files = Files(graph, job)
    made = list(of_cells(settings, files) if settings["layout"] == "cells" else of_scores(settings, files))
    return settings, Path(job.outputs[0]).with_suffix(""), made


class Files:
    """The files that a table is made of, read when a cell asks for them.

    Attributes:
        outdated: whether a file was read, since `fresh` was called, that Snakemake would make again.
    """

    def __init__(self, graph: dag.Graph, job: dag.Job) -> None:
        self.study, self.table = graph.study, graph.study["tables"][job.wildcards["table"]]
        self.inputs = job.inputs
        self.outdated = False
        self._pending = {file for other in graph.jobs if other.pending for file in other.outputs}

    def fresh(self) -> None:
        """Forgets what was read: a new cell begins."""
        self.outdated = False

    def _need(self, file: str) -> str:
        if not Path(file).exists():
            raise NotRun(file)
        self.outdated = self.outdated or file in self._pending
        return file

    def score(self, checkpoint: str, benchmark: str) -> dict:
        """A checkpoint's score on a benchmark, as make_table reads it."""
        for file in map(Path, self.inputs):
            of_suite = self.study["suites"].get(file.stem, (file.stem,))  # or of a benchmark that is a job of its own
            if file.suffix == ".json" and file.parts[-3:-1] == ("scores", checkpoint) and benchmark in of_suite:
                self._need(str(file))
                self._need(str(file.with_suffix(".jsonl")))
                return self._scores[checkpoint][benchmark]
        raise KeyError((checkpoint, benchmark))

    @cached_property
    def _scores(self) -> dict:
        """All scores that are there, read together: what one checkpoint was selected by is left out of all."""
        files = [file for file in self.inputs if "/scores/" in file and file.endswith(".json")]
        there = [file for file in files if Path(file).exists() and Path(f"{file}l").exists()]
        return scoring.read_scores(there, self.table["verdict"], self.table["validation_questions"])

    def fact(self, fact: str, run: str):
        """A fact of a run, as make_table reads it."""
        patterns = {
            "train": f"checkpoints/{run}/train.json",
            "validation": f"checkpoints/{run}/selection.json",
            "train_set": f"train_sets/{run}.json",
            "sampling": f"sample_responses/{run}/",
        }
        needed = [self._need(file) for file in self.inputs if patterns[cells.FACTS[fact]] in file]
        return make_table.read_facts(needed)[fact, run]

    def training(self, run: str) -> dict | None:
        """The training summary of a run; None of a model."""
        if run not in self.study["runs"]:
            return None
        return make_table.read_json(self._need(f"results/{self.study.name}/checkpoints/{run}/train.json"))


class Lazy(Mapping):
    """A mapping that asks a function for the value of each key."""

    def __init__(self, value_of, keys: tuple = ()) -> None:
        self.value_of, self.known = value_of, keys

    def __getitem__(self, key):
        return self.value_of(key)

    def __iter__(self) -> Iterator:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def scores_in(files: Files) -> Lazy:
    """Scores by checkpoint and benchmark, read when they are asked for."""
    return Lazy(lambda checkpoint: Lazy(lambda benchmark: files.score(checkpoint, benchmark)))


def told(row: str, column: str, files: Files, compute) -> dict:
    """The cell that `compute` gives, with its state."""
    files.fresh()
    try:
        made = compute()
    except NotRun as lacking:
        gap = f"not run, `snakemake {lacking.target}` makes what it lacks"
        nothing = {"value": None, "se": None, "n": None, "unit": "number", "paper": None}
        return {"row": row, "column": column, **nothing, "state": NOT_RUN, "gap": gap}
    return {**made, "state": OUTDATED} if files.outdated and made["value"] is not None else made


def of_cells(settings: dict, files: Files) -> Iterator[dict]:
    """The cells of a table with columns."""
    printed = papers.printed(settings["paper"]) if settings["paper"] else {}
    facts = Lazy(lambda key: files.fact(*key))
    for row, column, _ in specs(settings):
        # A table of its own for each cell: what one cell has read must not count for another.
        made = figures.Cells(settings, scores_in(files), facts, printed)
        cell = told(row["name"], column["name"], files, partial(made.cell, row["name"], column["name"]))
        yield {**cell, "paper": printed.get(row["name"], {}).get(column["name"])}


def of_scores(settings: dict, files: Files) -> Iterator[dict]:
    """The cells of a table of checkpoints by benchmarks, in either layout."""
    scores, columns = scores_in(files), settings["columns"]
    if settings["layout"] == "benchmarks-as-rows":
        for slug, title in columns.items():
            yield from of_benchmark(settings["rows"], slug, title, scores, files)
        return

    def score(row: dict, column: str, wanted: dict[str, str]) -> dict:
        if "difference" in row:
            return shown(make_table.difference_cells(row, wanted, scores), column)
        return shown(make_table.score_cells(row, wanted, scores, None), column)

    def trained(row: dict, column: str) -> dict:
        # A difference was trained on nothing, nor was a model here.
        return shown(make_table.trained_cells(row, files.training(row.get("of", ""))), column)

    for row in settings["rows"]:
        for column in ("Rows", "Tokens"):
            yield told(row["name"], column, files, partial(trained, row, column))
        for slug, title in columns.items():
            yield told(row["name"], title, files, partial(score, row, title, {slug: title}))
        yield told(row["name"], make_table.AVERAGE, files, partial(score, row, make_table.AVERAGE, columns))


def of_benchmark(rows: list[dict], slug: str, title: str, scores: Mapping, files: Files) -> Iterator[dict]:
    """One row of a table with benchmarks as rows: a column for each figure of each checkpoint, and the changes."""

    def figure(row: dict, column: str) -> dict:
        return shown(make_table.comparison_cells([row, row], {slug: title}, scores), column)

    def whole(column: str) -> dict:
        return shown(make_table.comparison_cells(rows, {slug: title}, scores), column)

    for heading, ending in (("Accuracy", ""), ("Length", ""), ("Cut off", " %")):
        for row in rows:
            column = f"{heading} {row['name']}{ending}"
            yield told(title, column, files, partial(figure, row, column))
        if heading != "Cut off":
            column = f"{heading} change %"
            yield told(title, column, files, partial(whole, column))


def shown(found: list[dict], column: str) -> dict:
    """The cell of a column, with the unit that it is shown in."""
    cell = next(cell for cell in found if cell["column"] == column)
    unit = "count" if column in ("Rows", "Tokens") else "change" if "change" in column else "percent"
    return {**cell, "unit": unit}


def notes(settings: dict, cells: list[dict]) -> list[str]:
    """What the reader must know about the table."""
    if settings["layout"] == "cells":
        return make_table.notes_of(settings, cells)
    return [settings["note"].strip()] if settings["note"].strip() else []
