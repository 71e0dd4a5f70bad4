"""Makes one table from scores: Markdown, LaTeX, CSV and HTML to read, and JSON, a list of cells.

A cell is `{"row", "column", "value", "se", "n", "paper"}`, in percent; a difference also has its 95 % interval
(`low`, `high`), and a figure that graded answers give says which (`checkpoint`, `benchmark`, `metric`). A table with
`columns` (scripts/lib/tables/figures.py) also has the paper's values beside its own.

With `--partial` it renders what there is without running a job, into
`<table>.partial.*` (scripts/lib/tables/partial.py).

    python -m scripts.make_table --partial cft_table2 --configfile config.yaml
    python -m scripts.make_table --table cft_table2 --settings '{"title": "…", "note": "", "columns": {"gcd": "GCD"}, \\
        "rows": [{"name": "Base", "of": "smollm2-135m"}]}' --scores results/laptop/scores/*/arithmetic.json \\
        --summaries results/laptop/checkpoints/*/train.json --out results/laptop/tables/cft_table2
"""

import argparse
import sys
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading import scoring
from scripts.lib.jsonl import read_json, read_rows, replacing, write_json, write_text
from scripts.lib.study import papers
from scripts.lib.tables import figures, files

AVERAGE = "Average"
GRADERS = {"paper-style": "Graded in the manner of the papers' harness.", "math-verify": "Graded by math-verify."}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--table", help="the table's id")
    which.add_argument("--partial", metavar="TABLE", help="the id of a table to render from what there is")
    parser.add_argument("--configfile", nargs="*", default=[], help="partial: config files, as for snakemake")
    parser.add_argument("--config", type=cli.json_argument, default={}, help="partial: JSON, as for snakemake --config")
    parser.add_argument("--settings", type=cli.json_argument, help="JSON: title, note, columns, rows")
    parser.add_argument("--scores", nargs="*", default=[], help="scores/<checkpoint>/<suite>.json, items beside them")
    parser.add_argument("--summaries", nargs="*", default=[], help="checkpoints/<run>/train.json, files of other facts")
    parser.add_argument("--out", help="path of the files to write, without an ending")
    args = parser.parse_args(argv)
    if args.table and (args.settings is None or args.out is None):
        parser.error("--table needs --settings and --out")
    return args


def main(args: argparse.Namespace) -> int:
    """Computes the cells and writes the five files."""
    if args.partial:
        return write_partial(args.partial, args.configfile, args.config)
    settings = args.settings
    if settings["layout"] == "cells":
        return write_cells(args.table, settings, args.scores, args.summaries, Path(args.out))
    scores = scoring.read_scores(args.scores, settings["verdict"], settings["validation_questions"])
    trained = {Path(file).parent.name: read_json(file) for file in args.summaries}
    cells: list[dict] = []
    if settings["layout"] == "benchmarks-as-rows":
        cells = comparison_cells(settings["rows"], settings["columns"], scores)
    for row in settings["rows"] if not cells else ():
        if "difference" in row:
            cells += difference_cells(row, settings["columns"], scores)
        else:
            cells += score_cells(row, settings["columns"], scores, trained.get(row["of"]))
    best = best_cells(cells) if settings.get("mark_best") else set()
    cells = [{**item, "best": True} if (item["row"], item["column"]) in best else item for item in cells]
    out = Path(args.out)
    write_json(out.with_suffix(".json"), cells)
    frame, errors = frames(cells, "Benchmark" if settings["layout"] == "benchmarks-as-rows" else "Model")
    caption = settings["title"]
    notes = [
        settings["note"].strip(),
        caption_of(settings, cells),
        *by_ours(settings, scores),
        *scoring.notes_of(scores),
    ]
    note = "\n\n".join(part for part in notes if part)
    shown = frame.copy().astype(object)
    for row in frame.index:
        for column in frame.columns:
            star = " ★" if (row, column) in best else ""
            shown.loc[row, column] = text_of(frame.loc[row, column], errors.loc[row, column], column) + star
    write_text(out.with_suffix(".md"), f"**{caption}**\n\n{markdown(shown)}\n\n{note}\n")
    write_text(out.with_suffix(".html"), files.plain_page(caption, shown, note.split("\n\n")))
    write_text(out.with_suffix(".tex"), files.latex_table(shown, caption, args.table))
    for column in [name for name in frame.columns if errors[name].notna().any()]:
        frame.insert(frame.columns.get_loc(column) + 1, f"{column} se", errors[column])
    with replacing(out.with_suffix(".csv")) as temporary:
        frame.to_csv(temporary, float_format="%.4f")
    return 0


def by_ours(settings: dict, scores: dict) -> list[str]:
    """Our own grader's accuracies, where the table counts another one's verdicts."""
    if settings["verdict"] == "ours":
        return []
    rows = {
        row["name"]: [
            f"{title} {100 * scores[row['of']][slug]['accuracy_ours']:.1f}"
            for slug, title in settings["columns"].items()
        ]
        for row in settings["rows"]
        if "of" in row
    }
    return [our_grader(settings["verdict"], rows)]


def our_grader(verdict: str, rows: dict[str, list[str]]) -> str:
    """The note under a table that counts another grader's verdicts: ours, by row."""
    lines = "; ".join(f"{row}: {', '.join(figures)}" for row, figures in rows.items())
    return f"{GRADERS[verdict]} By our own grader: {lines}."


def write_cells(table: str, settings: dict, scores: list[str], facts: list[str], out: Path) -> int:
    """A table whose rows and columns say what each cell shows."""
    printed = papers.printed(settings["paper"]) if settings["paper"] else {}
    found = scoring.read_scores(scores, settings["verdict"], settings["validation_questions"])
    cells = figures.Cells(settings, found, read_facts(facts), printed).all()
    write_json(out.with_suffix(".json"), cells)
    files.write(out, table, settings["title"], cells, [*notes_of(settings, cells), *scoring.notes_of(found)])
    return 0


def write_partial(table: str, configfiles: list[str], overrides: dict) -> int:
    """A table of what there is; prints it too."""
    from scripts.lib.tables import partial

    settings, out, cells = partial.cells(table, configfiles, overrides)
    out = out.with_name(f"{table}.partial")
    notes = ["A partial table: no job was run for it.", *partial.notes(settings, cells)]
    write_json(f"{out}.json", cells)
    files.write(out, table, f"{settings['title']} (partial)", cells, notes)
    sys.stdout.write(Path(f"{out}.md").read_text(encoding="utf-8"))
    return 0


def notes_of(settings: dict, cells: list[dict]) -> list[str]:
    """What the reader must know: what the numbers are, where they are from, what the marks mean."""
    notes = [settings["note"].strip()]
    if settings["scaled"]:
        notes.insert(0, f"Scale {settings['scaled']}: random models and few questions. THE NUMBERS MEAN NOTHING.")
    if any(item["se"] is not None for item in cells):
        notes.append(
            "Ours ± standard error (of questions, one training seed). An average is the plain mean of its parts."
        )
    if settings["paper"]:
        notes.append(
            f"In brackets: what the paper printed ({settings['paper']} in papers/), and ours minus it. "
            "= within noise (1.96 standard errors of both), ▲ above, ▼ below; no mark where its error is unknown."
        )
    if settings["verdict"] != "ours" and any("by_our_grader" in item for item in cells):
        by_ours: dict[str, list[str]] = {}
        for item in cells:
            if "by_our_grader" in item:
                by_ours.setdefault(item["row"], []).append(f"{item['column']} {item['by_our_grader']:.1f}")
        notes.append(our_grader(settings["verdict"], by_ours))
    return [note for note in notes if note]


def read_facts(files: list[str]) -> dict[tuple[str, str], float | None]:
    """The facts in summaries: (fact, run) to value.

    The kind of a file is read from its path: checkpoints/<run>/train.json and selection.json, train_sets/<run>.json,
    timings/<study>/sample_responses/<responses>/<shard>.jsonl.
    """
    facts: dict[tuple[str, str], float | None] = {}
    for file in map(Path, files):
        run = file.parent.name
        if file.name == "train.json":
            made = read_json(file)
            counts, recipe = made["counts"], made["recipe"]
            hours = made["train_seconds"] / 3600
            found = {
                "rows": counts["rows_trained"],
                "tokens": counts["prompt_tokens"] + counts["completion_tokens"],
                "steps": made["steps"],
                "hours": hours,
                "gpu_hours": hours * made["processes"],
                **{key: recipe[key] for key in ("learning_rate", "global_batch", "beta", "epochs")},
            }
        elif file.name == "selection.json":
            selected = read_json(file).get("selected")
            found = {"best_validation": 100 * selected["accuracy"] if selected else None}
        elif run == "train_sets":
            run = file.stem
            parts = [part["mean_gap"] for part in read_json(file)["parts"] if "mean_gap" in part]
            found = {"mean_gap": parts[0] if parts else None}
        else:
            seconds = sum(float(row["s"]) for row in read_rows(file, required=("s",), unique=None))
            found = {"sampling_hours": facts.get(("sampling_hours", run), 0.0) + seconds / 3600}
        facts |= {(name, run): value for name, value in found.items()}
    return facts


def cell(row: str, column: str, value: float | None, se: float | None = None, n: int | None = None, **more) -> dict:
    """One cell; `value` and `se` as they are printed."""
    return {"row": row, "column": column, "value": value, "se": se, "n": n, "paper": None, **more}


def best_cells(cells: list[dict]) -> set[tuple[str, str]]:
    """(row, column) of the highest score in each column, none where all are equal; differences do not count."""
    columns: dict[str, list[dict]] = {}
    for item in cells:
        if item["se"] is not None and "low" not in item:
            columns.setdefault(item["column"], []).append(item)
    highest = {column: max(item["value"] for item in found) for column, found in columns.items()}
    return {
        (item["row"], column)
        for column, found in columns.items()
        for item in found
        if item["value"] == highest[column] > min(other["value"] for other in found)
    }


def measured(checkpoint: str, benchmark: str, metric: str, found: dict) -> dict:
    """The fields of a cell that say which graded answers it is made of."""
    which = {"checkpoint": checkpoint, "benchmark": benchmark, "metric": metric}
    return which | {key: found[key] for key in ("verdict", "left_out") if found.get(key)}


def accuracy_cell(row: str, column: str, checkpoint: str, benchmark: str, found: dict) -> dict:
    """A checkpoint's accuracy on a benchmark in percent, or its rating."""
    full = scoring.full_mark([found])
    shown = full * found["accuracy"], full * found["standard_error"], found["questions"]
    rating = {} if full == 100 else {"out_of": full, "unit": "points"}
    return cell(row, column, *shown, **measured(checkpoint, benchmark, "accuracy", found), **rating)


def trained_cells(row: dict, train: dict | None) -> list[dict]:
    """The cells of a row that say what it was trained on: rows and tokens."""
    counts = train["counts"] if train else {}
    tokens = counts["prompt_tokens"] + counts["completion_tokens"] if train else None
    return [cell(row["name"], "Rows", counts.get("rows_trained")), cell(row["name"], "Tokens", tokens)]


def score_cells(row: dict, columns: dict[str, str], scores: dict, train: dict | None) -> list[dict]:
    """The cells of a checkpoint: rows and tokens trained on, accuracy by benchmark, and their average."""
    from scripts.lib.tables.statistics import average_error

    cells = trained_cells(row, train)
    mine = [scores[row["of"]][slug] for slug in columns]
    for (slug, title), found in zip(columns.items(), mine, strict=True):
        cells.append(accuracy_cell(row["name"], title, row["of"], slug, found))
    full, questions = scoring.full_mark(mine), sum(found["questions"] for found in mine)
    if full is None:
        return [*cells, cell(row["name"], AVERAGE, None, n=questions)]
    mean = full * sum(found["accuracy"] for found in mine) / len(mine)
    error = full * average_error([found["standard_error"] for found in mine])
    return [*cells, cell(row["name"], AVERAGE, mean, error, questions)]


def difference_cells(row: dict, columns: dict[str, str], scores: dict) -> list[dict]:
    """The cells of a checkpoint minus the best of others, column by column, with bootstrap intervals."""
    from scripts.lib.tables.statistics import difference_to_best, mcnemar_to_best

    def shares(checkpoint: str) -> dict:
        return {slug: scores[checkpoint][slug]["shares"] for slug in columns}

    compared = shares(row["difference"]), [shares(name) for name in row["best_of"]]
    found, tested = difference_to_best(*compared), mcnemar_to_best(*compared)
    cells = [cell(row["name"], "Rows", None), cell(row["name"], "Tokens", None)]
    for slug, title in [*columns.items(), (None, AVERAGE)]:
        full = scoring.full_mark([scores[row["difference"]][name] for name in (columns if slug is None else [slug])])
        percent = {key: None if full is None else full * value for key, value in found[slug].items()}
        count = sum(len(mine) for mine in shares(row["difference"]).values()) if slug is None else None
        count = count or len(scores[row["difference"]][slug]["shares"])
        cells.append(cell(row["name"], title, n=count, **percent, **tested[slug]))
    return cells


def comparison_cells(rows: list[dict], columns: dict[str, str], scores: dict) -> list[dict]:
    """Benchmarks as rows: accuracy and length of each checkpoint, and the relative change in the last step.

    The length is that of answers that ended by themselves, in tokens: a longer answer that was cut off at the token
    limit says nothing about what the model would have written. The share that was cut off stands beside it.
    """
    cells = []
    names = [(row["name"], row["of"]) for row in rows]
    for slug, title in columns.items():
        found = {name: scores[of][slug] for name, of in names}
        of = dict(names)
        before, after = (found[name] for name, _ in names[-2:])
        for name, item in found.items():
            cells.append(accuracy_cell(title, f"Accuracy {name}", of[name], slug, item))
        cells.append(cell(title, "Accuracy change %", change(before["accuracy"], after["accuracy"])))
        for name, item in found.items():
            length = item["mean_tokens_finished"]
            made_of = measured(of[name], slug, "length", item)
            cells.append(cell(title, f"Length {name}", length, n=item["responses"] - item["cut_off"], **made_of))
        lengths = before["mean_tokens_finished"], after["mean_tokens_finished"]
        cells.append(cell(title, "Length change %", change(*lengths)))
        for name, item in found.items():
            cells.append(cell(title, f"Cut off {name} %", 100 * item["cut_off_share"], n=item["responses"]))
    return cells


def change(before: float | None, after: float | None) -> float | None:
    """The change relative to `before`, in percent; None where `before` is 0 or either is not known."""
    return 100 * (after - before) / before if before and after is not None else None


def frames(cells: list[dict], heading: str = "Model"):
    """Two data frames (values, standard errors) with the table's rows and columns in order."""
    import pandas

    rows = list(dict.fromkeys(item["row"] for item in cells))
    columns = list(dict.fromkeys(item["column"] for item in cells))
    values = pandas.DataFrame(index=pandas.Index(rows, name=heading), columns=columns, dtype=float)
    errors = values.copy()
    for item in cells:
        values.loc[item["row"], item["column"]] = item["value"]
        errors.loc[item["row"], item["column"]] = item["se"]
    return values, errors


def markdown(shown) -> str:
    """The table in Markdown; a cell is text that is shown as it is, also where it reads like a number."""
    return shown.reset_index().to_markdown(index=False, disable_numparse=True)


def text_of(value: float, error: float, column: str) -> str:
    """A cell as it is read: `25.5 ± 3.1`, a count, or a dash where there is nothing to say."""
    if value != value:
        return "–"
    if error != error:
        return f"{value:+.1f}" if "change" in column else f"{value:,.1f}" if "Length" in column else f"{value:,.0f}"
    return f"{value:.1f} ± {error:.1f}"


def caption_of(settings: dict, cells: list[dict]) -> str:
    """What the reader must know: what the numbers are, and what the intervals cover."""
    if settings["layout"] == "benchmarks-as-rows":
        return (
            "Accuracy in percent ± standard error over the questions. Length is the mean number of tokens of the "
            "answers that ended by themselves; Cut off is the share that did not, within the benchmark's token limit. "
            f"Changes are relative, from {settings['rows'][-2]['name']} to {settings['rows'][-1]['name']}."
        )
    parts = [
        "Accuracy in percent ± standard error over the questions; Average is the plain mean of the benchmarks; "
        "Rows and Tokens are what each run was trained on, counted once (for pairs: both answers)."
    ]
    if settings.get("mark_best"):
        parts.append("★ the best of its column; a lead of less than two standard errors may be chance.")
    rated = dict.fromkeys(item["column"] for item in cells if item.get("out_of") == 10)
    parts += [f"{column} is a mean rating out of 10." for column in rated]
    averages = {item["row"]: item for item in cells if item["column"] == AVERAGE}
    for row in settings["rows"]:
        if "difference" not in row:
            continue
        average = averages[row["name"]]
        if average["low"] is None:  # ratings and percentages have no average
            continue
        parts.append(
            f"{row['name']}: the best row is taken per column; 95 % interval of the average {average['low']:+.1f} to "
            f"{average['high']:+.1f} (paired bootstrap over questions, the best taken anew in each resample). "
            f"McNemar's exact test against the best average, over all questions: {average['better']} better, "
            f"{average['worse']} worse, p = {average['p']:.2g}. One training seed: both cover question sampling only."
        )
    return " ".join(parts)


if __name__ == "__main__":
    cli.run(main, parse_args)
