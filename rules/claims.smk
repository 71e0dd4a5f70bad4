"""Claims: the papers' sentences as inequalities over cells of tables.

INPUTS   <results>/tables/{table}.json, <results>/scores/{checkpoint}/{suite}.json(l)
OUTPUTS  <results>/claims.md, <results>/claims.json
"""


rule check_claims:
    """Judge every claim of the study by the cells of its tables."""
    input:
        tables=tables_of_claims,
        scores=scores_of_claims,
        graded=items_beside(scores_of_claims),
        script=CLAIM_CODE,
    output:
        multiext("<results>/claims", ".md", ".json"),
    log:
        "<logs>/check_claims.log",
    benchmark:
        "<benchmarks>/check_claims.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=8_000,
        runtime="1h",
    params:
        python=python_for("laptop"),
        claims=json.dumps(STUDY["claims"], sort_keys=True),
        made_of=made_of_claims,
        scaled=f"--scaled {STUDY['scale']['suffix']}" if "scale" in STUDY else "",
        out=lambda wildcards, output: output[0].removesuffix(".md"),
    shell:
        "{params.python} -m scripts.check_claims --claims {params.claims:q} --tables {input.tables:q}"
        " --scores {input.scores:q} --made-of {params.made_of:q} {params.scaled} --out {params.out:q} 2>&1 | tee {log:q}"


rule claims:
    """Print every claim of the study with its interval and verdict."""
    input:
        "<results>/claims.md",
    log:
        "<logs>/claims.log",
    conda:
        "../envs/laptop.yaml"
    shell:
        "cat {input:q} | tee {log:q}"
