"""What each cell of a table shows, and which files it needs.

A table has rows and columns that each say part of what a cell shows: a score of a checkpoint on a benchmark, a fact
from a summary, a setting of the config, a text, a function of other cells, or a gap, which is something that is not
reproduced, with the reason.
"""

import re
from collections.abc import Iterator, Mapping

# The kinds of benchmarks that have their own jobs and scores, in place of a suite's.
ALONE = ("harness", "judge")

SOURCES = ("gap", "function", "fact", "setting", "text", "benchmark")
# The facts of a run, and the kind of file that each comes from.
FACTS = {
    **dict.fromkeys(("rows", "tokens", "steps", "hours", "gpu_hours"), "train"),
    **dict.fromkeys(("learning_rate", "global_batch", "beta", "epochs"), "train"),
    "mean_gap": "train_set",
    "best_validation": "validation",
    "sampling_hours": "sampling",
}
# The default unit of each metric or fact, and the digits of each unit.
UNITS = {"accuracy": "percent", "best_validation": "percent", "mean_gap": "count"}
UNITS |= dict.fromkeys(("length", "rows", "tokens", "steps"), "count")
UNITS |= {"cut_off_share": "whole percent"}
UNITS |= dict.fromkeys(("hours", "gpu_hours", "sampling_hours"), "hours")
# Metrics other than accuracy that are shares, and what each means (docs/benchmarks.md).
METRICS = {
    "pass_at_k": "the chance that one of k answers is right (unbiased estimate from all samples)",
    "maj_at_k": "the most frequent of the first k answers is right; of tied answers each counts its share",
    "maj_at_k_ties": "several of the first k answers are equally frequent",
    "best_of_n": "the first answer that the checkpoint's own critique calls right is right, else the first of all",
    "best_of_n_none_right": "its own critique calls none of its answers right",
    "own_verdict_accuracy": "its verdict on its own answer is right; no verdict is not",
    "own_no_verdict_share": "its critique of its own answer states no verdict",
    "balanced_accuracy": "mean of the shares of right and of wrong responses that are judged so",
    "f1_wrong": "F1 of the verdict wrong",
    "recall_right": "of the right responses, those that are judged right",
    "recall_wrong": "of the wrong responses, those that are judged wrong",
    "no_verdict_share": "critiques that state no verdict; they count as not right",
    "wrong_share": "of the responses, those that are wrong",
    "first_step_accuracy": "of the wrong responses with a known first wrong step, those judged wrong for that step",
}
# The metrics over samples, and the benchmark key that enables each.
OVER_SAMPLES = {
    **{"pass_at_k": "pass_at", "maj_at_k": "majority_at", "maj_at_k_ties": "majority_at"},
    **dict.fromkeys(("best_of_n", "best_of_n_none_right", "own_verdict_accuracy", "own_no_verdict_share"), "best_of_n"),
}
# Metrics whose standard error is not that of a share of questions.
NO_SHARES_OF_QUESTIONS = ("balanced_accuracy", "f1_wrong")
DIGITS = {
    **{"percent": 1, "whole percent": 0, "change": 1, "fraction": 3, "points": 2},
    **{"count": 0, "tokens": 1, "hours": 2, "number": None},
}


def metric_kind(metric: str) -> str:
    """The name of a metric in METRICS: `pass_at_k` for `pass_at_8`."""
    return re.sub(r"_at_\d+", "_at_k", metric)


def metric_title(metric: str) -> str:
    """The name of a metric in prose.

    >>> metric_title("pass_at_8"), metric_title("balanced_accuracy")
    ('pass@8', 'balanced accuracy')
    """
    return re.sub(r"_at_(\d+)", r"@\1", metric).replace("_", " ")


def spec(table: Mapping, row: Mapping, column: Mapping) -> dict:
    """What one cell shows: one key of SOURCES (none: nothing), and of, metric, unit, over, best_of, previous beside it.

    The row's setting for this column has precedence, then the row's gap or function, then the column's, then what
    both set, where the row wins. `$x` in a slug is `x` under `with`, of the row, the column or the table.
    """
    own = row.get("cells", {}).get(column["name"], {})
    keys = {key: value for key, value in {**column, **row, **own}.items() if key not in ("name", "cells", "with")}
    places = [(own, SOURCES), (row, SOURCES[:2]), (column, SOURCES[:2]), (row, SOURCES[2:5]), (column, SOURCES[2:5])]
    places.append((keys, SOURCES[5:]))
    source = next(((key, layer[key]) for layer, kinds in places for key in kinds if key in layer), None)
    shows = {key: value for key, value in keys.items() if key not in SOURCES}
    if source:
        shows[source[0]] = source[1]
        if source[0] == "function" and "over" not in row and "function" in row and "function" not in own:
            shows.pop("over", None)  # the column's, of another function
        if source[0] == "setting" and "benchmark" in keys:
            shows["benchmark"] = keys["benchmark"]
    for key in ("of", "benchmark"):
        if key in shows:
            shows[key] = filled(shows[key], table, column, row, own)
    if "best_of" in shows:
        shows["best_of"] = [filled(slug, table, column, row, own) for slug in shows["best_of"]]
    return shows


def filled(slug: str, *layers: Mapping) -> str:
    """The slug with `$x` replaced by the value under `with` in the last layer that has one."""
    for name, value in {key: value for layer in layers for key, value in layer.get("with", {}).items()}.items():
        slug = slug.replace(f"${name}", value)
    return slug


def specs(table: Mapping) -> Iterator[tuple[Mapping, Mapping, dict]]:
    """(row, column, spec) of every cell."""
    for row in table["rows"]:
        for column in table["columns"]:
            yield row, column, spec(table, row, column)


def averaged(table: Mapping, row: Mapping, column: Mapping, cell: Mapping) -> list[tuple[str, str]]:
    """The (row, column) of each cell that an average is the mean of.

    They are other columns of the row, or, in a row of averages, other rows of the column: by default all of them.
    """
    if "function" not in row:
        return [(row["name"], name) for name in cell["over"]]
    others = (other["name"] for other in table["rows"] if other["name"] != row["name"])
    return [(name, column["name"]) for name in cell.get("over", others)]


def is_score(cell: Mapping) -> bool:
    """Whether the cell shows a score."""
    return "benchmark" in cell and "setting" not in cell


def suite_of(table: Mapping, suites: Mapping[str, list[str]], benchmark: str) -> str | None:
    """The suite of the table that contains a benchmark."""
    return next((suite for suite in table["suites"] if benchmark in suites.get(suite, ())), None)


def scores_needed(table: Mapping, study: Mapping) -> list[tuple[str, str]]:
    """(checkpoint, suite) of every score that the table shows, each once; a benchmark with its own job (ALONE)
    takes the suite's place.
    """
    needed = {}
    for _, _, cell in specs(table):
        if is_score(cell):
            name = cell["benchmark"]
            if study["benchmarks"][name]["kind"] not in ALONE:
                name = suite_of(table, study["suites"], name)
            for checkpoint in (cell["of"], *cell.get("best_of", ())):
                needed[checkpoint, name] = True
    return list(needed)


def facts_needed(table: Mapping) -> list[tuple[str, str]]:
    """(kind of file, run) of every fact that the table shows, each once."""
    return list(dict.fromkeys((FACTS[cell["fact"]], cell["of"]) for _, _, cell in specs(table) if "fact" in cell))
