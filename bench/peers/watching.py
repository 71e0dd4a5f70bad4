"""Runs a training as a process of its own, and says what it took: to its first step, and from there to its last."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.lib.jsonl import BadInput

LOG = "training.log"
POLL_S = 0.02
OUR_STEP = re.compile(r"trained (\d+) of \d+ steps")
TRL_STEP = re.compile(r"^\{'loss': ", re.MULTILINE)


@dataclass(frozen=True)
class Mark:
    """What a process has used by the end of a step: seconds by the clock and of the CPU since its start, and memory."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def our_steps(log: str) -> int:
    """How many steps the train script's log tells of.

    >>> our_steps("trained 1 of 20 steps, 310 tokens/s, 3 min left, loss 1.2")
    1
    """
    return max((int(step) for step in OUR_STEP.findall(log)), default=0)


def trl_steps(log: str) -> int:
    """How many steps TRL's trainer has printed the loss of; its last line, on the whole training, is none."""
    return len(TRL_STEP.findall(log))


def llamafactory_losses(lines: str) -> list[float]:
    """The loss of each step in LLaMA-Factory's trainer_log.jsonl; a line that is still being written is left out.

    >>> llamafactory_losses('{"current_steps": 1, "loss": 1.5}\\\\n{"current_steps": 1, "epoch": 1.0}\\\\n{"curr')
    [1.5]
    """
    entries = [json.loads(line) for line in lines[: lines.rfind("\n") + 1].splitlines()]
    return [entry["loss"] for entry in entries if "loss" in entry]


def mark(process: psutil.Process, start: float) -> Mark:
    """What `process` has used so far; its children that have ended are counted too, but not their memory."""
    times = process.cpu_times()
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000
    used = times.user + times.system + times.children_user + times.children_system
    return Mark(time.perf_counter() - start, used, peak)


def watched(
    command: list[str], folder: Path, steps: int, done: Callable[[], int], environment: Mapping[str, str]
) -> tuple[Mark, Mark]:
    """Runs `command`; returns the marks of its first step and of its last.

    Args:
        command: the training.
        folder: where its output goes (training.log).
        steps: how many it makes.
        done: how many it has made so far.
        environment: variables beside those of this process.

    Raises:
        BadInput: it failed, or ended before the last step was seen.
    """
    marks: dict[int, Mark] = {}
    start = time.perf_counter()
    with (folder / LOG).open("w", encoding="utf-8") as log:
        process = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        while process.poll() is None:
            if (step := done()) not in (0, *marks):
                marks[step] = mark(process, start)
            time.sleep(POLL_S)
    if process.returncode or not {1, steps} <= set(marks):
        tail = (folder / LOG).read_text(encoding="utf-8")[-2000:]
        raise BadInput(
            f"{' '.join(command)}: status {process.returncode}, steps seen: {sorted(marks)}, not 1 to {steps}. "
            f"The end of its output:\n{tail}"
        )
    return marks[1], marks[steps]
