"""The snakemake processes that run in this folder."""

from pathlib import Path

import psutil


def snakemakes(jobs: bool = True) -> list[int]:
    """The pids of snakemake processes whose working directory is this one.

    Args:
        jobs: whether to include those that a cluster started to run one job.
    """
    found = []
    here = Path.cwd().resolve()
    # Both are None for a process that has ended or belongs to another user.
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
        if word in ("-X", "-W"):  # options with a separate value
            next(rest, None)
        elif word == "-m":
            return next(rest, None) == "snakemake"
        elif not word.startswith("-"):
            return Path(word).name == "snakemake"
    return False
