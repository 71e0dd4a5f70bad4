"""What the study cost: time and memory by rule, hours of training, what teachers were paid."""

import logging
from collections.abc import Mapping

from scripts.lib.jobs.measured import tokens_per_second
from scripts.lib.jsonl import BadInput, each_row
from scripts.lib.page.results import Results
from scripts.lib.teachers.ledger import Ledger, estimate
from scripts.lib.teachers.requests import requests_of

log = logging.getLogger(__name__)


def by_rule(results: Results) -> list[dict]:
    """For each rule: number of jobs, their total seconds and peak memory (MB), as measured by Snakemake.

    `lost` counts jobs whose timing file is empty, as after a power loss.
    """
    rules = []
    for folder in sorted(results.timings.glob("*")):
        files = sorted(folder.rglob("*.jsonl"))
        whole = [file for file in files if file.stat().st_size]
        rows = [row for file in whole for row in each_row(file, may_be_empty=True)]
        if files:
            memory = [row["max_rss"] for row in rows if isinstance(row.get("max_rss"), int | float)]
            seconds = sum(float(row["s"]) for row in rows)
            found = {"rule": folder.name, "jobs": len(rows), "lost": len(files) - len(whole), "seconds": seconds}
            rules.append({**found, "memory": max(memory, default=None)})
    return rules


def trainings(results: Results) -> list[dict]:
    """For each trained run: seconds of training, processes, device, tokens per second."""
    rows = []
    for run, training in results.trainings.items():
        rows.append(
            {
                "run": run,
                "seconds": training["train_seconds"],
                "processes": training["processes"],
                "device": training["made_by"]["device"],
                "tokens_per_second": tokens_per_second(training),
            }
        )
    return rows


def teachers(results: Results) -> list[dict]:
    """For each entry that calls an endpoint: its estimated cost (US dollars) and what was spent.

    `estimated` is what `snakemake estimate` says before any request, None if the input rows are missing or the
    teacher has no price. `spent` holds answers, tokens and dollars, None if there is no result yet.
    """
    entries = {entry["name"]: entry for entry in results.study.priced_entries()}
    rows = [
        {"entry": name, "estimated": estimated(results, entry), "spent": spent(results.json(*summary_of(name)))}
        for name, entry in entries.items()
    ]
    return rows + [
        {"entry": f"benchmarks.{benchmark}, {checkpoint}", "estimated": None, "spent": paid}
        for benchmark, entry in results.study["benchmarks"].items()
        if entry["kind"] == "judge"
        for checkpoint in results.checkpoints
        if (paid := spent(results.json("scores", checkpoint, f"{benchmark}.json")))
    ]


def summary_of(name: str) -> tuple[str, str]:
    """The path of an entry's summary, relative to the results folder."""
    section, _, slug = name.partition(".")
    return section, f"{slug}.json"


def spent(summary: Mapping | None) -> dict | None:
    """Answers, tokens and dollars from a summary, None if it has no cost."""
    keys = ("answers_used", "prompt_tokens", "completion_tokens", "cost_usd")
    return {key: summary[key] for key in keys} if summary and "cost_usd" in summary else None


def estimated(results: Results, entry: Mapping) -> float | None:
    """An entry's cost from the lengths of its prompts and the config's `expected_tokens`, with an empty journal."""
    file = results.real(entry["file"])
    ledger = Ledger(entry["limits"]["price"], None)
    if ledger.price is None or not file.is_file():
        return None
    requests = requests_of(entry["name"].partition(".")[0], str(file), entry["settings"])
    try:
        return estimate(entry["settings"]["teacher"], entry["limits"], requests, {}, ledger).cost
    except BadInput as error:  # a prompt file that no longer exists
        log.warning("%s: no estimate: %s", entry["name"], error)
        return None
