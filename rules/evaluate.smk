"""Evaluation: a checkpoint's answers to a suite in one model load, then their grades; lm-eval's tasks; judged turns.

INPUTS   a model folder, <results>/benchmarks/{benchmark}.jsonl
OUTPUTS  <results>/generations/{checkpoint}/{suite}.jsonl      raw answers, kept
         <results>/scores/{checkpoint}/{suite}.json(l)         summary by benchmark, verdict by answer
         <results>/scores/{checkpoint}/{suite}.disagreements/{benchmark}.jsonl  answers on which the graders differ
         <results>/generations/{checkpoint}/{benchmark}.jsonl  conversations (judge)
         <results>/scores/{checkpoint}/{benchmark}.json(l)     the same two files (judge, harness)
"""


rule generate:
    """Generate one checkpoint's answers to all benchmarks of a suite."""
    input:
        benchmarks=lambda wildcards: benchmark_files(generated_in(wildcards.suite)),
        model=lambda wildcards: weights_of(wildcards.checkpoint),
    output:
        generations="<results>/generations/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/generate/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/generate/{checkpoint}/{suite}.jsonl"
    wildcard_constraints:
        suite=pattern_of(STUDY["suites"]),
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
        benchmarks=lambda wildcards: benchmark_files(generated_in(wildcards.suite)),
        validation=lambda wildcards: benchmark_files(validations_of(wildcards.checkpoint)),
        punkt=lambda wildcards: ["<results>/nltk_data"] if instructed(wildcards.suite) else [],
        script=GRADING_CODE,
    output:
        summary="<results>/scores/{checkpoint}/{suite}.json",
        graded="<results>/scores/{checkpoint}/{suite}.jsonl",
        disagreements=directory("<results>/scores/{checkpoint}/{suite}.disagreements"),
    log:
        "<logs>/score/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/score/{checkpoint}/{suite}.jsonl"
    wildcard_constraints:
        suite=pattern_of(STUDY["suites"]),
    conda:
        lambda wildcards: f"../envs/{grading_env_of(wildcards)}.yaml"
    threads: min(2, THREADS)
    params:
        python=lambda wildcards, output: python_for(grading_env_of(wildcards))(wildcards, output),
        kinds=grader_kinds_of,
        punkt=lambda wildcards, input: f"--punkt {input.punkt}" if input.punkt else "",
    shell:
        "{params.python} -m scripts.score --settings {params.kinds:q} --benchmarks {input.benchmarks:q}"
        " --validation {input.validation:q} --generations {input.generations:q} {params.punkt} --workers {threads}"
        " --graded {output.graded:q} --disagreements {output.disagreements:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule generate_turns:
    """Hold one checkpoint's conversations of a judged benchmark, turn by turn."""
    input:
        benchmark="<results>/benchmarks/{benchmark}.jsonl",
        model=lambda wildcards: weights_of(wildcards.checkpoint),
    output:
        turns="<results>/generations/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/generate_turns/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/generate_turns/{checkpoint}/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=benchmarks_by("judge"),
    conda:
        f"../envs/{engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(engine_env()),
        machine=machine_of(),
        settings=turns_settings_of,
        state=state_of("generate_turns"),
    shell:
        "{params.python} -m scripts.generate_turns --settings {params.settings:q} --benchmark {input.benchmark:q}"
        " --model {input.model:q} --machine {params.machine:q} --state {params.state:q} --turns {output.turns:q}"
        " 2>&1 | tee {log:q}"


rule judge_turns:
    """Have a teacher behind an endpoint rate every turn of a checkpoint's conversations."""
    input:
        turns="<results>/generations/{checkpoint}/{benchmark}.jsonl",
        benchmark="<results>/benchmarks/{benchmark}.jsonl",
    output:
        summary="<results>/scores/{checkpoint}/{benchmark}.json",
        graded="<results>/scores/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/judge_turns/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/judge_turns/{checkpoint}/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=benchmarks_by("judge"),
    conda:
        "../envs/laptop.yaml"
    resources:
        mem_mb=4_000,
        runtime="1d",
    params:
        python=python_for("laptop"),
        settings=judge_settings_of,
        limits=judge_limits_of,
        state=TEACHERS_STATE,
    shell:
        "{params.python} -m scripts.judge_turns --settings {params.settings:q} --limits {params.limits:q}"
        " --turns {input.turns:q} --benchmark {input.benchmark:q} --state {params.state:q}"
        " --graded {output.graded:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule evaluate_harness:
    """Let lm-eval ask and score one checkpoint on one of its tasks."""
    input:
        benchmark="<results>/benchmarks/{benchmark}.jsonl",
        model=lambda wildcards: weights_of(wildcards.checkpoint),
    output:
        summary="<results>/scores/{checkpoint}/{benchmark}.json",
        graded="<results>/scores/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/evaluate_harness/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/evaluate_harness/{checkpoint}/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=benchmarks_by("harness"),
    conda:
        "../envs/harness.yaml"
    threads: THREADS
    resources:
        gpu=1,
        micro_batch=8,  # rows per pass
    params:
        python=python_for("harness"),
        settings=harness_settings_of,
        state=state_of("evaluate_harness"),
    shell:
        "{params.python} -m scripts.evaluate_harness --settings {params.settings:q} --benchmark {input.benchmark:q}"
        " --model {input.model:q} --micro-batch {resources.micro_batch} --state {params.state:q}"
        " --graded {output.graded:q} --summary {output.summary:q} 2>&1 | tee {log:q}"
