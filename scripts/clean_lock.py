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


def snakemakes() -> list[int]:
    """The pids of snakemake processes whose working directory is this one."""
    found = []
    here = Path.cwd().resolve()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            same_folder = (process / "cwd").resolve(strict=True) == here
        except OSError:  # it ended meanwhile, or belongs to another user
            continue
        names = {Path(word.decode(errors="replace")).name for word in words[:3]}
        if same_folder and "snakemake" in names and b"--unlock" not in words:
            found.append(int(process.name))
    return found


if __name__ == "__main__":
    cli.run(main, parse_args)
