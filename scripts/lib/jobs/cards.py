"""The GPUs of this machine, and which of them a job uses."""

import fcntl
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

WAIT_S = 10  # seconds between two checks for a free GPU
_held: list[TextIO] = []  # the locks of this process's GPUs
log = logging.getLogger(__name__)


def visible() -> dict[str, float]:
    """The GPUs that jobs may use, by index or UUID, with their memory in GB; none without an NVIDIA driver.

    If CUDA_VISIBLE_DEVICES is set, only the listed GPUs that exist.
    """
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = [line.replace(" ", "").split(",") for line in said.splitlines() if line.strip()]
    found = {index: float(memory) / 1024 for index, _, memory in lines}
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return found
    by_name = found | {uuid: found[index] for index, uuid, _ in lines}
    return {name: by_name[name] for name in listed.replace(" ", "").split(",") if name in by_name}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a GPU is out of memory.

    PyTorch's allocator raises OutOfMemoryError; where CUDA itself finds none, since another process has taken it, the
    error is an AcceleratorError: "CUDA error: out of memory".
    """
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error):
        return True
    return isinstance(error, torch.AcceleratorError) and "out of memory" in str(error)


def cards() -> list[float]:
    """The memory of each GPU that jobs may use, in GB."""
    return list(visible().values())


def take(count: int = 1, folder: Path | None = None) -> None:
    """Reserves `count` GPUs of this machine for this process until it ends.

    Slurm jobs and processes of a launcher already have theirs, and a machine without further GPUs
    leaves no choice. If too few are free (jobs of another Snakemake use them), it waits.
    """
    there = {} if {"SLURM_JOB_ID", "LOCAL_RANK"} & os.environ.keys() else visible()
    if len(there) <= count:
        return
    folder = folder or Path(tempfile.gettempdir()) / f"redpen-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    while not (names := _locked(there, count, folder)):
        log.info("all GPUs are in use: waiting")
        time.sleep(WAIT_S)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
    log.info("on GPU %s", ", ".join(names))


def _locked(names: Iterable[str], count: int, folder: Path) -> list[str]:
    """`count` of the GPUs, locked; none, without locks, if fewer are free."""
    taken = {}
    for name in names:
        file = (folder / name).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        taken[name] = file
        if len(taken) == count:
            _held.extend(taken.values())
            return list(taken)
    for file in taken.values():
        file.close()
    return []
