"""Tables and figures: scores beside each other, with errors and differences. Each id of the config is a target.

INPUTS   <results>/scores/{checkpoint}/{suite}.json(l), <results>/checkpoints/{run}/train.json
OUTPUTS  <results>/tables/{table}.md .tex .csv .json .html, <results>/figures/{figure}.svg .png
"""


rule check_overlap:
    """Make sure that no run of a table was trained on a question of its benchmarks."""
    input:
        datasets=datasets_of,
        benchmarks=lambda wildcards: benchmark_files(benchmarks_of(STUDY["tables"][wildcards.table]["suites"])),
    output:
        "<results>/tables/{table}.overlap.json",
    log:
        "<logs>/check_overlap/{table}.log",
    benchmark:
        "<benchmarks>/check_overlap/{table}.jsonl"
    priority: 100  # before anything costly is started
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="30m",
    params:
        python=python_for("laptop"),
    shell:
        "{params.python} -m scripts.check_overlap --table {wildcards.table} --datasets {input.datasets:q}"
        " --benchmarks {input.benchmarks:q} --report {output:q} 2>&1 | tee {log:q}"


rule make_table:
    """Make one table from scores."""
    input:
        scores=scores_of,
        graded=items_beside(scores_of),
        summaries=train_summaries_of,
        overlap="<results>/tables/{table}.overlap.json",
        paper=paper_of,
        script=TABLE_CODE,
    output:
        multiext("<results>/tables/{table}", ".md", ".tex", ".csv", ".json", ".html"),
    log:
        "<logs>/make_table/{table}.log",
    benchmark:
        "<benchmarks>/make_table/{table}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="30m",
    params:
        python=python_for("laptop"),
        settings=table_settings_of,
        out=lambda wildcards, output: output[0].removesuffix(".md"),
    shell:
        "{params.python} -m scripts.make_table --table {wildcards.table} --settings {params.settings:q}"
        " --scores {input.scores:q} --summaries {input.summaries:q} --out {params.out:q} 2>&1 | tee {log:q}"


rule make_figure:
    """Draw one figure from training summaries or scores."""
    input:
        files=figure_files_of,
        script=["scripts/make_figure.py", "scripts/lib/tables/statistics.py"],
    output:
        multiext("<results>/figures/{figure}", ".svg", ".png"),
    log:
        "<logs>/make_figure/{figure}.log",
    benchmark:
        "<benchmarks>/make_figure/{figure}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="30m",
    params:
        python=python_for("laptop"),
        settings=figure_settings_of,
        out=lambda wildcards, output: output[0].removesuffix(".svg"),
    shell:
        "{params.python} -m scripts.make_figure --settings {params.settings:q} --files {input.files:q}"
        " --out {params.out:q} 2>&1 | tee {log:q}"


for target, path in TARGETS.items():
    if target in {rule.name for rule in workflow.rules}:
        raise WorkflowError(f"{target}: a rule has this name already. Rename the table or figure.")

    rule:
        name:
            target
        input:
            path,
        localrule: True
