"""Cleans up after a snakemake that was killed while its jobs ran on Slurm, and resumes.

`kill -9` of snakemake, or the loss of the machine that it ran on, leaves its jobs in the queue and its lock in the
folder. This cancels those jobs, waits until they have ended, removes the lock, and runs the given command. Call it on
the machine that snakemake ran on: it refuses while that snakemake is running.

    python -m scripts.recover snakemake --profile slurm all_tables
"""

import argparse
import getpass
import logging
import os
import re
import time
from pathlib import Path

from scripts import clean_lock
from scripts.lib import cli
from scripts.lib.jobs import here, slurm
from scripts.lib.jsonl import BadInput

log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait", type=float, default=300, help="seconds that cancelled jobs may take to end")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="command to run afterwards (default: only name it)")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Cancels queued jobs, unlocks the folder, and restarts the run."""
    alive = here.snakemakes(jobs=False)
    if alive:
        raise BadInput(
            f"snakemake is running (pid {', '.join(map(str, alive))}): nothing to recover. Wait, or stop it."
        )
    names = run_names(Path(".snakemake/log"))
    jobs = queued(names)
    if jobs:
        log.info("cancelling %d jobs of the ended run: %s", len(jobs), " ".join(jobs))
        slurm.call("scancel", *jobs)
    end = time.monotonic() + args.wait
    while jobs and (jobs := queued(names)):
        if time.monotonic() > end:
            raise BadInput(f"after {args.wait:.0f} s these jobs have not ended: {' '.join(jobs)}. Look with squeue.")
        time.sleep(1)
    clean_lock.main(argparse.Namespace(quiet=True))
    if not args.command:
        log.info("ready: start snakemake again with the same arguments as before")
        return 0
    log.info("starting %s", " ".join(args.command))
    os.execvp(args.command[0], args.command)


def run_names(logs: Path) -> set[str]:
    """The Slurm job names of this folder's runs, from `SLURM run ID: <name>` in snakemake's logs."""
    return {
        name
        for file in logs.glob("*.snakemake.log")
        for name in re.findall(r"SLURM run ID: (\S+)", file.read_text(encoding="utf-8", errors="replace"))
    }


def queued(names: set[str]) -> list[str]:
    """The ids of this user's active jobs with one of these names."""
    if not names:
        return []
    lines = slurm.call("squeue", "--noheader", "--user", getpass.getuser(), "--format=%A|%j").splitlines()
    return sorted({job for job, name in (line.strip().split("|", 1) for line in lines) if name in names})


if __name__ == "__main__":
    cli.run(main, parse_args)
