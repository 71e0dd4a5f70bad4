"""Noisy responses: sampled from a model, then graded against the reference answers.

INPUTS   <results>/datasets/{dataset}.jsonl, a model folder
OUTPUTS  <results>/responses/{responses}/shard-{shard}.jsonl  sampled answers
         <results>/responses/{responses}/graded.jsonl         all of them, with verdicts
"""


rule sample_responses:
    """Sample one shard of answers to a dataset's questions."""
    input:
        dataset=lambda wildcards: f"<results>/datasets/{STUDY['responses'][wildcards.responses]['dataset']}.jsonl",
        model=lambda wildcards: weights_of(STUDY["responses"][wildcards.responses]["model"]),
    output:
        responses="<results>/responses/{responses}/shard-{shard}.jsonl",
    log:
        "<logs>/sample_responses/{responses}/{shard}.log",
    benchmark:
        "<benchmarks>/sample_responses/{responses}/{shard}.jsonl"
    conda:
        f"../envs/{engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(engine_env()),
        machine=machine_of(),
        settings=sampling_settings_of,
        shards=lambda wildcards: STUDY["responses"][wildcards.responses]["shards"],
        state=lambda wildcards, output: f"state/{STUDY['study']}/sample_responses/{wildcards.responses}",
    shell:
        "{params.python} -m scripts.sample_responses --settings {params.settings:q} --dataset {input.dataset:q}"
        " --model {input.model:q} --machine {params.machine:q} --shard {wildcards.shard} --shards {params.shards}"
        " --state {params.state:q} --responses {output.responses:q} 2>&1 | tee {log:q}"


rule grade_responses:
    """Grade all sampled answers of one entry."""
    input:
        shards_of,
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
        version=grading_version_of,
        field=response_field_of,
    shell:
        "{params.python} -m scripts.grade_responses --responses {input:q} {params.field} --workers {threads} --graded {output.graded:q}"
        " --summary {output.summary:q} 2>&1 | tee {log:q}"
