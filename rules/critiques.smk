"""Critiques: a teacher's judgement of graded responses. Answers: a teacher's own, to a dataset's questions.

INPUTS   <results>/responses/{responses}/graded.jsonl, <results>/datasets/{dataset}.jsonl
OUTPUTS  <results>/critiques/{critiques}.jsonl  text and verdict for each response, shards beside it
         <results>/answers/{answers}.jsonl      text for each question and sample, shards beside it

Rules that ask an endpoint run where snakemake runs: compute nodes may be offline.
"""


rule critique_responses:
    """Check one shard of responses exactly, without a model."""
    input:
        graded=graded_of,
    output:
        critiques="<results>/critiques/{critiques}/shard-{shard}.jsonl",
        summary="<results>/critiques/{critiques}/shard-{shard}.json",
    log:
        "<logs>/critique_responses/{critiques}/{shard}.log",
    benchmark:
        "<benchmarks>/critique_responses/{critiques}/{shard}.jsonl"
    wildcard_constraints:
        critiques=critiques_by("verifier"),
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="2h",
    params:
        python=python_for("laptop"),
        settings=critique_settings_of,
        limits=limits_of("critiques"),
        shards=lambda wildcards: STUDY["critiques"][wildcards.critiques]["shards"],
    shell:
        "{params.python} -m scripts.critique_responses --settings {params.settings:q} --limits {params.limits:q}"
        " --graded {input.graded:q} --shard {wildcards.shard} --shards {params.shards}"
        " --critiques {output.critiques:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule critique_by_model:
    """Have a model of the study write one shard of critiques."""
    input:
        graded=graded_of,
        model=lambda wildcards: weights_of(teacher_of("critiques", wildcards)["model"]),
    output:
        critiques="<results>/critiques/{critiques}/shard-{shard}.jsonl",
        summary="<results>/critiques/{critiques}/shard-{shard}.json",
    log:
        "<logs>/critique_by_model/{critiques}/{shard}.log",
    benchmark:
        "<benchmarks>/critique_by_model/{critiques}/{shard}.jsonl"
    wildcard_constraints:
        critiques=critiques_by(*LOCAL_TEACHERS),
    conda:
        lambda wildcards: f"../envs/{engine_env(engine_of_teacher(wildcards))}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=lambda wildcards, output: interpreter_of(engine_env(engine_of_teacher(wildcards))),
        machine=machine_of(engine_of_teacher),
        settings=critique_settings_of,
        limits=limits_of("critiques"),
        shards=lambda wildcards: STUDY["critiques"][wildcards.critiques]["shards"],
        state=lambda wildcards, output: f"state/{STUDY['study']}/critique_by_model/{wildcards.critiques}",
    shell:
        "{params.python} -m scripts.critique_responses --settings {params.settings:q} --limits {params.limits:q}"
        " --graded {input.graded:q} --model {input.model:q} --machine {params.machine:q}"
        " --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --critiques {output.critiques:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule critique_by_api:
    """Have a teacher behind an endpoint write one shard of critiques."""
    input:
        graded=graded_of,
    output:
        critiques="<results>/critiques/{critiques}/shard-{shard}.jsonl",
        summary="<results>/critiques/{critiques}/shard-{shard}.json",
    log:
        "<logs>/critique_by_api/{critiques}/{shard}.log",
    benchmark:
        "<benchmarks>/critique_by_api/{critiques}/{shard}.jsonl"
    wildcard_constraints:
        critiques=critiques_by("openai"),
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="3d",
    params:
        python=python_for("laptop"),
        settings=critique_settings_of,
        limits=limits_of("critiques"),
        shards=lambda wildcards: STUDY["critiques"][wildcards.critiques]["shards"],
        state=TEACHERS_STATE,
    shell:
        "{params.python} -m scripts.critique_responses --settings {params.settings:q} --limits {params.limits:q}"
        " --graded {input.graded:q} --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --critiques {output.critiques:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule gather_critiques:
    """Put the shards of one entry of critiques together."""
    input:
        shards_in("critiques"),
    output:
        rows="<results>/critiques/{critiques}.jsonl",
        summary="<results>/critiques/{critiques}.json",
    log:
        "<logs>/gather_critiques/{critiques}.log",
    benchmark:
        "<benchmarks>/gather_critiques/{critiques}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="30m",
    params:
        python=python_for("laptop"),
    shell:
        "{params.python} -m scripts.gather_shards --shards {input:q} --rows {output.rows:q}"
        " --summary {output.summary:q} 2>&1 | tee {log:q}"


rule answer_questions:
    """Have a teacher behind an endpoint answer one shard of a dataset's questions."""
    input:
        dataset=lambda wildcards: f"<results>/datasets/{STUDY['answers'][wildcards.answers]['dataset']}.jsonl",
    output:
        answers="<results>/answers/{answers}/shard-{shard}.jsonl",
        summary="<results>/answers/{answers}/shard-{shard}.json",
    log:
        "<logs>/answer_questions/{answers}/{shard}.log",
    benchmark:
        "<benchmarks>/answer_questions/{answers}/{shard}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="3d",
    params:
        python=python_for("laptop"),
        settings=answer_settings_of,
        limits=limits_of("answers"),
        shards=lambda wildcards: STUDY["answers"][wildcards.answers]["shards"],
        state=TEACHERS_STATE,
    shell:
        "{params.python} -m scripts.answer_questions --settings {params.settings:q} --limits {params.limits:q}"
        " --dataset {input.dataset:q} --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --answers {output.answers:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule gather_answers:
    """Put the shards of one entry of answers together."""
    input:
        shards_in("answers"),
    output:
        rows="<results>/answers/{answers}.jsonl",
        summary="<results>/answers/{answers}.json",
    log:
        "<logs>/gather_answers/{answers}.log",
    benchmark:
        "<benchmarks>/gather_answers/{answers}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="30m",
    params:
        python=python_for("laptop"),
    shell:
        "{params.python} -m scripts.gather_shards --shards {input:q} --rows {output.rows:q}"
        " --summary {output.summary:q} 2>&1 | tee {log:q}"


rule estimate:
    """Print what the teachers behind endpoints would cost: rows, tokens, price, time, and what is paid for already."""
    input:
        [entry["file"] for entry in priced_entries()],
    log:
        "<logs>/estimate.log",
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        entries=json.dumps(priced_entries(resolved=True)),
        state=TEACHERS_STATE,
    shell:
        "{params.python} -m scripts.estimate_cost --entries {params.entries:q} --state {params.state:q}"
        " 2>&1 | tee {log:q}"
