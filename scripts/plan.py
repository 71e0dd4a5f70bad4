"""Prints what the requested targets would cost, without running anything.

Jobs by rule (to run, and done), GPU hours and teachers' cost by table, rows that runs request and can get, GPU memory
of trainings, disk, and the longest chain of jobs.

    python -m scripts.plan --targets all_tables --configfiles config.yaml
    python -m scripts.plan --measured      # the `machines:` entry of the machine that the study ran on

`snakemake plan` calls it with its own config; `--config 'plan={targets: [cft_table2]}'` names
targets. The numbers are estimates: how they are made and what they assume, docs/planning.md.
"""

import argparse
import sys
from collections import Counter

from scripts.lib import cli
from scripts.lib.cli import duration
from scripts.lib.jobs import dag, measured
from scripts.lib.jobs.memory import Need, need
from scripts.lib.jobs.planning import Cost, Estimator, longest_chain
from scripts.lib.study import quotas


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", action="store_true", help="print the machine's speeds that the study measured")
    parser.add_argument("--targets", nargs="+", default=["all_tables"], help="targets of snakemake")
    parser.add_argument("--configfiles", nargs="*", default=[], help="config files, as for snakemake")
    parser.add_argument("--config", type=cli.json_argument, default={}, help="JSON: overrides, as for snakemake")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Prints the plan."""
    graph = dag.graph(args.targets, args.configfiles, args.config)
    if args.measured:
        sys.stdout.write(measured.entry(graph.study.resolved))
        return 0
    sys.stdout.write(report(graph.study.resolved, graph.jobs, args.targets))
    return 0


def report(study: dict, jobs: list[dag.Job], targets: list[str]) -> str:
    """The plan as text."""
    estimator = Estimator(study)
    jobs = [job for job in jobs if job.outputs]  # targets make nothing themselves
    pending = [job for job in jobs if job.pending]
    costs = {job: estimator.cost(job) for job in pending}
    machine = study["plan"]["machine"]
    hours = f"hours on {machine}" if machine else "hours"
    parts = [f"Plan of {', '.join(targets)} (study {study['study']})", by_rule(jobs, costs, hours)]
    parts.append(by_table(jobs, costs, hours))
    parts += by_run(study, pending)
    parts += gpu_memory(estimator, pending)
    parts.append(
        "disk to come: "
        + ", ".join(f"{what} {size:,.1f} GB" for what, size in estimator.disk(pending).items())
        + ("" if study["keep_candidates"] else " (candidates of one run at a time, deleted once one is selected)")
    )

    def seconds(job: dag.Job) -> float:
        gpus = estimator.machine["gpus"] if estimator.machine and job.rule == "train" else 1
        return costs[job].gpu_hours / gpus

    chain = longest_chain(pending, seconds)
    if chain:
        parts.append(
            f"longest chain: {len(chain)} jobs, {duration(3600 * sum(map(seconds, chain)))}\n  "
            + " → ".join(map(str, chain))
        )
    notes = [*estimator.unknown]
    if machine is None:
        notes.append("hours are not estimated: name a machine (plan.machine, one of machines)")
    assumed = study["plan"]
    notes.append(
        f"assumed: an answer is {assumed['answer_share']:g} of its max_tokens long, a training row "
        f"{assumed['row_share']:g} of the recipe's, a question {assumed['question_tokens']} tokens; jobs that take "
        "minutes on a CPU are not counted (docs/planning.md)"
    )
    parts.append("\n".join(f"note: {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def by_rule(jobs: list[dag.Job], costs: dict[dag.Job, Cost], hours: str) -> str:
    """Pending and finished jobs, hours and cost of each rule."""
    to_run, done = Counter(), Counter()
    sums: dict[str, Cost] = {}
    for job in jobs:
        (to_run if job.pending else done)[job.rule] += 1
        sums[job.rule] = sums.get(job.rule, Cost()) + costs.get(job, Cost())
    rows = [(rule, to_run[rule], done[rule], sums[rule]) for rule in sorted(sums)]
    total = sum(sums.values(), Cost())
    return table("rule", [*rows, ("all", to_run.total(), done.total(), total)], hours)


def by_run(study: dict, pending: list[dag.Job]) -> list[str]:
    """The rows that pending training sets request, and the possible size of their sources."""
    names = sorted(job.wildcards["run"] for job in pending if job.rule == "build_train_set")
    lines = quotas.pools(study, names)
    return ["\n".join(["rows to train on", *(f"  {line}" for line in lines)])] if lines else []


def gpu_memory(estimator: Estimator, pending: list[dag.Job]) -> list[str]:
    """The GPU memory that each training needs, and the rows per pass that fit on the machine's GPU."""
    machine = estimator.machine or {"gpus": 1}
    by_need: dict[Need, list[str]] = {}
    for job in pending:
        size = estimator.billions(job.wildcards["run"]) if job.rule == "train" else None
        if size:
            found = need(estimator.study["runs"][job.wildcards["run"]], size, machine["gpus"])
            by_need.setdefault(found, []).append(job.wildcards["run"])
    lines = [f"  train {', '.join(sorted(names))}: {needed(found, machine)}" for found, names in by_need.items()]
    return ["\n".join(["GPU memory (GB)", *sorted(lines)])] if lines else []


def needed(found: Need, machine: dict) -> str:
    """One need as text: `about 18 of 24 with 2 rows at once (12.2 and 3.2 a row)`."""
    terms = f"({found.fixed:.1f} and {found.row:.1f} a row)"
    if "memory" not in machine:
        return f"about {found.of(1):.0f} with 1 row at once {terms}"
    rows = found.rows_in(machine["memory"])
    less = "" if rows else " TOO LARGE"
    many = f"{max(rows, 1)} row{'s' if rows > 1 else ''}"
    return f"about {found.of(max(rows, 1)):.0f} of {machine['memory']:g} with {many} at once {terms}{less}"


def by_table(jobs: list[dag.Job], costs: dict[dag.Job, Cost], hours: str) -> str:
    """The cost of each table or figure by itself; shared jobs count in each of them."""
    rows = []
    for job in jobs:
        if job.rule not in ("make_table", "make_figure"):
            continue
        needed = job.upstream()
        to_run = [other for other in needed if other.pending]
        total = sum((costs[other] for other in to_run), Cost())
        rows.append((next(iter(job.wildcards.values())), len(to_run), len(needed) - len(to_run), total))
    return table("table or figure, by itself", sorted(rows), hours)


def table(heading: str, rows: list[tuple[str, int, int, Cost]], hours: str) -> str:
    """Name, pending jobs, finished jobs and cost of each row, as text in columns."""
    lines = [(heading, "to run", "done", hours, "teachers, USD")]
    for name, to_run, done, cost in rows:
        lines.append((name, f"{to_run:,}", f"{done:,}", f"{cost.gpu_hours:,.2f}", f"{cost.dollars:,.2f}"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths))
        )
        for line in lines
    )


if __name__ == "__main__":
    cli.run(main, parse_args)
