"""Training questions that nearly repeat a benchmark's questions, from the tables' overlap reports."""

from scripts.lib.page.results import Results


def questions(results: Results) -> dict[str, dict[str, dict]]:
    """By benchmark and question: the `dataset`, `id` and `question` of a training question that nearly repeats it.

    A report lists the first 20 for a table (scripts/check_overlap.py).
    """
    reports = [results.json("tables", f"{table}.overlap.json") or {} for table in results.study["tables"]]
    named = [pair for report in reports for pair in report.get("near_questions", ())]
    wanted: dict[str, set[str]] = {}
    for pair in named:
        wanted.setdefault(pair["dataset"], set()).add(pair["trained"])
    texts = {
        (dataset, row["id"]): row["question"]
        for dataset, ids in wanted.items()
        for row in results.rows("datasets", f"{dataset}.jsonl")
        if row["id"] in ids
    }
    found: dict[str, dict[str, dict]] = {}
    for pair in named:
        dataset, id = pair["dataset"], pair["trained"]
        near = {"dataset": dataset, "id": id, "question": texts.get((dataset, id), "")}
        found.setdefault(pair["benchmark"], {}).setdefault(pair["question"], near)
    return found
