"""Redpen: post-training methods that teach by critique and by preference, from raw problems to score tables.

Targets: all_tables (the default), one for each table id in the config, for example cft_table2; estimate, which
prints what the teachers would cost; plan, which prints what a run would take; claims, which prints whether the
papers' sentences hold for the study's tables; and study_page, a page that shows the answers behind the numbers.
"""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20.0")

from scripts.lib.console import handler
from scripts.lib.study import strict_yaml
from scripts.lib.study.contents import ROOT
from scripts.lib.study.resolve import ConfigError, resolve
from scripts.lib.study.settings import Study, program_versions

CONSOLE = handler.install(workflow)


# A sweep names the study that it extends (base); `resolve` reads files named inside files.
if not config.keys() & {"study", "base"}:
    # The working folder's config, or else the laptop study where the project is installed.
    DEFAULT = "config.yaml" if Path("config.yaml").exists() else str(ROOT / "config.yaml")
    if mistake := strict_yaml.unreadable(DEFAULT):
        handler.stop(CONSOLE, mistake)

    configfile: DEFAULT


try:
    resolved = resolve(workflow.configfiles, workflow.config_settings.config)
except ConfigError as error:
    handler.stop(CONSOLE, str(error))

STUDY = Study(resolved, program_versions(ROOT / "scripts"))


pathvars:
    results=f"results/{STUDY.name}",
    logs=f"logs/{STUDY.name}",
    benchmarks=f"timings/{STUDY.name}",


rule all_tables:
    """Every table and figure of the study, and the training curves of its runs."""
    input:
        collect("<results>/tables/{table}.md", table=STUDY["tables"]),
        collect("<results>/figures/{figure}.svg", figure=STUDY["figures"]),
        collect("<results>/figures/curves/{run}.svg", run=STUDY.runs_shown()),
    localrule: True


include: "rules/common.smk"


# On a cluster node, a job reads local files only, since the hub may be unreachable. If Slurm preempts a job, its
# processes get SIGTERM; a job that ends because of it would count as failed, so it is requeued.
QUEUE_AGAIN = f'{shlex.quote(interpreter_of("laptop"))} -c "from scripts.lib.jobs import slurm; slurm.queue_again()"'
ON_NODE = f"trap {shlex.quote(QUEUE_AGAIN)} TERM; export HF_HUB_OFFLINE=1; " if workflow.remote_exec else ""
# From another working folder, Python imports the programs from where the project is installed.
INSTALLED = f"{shlex.quote(str(ROOT))}${{PYTHONPATH:+:$PYTHONPATH}}"
ELSEWHERE = "" if Path.cwd() == ROOT else f"export PYTHONSAFEPATH=1 PYTHONPATH={INSTALLED}; "
PREFIX = f"{ON_NODE}{ELSEWHERE}export TOKENIZERS_PARALLELISM=false HF_HUB_DISABLE_TELEMETRY=1; set -euo pipefail; "
# Snakemake fills in the text in braces.
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))


include: "rules/data.smk"
include: "rules/responses.smk"
include: "rules/critiques.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/seeds.smk"
include: "rules/first.smk"
include: "rules/tables.smk"
include: "rules/claims.smk"
include: "rules/page.smk"
include: "rules/plan.smk"


if workflow.is_main_process:
    limit_gpu_jobs()


onstart:
    write_study()
    if workflow.is_main_process and not workflow.touch:
        check_tracker()
        if workflow.local_exec:
            check_gpus()
    needed = list(workflow.dag.needrun_jobs())
    write_settings(needed)
    keep_outputs(needed)
    if CONSOLE:
        CONSOLE.begin(seconds_planned(needed), Path("timings") / STUDY.name)


if CONSOLE:
    CONSOLE.at_rest, CONSOLE.wrong_targets, CONSOLE.replaced = last_words, wrong_targets, BEFORE.drop


onsuccess:
    BEFORE.settle(workflow.dag.finished)
    sync_records()
    sys.stdout.write(last_words())


onerror:
    give_back_outputs()
    sync_records()
