"""Critiques: a teacher's judgement of graded responses.

INPUTS   <results>/responses/{responses}/graded.jsonl
OUTPUTS  <results>/critiques/{critiques}.jsonl  text and verdict for each response
"""


rule critique_responses:
    """Write a critique of each response of one entry."""
    input:
        lambda wildcards: f"<results>/responses/{STUDY['critiques'][wildcards.critiques]['responses']}/graded.jsonl",
    output:
        critiques="<results>/critiques/{critiques}.jsonl",
        summary="<results>/critiques/{critiques}.json",
    log:
        "<logs>/critique_responses/{critiques}.log",
    benchmark:
        "<benchmarks>/critique_responses/{critiques}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="2h",
    params:
        python=python_for("laptop"),
        teacher=teacher_settings_of,
    shell:
        "{params.python} -m scripts.critique_responses --teacher {params.teacher:q} --graded {input:q}"
        " --critiques {output.critiques:q} --summary {output.summary:q} 2>&1 | tee {log:q}"
