"""Evaluation: a checkpoint's answers to a suite in one model load, then their grades; lm-eval's tasks; judged turns.

INPUTS   a model folder, <results>/benchmarks/{benchmark}.jsonl
OUTPUTS  <results>/generations/{checkpoint}/{suite}.jsonl      raw answers, kept
         <results>/own_critiques/{checkpoint}/{suite}.jsonl    its critiques of them (benchmarks with best_of_n)
         <results>/scores/{checkpoint}/{suite}.json(l)         summary by benchmark, verdict by answer
         <results>/scores/{checkpoint}/{suite}.disagreements/{benchmark}.jsonl  answers on which the graders differ
         <results>/generations/{checkpoint}/{benchmark}.jsonl  conversations (judge)
         <results>/scores/{checkpoint}/{benchmark}.json(l)     the same two files (judge, harness)
"""


rule generate:
    """Generate one checkpoint's answers to all benchmarks of a suite."""
    input:
        benchmarks=STUDY.suite_questions,
        model=STUDY.checkpoint_weights,
    output:
        generations="<results>/generations/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/generate/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/generate/{checkpoint}/{suite}.jsonl"
    wildcard_constraints:
        suite=one_of(STUDY["suites"]),
    conda:
        f"../envs/{STUDY.engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(STUDY.engine_env()),
        machine=machine_of(),
        settings=STUDY.suite_settings,
        state=state_of("generate"),
    shell:
        "{params.python:q} -m scripts.generate --settings {log:q}.settings.json --benchmarks {input.benchmarks:q}"
        " --model {input.model:q} --machine {log:q}.machine.json --state {params.state:q}"
        " --generations {output.generations:q} > {log:q} 2>&1"


rule critique_answers:
    """Have one checkpoint criticise its own answers, in the benchmarks of a suite that choose the best of n by it."""
    input:
        generations="<results>/generations/{checkpoint}/{suite}.jsonl",
        benchmarks=STUDY.choosing_questions,
        model=STUDY.checkpoint_weights,
    output:
        critiques="<results>/own_critiques/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/critique_answers/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/critique_answers/{checkpoint}/{suite}.jsonl"
    wildcard_constraints:
        suite=one_of(STUDY["suites"]),
    conda:
        f"../envs/{STUDY.engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(STUDY.engine_env()),
        machine=machine_of(),
        settings=STUDY.own_critique_settings,
        state=state_of("critique_answers"),
    shell:
        "{params.python:q} -m scripts.critique_answers --settings {log:q}.settings.json --benchmarks {input.benchmarks:q}"
        " --generations {input.generations:q} --model {input.model:q} --machine {log:q}.machine.json"
        " --state {params.state:q} --critiques {output.critiques:q} > {log:q} 2>&1"


rule score:
    """Grade one checkpoint's answers to a suite."""
    input:
        generations="<results>/generations/{checkpoint}/{suite}.jsonl",
        critiques=STUDY.own_critiques,
        benchmarks=STUDY.suite_questions,
        validation=STUDY.selecting_questions,
        punkt=STUDY.sentence_splitter,
        script=[*code_of("score", "grading"), of_project("scripts/lib/questions/fingerprints.py")],
    output:
        summary="<results>/scores/{checkpoint}/{suite}.json",
        graded="<results>/scores/{checkpoint}/{suite}.jsonl",
        disagreements=directory("<results>/scores/{checkpoint}/{suite}.disagreements"),
    log:
        "<logs>/score/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/score/{checkpoint}/{suite}.jsonl"
    wildcard_constraints:
        suite=one_of(STUDY["suites"]),
    conda:
        lambda wildcards: f"../envs/{STUDY.grading_env(wildcards)}.yaml"
    threads: min(2, THREADS)
    params:
        python=lambda wildcards, output: interpreter_of(STUDY.grading_env(wildcards)),
        kinds=STUDY.grader_settings,
        punkt=lambda wildcards, input: f"--punkt {input.punkt}" if input.punkt else "",
        critiques=lambda wildcards, input: f"--critiques {input.critiques}" if input.critiques else "",
    shell:
        "{params.python:q} -m scripts.score --settings {log:q}.kinds.json --benchmarks {input.benchmarks:q}"
        " --validation {input.validation:q} --generations {input.generations:q} {params.punkt} {params.critiques}"
        " --workers {threads}"
        " --graded {output.graded:q} --disagreements {output.disagreements:q} --summary {output.summary:q} > {log:q} 2>&1"


rule generate_turns:
    """Hold one checkpoint's conversations of a judged benchmark, turn by turn."""
    input:
        benchmark="<results>/benchmarks/{benchmark}.jsonl",
        model=STUDY.checkpoint_weights,
    output:
        turns="<results>/generations/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/generate_turns/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/generate_turns/{checkpoint}/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=STUDY.of_kind("judge"),
    conda:
        f"../envs/{STUDY.engine_env()}.yaml"
    threads: THREADS
    resources:
        gpu=1,
    params:
        python=python_for(STUDY.engine_env()),
        machine=machine_of(),
        settings=STUDY.turns_settings,
        state=state_of("generate_turns"),
    shell:
        "{params.python:q} -m scripts.generate_turns --settings {log:q}.settings.json --benchmark {input.benchmark:q}"
        " --model {input.model:q} --machine {log:q}.machine.json --state {params.state:q} --turns {output.turns:q}"
        " > {log:q} 2>&1"


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
        benchmark=STUDY.of_kind("judge"),
    localrule: True
    conda:
        "../envs/laptop.yaml"
    params:
        python=python_for("laptop"),
        settings=STUDY.judge_settings,
        limits=STUDY.judge_limits,
        state=TEACHERS_STATE,
    shell:
        "{params.python:q} -m scripts.judge_turns --settings {log:q}.settings.json --limits {log:q}.limits.json"
        " --turns {input.turns:q} --benchmark {input.benchmark:q} --state {params.state:q}"
        " --graded {output.graded:q} --summary {output.summary:q} > {log:q} 2>&1"


rule evaluate_harness:
    """Let lm-eval evaluate one checkpoint on one of its tasks."""
    input:
        benchmark="<results>/benchmarks/{benchmark}.jsonl",
        model=STUDY.checkpoint_weights,
    output:
        summary="<results>/scores/{checkpoint}/{benchmark}.json",
        graded="<results>/scores/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/evaluate_harness/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/evaluate_harness/{checkpoint}/{benchmark}.jsonl"
    wildcard_constraints:
        benchmark=STUDY.of_kind("harness"),
    conda:
        "../envs/harness.yaml"
    threads: THREADS
    resources:
        gpu=1,
        micro_batch=8,  # rows per pass
    params:
        python=python_for("harness"),
        settings=STUDY.harness_settings,
        state=state_of("evaluate_harness"),
    shell:
        "{params.python:q} -m scripts.evaluate_harness --settings {log:q}.settings.json --benchmark {input.benchmark:q}"
        " --model {input.model:q} --micro-batch {resources.micro_batch} --state {params.state:q}"
        " --graded {output.graded:q} --summary {output.summary:q} > {log:q} 2>&1"
