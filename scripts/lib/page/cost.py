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
    """For each rule: its jobs, their seconds together and the most memory of one (MB), as Snakemake measured them.

    `lost` counts jobs whose file of times is empty: a loss of power took it.
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
    """For each trained run: seconds of training, processes, device, tokens seen a second."""
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
    """For each entry that asks an endpoint: what it was estimated to cost (US dollars), and what it took.

    `estimated` is what `snakemake estimate` says before anything is asked, None where the rows that are asked about are
    not there or the teacher has no price. `spent` holds answers, tokens and dollars, None where nothing was made yet.
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
    """The summary of an entry, below the results."""
    section, _, slug = name.partition(".")
    return section, f"{slug}.json"


def spent(summary: Mapping | None) -> dict | None:
    """Answers, tokens and dollars of a summary, None where it tells none."""
    keys = ("answers_used", "prompt_tokens", "completion_tokens", "cost_usd")
    return {key: summary[key] for key in keys} if summary and "cost_usd" in summary else None


def estimated(results: Results, entry: Mapping) -> float | None:
    """What an entry costs by the lengths of its prompts and the config's `expected_tokens`, with an empty journal."""
    file = results.real(entry["file"])
    ledger = Ledger(entry["limits"]["price"], None)
    if ledger.price is None or not file.is_file():
        return None
    requests = requests_of(entry["name"].partition(".")[0], str(file), entry["settings"])
    try:
        return estimate(entry["settings"]["teacher"], entry["limits"], requests, {}, ledger).cost
    except BadInput as error:  # a prompt that is no longer there
        log.warning("%s: no estimate: %s", entry["name"], error)
        return None
