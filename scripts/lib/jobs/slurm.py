"""Slurm's commands, for scripts that query or control it."""

import logging
import os
import subprocess

from scripts.lib.jsonl import BadInput

log = logging.getLogger(__name__)


def call(*command: str) -> str:
    """The output of a Slurm command.

    Raises:
        BadInput: it fails or does not exist.
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
    """Requeues the Slurm job of this process, which would otherwise count as failed after a signal to stop.

    Called by a training that has saved its progress, and for all other jobs by their shell (Snakefile).

    A preempted job gets a signal and its partition's GraceTime; with `--signal`, a job gets one before its time limit.
    If it then ends by itself, it has failed, and Snakemake retries it and counts the attempt. A job that Slurm is
    ending (it is COMPLETING) is not requeued, since that would revive cancelled jobs.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return
    try:
        if call("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() == "RUNNING":
            call("scontrol", "requeue", job)
            log.warning("job %s is requeued", job)
    except BadInput as error:  # no such command (in a container), or Slurm refuses: Snakemake retries
        log.warning("job %s cannot requeue itself: %s", job, error)
