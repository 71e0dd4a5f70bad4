"""Families, globs and shorthand of a study, written out: seeds, rows of tables and figures, tables of suites."""

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scripts.lib.study.cells import specs
from scripts.lib.study.mistakes import Mistakes

CHECKPOINTS = ("models", "runs", "seeds")  # the sections that a table's row may refer to
AVERAGE = "Average"
# Columns of a table of checkpoints that describe the training, and the fact that each shows.
TRAINED = {"Rows": "rows", "Epochs": "epochs", "Tokens": "tokens"}
NOTHING = {"text": None}  # a cell that stays empty

Families = Mapping[tuple[str, str], list[str]]  # (section, name with $axes) → the names made from it


def expand_seeds(mistakes: Mistakes, families: Families) -> None:
    """Replaces families and globs under `seeds` by the runs that they stand for."""
    study = mistakes.study
    for slug, named in list(study["seeds"].items()):
        path = ("seeds", slug)
        if path in mistakes.broken:
            continue
        if slug in study["models"] or slug in study["runs"]:
            mistakes.wrong(path, "a model or run has this name too. Rename one of them.")
        names = _runs_named([named] if isinstance(named, str) else named, mistakes, families)
        if len(names) < 2:
            found = ", ".join(names) or "none"
            text = f"a mean of seeds needs two or more runs, this names {found}. Name a family, a glob or a list."
            mistakes.wrong(path, text, named)
        study["seeds"][slug] = names


def _runs_named(named: list[str], mistakes: Mistakes, families: Families) -> list[str]:
    """The runs behind names, families and globs, each once."""
    runs = mistakes.study["runs"]
    return list(dict.fromkeys(run for one in named for run in families.get(("runs", one)) or fnmatch.filter(runs, one)))


def take_rows(tables: dict[str, Any], place: Callable[[tuple], str], mistakes: list[str]) -> dict[str, Any]:
    """The tables; a table with `rows_of` takes the other table's keys and the rows that `only` names."""
    taken = dict(tables)
    for slug, table in tables.items():
        if not isinstance(table, dict) or "rows_of" not in table:
            continue
        wrong = list(_not_taken(tables, table))
        mistakes += [f"{place(('tables', slug, key))}{text}" for key, text in wrong]
        if wrong:
            del taken[slug]  # what else it lacks is a consequence
            continue
        source, only = tables[table["rows_of"]], table.get("only", ["*"])
        rows = [row for row in source["rows"] if any(fnmatch.fnmatchcase(row.get("name", ""), p) for p in only)]
        own = {key: value for key, value in table.items() if key != "rows_of"}
        taken[slug] = {**source, **own, "rows": rows}
    return taken


def _not_taken(tables: dict[str, Any], table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Why a table cannot take the rows of the table that it names: the key, and its mistake."""
    name = table["rows_of"]
    source = tables.get(name) if isinstance(name, str) else None
    if not isinstance(source, dict) or not isinstance(source.get("rows"), list) or "rows_of" in source:
        known = ", ".join(other for other, entry in tables.items() if isinstance(entry, dict) and "rows" in entry)
        yield "rows_of", f" = {name!r}: no table with rows of its own (known: {known}). Correct it."
        return
    if "rows" in table:
        yield "rows", f": it has the rows of {name} (rows_of). Remove one of the two."
    names = [row.get("name", "") for row in source["rows"]]
    for pattern in table.get("only", ()):
        if not fnmatch.filter(names, pattern):
            yield "only", f": {pattern!r} is no row of {name} (it has: {', '.join(names)}). Correct it."


def expand_rows(mistakes: Mistakes, families: Families) -> None:
    """Replaces each row of tables and figures that names a family or a glob by a row for each checkpoint."""
    study = mistakes.study
    for section in ("tables", "figures"):
        for slug, entry in mistakes.sound(section).items():
            if section == "tables" and "columns" in entry:
                _without_sampling(entry, study["responses"])
            entry["rows"] = [
                row
                for index, row in enumerate(entry["rows"])
                for row in _rows_of(row, (section, slug, "rows", index), mistakes, families)
            ]
            seen: set[str] = set()
            for row in entry["rows"]:
                if row["name"] in seen:
                    text = f"two rows are called {row['name']!r}. Use $of in the name."
                    mistakes.wrong((section, slug, "rows"), text)
                seen.add(row["name"])


def _rows_of(row: dict, path: tuple, mistakes: Mistakes, families: Families) -> list[dict]:
    """The row for each checkpoint that a row stands for, in the config's order."""
    if "difference" in row:
        mistakes.known((*path, "difference"), row["difference"], *CHECKPOINTS)
        for number, name in enumerate(row["best_of"]):
            mistakes.known((*path, "best_of", number), name, *CHECKPOINTS)
        return [row]
    names = families.get(("runs", row.get("of"))) or families.get(("models", row.get("of")))
    if names is None and ("of" not in row or ("cells" in row and "$" in row["of"])):
        return [row]  # a row of cells may leave the checkpoint to its columns, or to `with`
    if names is None:
        trained = [*mistakes.study["models"], *mistakes.study["runs"]]  # what a glob may match
        is_checkpoint = any(row["of"] in mistakes.study[section] for section in CHECKPOINTS)
        names = [row["of"]] if is_checkpoint else fnmatch.filter(trained, row["of"])
    if not names:
        mistakes.known((*path, "of"), row["of"], *CHECKPOINTS)
    return [{**row, "name": row["name"].replace("$of", name), "of": name} for name in names]


def _without_sampling(table: dict, responses: Mapping[str, Any]) -> None:
    """Makes hours of sampling a gap if nothing is sampled because the pairs are a released set."""
    for row, column, cell in list(specs(table)):
        if cell.get("fact") == "sampling_hours" and cell.get("of") not in responses:
            row["cells"][column["name"]] = {"gap": "nothing is sampled: the pairs are a released set"}


# --- tables of suites -------------------------------------------------------------------------------------------------


def as_cells(table: Mapping[str, Any], study: Mapping[str, Any]) -> Mapping[str, Any]:
    """A table of suites and rows, expanded to a table of cells; a table of cells is unchanged."""
    if "columns" in table:
        return table
    names = dict.fromkeys(name for suite in table["suites"] for name in study["suites"].get(suite, ()))
    titles = {name: study["benchmarks"].get(name, {}).get("title") or name for name in names}
    layout = benchmarks_as_rows if table["layout"] == "benchmarks-as-rows" else checkpoints_as_rows
    rows, columns = layout(table["rows"], titles, study)
    return {"paper": None, "with": {}, **table, "columns": columns, "rows": [{"cells": {}, **row} for row in rows]}


def checkpoints_as_rows(rows: list[dict], titles: Mapping[str, str], study: Mapping) -> tuple[list[dict], list[dict]]:
    """Rows and columns: each checkpoint's training, its score on each benchmark, and their average.

    For several seeds, whose numbers of rows are equal, the first one's training is shown.
    """
    columns = [
        *({"name": name, "fact": fact} for name, fact in TRAINED.items()),
        *({"name": title, "benchmark": name} for name, title in titles.items()),
    ]
    if len(titles) > 1:
        columns.append({"name": AVERAGE, "function": "average", "over": list(titles.values())})
    untrained = dict.fromkeys(TRAINED, NOTHING)
    models = []
    for row in rows:
        if "difference" in row:
            of, best_of = row["difference"], row["best_of"]
            models.append({"name": row["name"], "of": of, "best_of": best_of, "cells": untrained})
        else:
            models.append({**row, "cells": _training_of(row.get("of"), study, untrained)})
    return models, columns


def _training_of(checkpoint: str | None, study: Mapping, untrained: dict) -> dict:
    """Defaults of a checkpoint's training cells, for what its row does not set."""
    if checkpoint in study["seeds"]:
        first = study["seeds"][checkpoint][0]
        return {name: {"fact": fact, "of": first} for name, fact in TRAINED.items()}
    return {} if checkpoint in study["runs"] else untrained


def benchmarks_as_rows(rows: list[dict], titles: Mapping[str, str], study: Mapping) -> tuple[list[dict], list[dict]]:
    """Rows and columns: accuracy and length of each checkpoint, and the relative change between the last two.

    The length is that of complete answers, in tokens: an answer that was cut off at the token
    limit does not show how long it would have become. The share that was cut off has its own column.
    """
    columns: list[dict] = []
    for figure, keys in (("Accuracy", {}), ("Length", {"metric": "length", "unit": "tokens"})):
        columns += [{"name": f"{figure} {row['name']}", "of": row.get("of"), **keys} for row in rows]
        last = [column["name"] for column in columns[-2:]]
        columns.append({"name": f"{figure} change %", "function": "change", "over": last})
    cut_off = {"metric": "cut_off_share", "unit": "whole percent"}
    columns += [{"name": f"Cut off {row['name']} %", "of": row.get("of"), **cut_off} for row in rows]
    return [{"name": title, "benchmark": name} for name, title in titles.items()], columns
