"""What the study took: time and memory by rule, hours of training, what teachers were paid."""

from collections.abc import Iterator

from scripts.lib.jsonl import each_row
from scripts.lib.page.results import Results


def by_rule(results: Results) -> list[dict]:
    """For each rule: its jobs, their hours together and the most memory of one (MB), as Snakemake measured them."""
    rules = []
    for folder in sorted(results.timings.glob("*")):
        rows = [row for file in sorted(folder.rglob("*.jsonl")) for row in each_row(file, may_be_empty=True)]
        if rows:
            memory = [row["max_rss"] for row in rows if isinstance(row.get("max_rss"), int | float)]
            hours = sum(float(row["s"]) for row in rows) / 3600
            rules.append({"rule": folder.name, "jobs": len(rows), "hours": hours, "memory": max(memory, default=None)})
    return rules


def trainings(results: Results) -> list[dict]:
    """For each trained run: hours of training, processes, device, tokens seen a second."""
    rows = []
    for run, training in results.trainings.items():
        counts, seconds = training["counts"], training["train_seconds"]
        tokens = counts["prompt_tokens"] + counts["completion_tokens"]
        seen = tokens * training["steps"] * training["recipe"]["global_batch"] / max(counts["rows_trained"], 1)
        rows.append(
            {
                "run": run,
                "hours": seconds / 3600,
                "processes": training["processes"],
                "device": training["made_by"]["device"],
                "tokens_per_second": seen / seconds if seconds else None,
            }
        )
    return rows


def teachers(results: Results) -> Iterator[dict]:
    """For each entry of critiques, refinements or answers that an endpoint made: tokens and US dollars."""
    for section in ("critiques", "refinements", "answers"):
        for slug in results.study[section]:
            summary = results.json(section, f"{slug}.json")
            if summary and "cost_usd" in summary:
                keys = ("answers_used", "prompt_tokens", "completion_tokens", "cost_usd")
                yield {"entry": f"{section}.{slug}", **{key: summary[key] for key in keys}}
