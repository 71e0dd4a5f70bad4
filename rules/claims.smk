"""Claims: the papers' sentences as inequalities over cells of tables.

INPUTS   <results>/tables/{table}.json, <results>/scores/{checkpoint}/{suite}.json(l)
OUTPUTS  <results>/claims.md, <results>/claims.json
"""


rule check_claims:
    """Judge every claim of the study by the cells of its tables."""
    input:
        tables=STUDY.claim_tables,
        scores=STUDY.claim_scores,
        graded=STUDY.claim_answers,
        script=[
            *code_of("check_claims", "tables"),
            of_project("scripts/lib/study/expressions.py"),
            of_project("scripts/lib/grading/scoring.py"),
        ],
    output:
        report("<results>/claims.md", category="Claims", labels={"claims": "all"}),
        "<results>/claims.json",
    log:
        "<logs>/check_claims.log",
    benchmark:
        "<benchmarks>/check_claims.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        claims=as_json(STUDY["claims"]),
        made_of=STUDY.claim_sources(),
        scaled=f"--scaled {STUDY.scale}" if STUDY.scale else "",
        out=lambda wildcards, output: output[0].removesuffix(".md"),
    shell:
        "{params.python:q} -m scripts.check_claims --claims {log:q}.claims.json --tables {input.tables:q}"
        " --scores {input.scores:q} --made-of {log:q}.made_of.json {params.scaled} --out {params.out:q} > {log:q} 2>&1"


rule claims:
    """Print every claim of the study with its interval and verdict."""
    input:
        "<results>/claims.md",
    log:
        "<logs>/claims.log",
    localrule: True
    conda:
        "../envs/laptop.yaml"
    shell:
        "cat {input:q} | tee {log:q}"
