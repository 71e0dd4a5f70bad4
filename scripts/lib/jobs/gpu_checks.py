"""Checks that the jobs of a run can use this machine's GPUs, before the first job starts."""

import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scripts.lib.jobs.memory import need
from scripts.lib.jobs.planning import Estimator

SEES_GPU = "import sys, torch; sys.exit(not torch.cuda.is_available())"


def sees_gpu(python: str) -> bool:
    """Whether an interpreter's torch finds a GPU."""
    return subprocess.run([python, "-c", SEES_GPU], capture_output=True, check=False).returncode == 0


def too_large(study: Mapping[str, Any], runs: Mapping[str, int], memory: float) -> list[str]:
    """Errors for runs of which not even one row fits a GPU: the run, its need, the GPU, and what to do.

    Args:
        study: the resolved study.
        runs: each run with the number of GPUs that share its weights.
        memory: memory of one GPU, in GB.
    """
    estimator = Estimator(study)
    wrong = []
    for name, gpus in runs.items():
        size = estimator.billions(name)
        if not size:
            continue
        wanted = need(study["runs"][name], size, max(gpus, 1))
        if wanted.of(1) > memory:
            wrong.append(
                f"train {name}: it needs about {wanted.of(1):.0f} GB, and the card has {memory:.0f}. Give its recipe "
                "lora, precision: bfloat16, activation_checkpointing or fewer max_tokens, or start it from a smaller "
                "model (docs/planning.md)."
            )
    return wrong


def without_gpu(
    study: Mapping[str, Any], jobs: Iterable[tuple[str, str, str]], sees: Callable[[str], bool] = sees_gpu
) -> list[str]:
    """Errors for jobs with large models whose torch finds no GPU: a message for each interpreter.

    Args:
        study: the resolved study; `largest_on_cpu` is the size above which models are large.
        jobs: rule, checkpoint and interpreter of each.
        sees: (interpreter) → whether its torch finds a GPU; called once per interpreter.
    """
    estimator = Estimator(study)
    large: dict[str, dict[str, float]] = {}
    for rule, checkpoint, python in jobs:
        size = estimator.billions(checkpoint)
        if size is not None and size >= study["largest_on_cpu"]:
            large.setdefault(python, {})[f"{rule} {checkpoint}"] = size
    return [
        f"{', '.join(sorted(sizes))}: up to {max(sizes.values()):g} billion parameters, and torch in {python} finds no "
        "GPU, so that it would take weeks. Install torch with CUDA where there is a GPU (make gpu), or allow it on a "
        "CPU: --config largest_on_cpu=N, in billions of parameters (docs/planning.md)."
        for python, sizes in large.items()
        if not sees(python)
    ]
