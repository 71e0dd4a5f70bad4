"""What the page shows without JavaScript: tables, flags, claims, forest plots."""

import math
from collections.abc import Mapping, Sequence

from scripts.lib.page.results import Results
from scripts.lib.study import papers
from scripts.lib.study.cells import METRICS, metric_kind, metric_title
from scripts.lib.study.expressions import evaluate
from scripts.lib.tables import files as table_files
from scripts.lib.tables import flags
from scripts.lib.tables.claims import places
from scripts.lib.tables.claims_page import interval
from scripts.lib.tables.links import link, of_averages, of_rows
from scripts.lib.tables.notes import of_judges, of_metrics
from scripts.lib.tables.partial import OUTDATED

STALE = "↻"


def tables(results: Results) -> list[dict]:
    """Each table of the study, row by row; a table that does not exist yet has no rows."""
    return [_table(results, name, entry) for name, entry in results.study["tables"].items()]


def _table(results: Results, name: str, entry: Mapping) -> dict:
    cells = results.tables.get(name, [])
    rows = list(dict.fromkeys(cell["row"] for cell in cells))
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    places = {(cell["row"], cell["column"]): cell for cell in cells}
    links, rows_to = results.links[name], of_rows(entry, results.trained_on)
    return {
        "id": name,
        "title": entry["title"],
        "note": entry["note"].strip(),
        "columns": columns,
        "rows": [
            {
                "name": row,
                "link": rows_to.get(row),
                "cells": [_cell(places[row, column], links.get((row, column))) for column in columns],
            }
            for row in rows
        ],
        "notes": marks(cells),
        "file": results.shown(results.path("tables", name)),
    }


def _cell(cell: Mapping, target: str | None) -> dict:
    """A cell as the page shows it; `says` is its tooltip."""
    kind = "gap" if cell["value"] is None and "gap" in cell else cell.get("mark", "")
    outdated = is_stale(cell)
    figure = table_files.figure({key: value for key, value in cell.items() if not (outdated and key == "state")})
    return {
        "text": figure + (f" {STALE}" if outdated else ""),
        "paper": table_files.beside(cell),
        "kind": kind,
        "link": target,
        "says": says(cell),
    }


def marks(cells: Sequence[Mapping]) -> list[str]:
    """Notes below a table: what its marks mean and which metrics its cells show."""
    raised = {name for cell in cells for name in cell.get("flags", {})}
    notes = [f"{flag.mark} {flag.says}." for name, flag in flags.FLAGS.items() if name in raised]
    notes += [note for note in (of_metrics(cells), of_judges(cells)) if note]
    stale = f"{STALE} outdated: made from a file that Snakemake would rebuild."
    return [*notes, *([stale] if any(map(is_stale, cells)) else [])]


def is_stale(cell: Mapping) -> bool:
    """Whether a cell is outdated."""
    return cell.get("state") == OUTDATED


def says(cell: Mapping) -> str:
    """The tooltip of a cell: n, interval, gap, flags."""
    metric = cell.get("metric", "accuracy")
    parts = [cell.get("gap") or "", *([metric_title(metric)] if metric_kind(metric) in METRICS else [])]
    parts += [f"n = {cell['n']:,}"] if cell.get("n") else []
    if cell.get("low") is not None:
        parts.append(f"95 % interval {cell['low']:+.1f} to {cell['high']:+.1f}")
    if cell.get("p") is not None:
        parts.append(f"{cell['better']} better, {cell['worse']} worse, p = {cell['p']:.2g}")
    parts += [f"{flag.mark} {flag.says}" for name, flag in flags.FLAGS.items() if name in cell.get("flags", {})]
    return "; ".join(part for part in parts if part)


def shown_tables(results: Results, left_out: Mapping) -> dict[str, dict]:
    """The data of each table for the page's JavaScript: its cells and its checkpoints."""
    return {
        name: {
            "title": results.study["tables"][name]["title"],
            "verdict": results.study["tables"][name]["verdict"],
            "left_out": left_out.get(name, {}),
            "rows": checkpoint_names(cells),
            "cells": [cell for cell in cells if "checkpoint" in cell or "low" in cell],
            "averages": averages(results, name, cells),
        }
        for name, cells in results.tables.items()
    }


def averages(results: Results, name: str, cells: Sequence[Mapping]) -> list[dict]:
    """Each average of a table, with the cells that it averages, as the table shows them."""
    places = {(cell["row"], cell["column"]): cell for cell in cells}
    links = results.links[name]
    return [
        {"row": row, "column": column, **_cell(places[row, column], None)}
        | {"over": [{"row": r, "column": c, **_cell(places[r, c], links.get((r, c)))} for r, c in over]}
        for (row, column), over in of_averages(results.study["tables"][name])
        if (row, column) in links
    ]


def checkpoint_names(cells: Sequence[Mapping]) -> list[dict]:
    """The checkpoints of a table: the slug `of`, and as `name` its row's title if no other checkpoint shares it."""
    rows: dict[str, set[str]] = {}
    members: dict[str, set[str]] = {}
    for cell in cells:
        if "checkpoint" in cell:
            rows.setdefault(cell["checkpoint"], set()).add(cell["row"])
            members.setdefault(cell["row"], set()).add(cell["checkpoint"])

    def name(of: str) -> str:
        mine = rows[of]
        return next(iter(mine)) if len(mine) == 1 and len(members[next(iter(mine))]) == 1 else of

    return [{"of": of, "name": name(of)} for of in rows]


# The answers filter that shows what raised a flag.
SHOWS = {"cut_off": "cut", "no_answer": "none", "graders_apart": "differ"}


def flag_list(results: Results) -> list[dict]:
    """All raised flags: of scores (with a link to the answers that raise them), of runs and of inputs."""
    of_scores = {
        (checkpoint, benchmark): flags.of_score(score)
        for checkpoint, scores in results.scores.items()
        for benchmark, score in scores.items()
    }
    of_runs = {run: flags.of_training(training) for run, training in results.trainings.items()}
    cells = cells_of_scores(results)
    raised = []
    for name, flag in flags.FLAGS.items():
        places = []
        for (checkpoint, benchmark), figures in of_scores.items():
            if name in figures:
                query = {"show": SHOWS[name]} if name in SHOWS else {}
                target = link(*cells.get((checkpoint, benchmark), ("answers", checkpoint, benchmark)), **query)
                places.append((f"{checkpoint}, {benchmark}{share(flag, figures[name])}", target))
        places += [
            (f"{run}{share(flag, figures[name])}", link("training", runs=run))
            for run, figures in of_runs.items()
            if name in figures
        ]
        raised += [{"mark": flag.mark, "says": flag.says, "places": places}] if places else []
    return raised + study_flags(results)


def share(flag: flags.Flag, figure: float) -> str:
    """The percentage that raised a flag; empty if the flag's number is not a share."""
    return f" {100 * figure:.0f} %" if flag.percent else ""


def cells_of_scores(results: Results) -> dict[tuple[str, str], tuple[str, ...]]:
    """By checkpoint and benchmark: the page address of the first table cell that shows its score."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for table, cells in results.tables.items():
        for cell in cells:
            if "checkpoint" in cell:
                key = cell["checkpoint"], cell["benchmark"]
                found.setdefault(key, ("table", table, cell["row"], cell["column"]))
    return found


def study_flags(results: Results) -> list[dict]:
    """Flags of the whole study: inputs without a revision, a single training seed, dropped rows, outdated cells."""
    study = results.study
    sections = ("models", "datasets", "benchmarks")
    entries = {f"{section}.{slug}": entry for section in sections for slug, entry in study[section].items()}
    loose = [name for name, entry in entries.items() if entry.get("questions", entry).get("revision") == "unpinned"]
    raised = []
    if loose:
        raised.append({"mark": "○", "says": "without a pinned revision", "places": [(name, None) for name in loose]})
    if results.trainings and not study["seeds"]:
        says = "one training seed each: intervals cover the sampling of questions only"
        raised.append({"mark": "①", "says": says, "places": [(run, None) for run in results.trainings]})
    sets = {run: results.json("train_sets", f"{run}.json") for run in results.trained_on}
    lost = [
        (f"{run}: {listed}", link("train", run))
        for run, summary in sets.items()
        if summary and (listed := flags.losses_of(summary))
    ]
    if lost:
        raised.append({"mark": "−", "says": "rows dropped before training", "places": lost})
    outdated = [
        (f"{table}: {cell['row']}, {cell['column']} ({cell['state']})", link("table", table))
        for table, cells in results.tables.items()
        for cell in cells
        if "state" in cell
    ]
    return raised + ([{"mark": STALE, "says": "not run, or outdated", "places": outdated}] if outdated else [])


def claims(results: Results) -> list[dict]:
    """The study's claims, with their verdicts if they are judged."""
    judged = results.json("claims.json") if results.verdicts is None else results.verdicts
    verdicts = {row["claim"]: row for row in judged or []}
    listed = []
    for name, claim in results.study["claims"].items():
        verdict, printed = verdicts.get(name), printed_value(results, claim)
        listed.append(
            {
                "id": name,
                "says": claim["says"],
                "section": claim["section"],
                "above": f"{claim['above']:g}",
                "value": interval(verdict) if verdict else "–",
                "verdict": verdict["verdict"] if verdict else "not judged yet",
                "why": verdict.get("why", "") if verdict else "",
                "flags": [flags.FLAGS[name] for name in (verdict or {}).get("flags", ())],
                "cells": {part: cells_of(results, claim, where) for part, where in claim["cells"].items()},
                "printed": printed,
                "point": {**verdict, "threshold": claim["above"], "paper": printed} if verdict else None,
            }
        )
    return listed


def cells_of(results: Results, claim: Mapping, where: Mapping) -> list[tuple[str, str]]:
    """The cells behind a name in a claim: a text each, and its address in the page (or the table's)."""
    return [
        (
            f"{at['row']}, {at['column']}",
            results.links[at["table"]].get((at["row"], at["column"]), link("table", at["table"])),
        )
        for at in places(claim, where)
    ]


def printed_value(results: Results, claim: Mapping) -> float | None:
    """A claim's value from the papers' printed numbers, None if one of its cells is not a number there."""
    import numpy

    values: dict[str, numpy.ndarray] = {}
    for name, where in claim["cells"].items():
        row = [printed_cell(results, at) for at in places(claim, where)]
        if any(not isinstance(value, int | float) for value in row):
            return None
        values[name] = numpy.array([row], dtype=float)
    value = float(evaluate(claim["value"], values)[0, 0])
    return value if math.isfinite(value) else None


def printed_cell(results: Results, at: Mapping) -> float | str | None:
    """The paper's value of a table cell."""
    paper = results.study["tables"][at["table"]].get("paper")
    return papers.printed(paper).get(at["row"], {}).get(at["column"]) if paper else None


def differences(results: Results) -> list[dict]:
    """The differences between rows that have an interval, with the paper's value."""
    return [
        {"label": f"{cell['row']}: {cell['column']}", "table": table, "threshold": 0, **cell}
        for table, cells in results.tables.items()
        for cell in cells
        if cell.get("low") is not None and cell["value"] is not None
    ]


WIDTH, LABELS, LINE = 900, 380, 22  # sizes of a forest plot, in pixels


def forest(points: Sequence[Mapping], label: str = "label") -> dict | None:
    """A forest plot: for each point its interval, its value (a square) and the paper's value (a diamond).

    Returns:
        What the template draws: lines and ticks, in pixels. None without points.
    """
    points = [point for point in points if point and point.get("value") is not None]
    values = [number for point in points for number in _numbers(point)]
    if not values:
        return None
    step = nice_step(max(values) - min(values))
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    high = high if high > low else low + step

    def x(value: float) -> float:
        return round(LABELS + 20 + (WIDTH - LABELS - 60) * (value - low) / (high - low), 1)

    lines = []
    for place, point in enumerate(points):
        known = point.get("low") is not None
        paper = point.get("paper")
        lines.append(
            {
                "label": str(point[label]),
                "title": interval(point) if known else "",
                "y": 14 + LINE * place,
                "x": x(point["value"]),
                "low": x(point["low"]) if known else None,
                "high": x(point["high"]) if known else None,
                "threshold": x(point["threshold"]),
                "paper": x(paper) if isinstance(paper, int | float) else None,
            }
        )
    ticks = [low + step * count for count in range(round((high - low) / step) + 1)]
    shown = [{"x": x(tick), "text": f"{tick:g}".replace("-", "−")} for tick in ticks]
    return {"lines": lines, "ticks": shown, "width": WIDTH, "height": LINE * len(points) + 34, "left": LABELS}


def _numbers(point: Mapping) -> list[float]:
    keys = ("value", "low", "high", "paper", "threshold")
    return [point[key] for key in keys if isinstance(point.get(key), int | float)]


def nice_step(span: float) -> float:
    """A round step that divides a span into four to ten intervals."""
    if span <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(span / 4))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 10)
