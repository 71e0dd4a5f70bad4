"""Evaluation: a checkpoint's answers to a suite in one model load, then their grades.

INPUTS   a model folder, <results>/benchmarks/{benchmark}.jsonl
OUTPUTS  <results>/generations/{checkpoint}/{suite}.jsonl  raw answers, kept
         <results>/scores/{checkpoint}/{suite}.json(l)     summary by benchmark, verdict by answer
         <results>/scores/{checkpoint}/{suite}.disagreements/{benchmark}.jsonl  answers on which the graders differ
"""


rule generate:
    """Generate one checkpoint's answers to all benchmarks of a suite."""
    input:
        benchmarks=lambda wildcards: benchmark_files(benchmarks_of([wildcards.suite])),
        model=lambda wildcards: weights_of(wildcards.checkpoint),
    output:
        generations="<results>/generations/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/generate/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/generate/{checkpoint}/{suite}.jsonl"
    conda:
        f"../envs/{engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(engine_env()),
        machine=machine_of(),
        settings=suite_settings_of,
        state=state_of("generate"),
    shell:
        "{params.python} -m scripts.generate --settings {params.settings:q} --benchmarks {input.benchmarks:q}"
        " --model {input.model:q} --machine {params.machine:q} --state {params.state:q}"
        " --generations {output.generations:q} 2>&1 | tee {log:q}"


rule score:
    """Grade one checkpoint's answers to a suite."""
    input:
        generations="<results>/generations/{checkpoint}/{suite}.jsonl",
        benchmarks=lambda wildcards: benchmark_files(benchmarks_of([wildcards.suite])),
        validation=lambda wildcards: benchmark_files(validations_of(wildcards.checkpoint)),
        script=GRADING_CODE,
    output:
        summary="<results>/scores/{checkpoint}/{suite}.json",
        graded="<results>/scores/{checkpoint}/{suite}.jsonl",
        disagreements=directory("<results>/scores/{checkpoint}/{suite}.disagreements"),
    log:
        "<logs>/score/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/score/{checkpoint}/{suite}.jsonl"
    conda:
        "../envs/laptop.yaml"
    threads: 2
    params:
        python=python_for("laptop"),
        kinds=grader_kinds_of,
    shell:
        "{params.python} -m scripts.score --settings {params.kinds:q} --benchmarks {input.benchmarks:q}"
        " --validation {input.validation:q} --generations {input.generations:q} --workers {threads}"
        " --graded {output.graded:q} --disagreements {output.disagreements:q} --summary {output.summary:q} 2>&1 | tee {log:q}"
