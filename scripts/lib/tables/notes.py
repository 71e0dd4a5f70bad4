"""The notes under a table: what the numbers are, where they come from, what the marks mean."""

from collections.abc import Mapping, Sequence

from scripts.lib.study.cells import METRICS, metric_kind, metric_title
from scripts.lib.study.expand import AVERAGE
from scripts.lib.tables import flags

GRADERS = {
    "authors-cft": (
        "Graded by the rules of CFT's authors, which accept numbers that round to the same first decimal place: too "
        "lenient on Minerva and TheoremQA (docs/grading.md)."
    ),
    "authors-thinkpo": "Graded by the rules of ThinkPO's authors, the Qwen2.5-Math harness (docs/grading.md).",
    "math-verify": "Graded by math-verify.",
}


def notes_of(
    settings: Mapping,
    cells: Sequence[Mapping],
    trainings: Mapping[str, Mapping] | None = None,
    train_sets: Mapping[str, Mapping] | None = None,
) -> list[str]:
    """The paragraphs under a table, in order.

    Args:
        settings: the table's settings (`Study.table_settings`).
        cells: its cells (`figures.Cells`).
        trainings: the training summaries of its runs that exist.
        train_sets: the summaries of their training sets that exist.
    """
    notes = [scale_warning(settings["scaled"]), settings["note"].strip()]
    notes.append(LAYOUTS[settings.get("layout")](settings, cells))
    notes += [of_metrics(cells), of_judges(cells)]
    if settings["paper"]:
        notes.append(
            f"In brackets: the paper's value ({settings['paper']} in papers/) and our difference from it. "
            "= within noise (1.96 standard errors of both), ▲ above, ▼ below; no mark if the paper's error is unknown."
        )
    notes += [our_grader(settings["verdict"], cells), *flags.notes_of(cells)]
    notes += [
        flags.note_of_trainings(trainings or {}),
        flags.note_of_stops(trainings or {}),
        *flags.notes_of_train_sets(train_sets or {}),
        unpinned(settings["unpinned"]),
    ]
    return [note for note in notes if note]


def scale_warning(scale: str | None) -> str:
    """A warning that the numbers of a scaled study are meaningless."""
    return f"Scale {scale}: random models and few questions. THE NUMBERS MEAN NOTHING." if scale else ""


def of_cells(settings: Mapping, cells: Sequence[Mapping]) -> str:
    """What the numbers in a table of cells are."""
    if all(cell["se"] is None for cell in cells):
        return ""
    what = f"Ours ± standard error (of questions, one training seed){edge(cells)}."
    return f"{what} An average is the plain mean of its parts."


def of_metrics(cells: Sequence[Mapping]) -> str:
    """What the metrics other than accuracy mean, by column."""
    columns: dict[str, dict[str, None]] = {}
    for cell in cells:
        if metric_kind(cell.get("metric", "")) in METRICS:
            columns.setdefault(cell["metric"], {})[cell["column"]] = None
    lines = [
        f"{metric_title(metric)} ({', '.join(shown)}): {METRICS[metric_kind(metric)]}"
        for metric, shown in columns.items()
    ]
    return f"{'; '.join(lines)}." if lines else ""


def of_judges(cells: Sequence[Mapping]) -> str:
    """Which columns measure how a checkpoint judges responses, not how it answers."""
    judged = {cell["column"]: cell["judged"] for cell in cells if "judged" in cell}
    listed = ", ".join(f"{column} {count:,.0f}" for column, count in judged.items())
    return (
        f"Verdicts on responses with a known grade, not answers (responses: {listed}). Accuracy is the mean over "
        "questions; a critique without a verdict counts as wrong."
        if judged
        else ""
    )


def edge(cells: Sequence[Mapping]) -> str:
    """What replaces a standard error if all answers or none are right."""
    at_edge = any("at_edge" in cell for cell in cells)
    return " (Wilson's 95 % interval if all or none are right)" if at_edge else ""


def of_checkpoints(settings: Mapping, cells: Sequence[Mapping]) -> str:
    """What the numbers in a table of checkpoints are, and what its intervals cover."""
    parts = [
        f"Accuracy in percent ± standard error over the questions{edge(cells)}. Average is the plain mean of the "
        "benchmarks. Rows and Tokens are the size of each run's training set (for pairs: both answers); Epochs is the "
        "number of passes over it."
    ]
    if settings["mark_best"]:
        parts.append("★ marks the best of a column; a lead below two standard errors may be chance.")
    rated = dict.fromkeys(cell["column"] for cell in cells if cell["unit"] == "points")
    parts += [f"{column} is a mean rating out of 10." for column in rated]
    seeds = max((len(cell.get("by_seed", ())) for cell in cells), default=0)
    if seeds:
        parts.append(
            f"In brackets: the standard deviation over {seeds} training seeds. Rows, Epochs and Tokens are those of "
            "the first seed."
        )
    compared = {row["name"] for row in settings["rows"] if "best_of" in row}
    trained = f"The mean of {seeds} training seeds" if seeds else "One training seed"
    parts += [
        f"{cell['row']}: the best row is chosen per column; 95 % interval of the average {cell['low']:+.1f} to "
        f"{cell['high']:+.1f} (paired bootstrap over questions; each resample picks its own best row). McNemar's "
        f"exact test against the best average, over all questions: {cell['better']} better, {cell['worse']} worse, p = "
        f"{cell['p']:.2g}. {trained}: both cover question sampling only."
        for cell in cells
        if cell["row"] in compared and cell["column"] == AVERAGE and "low" in cell
    ]
    return " ".join(parts)


def of_benchmarks(settings: Mapping, cells: Sequence[Mapping]) -> str:
    """What the numbers in a table with benchmarks as rows are."""
    change = next(column for column in settings["columns"] if column.get("function") == "change")
    before, after = (name.partition(" ")[2] for name in change["over"])
    return (
        f"Accuracy in percent ± standard error over the questions{edge(cells)}. Cut off is the share of "
        f"answers that reached the benchmark's token limit; Length is the mean number of tokens of the others. "
        f"Changes are relative, from {before} to {after}."
    )


def unpinned(names: Sequence[str]) -> str:
    """Which inputs have no pinned revision, so that a table made on another day may have read other data."""
    if not names:
        return ""
    return f"Without a pinned revision: {', '.join(names)}. Their summaries name the commits that were used."


LAYOUTS = {None: of_cells, "checkpoints-as-rows": of_checkpoints, "benchmarks-as-rows": of_benchmarks}


def our_grader(verdict: str, cells: Sequence[Mapping]) -> str:
    """Our grader's accuracies by row, for a table that counts another grader's verdicts."""
    ours: dict[str, list[str]] = {}
    for cell in cells:
        if "by_our_grader" in cell:
            ours.setdefault(cell["row"], []).append(f"{cell['column']} {cell['by_our_grader']:.1f}")
    if verdict == "ours" or not ours:
        return ""
    lines = "; ".join(f"{row}: {', '.join(figures)}" for row, figures in ours.items())
    return f"{GRADERS[verdict]} By our own grader: {lines}."
