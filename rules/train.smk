"""Training: a run's rows are chosen, its candidates trained, one of them made the checkpoint.

INPUTS   a dataset, graded responses or critiques; the folder of the model or run to start from
OUTPUTS  <results>/train_sets/{run}.jsonl            rows as messages and completion
         <results>/checkpoints/{run}/candidates/     a model folder for each candidate step
         <results>/checkpoints/{run}/train.json      losses, counts, versions
         <results>/checkpoints/{run}/validation.json   the candidates' scores (only where one is selected by them)
         <results>/checkpoints/{run}/model/          the checkpoint
"""


rule build_train_set:
    """Choose and render one run's training rows."""
    input:
        data=STUDY.train_sources,
        datasets=STUDY.train_datasets,
        tokenizer=STUDY.length_tokenizer,
    output:
        rows="<results>/train_sets/{run}.jsonl",
        summary="<results>/train_sets/{run}.json",
    log:
        "<logs>/build_train_set/{run}.log",
    benchmark:
        "<benchmarks>/build_train_set/{run}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    threads: lambda wildcards: THREADS if STUDY.length_tokenizer(wildcards) else 1
    params:
        python=python_for("laptop"),
        settings=STUDY.train_set_settings,
        tokenizer=lambda wildcards, input: f"--tokenizer {shlex.quote(str(input.tokenizer))}" if input.tokenizer else "",
    shell:
        "{params.python:q} -m scripts.build_train_set --settings {log:q}.settings.json --data {input.data:q}"
        " --datasets {input.datasets:q} {params.tokenizer} --workers {threads}"
        " --train-set {output.rows:q} --summary {output.summary:q} > {log:q} 2>&1"


rule train:
    """Fine-tune one run's start checkpoint on its training set."""
    input:
        data="<results>/train_sets/{run}.jsonl",
        start=STUDY.start_weights,
    output:
        # Once a candidate is selected, the others are removed, unless `keep_candidates: true`.
        weights=(directory if STUDY["keep_candidates"] else lambda path: temp(directory(path)))(
            "<results>/checkpoints/{run}/candidates"
        ),
        summary="<results>/checkpoints/{run}/train.json",
    log:
        "<logs>/train/{run}.log",
    benchmark:
        "<benchmarks>/train/{run}.jsonl"
    conda:
        "../envs/laptop.yaml"
    threads: THREADS
    resources:
        gpu=gpus_of_training,  # 1 under LoRA, else gpu_full
        gpu_full=1,  # of a training of all weights
        parallel="ddp",  # for several GPUs: a file in envs/accelerate/
        # Rows per device and pass; the global batch is the recipe's. A retry takes fewer.
        micro_batch=lambda wildcards, attempt: "auto" if attempt == 1 else max(1, 8 // 2 ** (attempt - 1)),
        attention="default",  # or sdpa, eager, flash_attention_2
        compile=0,  # 1: torch.compile
        recompute=0,  # 1: recompute activations in the backward pass, which saves memory
        padding_free=0,  # 1: join the rows of a pass into one, without padding
        kernels=0,  # 1: use kernels from the Hub
        offload=0,  # 1: keep activations in the CPU's memory until the backward pass
    params:
        command=train_command,
        recipe=STUDY.recipe,
        state=state_of("train"),
        tracker=tracker,
    shell:
        # The script saves a checkpoint on SIGTERM, so the shell must survive the signal.
        "trap '' TERM; {params.command} --recipe {log:q}.recipe.json --data {input.data:q} --start {input.start:q}"
        " --micro-batch {resources.micro_batch} --attention {resources.attention} --compile {resources.compile}"
        " --recompute {resources.recompute} --padding-free {resources.padding_free} --kernels {resources.kernels}"
        " --offload {resources.offload} {params.tracker} --workers {threads} --state {params.state:q}"
        " --weights {output.weights:q} --summary {output.summary:q} > {log:q} 2>&1"


rule validate:
    """Score every candidate of one run on its validation benchmark."""
    input:
        candidates="<results>/checkpoints/{run}/candidates",
        benchmark=STUDY.validation_questions,
    output:
        "<results>/checkpoints/{run}/validation.json",
    log:
        "<logs>/validate/{run}.log",
    benchmark:
        "<benchmarks>/validate/{run}.jsonl"
    conda:
        f"../envs/{STUDY.engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(STUDY.engine_env()),
        machine=machine_of(),
        settings=STUDY.validation_settings,
        state=state_of("validate"),
    shell:
        "{params.python:q} -m scripts.validate --settings {log:q}.settings.json --benchmark {input.benchmark:q}"
        " --candidates {input.candidates:q} --machine {log:q}.machine.json --state {params.state:q}"
        " --curve {output:q} > {log:q} 2>&1"


rule select_checkpoint:
    """Make one candidate the run's checkpoint."""
    input:
        candidates="<results>/checkpoints/{run}/candidates",
        curve=STUDY.curve,
    output:
        model=directory("<results>/checkpoints/{run}/model"),
        selection="<results>/checkpoints/{run}/selection.json",
    log:
        "<logs>/select_checkpoint/{run}.log",
    benchmark:
        "<benchmarks>/select_checkpoint/{run}.jsonl"
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        curve=lambda wildcards, input: f"--curve {input.curve}" if input.curve else "",
        state=state_of("train"),
    shell:
        "{params.python:q} -m scripts.select_checkpoint --candidates {input.candidates:q} {params.curve}"
        " --train-state {params.state:q} --model {output.model:q} --selection {output.selection:q} > {log:q} 2>&1"
