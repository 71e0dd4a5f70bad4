"""The study page: from a number to the answers behind it. It reads what there is, and is never the cause of a job.

INPUTS   whatever lies under <results>/ and <benchmarks>/; only what the same call asks for is declared
OUTPUTS  <results>/study.html, and <results>/study/data-0.js … where the page would be too large
"""


rule study_page:
    """Make the page that shows the answers behind the study's numbers, from what there is."""
    input:
        # The tables, figures and claims of the same call, so that the page is made after them.
        lambda wildcards: STUDY.asked_for(workflow.dag_settings.targets),
    output:
        report(
            "<results>/study.html",
            category="Study page",
            labels={"page": "from a number to the answers behind it"},
        ),
    log:
        "<logs>/study_page.log",
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        budget=STUDY["page"]["budget_mb"],
        there=lambda wildcards: state_of_results(STUDY),  # tracked: the page is rebuilt if a file has changed
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        files=lambda wildcards, output: list(map(str, workflow.config_settings.configfiles)),
        config=lambda wildcards, output: as_json(dict(workflow.config_settings.config)),
    shell:
        "{params.python:q} -m scripts.make_page --results {params.folder:q} --out {output:q} --budget-mb {params.budget}"
        " --partial --configfiles {params.files:q} --config {params.config:q} > {log:q} 2>&1"
