"""Seeds: several trainings of one run that differ in their seed, as one checkpoint of tables.

INPUTS   <results>/scores/{run}/{suite}.json(l) of each seed
OUTPUTS  <results>/scores/{checkpoint}/{suite}.json(l), where checkpoint is a name under seeds
"""


rule average_seeds:
    """Average the scores of a run's seeds."""
    input:
        scores=STUDY.seed_scores,
        graded=STUDY.seed_answers,
        script=[*code_of("average_seeds"), of_project("scripts/lib/grading/scoring.py")],
    output:
        summary="<results>/scores/{checkpoint}/{suite}.json",
        graded="<results>/scores/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/average_seeds/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/average_seeds/{checkpoint}/{suite}.jsonl"
    wildcard_constraints:
        checkpoint=SEEDS,
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
    shell:
        "{params.python:q} -m scripts.average_seeds --scores {input.scores:q} --graded {output.graded:q}"
        " --summary {output.summary:q} > {log:q} 2>&1"
