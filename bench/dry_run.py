"""How long a dry run takes: all tables of the three papers, and a study of 100, 1,000 and 3,000 jobs.

python -m bench.dry_run
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.lib.cli import ROOT

PAPERS = [f"config/{name}.yaml" for name in ("cft", "spin", "thinkpo")]
# One run is five jobs: build_train_set, train, select_checkpoint, generate, score.
RUNS = """
base: {root}/config.yaml
runs:
  sft-$n: {{extends: sft, seed: $n, for_each: {{n: {numbers}}}}}
tables:
  seeds: {{title: Seeds, suites: [arithmetic], rows: [{{name: $of, of: "sft-$n"}}]}}
"""


def main() -> int:
    """Prints seconds, jobs, and the ratio of the time per job between the largest and the middle study."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    seconds, jobs = dry_run(PAPERS, "all_tables")
    sys.stdout.write(f"papers, all_tables: {jobs} jobs in {seconds:.1f} s (wanted: under 10 s on two quiet cores)\n")
    per_job = {}
    with tempfile.TemporaryDirectory() as folder:
        for runs in (20, 200, 600):
            file = Path(folder) / f"{runs}.yaml"
            file.write_text(RUNS.format(root=ROOT, numbers=list(range(1, runs + 1))), encoding="utf-8")
            seconds, jobs = dry_run([str(file)], "seeds")
            per_job[runs] = seconds / jobs
            sys.stdout.write(f"{runs} runs: {jobs} jobs in {seconds:.1f} s, {1000 * seconds / jobs:.1f} ms a job\n")
    ratio = per_job[600] / per_job[200]
    sys.stdout.write(f"time per job, 3,000 against 1,000 jobs: {ratio:.2f} (1 is linear)\n")
    return 0


def dry_run(files: list[str], target: str) -> tuple[float, int]:
    """(wall-clock seconds, jobs) of one dry run."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--configfile", *files, "--", target]
    start = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True)
    return time.monotonic() - start, int(re.search(r"^total\s+(\d+)", done.stdout + done.stderr, re.MULTILINE)[1])


if __name__ == "__main__":
    sys.exit(main())
