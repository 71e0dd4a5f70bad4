"""Removes a stale Snakemake lock of this folder: only if no snakemake process is running here.

After `kill -9` of snakemake its lock files stay, and the next run stops with a LockException.

    python -m scripts.clean_lock
"""

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jobs.here import snakemakes
from scripts.lib.jsonl import BadInput

log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", action="store_true", help="print nothing if there is no lock")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Unlocks the working directory, or says which process holds it."""
    locks = list(Path(".snakemake/locks").glob("*"))
    if not locks:
        if not args.quiet:
            log.info("there is no lock in %s: nothing to remove", Path.cwd())
        return 0
    holders = [pid for pid in snakemakes() if pid != os.getpid()]
    if holders:
        pids = ", ".join(map(str, holders))
        raise BadInput(f"snakemake is already running in this folder (pid {pids}). Wait, or stop it.")
    done = subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise BadInput(f"snakemake --unlock failed: {last}. Fix that, or delete .snakemake/locks.")
    log.info("removed the lock that a killed snakemake left behind: run snakemake again")
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
