"""Noisy responses: sampled from a model, then graded against the reference answers.

INPUTS   <results>/datasets/{dataset}.jsonl, a model folder
OUTPUTS  <results>/responses/{responses}/shard-{shard}.jsonl  sampled answers
         <results>/responses/{responses}/graded.jsonl         all of them, with verdicts
"""


rule sample_responses:
    """Sample one shard of answers to a dataset's questions."""
    input:
        dataset=STUDY.sampled_dataset,
        model=STUDY.sampled_weights,
    output:
        responses="<results>/responses/{responses}/shard-{shard}.jsonl",
    log:
        "<logs>/sample_responses/{responses}/{shard}.log",
    benchmark:
        "<benchmarks>/sample_responses/{responses}/{shard}.jsonl"
    conda:
        f"../envs/{STUDY.engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(STUDY.engine_env()),
        machine=machine_of(),
        settings=STUDY.sampling_settings,
        shards=STUDY.response_shard_count,
        state=state_of("sample_responses", "responses"),
    shell:
        "{params.python:q} -m scripts.sample_responses --settings {log:q}.settings.json --dataset {input.dataset:q}"
        " --model {input.model:q} --machine {log:q}.machine.json --shard {wildcards.shard} --shards {params.shards}"
        " --state {params.state:q} --responses {output.responses:q} > {log:q} 2>&1"


rule grade_responses:
    """Grade all sampled answers of one entry."""
    input:
        STUDY.response_shards,
    output:
        graded="<results>/responses/{responses}/graded.jsonl",
        summary="<results>/responses/{responses}/graded.json",
    log:
        "<logs>/grade_responses/{responses}.log",
    benchmark:
        "<benchmarks>/grade_responses/{responses}.jsonl"
    conda:
        "../envs/laptop.yaml"
    threads: THREADS
    params:
        python=python_for("laptop"),
        version=STUDY.response_grading,
        field=STUDY.response_field,
    shell:
        "{params.python:q} -m scripts.grade_responses --responses {input:q} {params.field} --workers {threads} --graded {output.graded:q}"
        " --summary {output.summary:q} > {log:q} 2>&1"
