"""Where a training is shown while it runs, beside its own log: TensorBoard, Trackio, Weights & Biases or MLflow.

transformers sends each logged step there (`report_to`): loss, learning rate, gradient norm, and of pairs the margin and
log-probabilities. The weights do not depend on it, so it is no part of a recipe. Each tracker reads its own variables
of the environment (WANDB_MODE, MLFLOW_TRACKING_URI, …); what is set there is left alone.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from scripts.lib.jsonl import BadInput

TRACKERS = ("tensorboard", "trackio", "wandb", "mlflow")  # each is the name of its package, too


def missing(tracker: str, python: str = sys.executable) -> str:
    """The error message for a tracker whose package is not installed."""
    return (
        f"tracker: {tracker} is not installed. Install it (`{python} -m pip install {tracker}`), or set tracker: none."
    )


def begin(tracker: str, project: str, run: str) -> dict[str, Any]:
    """The arguments of a trainer that reports to a tracker; files go to `logs/<project>/<tracker>/`.

    Raises:
        BadInput: its package is not installed.
    """
    if tracker == "none":
        return {"report_to": "none"}
    if importlib.util.find_spec(tracker) is None:
        raise BadInput(missing(tracker))
    folder = Path("logs", project, tracker)
    if tracker == "wandb":
        folder.mkdir(parents=True, exist_ok=True)  # else wandb uses a system folder
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder / run))
    os.environ.setdefault("WANDB_DIR", str(folder))
    os.environ.setdefault("WANDB_PROJECT", f"redpen-{project}")
    os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", f"redpen-{project}")
    return {"report_to": tracker, "run_name": run, "project": f"redpen-{project}"}
