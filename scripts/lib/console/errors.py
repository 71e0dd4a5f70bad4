"""What Snakemake's exceptions mean here: what, where, and the way out."""

import os
import time

from scripts.lib.jobs.here import snakemakes

JOBS_FAILED = "At least one job did not complete successfully"


def told(kind: str, text: str, command: str) -> str:
    """An exception of Snakemake, explained by this project if it can be, else unchanged.

    Args:
        kind: the exception's class.
        text: Snakemake's message.
        command: how Snakemake was called.
    """
    if kind == "LockException":
        return locked(command)
    if kind == "IncompleteFilesException":
        again = f"{command} --rerun-incomplete"
        return f"Some outputs are incomplete because their job was killed. Make them anew: {again}"
    if kind == "KeyboardInterrupt":
        return interrupted(command)
    return text.strip()


def of_targets(kind: str, text: str) -> bool:
    """Whether an exception may be about a name on the command line."""
    return kind == "MissingRuleException" or "Target rules may not contain wildcards" in text


def interrupted(command: str) -> str:
    """The last message of a run that Ctrl-C stopped."""
    return f"Stopped by Ctrl-C; finished work is kept. The same command resumes: {command}"


def locked(command: str) -> str:
    """A message on a locked folder: which process holds the lock and since when, or that none does."""
    import psutil

    others = [pid for pid in snakemakes() if pid != os.getpid()]
    for pid in others:
        try:
            process = psutil.Process(pid)
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.create_time()))
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        start = next((index for index, word in enumerate(words) if word.endswith("snakemake")), 0)
        called = " ".join(["snakemake", *words[start + 1 :]])
        return (
            f"{process.username()} has been running snakemake in this folder since {since} (pid {pid}: {called}). "
            "Wait for it to end, or stop it there with Ctrl-C."
        )
    return (
        "A killed snakemake left its lock here, and none is running in this folder on this machine. Remove it with "
        f"`python -m scripts.clean_lock`, then run again: {command}"
    )
