"""The jobs that Snakemake would run for some targets, read from Snakemake itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput
from scripts.lib.study.settings import Study


@dataclass(eq=False)
class Job:
    """One job of the graph.

    Attributes:
        rule: its rule.
        wildcards: name to value.
        inputs: the files it reads.
        outputs: the files it makes.
        pending: whether it would run; else its outputs are up to date.
        gpu: whether its rule requests a GPU.
        needs: the jobs that make its inputs.
    """

    rule: str
    wildcards: dict[str, str]
    outputs: tuple[str, ...]
    pending: bool
    gpu: bool = False
    needs: list["Job"] = field(default_factory=list)
    inputs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.rule, *self.wildcards.values()])

    def upstream(self) -> list["Job"]:
        """This job and all jobs that it needs, directly or not, each once."""
        jobs: dict[Job, None] = {}
        pending = [self]
        while pending:
            job = pending.pop()
            if job not in jobs:
                jobs[job] = None
                pending += job.needs
        return list(jobs)


@dataclass(frozen=True)
class Graph:
    """The jobs behind some targets, done or pending, and their study."""

    study: Study
    jobs: list[Job]


def graph(
    targets: Sequence[str], configfiles: Sequence[str | Path] = (), overrides: Mapping[str, Any] | None = None
) -> Graph:
    """The graph of the targets, as a call of Snakemake in this folder would build it.

    It builds the graph in this process, like a dry run, and runs nothing. The triggers in profiles/default decide which
    jobs would rerun. Snakemake has no public API for the graph, so this uses two methods of its Workflow.

    Raises:
        BadInput: the config is invalid, or a target does not exist.
    """
    import logging

    import yaml
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import MissingRuleException, RuleException, WorkflowError
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        RerunTrigger,
        ResourceSettings,
    )

    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8"))
    triggers = frozenset(RerunTrigger.parse_choice(name) for name in profile["rerun-triggers"])
    before = logging.root.manager.disable
    logging.disable(logging.INFO)  # Snakemake resets the level of its own logger
    try:
        with SnakemakeApi(OutputSettings(dryrun=True, quiet={Quietness.ALL})) as api:
            workflow_api = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(
                    config=overrides or {}, configfiles=[Path(file) for file in configfiles]
                ),
                snakefile=ROOT / "Snakefile",
            )
            workflow_api.dag(DAGSettings(targets=frozenset(targets), rerun_triggers=triggers, force_incomplete=True))
            workflow = workflow_api._workflow
            workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True)
            try:
                workflow._build_dag()
            except MissingRuleException as error:
                raise BadInput("\n".join(workflow.globals["wrong_targets"]()) or str(error)) from None
            jobs = {job: as_job(job, workflow.dag.needrun(job)) for job in workflow.dag.jobs}
            for job, ours in jobs.items():
                ours.needs = [jobs[other] for other in workflow.dag.dependencies[job]]
            return Graph(workflow.globals["STUDY"], list(jobs.values()))
    except (RuleException, WorkflowError) as error:
        raise BadInput(f"{', '.join(targets)}: {error}") from None
    finally:
        logging.disable(before)


def as_job(job, pending: bool) -> Job:
    """Converts Snakemake's job to ours, without the jobs that it needs."""
    return Job(
        rule=job.rule.name,
        wildcards=dict(job.wildcards_dict),
        inputs=tuple(map(str, job.input)),
        outputs=tuple(map(str, job.output)),
        pending=pending,
        gpu="gpu" in job.rule.resources,
    )
