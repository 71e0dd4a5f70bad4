"""Redpen: post-training methods that teach by critique and by preference, from raw problems to score tables.

Targets: all_tables (the default), one for each table id in the config, for example cft_table2; estimate, which
prints what the teachers would cost; plan, which prints what a run would take; and claims, which prints whether the
papers' sentences hold for the study's tables.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.20.0")

# A sweep names the study that it adds to (base); files named in files are read by resolve.
if not config.keys() & {"study", "base"}:

    configfile: "config.yaml"


from scripts.lib.config import ConfigError, resolve

try:
    STUDY = resolve(workflow.configfiles, workflow.config_settings.config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None


pathvars:
    results=f"results/{STUDY['study']}",
    logs=f"logs/{STUDY['study']}",
    benchmarks=f"timings/{STUDY['study']}",


# Jobs find this checkout's scripts, whatever the working directory of a cluster job is.
# What a cluster's node needs is on disk already: it does not ask the hub, which it may not reach.
OFFLINE = "HF_HUB_OFFLINE=1 " if workflow.remote_exec else ""
shell.prefix(f"export {OFFLINE}TOKENIZERS_PARALLELISM=false HF_HUB_DISABLE_TELEMETRY=1; set -euo pipefail; ")


rule all_tables:
    """Every table and figure of the study."""
    input:
        collect("<results>/tables/{table}.md", table=STUDY["tables"]),
        collect("<results>/figures/{figure}.svg", figure=STUDY["figures"]),


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/responses.smk"
include: "rules/critiques.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/seeds.smk"
include: "rules/tables.smk"
include: "rules/claims.smk"
include: "rules/plan.smk"


localrules:
    all_tables,
    fetch_model,
    prepare_dataset,
    prepare_benchmark,
    prepare_harness,
    fetch_punkt,
    select_checkpoint,
    critique_responses,
    critique_by_api,
    gather_critiques,
    answer_questions,
    gather_answers,
    build_train_set,
    judge_turns,
    estimate,
    check_overlap,
    average_seeds,
    make_table,
    make_figure,
    check_claims,
    claims,
    plan,


onstart:
    write_study()
