"""Early stopping: the loss on held-out rows ends the training, and the weights with the lowest one are kept.

The rule is that of transformers' EarlyStoppingCallback with `load_best_model_at_end`. Everything follows from the
losses in the trainer's log, which checkpoints hold: a training that is interrupted and resumed stops at the same step.
"""

import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import TrainerState

from scripts.lib.jsonl import BadInput
from scripts.lib.training.trainers import SaveCandidates

Evaluations = Sequence[tuple[int, float]]  # (step, loss) of each


class Verdict(NamedTuple):
    """What the evaluations so far say.

    Attributes:
        best_step: the step with the lowest loss; the earliest of equals.
        best_loss: that loss.
        stop: whether the training ends.
    """

    best_step: int
    best_loss: float
    stop: bool


def judged(evaluations: Evaluations, patience: int, min_delta: float) -> Verdict:
    """What at least one evaluation says.

    Args:
        evaluations: all of them, in order.
        patience: the training ends after so many in a row that do not improve.
        min_delta: an improvement is a loss that is lower than the lowest before by more than this.

    >>> judged([(10, 2.0), (20, 1.5), (30, 1.6), (40, 1.5)], patience=2, min_delta=0.0)
    Verdict(best_step=20, best_loss=1.5, stop=True)
    """
    (best_step, best), *later = evaluations
    in_vain = 0
    for step, loss in later:
        in_vain = 0 if best - loss > min_delta else in_vain + 1
        best_step, best = (step, loss) if loss < best else (best_step, best)
        if in_vain >= patience:
            return Verdict(best_step, best, True)
    return Verdict(best_step, best, False)


def evaluations(history: Iterable[dict]) -> Evaluations:
    """The evaluations in a trainer's log."""
    return [(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]


def verdict_of(state: TrainerState, early: dict) -> Verdict | None:
    """What the evaluations in a trainer's state say; None where there is none yet.

    Args:
        state: the trainer's.
        early: the recipe's `early_stopping`.
    """
    found = evaluations(state.log_history)
    return judged(found, early["patience"], early["min_delta"]) if found else None


def is_complete(state: TrainerState, early: dict | None) -> bool:
    """Whether nothing is left to train: all steps are made, or the training was stopped early."""
    if state.global_step >= state.max_steps:
        return True
    verdict = verdict_of(state, early) if early else None
    return verdict is not None and verdict.stop


def outcome(state: TrainerState, early: dict | None) -> dict:
    """What the summary says of the stopping; nothing without `early_stopping`."""
    if early is None:
        return {}
    verdict = verdict_of(state, early)
    return {
        "early_stopping": {
            "stopped": state.global_step < state.max_steps,
            "planned_steps": state.max_steps,
            "best_step": verdict.best_step,
            "best_loss": verdict.best_loss,
        }
    }


class KeepBest(SaveCandidates):
    """Keeps the weights of the best evaluation, and ends the training where `judged` says so.

    A better candidate replaces the one before only once a checkpoint knows it: what a resumed training needs is there.

    Args:
        folder: of the candidates.
        recipe: the run's name and `early_stopping`.
    """

    def __init__(self, folder: Path, recipe: dict) -> None:
        super().__init__(folder, set())
        self.run, self.early = recipe["run"], recipe["early_stopping"]

    def on_train_begin(self, args, state, control, **kwargs):
        self._keep(lambda step: step <= state.global_step)  # the others are of a call that was interrupted

    def on_step_end(self, args, state, control, **kwargs):
        pass  # candidates are evaluated steps

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if not math.isfinite(metrics["eval_loss"]):
            raise BadInput(
                f"run {self.run}, step {state.global_step}: the loss on the held-out rows is {metrics['eval_loss']}. "
                "Lower learning_rate in the recipe."
            )
        verdict = verdict_of(state, self.early)
        if verdict.best_step == state.global_step:
            self.save(state.global_step)
        if verdict.stop:
            control.should_training_stop = control.should_save = True

    def on_save(self, args, state, control, **kwargs):
        self.drop_others(state)

    def drop_others(self, state: TrainerState) -> None:
        """Removes all candidates but the best one."""
        verdict = verdict_of(state, self.early)
        if verdict:
            self._keep(lambda step: step == verdict.best_step)

    def _keep(self, wanted) -> None:
        if not self.trainer.accelerator.is_main_process:
            return
        for candidate in self.folder.glob("step-*[0-9]"):
            if not wanted(int(candidate.name[5:])):
                # Renamed first: half a folder under its own name would pass for a candidate.
                shutil.rmtree(candidate.rename(candidate.with_name(f"{candidate.name}.removed")))
