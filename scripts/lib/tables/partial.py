"""A table from existing results: cells that are not run or outdated say so, and name what makes them.

Which files a cell needs, and whether they are up to date, is read from Snakemake's graph (scripts/lib/jobs/dag.py).
Nothing is run.
"""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace

from scripts.lib.grading import scoring
from scripts.lib.jobs import dag
from scripts.lib.jsonl import BadInput, read_json
from scripts.lib.study import papers
from scripts.lib.study.cells import FACTS, specs
from scripts.lib.study.settings import Study
from scripts.lib.tables import claims, figures
from scripts.lib.tables.facts import read_facts

NOT_RUN, OUTDATED = "not run", "outdated"


class NotRun(Exception):
    """A cell needs a file that does not exist; `target` is the file."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


def cells(
    table: str, configfiles: list[str] | None = None, overrides: Mapping | None = None
) -> tuple[dict, Path, list[dict]]:
    """The table's settings, the path of its files without a suffix, and its cells.

    A cell that cannot be computed has `state: not run` and, in `gap`, the target that makes the missing file. A cell
    computed from a file that Snakemake would rebuild has `state: outdated`.

    Raises:
        BadInput: the config is invalid, or it has no such table.
    """
    graph = dag.graph([table], configfiles or [], overrides)
    if table not in graph.study["tables"]:
        raise BadInput(f"{table}: not under tables (known: {', '.join(graph.study['tables'])}). Name one of them.")
    job = next(job for job in table_jobs(graph) if job.wildcards["table"] == table)
    command = shlex.join(["snakemake", *options_of(configfiles or [], overrides or {})])
    settings, shown = of_job(graph, job, command)
    return settings, Path(job.outputs[0]).with_suffix(""), shown


def table_jobs(graph: dag.Graph) -> list[dag.Job]:
    """The jobs of a graph that make tables."""
    return [job for job in graph.jobs if job.rule == "make_table"]


def of_job(graph: dag.Graph, job: dag.Job, command: str) -> tuple[dict, list[dict]]:
    """The settings and the cells of the table that a job makes; `command` is the call that a target is appended to."""
    settings = json.loads(graph.study.table_settings(SimpleNamespace(**job.wildcards)))
    return settings, list(of_cells(settings, Files(graph, job), command))


def tables_of(graph: dag.Graph, command: str) -> dict[str, list[dict]]:
    """The cells of every table of a graph: from the file if it is up to date, else as many as can be computed."""
    made = {
        job.wildcards["table"]: of_job(graph, job, command)[1] if job.pending else read_json(cells_file(job))
        for job in table_jobs(graph)
    }
    return {table: made[table] for table in graph.study["tables"] if table in made}


def cells_file(job: dag.Job) -> str:
    """The JSON file of the table that a job makes."""
    return next(file for file in job.outputs if file.endswith(".json"))


def verdicts_of(study: Study, tables: Mapping[str, list[dict]]) -> dict[str, dict]:
    """The verdict on every claim from the existing cells; a claim that lacks a cell is inconclusive and says why."""
    files = [study.path(file) for file in study.claim_scores()]
    items = claims.Items([file for file in files if Path(file).is_file()], json.loads(study.claim_sources()))
    return {name: claims.verdict_of(claim, tables, items.cell) for name, claim in study["claims"].items()}


def options_of(configfiles: Sequence[str], overrides: Mapping) -> list[str]:
    """The options that pass the same config files and overrides to snakemake."""
    files = ["--configfile", *map(str, configfiles)] if configfiles else []
    values = ["--config", *(f"{key}={json.dumps(value)}" for key, value in overrides.items())] if overrides else []
    return [*files, *values, "--"]


class Files:
    """The files that a table is made from, read on demand.

    Attributes:
        outdated: whether a file that Snakemake would rebuild was read since the last call of `fresh`.
    """

    def __init__(self, graph: dag.Graph, job: dag.Job) -> None:
        self.study, self.table = graph.study, graph.study["tables"][job.wildcards["table"]]
        self.inputs = job.inputs
        self.outdated = False
        self._pending = {file for other in graph.jobs if other.pending for file in other.outputs}

    def fresh(self) -> None:
        """Resets `outdated` for a new cell."""
        self.outdated = False

    def _need(self, file: str) -> str:
        if not Path(file).exists():
            raise NotRun(file)
        self.outdated = self.outdated or file in self._pending
        return file

    def score(self, checkpoint: str, benchmark: str) -> dict:
        """A checkpoint's score on a benchmark, as make_table reads it."""
        for file in map(Path, self.inputs):
            of_suite = self.study["suites"].get(file.stem, (file.stem,))  # or a benchmark with its own job
            if file.suffix == ".json" and file.parts[-3:-1] == ("scores", checkpoint) and benchmark in of_suite:
                self._need(str(file))
                self._need(str(file.with_suffix(".jsonl")))
                return self._scores[checkpoint][benchmark]
        raise KeyError((checkpoint, benchmark))

    @cached_property
    def _scores(self) -> dict:
        """All existing scores, read together, since the validation questions of one checkpoint are excluded for all."""
        files = [file for file in self.inputs if "/scores/" in file and file.endswith(".json")]
        there = [file for file in files if Path(file).exists() and Path(f"{file}l").exists()]
        return scoring.read_scores(there, self.table["verdict"], self.table["validation_questions"])

    def fact(self, fact: str, run: str):
        """A fact of a run, as make_table reads it."""
        needed = [self._need(self.study.path(file)) for file in self.study.fact_files(FACTS[fact], run)]
        return read_facts(needed)[fact, run]


class Lazy(Mapping):
    """A mapping that computes each key's value with a function."""

    def __init__(self, value_of, keys: tuple = ()) -> None:
        self.value_of, self.known = value_of, keys

    def __getitem__(self, key):
        return self.value_of(key)

    def __iter__(self) -> Iterator:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def scores_in(files: Files) -> Lazy:
    """Scores by checkpoint and benchmark, read on demand."""
    return Lazy(lambda checkpoint: Lazy(lambda benchmark: files.score(checkpoint, benchmark)))


def cell_of(row: str, column: str, files: Files, command: str, compute) -> dict:
    """The cell that `compute` gives, with its state."""
    files.fresh()
    try:
        cell = compute()
    except NotRun as lacking:
        gap = f"not run, `{command} {shlex.quote(lacking.target)}` makes what is missing"
        nothing = {"value": None, "se": None, "n": None, "unit": "number", "paper": None}
        return {"row": row, "column": column, **nothing, "state": NOT_RUN, "gap": gap}
    return {**cell, "state": OUTDATED} if files.outdated and cell["value"] is not None else cell


def of_cells(settings: dict, files: Files, command: str = "snakemake --") -> Iterator[dict]:
    """The cells of a table, in order; `command` is the call that a target is appended to."""
    printed = papers.printed(settings["paper"]) if settings["paper"] else {}
    facts = Lazy(lambda key: files.fact(*key))
    for row, column, _ in specs(settings):
        # Each cell gets its own table, so that files read for one cell do not count for another.
        figure = figures.Cells(settings, scores_in(files), facts, printed)
        compute = partial(figure.cell, row["name"], column["name"])
        cell = cell_of(row["name"], column["name"], files, command, compute)
        yield {**cell, "paper": printed.get(row["name"], {}).get(column["name"])}
