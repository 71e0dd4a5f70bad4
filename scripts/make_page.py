"""Makes the study page: one HTML file that leads from a number to the answers behind it.

It reads a study's existing files, runs nothing, and shows what is missing as missing. With `--partial` it asks
Snakemake's graph which tables are missing or outdated, shows those of their cells that exist, and judges the claims by
them.

    python -m scripts.make_page --results results/laptop
    python -m scripts.make_page --results results/laptop --out study.html --budget-mb 20

`snakemake study_page` calls it. If the data is larger than the budget, the answer texts that readers want least go into
files beside the page (study/data-0.js …), which it loads on demand.
"""

import argparse
import logging
import shlex
import shutil
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jobs import dag
from scripts.lib.jsonl import write_text
from scripts.lib.page import assemble
from scripts.lib.page.results import Results
from scripts.lib.tables import claims_page, partial
from scripts.lib.tables.partial import options_of

log = logging.getLogger(__name__)
MEGABYTE = 1_000_000


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", required=True, help="the study's folder, results/<study>")
    parser.add_argument("--out", help="the page to write (default: study.html in the folder)")
    parser.add_argument("--budget-mb", type=float, default=20.0, help="megabytes of data in the page")
    parser.add_argument("--partial", action="store_true", help="show missing or outdated tables in part")
    parser.add_argument("--configfiles", nargs="*", default=[], help="config files, as for snakemake")
    parser.add_argument("--config", type=cli.json_argument, default={}, help="JSON: overrides, as for snakemake")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Writes the page, and the files beside it if there are any."""
    command = ["snakemake", *options_of([near(file) for file in args.configfiles], args.config)]
    results = Results(args.results, *(what_there_is(args, shlex.join(command)) if args.partial else ()))
    out = Path(args.out) if args.out else results.path("study.html")
    page, files = assemble.make(results, int(args.budget_mb * MEGABYTE), command)
    beside = out.with_name("study")
    shutil.rmtree(beside, ignore_errors=True)
    for name, text in files.items():
        write_text(out.with_name(name) if "/" not in name else out.parent / name, text)
    write_text(out, page)
    more = f" and {len(files)} files in {beside}/" if files else ""
    log.info("%s: %.2f MB%s", out, out.stat().st_size / MEGABYTE, more)
    return 0


def what_there_is(args: argparse.Namespace, command: str) -> tuple[dict[str, list[dict]], list[dict] | None]:
    """The existing cells of all tables, and verdicts on the claims that Snakemake would judge now."""
    graph = dag.graph(["all_tables", "claims"], args.configfiles, args.config)
    tables, entries = partial.tables_of(graph, command), graph.study["claims"]
    pending = any(job.pending for job in graph.jobs if job.rule == "check_claims")
    return tables, claims_page.rows(entries, partial.verdicts_of(graph.study, tables)) if pending else None


def near(file: str) -> str:
    """A path relative to the working folder, so that the page does not depend on the project's location."""
    path = Path(file).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


if __name__ == "__main__":
    cli.run(main, parse_args)
