"""A training that trained nothing must not pass as a result.

Its losses, gradients and weights are numbers, its learning rate is not 0 at every step, and its weights have moved.
"""

import math
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import TrainerCallback

from scripts.lib.jsonl import BadInput


class StopOnNonFinite(TrainerCallback):
    """Ends the training at the first step whose loss or gradient norm is NaN or infinite.

    Both are the same in all processes that train together, so that all of them end. transformers alone would log the
    mean of the earlier losses (`logging_nan_inf_filter`, which must be off) and continue.

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
        """Advice on what to change in the recipe."""
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


class StopOnNoRate(TrainerCallback):
    """Ends a training before its first step if its learning rate is 0 at every step, so that it would learn nothing.

    Args:
        recipe: the run's name and hyper-parameters, for the message.
    """

    def __init__(self, recipe: dict) -> None:
        self.recipe = recipe

    def on_train_begin(self, args, state, control, lr_scheduler=None, **kwargs):
        scheduler = getattr(lr_scheduler, "scheduler", lr_scheduler)  # the one that accelerate wraps
        courses = getattr(scheduler, "lr_lambdas", None)
        if not courses:
            return  # DeepSpeed's own, whose schedule is unknown in advance
        rates = [
            base * course(step) for base, course in zip(scheduler.base_lrs, courses) for step in range(state.max_steps)
        ]
        if any(rates):
            return
        steps = f"{state.max_steps} {'step' if state.max_steps == 1 else 'steps'}"
        raise BadInput(
            f"run {self.recipe['run']}: the learning rate is 0 at each of its {steps} (warmup "
            f"{self.recipe['warmup']:g}), so it would learn nothing. Give it more steps (more rows or epochs, or a "
            "smaller global_batch), or set warmup: 0 and scheduler: constant."
        )


def refuse_unmoved(start: Path, model: torch.nn.Module, where: str) -> None:
    """Raises BadInput if all weights of the model are equal to those that training started from.

    Args:
        start: the model folder that training started from. Without safetensors, nothing is compared.
        model: the model that is about to be written.
        where: the run and step, for the message.
    """
    weights, compared = model.state_dict(), 0
    for file in sorted(start.glob("*.safetensors")):
        with safe_open(file, "pt") as before:
            names = before.keys()
            for name in names:
                if name in weights:
                    compared += 1
                    if not torch.equal(before.get_tensor(name).to(weights[name].dtype), weights[name].cpu()):
                        return
    if compared:
        raise BadInput(
            f"{where}: no weight differs from those of {start}, so the checkpoint holds nothing learned. Raise "
            "learning_rate or the number of steps, or set precision: mixed (bfloat16 rounds small updates away)."
        )


def refuse_non_finite(model: torch.nn.Module, where: str) -> None:
    """Raises BadInput if a weight of the model is NaN or infinite.

    Args:
        model: the model that is about to be written.
        where: the run and step, for the message.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not (finite := torch.isfinite(value)).all():
            raise BadInput(
                f"{where}: {int((~finite).sum())} of {value.numel()} values of {name} are NaN or infinite, so the "
                "checkpoint is not written. Lower learning_rate in the recipe and train again."
            )
