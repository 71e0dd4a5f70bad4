"""How long a dry run takes: all tables of the three papers, and studies of 300, 1,000 and 3,000 runs.

Each run is five jobs more: build_train_set, train, select_checkpoint, generate, score. Seconds of the processor are
given beside those of the clock: on a busy machine only they can be compared.

    python -m bench.dry_run --runs 300 1000 3000
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.cli import ROOT

PAPERS = [f"config/{name}.yaml" for name in ("cft", "spin", "thinkpo")]
RUNS = """
base: {root}/config.yaml
runs:
  sft-$n: {{extends: sft, seed: $n, for_each: {{n: {numbers}}}}}
tables:
  seeds: {{title: Seeds, suites: [arithmetic], rows: [{{name: $of, of: "sft-$n"}}]}}
"""


def main() -> int:
    """Prints seconds, jobs and memory, and the ratio of the time per job between the largest study and the smallest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[300, 1000, 3000])
    args = parser.parse_args()
    tell("papers, all_tables", dry_run(PAPERS, "all_tables"))
    per_job = {}
    with tempfile.TemporaryDirectory() as folder:
        for runs in args.runs:
            file = Path(folder) / f"{runs}.yaml"
            file.write_text(RUNS.format(root=ROOT, numbers=list(range(1, runs + 1))), encoding="utf-8")
            plan = dry_run([str(file)], "seeds")
            per_job[runs] = plan.processor_s / plan.jobs
            tell(f"{runs} runs", plan)
    ratio = per_job[max(per_job)] / per_job[min(per_job)]
    sys.stdout.write(f"time per job, {max(per_job)} against {min(per_job)} runs: {ratio:.2f} (1 is linear)\n")
    return 0


@dataclass(frozen=True)
class Plan:
    """The cost of one dry run."""

    jobs: int
    clock_s: float
    processor_s: float
    peak_mb: float


def dry_run(files: list[str], target: str) -> Plan:
    """Measures a dry run of these files."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", *files, "--", target]
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        clock_s = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        text = told.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{text}")
    jobs = int(re.search(r"^total\s+(\d+)", text, re.MULTILINE)[1])
    return Plan(jobs, clock_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def tell(what: str, plan: Plan) -> None:
    """Prints a line on a plan."""
    per_job = 1000 * plan.processor_s / plan.jobs
    sys.stdout.write(
        f"{what}: {plan.jobs} jobs in {plan.clock_s:.1f} s, {plan.processor_s:.1f} s of the processor "
        f"({per_job:.1f} ms a job), {plan.peak_mb:.0f} MB\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
