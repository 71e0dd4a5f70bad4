"""What a run would take, before it is started.

INPUTS   none: the graph is built again by scripts/plan.py, as a dry run builds it
OUTPUTS  none: the plan is printed
"""


rule plan:
    """Print what the targets under plan.targets would take: jobs, GPU hours, teachers' cost, disk, longest chain."""
    log:
        "<logs>/plan.log",
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        targets=STUDY["plan"]["targets"],
        files=lambda wildcards: list(map(str, workflow.config_settings.configfiles)),
        config=lambda wildcards: as_json(dict(workflow.config_settings.config)),
    shell:
        "{params.python:q} -m scripts.plan --targets {params.targets:q} --configfiles {params.files:q}"
        " --config {params.config:q} 2>&1 | tee {log:q}"


rule cards:
    """Write the hub's card (README.md) of every checkpoint and data set that is there (scripts/publish.py)."""
    log:
        "<logs>/cards.log",
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        folder=lambda wildcards: f"results/{STUDY.name}",
    shell:
        "{params.python:q} -m scripts.publish --cards --results {params.folder:q} 2>&1 | tee {log:q}"
