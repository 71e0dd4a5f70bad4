"""The speeds of a study's machine, from its jobs' times, in the form of `machines` in the config.

Times are those of whole jobs, model loads included, where Snakemake measured them; a job that was interrupted counts
what its last part did.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts.lib.jobs.planning import PREFERENCE, REFERENCE_PASSES, Estimator
from scripts.lib.jsonl import BadInput, each_row, read_json


@dataclass(frozen=True)
class Job:
    """The work of one job, in tokens times billions of parameters, and its seconds."""

    work: float
    seconds: float


def tokens_per_second(training: dict) -> float | None:
    """Tokens per second of a training, over all processes, from its summary; None if it took no time."""
    if "tokens_per_s" in training:
        return training["tokens_per_s"] or None
    counts, seconds = training["counts"], training["train_seconds"]  # a summary from an earlier version
    tokens = counts["prompt_tokens"] + counts["completion_tokens"]
    seen = tokens * training["steps"] * training["recipe"]["global_batch"] / max(counts["rows_trained"], 1)
    return seen / seconds if seconds else None


def trainings(estimator: Estimator) -> Iterator[tuple[Job, int, str]]:
    """(job, processes, device) of each finished training."""
    for slug, run in estimator.study["runs"].items():
        file = estimator.results / "checkpoints" / slug / "train.json"
        size = estimator.billions(slug)
        if not file.is_file() or not size:
            continue
        summary = read_json(file)
        speed, processes, seconds = tokens_per_second(summary), summary["processes"], summary["train_seconds"]
        if not speed:
            continue  # it was resumed with nothing left to train
        passes = REFERENCE_PASSES if run["method"] in PREFERENCE else 1
        yield Job(passes * size * speed / processes * seconds, seconds), processes, summary["made_by"]["device"]


def generations(estimator: Estimator) -> Iterator[Job]:
    """The finished jobs that generated answers."""
    folder = Path("timings") / estimator.study["study"]
    for rule, made, model_of in (
        ("generate", "generations", lambda slug: slug),
        ("sample_responses", "responses", lambda slug: estimator.study["responses"][slug]["model"]),
    ):
        for timing in sorted((folder / rule).glob("*/*.jsonl")):
            slug = timing.parent.name
            shard = "shard-" if rule == "sample_responses" else ""
            rows = estimator.results / made / slug / f"{shard}{timing.name}"
            size = estimator.billions(model_of(slug)) if _is_known(estimator.study, slug) else None
            if rows.is_file() and size:
                tokens = sum(row["tokens"] for row in each_row(rows, may_be_empty=True))
                [*_, last] = each_row(timing)
                yield Job(tokens * size, float(last["s"]))


def _is_known(study: dict, slug: str) -> bool:
    """Whether the study still has this checkpoint or these responses."""
    return any(slug in study[section] for section in ("models", "runs", "responses"))


def entry(study: dict) -> str:
    """The `machines:` entry for the machine that the study ran on.

    Raises:
        BadInput: no training, or no generation, is finished.
    """
    estimator = Estimator(study)
    trained, generated = list(trainings(estimator)), list(generations(estimator))
    if not trained or not generated:
        raise BadInput(
            f"study {study['study']}: {len(trained)} trainings and {len(generated)} jobs that generate are done here, "
            "and a machine's speed is measured from at least one of each. Run the study first."
        )
    devices = sorted({device for _, _, device in trained})
    speeds = {
        "training": speed(job for job, _, _ in trained),
        "generation": speed(generated),
        "gpus": max(processes for _, processes, _ in trained),
    }
    said = yaml.safe_dump({"machines": {"measured": speeds}}, sort_keys=False, default_flow_style=None)
    return (
        f"# Measured in study {study['study']}: {len(trained)} trainings, {len(generated)} jobs that generate, on "
        f"{', '.join(devices)}.\n{said}"
    )


def speed(jobs) -> float:
    """Tokens per second times billions of parameters, to three digits."""
    jobs = list(jobs)
    return float(f"{sum(job.work for job in jobs) / sum(job.seconds for job in jobs):.3g}")
