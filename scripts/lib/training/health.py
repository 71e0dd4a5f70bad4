"""Nothing that is no number passes as a result: losses and gradients of a training, and weights when exported."""

import math

import torch
from transformers import TrainerCallback

from scripts.lib.jsonl import BadInput


class StopOnNonFinite(TrainerCallback):
    """Ends the training at the first step whose loss or gradient norm is NaN or infinite.

    Both are the same in all processes that train together, so that all of them end. transformers alone would log the
    mean of the losses before (`logging_nan_inf_filter`, which must be off) and go on.

    Args:
        recipe: the run's name and hyper-parameters, for the message.
    """

    def __init__(self, recipe: dict) -> None:
        self.recipe = recipe

    def on_log(self, args, state, control, logs=None, **kwargs):
        logs = logs or {}
        values = {name: logs[key] for key, name in (("loss", "loss"), ("grad_norm", "gradient norm")) if key in logs}
        bad = [f"the {name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise BadInput(
                f"run {self.recipe['run']}, step {state.global_step}: {' and '.join(bad)} at learning rate "
                f"{logs['learning_rate']:.3g}. {self._advice(state.global_step)}"
            )

    def _advice(self, step: int) -> str:
        """What to change in the recipe."""
        if step == 1:
            return (
                "No step was made before, so the start model or the precision is the cause: check the model's weights, "
                "or set precision: float32."
            )
        advice = [f"Lower learning_rate in the recipe (it is {self.recipe['learning_rate']:g})"]
        advice += ["set max_grad_norm: 1.0"] if not self.recipe["max_grad_norm"] else []
        advice += ["raise warmup"] if self.recipe["warmup"] < 0.1 else []
        advice += ["set precision: mixed"] if self.recipe["precision"] == "bfloat16" else []
        return f"{', or '.join(advice)}."


def refuse_non_finite(model: torch.nn.Module, where: str) -> None:
    """Raises BadInput where a weight of the model is NaN or infinite.

    Args:
        model: what is about to be written.
        where: the run and step, for the message.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not (finite := torch.isfinite(value)).all():
            raise BadInput(
                f"{where}: {int((~finite).sum())} of {value.numel()} values of {name} are NaN or infinite, so the "
                "checkpoint is not written. Lower learning_rate in the recipe and train again."
            )
