"""Slurm's commands, for scripts that query or control it."""

import logging
import os
import subprocess

from scripts.lib.jsonl import BadInput

log = logging.getLogger(__name__)


def call(*command: str) -> str:
    """What a Slurm command prints.

    Raises:
        BadInput: it fails, or is not there.
    """
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    except FileNotFoundError:
        raise BadInput(f"{command[0]} is not installed here. Run this on the machine that snakemake ran on.") from None
    except subprocess.TimeoutExpired:
        raise BadInput(f"{command[0]} does not answer. Try again when Slurm's controller is back.") from None
    except subprocess.CalledProcessError as error:
        raise BadInput(f"{command[0]} failed: {error.stderr.strip()}. Try again when Slurm answers.") from None


def queue_again() -> None:
    """Lets Slurm queue the job of this process again, where one that was told to stop would count as failed.

    Called by a training that has saved its progress, and for all other jobs by their shell (Snakefile).

    A preempted job is told, and has its partition's GraceTime; `--signal` tells one before its time is up. If it ends
    by itself then, it has failed, and Snakemake, which counts tries, tries it again. A job that Slurm is ending (it is
    COMPLETING) is left alone, or one that was cancelled would come back.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return
    try:
        if call("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() == "RUNNING":
            call("scontrol", "requeue", job)
            log.warning("job %s is requeued", job)
    except BadInput as error:  # no command here (a container), or Slurm does not allow it: Snakemake tries again
        log.warning("job %s cannot requeue itself: %s", job, error)
