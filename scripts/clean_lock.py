"""Removes a stale Snakemake lock of this folder, and only a stale one: when no snakemake process works here.

After `kill -9` of snakemake its lock files stay, and the next run stops with a LockException.

    python -m scripts.clean_lock
"""

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

import psutil

from scripts.lib import cli
from scripts.lib.jsonl import BadInput

log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    return argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Unlocks the working directory, or says who holds it."""
    locks = list(Path(".snakemake/locks").glob("*"))
    if not locks:
        return 0
    holders = [pid for pid in snakemakes() if pid != os.getpid()]
    if holders:
        raise BadInput(f"snakemake works in this folder already (pid {', '.join(map(str, holders))}). Wait, or end it.")
    log.info("removing the lock that an ended run left behind")
    return subprocess.run([sys.executable, "-m", "snakemake", "--unlock"], capture_output=True, check=True).returncode


def snakemakes(jobs: bool = True) -> list[int]:
    """The pids of snakemake processes whose working directory is this one.

    Args:
        jobs: also those that a cluster started here to run one job.
    """
    found = []
    here = Path.cwd().resolve()
    # Of a process that ended meanwhile, or is another user's, both are None.
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words, folder = process.info["cmdline"], process.info["cwd"]
        if not words or not folder or Path(folder) != here:
            continue
        if runs_snakemake(words) and "--unlock" not in words and (jobs or "--mode" not in words):
            found.append(process.pid)
    return found


def runs_snakemake(words: list[str]) -> bool:
    """Whether a command line is snakemake's: `snakemake …`, `python …/snakemake …`, `python -X dev -m snakemake …`."""
    if Path(words[0]).name == "snakemake":
        return True
    if not Path(words[0]).name.startswith("python"):
        return False
    rest = iter(words[1:])
    for word in rest:
        if word in ("-X", "-W"):  # options with a value of their own
            next(rest, None)
        elif word == "-m":
            return next(rest, None) == "snakemake"
        elif not word.startswith("-"):
            return Path(word).name == "snakemake"
    return False


if __name__ == "__main__":
    cli.run(main, parse_args)
