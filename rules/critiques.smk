"""Critiques: a teacher's judgement of graded responses. Refinements: a teacher's answers in view of critiques.

Answers: a teacher's own, to a dataset's questions.

INPUTS   <results>/responses/{responses}/graded.jsonl, <results>/datasets/{dataset}.jsonl
OUTPUTS  <results>/critiques/{critiques}.jsonl  text and verdict for each response, shards beside it
         <results>/refinements/{refinements}.jsonl  the same with a refined answer, shards beside it
         <results>/answers/{answers}.jsonl      text for each question and sample, shards beside it

Rules that ask an endpoint run where snakemake runs: compute nodes may be offline.
"""


rule critique_responses:
    """Check one shard of responses exactly, without a model."""
    input:
        graded=STUDY.graded_responses,
    output:
        critiques="<results>/critiques/{critiques}/shard-{shard}.jsonl",
        summary="<results>/critiques/{critiques}/shard-{shard}.json",
    log:
        "<logs>/critique_responses/{critiques}/{shard}.log",
    benchmark:
        "<benchmarks>/critique_responses/{critiques}/{shard}.jsonl"
    wildcard_constraints:
        critiques=STUDY.critiqued_by("verifier"),
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.critique_settings,
        limits=STUDY.critique_limits,
        shards=STUDY.critique_shard_count,
    shell:
        "{params.python:q} -m scripts.critique_responses --settings {log:q}.settings.json --limits {log:q}.limits.json"
        " --graded {input.graded:q} --shard {wildcards.shard} --shards {params.shards}"
        " --critiques {output.critiques:q} --summary {output.summary:q} > {log:q} 2>&1"


rule critique_by_model:
    """Have a model of the study write one shard of critiques."""
    input:
        graded=STUDY.graded_responses,
        model=STUDY.critic_weights,
    output:
        critiques="<results>/critiques/{critiques}/shard-{shard}.jsonl",
        summary="<results>/critiques/{critiques}/shard-{shard}.json",
    log:
        "<logs>/critique_by_model/{critiques}/{shard}.log",
    benchmark:
        "<benchmarks>/critique_by_model/{critiques}/{shard}.jsonl"
    wildcard_constraints:
        critiques=STUDY.critiqued_by(*LOCAL_TEACHERS),
    conda:
        lambda wildcards: f"../envs/{STUDY.critic_env(wildcards)}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=lambda wildcards, output: interpreter_of(STUDY.critic_env(wildcards)),
        machine=machine_of(STUDY.critic_engine),
        settings=STUDY.critique_settings,
        limits=STUDY.critique_limits,
        shards=STUDY.critique_shard_count,
        state=state_of("critique_by_model", "critiques"),
    shell:
        "{params.python:q} -m scripts.critique_responses --settings {log:q}.settings.json --limits {log:q}.limits.json"
        " --graded {input.graded:q} --model {input.model:q} --machine {log:q}.machine.json"
        " --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --critiques {output.critiques:q} --summary {output.summary:q} > {log:q} 2>&1"


rule critique_by_api:
    """Have a teacher behind an endpoint write one shard of critiques."""
    input:
        graded=STUDY.graded_responses,
    output:
        critiques="<results>/critiques/{critiques}/shard-{shard}.jsonl",
        summary="<results>/critiques/{critiques}/shard-{shard}.json",
    log:
        "<logs>/critique_by_api/{critiques}/{shard}.log",
    benchmark:
        "<benchmarks>/critique_by_api/{critiques}/{shard}.jsonl"
    wildcard_constraints:
        critiques=STUDY.critiqued_by("openai"),
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.critique_settings,
        limits=STUDY.critique_limits,
        shards=STUDY.critique_shard_count,
        state=TEACHERS_STATE,
    shell:
        "{params.python:q} -m scripts.critique_responses --settings {log:q}.settings.json --limits {log:q}.limits.json"
        " --graded {input.graded:q} --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --critiques {output.critiques:q} --summary {output.summary:q} > {log:q} 2>&1"


rule gather_critiques:
    """Merge the shards of one entry of critiques."""
    input:
        STUDY.critique_shards,
    output:
        rows="<results>/critiques/{critiques}.jsonl",
        summary="<results>/critiques/{critiques}.json",
    log:
        "<logs>/gather_critiques/{critiques}.log",
    benchmark:
        "<benchmarks>/gather_critiques/{critiques}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
    shell:
        "{params.python:q} -m scripts.gather_shards --shards {input:q} --rows {output.rows:q}"
        " --summary {output.summary:q} > {log:q} 2>&1"


rule refine_responses:
    """Have a teacher behind an endpoint refine one shard of criticised responses."""
    input:
        critiques=STUDY.refined_critiques,
    output:
        refinements="<results>/refinements/{refinements}/shard-{shard}.jsonl",
        summary="<results>/refinements/{refinements}/shard-{shard}.json",
    log:
        "<logs>/refine_responses/{refinements}/{shard}.log",
    benchmark:
        "<benchmarks>/refine_responses/{refinements}/{shard}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.refinement_settings,
        limits=STUDY.refinement_limits,
        shards=STUDY.refinement_shard_count,
        state=TEACHERS_STATE,
    shell:
        "{params.python:q} -m scripts.refine_responses --settings {log:q}.settings.json --limits {log:q}.limits.json"
        " --critiques {input.critiques:q} --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --refinements {output.refinements:q} --summary {output.summary:q} > {log:q} 2>&1"


use rule gather_critiques as gather_refinements with:
    input:
        STUDY.refinement_shards,
    output:
        rows="<results>/refinements/{refinements}.jsonl",
        summary="<results>/refinements/{refinements}.json",
    log:
        "<logs>/gather_refinements/{refinements}.log",
    benchmark:
        "<benchmarks>/gather_refinements/{refinements}.jsonl"


rule answer_questions:
    """Have a teacher behind an endpoint answer one shard of a dataset's questions."""
    input:
        dataset=STUDY.answered_dataset,
    output:
        answers="<results>/answers/{answers}/shard-{shard}.jsonl",
        summary="<results>/answers/{answers}/shard-{shard}.json",
    log:
        "<logs>/answer_questions/{answers}/{shard}.log",
    benchmark:
        "<benchmarks>/answer_questions/{answers}/{shard}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.answer_settings,
        limits=STUDY.answer_limits,
        shards=STUDY.answer_shard_count,
        state=TEACHERS_STATE,
    shell:
        "{params.python:q} -m scripts.answer_questions --settings {log:q}.settings.json --limits {log:q}.limits.json"
        " --dataset {input.dataset:q} --shard {wildcards.shard} --shards {params.shards} --state {params.state:q}"
        " --answers {output.answers:q} --summary {output.summary:q} > {log:q} 2>&1"


use rule gather_critiques as gather_answers with:
    input:
        STUDY.answer_shards,
    output:
        rows="<results>/answers/{answers}.jsonl",
        summary="<results>/answers/{answers}.json",
    log:
        "<logs>/gather_answers/{answers}.log",
    benchmark:
        "<benchmarks>/gather_answers/{answers}.jsonl"


rule estimate:
    """Print what the teachers behind endpoints would cost: rows, tokens, price, time, and what is paid for already."""
    input:
        STUDY.priced_files,
    log:
        "<logs>/estimate.log",
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        entries=STUDY.priced(),
        state=TEACHERS_STATE,
    shell:
        "{params.python:q} -m scripts.estimate_cost --entries {log:q}.entries.json --state {params.state:q}"
        " 2>&1 | tee {log:q}"
