"""What Snakemake prints at the end of a run: the requested tables, and where the study page is."""

from collections.abc import Collection
from pathlib import Path

from scripts.lib.study import first
from scripts.lib.study.files import Files


def said(study: Files, targets: Collection[str], quiet: bool = False) -> str:
    """The last lines of a run; empty if no table or figure was requested.

    Args:
        study: the study.
        targets: the requested targets (none: all tables).
        quiet: whether to omit the tables' texts.
    """
    quick = [line for target in targets if Path(target).is_file() for line in first.scores(target)]
    if quick:
        return "\n".join(["", *quick]) + "\n"
    shown = [target for target in targets if target in study.targets]
    if targets and not shown and "all_tables" not in targets:
        return ""
    ids = dict.fromkeys(made for target in shown for made in study["targets"].get(target, [target]))
    tables = [Path(study.path(f"<results>/tables/{table}.md")) for table in ids if table in study["tables"]]
    texts = [] if quiet else [file.read_text(encoding="utf-8") for file in tables if file.is_file()]
    page = study.path("<results>/study.html")
    says = "shows" if Path(page).is_file() else "will show"
    where = [f"The answers behind the numbers: snakemake study_page; {page} {says} them."]
    return "\n".join(["", *texts, *where]) + "\n"
