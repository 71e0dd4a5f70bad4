"""What Snakemake's own process costs while many jobs are ready: its defaults, and the profile slurm's two settings.

    python -m bench.scheduling --jobs 400

Snakemake 9.27 looks at all ready jobs (and the sizes of their inputs) again one timespan after each job that it starts,
and each such look asks for a next one, for as long as jobs are ready. So the looks per second grow with the jobs done.
"""

import argparse
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {
    "defaults": [],
    "profile slurm's": ["--scheduler", "greedy", "--max-jobs-per-timespan", "100/10s"],
}
WORKFLOW = """
rule all:
    input: expand("out/{{number}}", number=range({jobs}))
rule one:
    input: expand("in/{{{{number}}}}.{{part}}", part=range({inputs}))
    output: "out/{{number}}"
    shell: "sleep {seconds}; touch {{output}}"
"""


def main() -> None:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--inputs", type=int, default=5, help="of each job")
    parser.add_argument("--seconds", type=float, default=0.5, help="that a job takes")
    args = parser.parse_args()
    spent = {}
    for name, options in WAYS.items():
        wall, spent[name] = measured(args, options)
        sys.stdout.write(f"{name}: {args.jobs} jobs in {wall:.0f} s, {spent[name]:.0f} s of CPU\n")
    first, second = spent.values()
    sys.stdout.write(f"ratio of the CPU time: {first / second:.1f}\n")


def measured(args: argparse.Namespace, options: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one run, its jobs (which sleep) included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number, part in itertools.product(range(args.jobs), range(args.inputs)):
            (folder / "in" / f"{number}.{part}").touch()
        (folder / "Snakefile").write_text(WORKFLOW.format(**vars(args)))
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", *options]
        subprocess.run(command, cwd=folder, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
