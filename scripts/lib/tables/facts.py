"""The facts in summaries that tables show: rows, tokens, hours, rates."""

from collections.abc import Iterable
from pathlib import Path

from scripts.lib.jsonl import read_json, read_rows


def read_trainings(files: Iterable[str]) -> dict[str, dict]:
    """The training summaries (checkpoints/<run>/train.json), by run."""
    return {Path(file).parent.name: read_json(file) for file in files}


def steps_of(training: dict) -> int:
    """The steps behind a run's checkpoint: all, or those up to the best evaluation where it may stop early."""
    return training.get("early_stopping", {}).get("best_step", training["steps"])


def epochs_of(training: dict) -> float:
    """The epochs of a run: as in its recipe, or the number that the steps behind its checkpoint amount to, if
    `max_steps` or early stopping decides.
    """
    recipe = training["recipe"]
    if recipe.get("max_steps") is None and "early_stopping" not in training:
        return recipe["epochs"]
    return round(steps_of(training) * recipe["global_batch"] / training["counts"]["rows_trained"], 2)


def read_facts(files: list[str]) -> dict[tuple[str, str], float | None]:
    """The facts in summaries: (fact, run) to value.

    The path of a file tells its kind: checkpoints/<run>/train.json and selection.json, train_sets/<run>.json,
    timings/<study>/sample_responses/<responses>/<shard>.jsonl.
    """
    facts: dict[tuple[str, str], float | None] = {}
    for file in map(Path, files):
        run = file.parent.name
        if file.name == "train.json":
            training = read_json(file)
            counts, recipe = training["counts"], training["recipe"]
            hours = training["train_seconds"] / 3600
            values = {
                "rows": counts["rows_trained"],
                "tokens": counts["prompt_tokens"] + counts["completion_tokens"],
                "steps": steps_of(training),
                "hours": hours,
                "gpu_hours": hours * training["processes"],
                "epochs": epochs_of(training),
                **{key: recipe[key] for key in ("learning_rate", "global_batch", "beta")},
            }
        elif file.name == "selection.json":
            selected = read_json(file).get("selected")
            values = {"best_validation": 100 * selected["accuracy"] if selected else None}
        elif run == "train_sets":
            run = file.stem
            parts = [part["mean_gap"] for part in read_json(file)["parts"] if "mean_gap" in part]
            values = {"mean_gap": parts[0] if parts else None}
        else:
            seconds = sum(float(row["s"]) for row in read_rows(file, required=("s",), unique=None))
            values = {"sampling_hours": facts.get(("sampling_hours", run), 0.0) + seconds / 3600}
        facts |= {(name, run): value for name, value in values.items()}
    return facts
