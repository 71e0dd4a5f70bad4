"""Makes one table from scores: Markdown, LaTeX, CSV and HTML to read, and JSON, a list of cells.

A cell is `{"row", "column", "value", "se", "n", "unit", "paper"}`; a difference also has its 95 % interval (`low`,
`high`), and a figure from graded answers names them (`checkpoint`, `benchmark`, `metric`). What each cell shows is
in the settings (scripts/lib/study/cells.py).

With `--partial` it renders existing results without running a job, into `<table>.partial.*`
(scripts/lib/tables/partial.py).

    python -m scripts.make_table --partial cft_table2 --configfile config.yaml
    python -m scripts.make_table --table cft_table2 --settings "$SETTINGS" \\
        --scores results/laptop/scores/*/arithmetic.json --summaries results/laptop/checkpoints/*/train.json \\
        --out results/laptop/tables/cft_table2
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading import scoring
from scripts.lib.jsonl import read_json, write_json
from scripts.lib.study import papers
from scripts.lib.tables import figures, links
from scripts.lib.tables import files as table_files
from scripts.lib.tables.facts import read_facts, read_trainings
from scripts.lib.tables.notes import notes_of


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--table", help="the table's id")
    which.add_argument("--partial", metavar="TABLE", help="id of a table to render from existing results")
    parser.add_argument("--configfile", nargs="*", default=[], help="partial: config files, as for snakemake")
    parser.add_argument("--config", type=cli.json_argument, default={}, help="partial: JSON, as for snakemake --config")
    parser.add_argument("--settings", type=cli.json_argument, help="JSON: title, note, columns, rows")
    parser.add_argument("--scores", nargs="*", default=[], help="scores/<checkpoint>/<suite>.json, items beside them")
    parser.add_argument("--summaries", nargs="*", default=[], help="checkpoints/<run>/train.json, files of other facts")
    parser.add_argument("--trainings", nargs="*", default=[], help="checkpoints/<run>/train.json of all its runs")
    parser.add_argument("--train-sets", nargs="*", default=[], help="train_sets/<run>.json of all its runs")
    parser.add_argument("--out", help="path of the files to write, without an extension")
    args = parser.parse_args(argv)
    if args.table and (args.settings is None or args.out is None):
        parser.error("--table needs --settings and --out")
    return args


def main(args: argparse.Namespace) -> int:
    """Computes the cells and writes the five files."""
    if args.partial:
        return write_partial(args.partial, args.configfile, args.config)
    settings = args.settings
    printed = papers.printed(settings["paper"]) if settings["paper"] else {}
    scores = scoring.read_scores(args.scores, settings["verdict"], settings["validation_questions"])
    cells = figures.Cells(settings, scores, read_facts(args.summaries), printed).all()
    train_sets = {Path(file).stem: read_json(file) for file in args.train_sets}
    notes = [*notes_of(settings, cells, read_trainings(args.trainings), train_sets), *scoring.notes_of(scores)]
    to = {**links.of_cells(args.table, settings, scores, cells), **links.of_rows(settings, train_sets)}
    write(Path(args.out), args.table, settings, cells, notes, to)
    return 0


def write_partial(table: str, configfiles: list[str], overrides: dict) -> int:
    """Writes and prints a table of the existing results."""
    from scripts.lib.tables import partial

    settings, out, cells = partial.cells(table, configfiles, overrides)
    out = out.with_name(f"{table}.partial")
    settings["title"] += " (partial)"
    there = {cell["checkpoint"]: {} for cell in cells if "checkpoint" in cell}
    notes = ["A partial table: no job was run for it.", *notes_of(settings, cells)]
    write(out, table, settings, cells, notes, links.of_cells(table, settings, there, cells))
    sys.stdout.write(Path(f"{out}.md").read_text(encoding="utf-8"))
    return 0


def write(
    out: Path, table: str, settings: dict, cells: list[dict], notes: list[str], to: Mapping | None = None
) -> None:
    """Writes the cells and the readable files; `to`: the study page addresses of cells and rows."""
    write_json(f"{out}.json", cells)
    heading = HEADINGS.get(settings.get("layout"), " ")
    table_files.write(out, table, settings["title"], cells, notes, heading, to)


# The heading of a table's first column.
HEADINGS = {"checkpoints-as-rows": "Model", "benchmarks-as-rows": "Benchmark"}


if __name__ == "__main__":
    cli.run(main, parse_args)
