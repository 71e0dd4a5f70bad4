"""Tables and figures: scores beside each other, with errors and differences. Each id of the config is a target.

INPUTS   <results>/scores/{checkpoint}/{suite}.json(l), <results>/checkpoints/{run}/train.json
OUTPUTS  <results>/tables/{table}.md .tex .csv .json .html, <results>/figures/{figure}.svg .png,
         <results>/figures/curves/{run}.svg .png
"""


rule check_overlap:
    """Make sure that no run of a table was trained on a question of its benchmarks."""
    input:
        datasets=STUDY.table_datasets,
        benchmarks=STUDY.table_questions,
        script=[of_project("scripts/check_overlap.py"), *code_of("questions")],
    output:
        "<results>/tables/{table}.overlap.json",
    log:
        "<logs>/check_overlap/{table}.log",
    benchmark:
        "<benchmarks>/check_overlap/{table}.jsonl"
    priority: 100  # before any costly job starts
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
    shell:
        "{params.python:q} -m scripts.check_overlap --table {wildcards.table} --datasets {input.datasets:q}"
        " --benchmarks {input.benchmarks:q} --report {output:q} > {log:q} 2>&1"


rule make_table:
    """Make one table from scores."""
    input:
        scores=STUDY.table_scores,
        graded=STUDY.table_answers,
        summaries=STUDY.table_facts,
        trainings=STUDY.table_trainings,
        train_sets=STUDY.table_train_sets,
        overlap="<results>/tables/{table}.overlap.json",
        paper=STUDY.paper,
        script=[
            *code_of("make_table", "tables"),
            of_project("scripts/lib/study/papers.py"),
            of_project("scripts/lib/grading/scoring.py"),
        ],
    output:
        multiext("<results>/tables/{table}", ".md", ".tex", ".csv", ".json"),
        report("<results>/tables/{table}.html", category="Tables", labels={"table": "{table}"}),
    log:
        "<logs>/make_table/{table}.log",
    benchmark:
        "<benchmarks>/make_table/{table}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.table_settings,
        out=lambda wildcards, output: output[0].removesuffix(".md"),
    shell:
        "{params.python:q} -m scripts.make_table --table {wildcards.table} --settings {log:q}.settings.json"
        " --scores {input.scores:q} --summaries {input.summaries:q} --trainings {input.trainings:q}"
        " --train-sets {input.train_sets:q} --out {params.out:q} > {log:q} 2>&1"


rule make_figure:
    """Draw one figure from training summaries or scores."""
    input:
        files=STUDY.figure_files,
        script=[*code_of("make_figure"), of_project("scripts/lib/tables/statistics.py")],
    output:
        report("<results>/figures/{figure}.svg", category="Figures", labels={"figure": "{figure}"}),
        "<results>/figures/{figure}.png",
    log:
        "<logs>/make_figure/{figure}.log",
    benchmark:
        "<benchmarks>/make_figure/{figure}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.figure_settings,
        out=lambda wildcards, output: output[0].removesuffix(".svg"),
    shell:
        "{params.python:q} -m scripts.make_figure --settings {log:q}.settings.json --files {input.files:q}"
        " --out {params.out:q} > {log:q} 2>&1"


use rule make_figure as draw_curves with:
    input:
        files="<results>/checkpoints/{run}/train.json",
        script=code_of("make_figure"),
    output:
        report("<results>/figures/curves/{run}.svg", category="Figures", labels={"figure": "training of {run}"}),
        "<results>/figures/curves/{run}.png",
    log:
        "<logs>/draw_curves/{run}.log",
    benchmark:
        "<benchmarks>/draw_curves/{run}.jsonl"
    localrule: True
    params:
        python=python_for("laptop"),
        settings=lambda wildcards: as_json({"kind": "run", "title": f"Training of {wildcards.run}"}),
        out=lambda wildcards, output: output[0].removesuffix(".svg"),


for target, files in STUDY.targets.items():
    if target in {rule.name for rule in workflow.rules}:
        raise WorkflowError(f"{target}: a rule has this name already. Rename the table, figure or target.")

    rule:
        name:
            target
        input:
            files,
        localrule: True
