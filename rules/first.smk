"""A quick look: the first questions of each benchmark alone, in a folder of its own; nothing of the study changes.

    snakemake -- results/laptop/first20/scores/cft/arithmetic.json

INPUTS   <results>/benchmarks/{benchmark}.jsonl, a checkpoint
OUTPUTS  <results>/first{limit}/benchmarks, generations, own_critiques, scores: as without first{limit}
"""


rule first_questions:
    """Take the first questions of a prepared benchmark."""
    input:
        "<results>/benchmarks/{benchmark}.jsonl",
    output:
        "<results>/first{limit}/benchmarks/{benchmark}.jsonl",
    log:
        "<logs>/first_questions/{limit}/{benchmark}.log",
    wildcard_constraints:
        benchmark=STUDY.of_kind(*GENERATED, "judge"),
    localrule: True
    conda:
        "../envs/laptop.yaml"
    shell:
        "head -n {wildcards.limit} {input:q} > {output:q} 2> {log:q}"


use rule prepare_harness as prepare_harness_first with:
    output:
        rows="<results>/first{limit}/benchmarks/{benchmark}.jsonl",
        summary="<results>/first{limit}/benchmarks/{benchmark}.json",
    log:
        "<logs>/prepare_harness_first/{limit}/{benchmark}.log",
    benchmark:
        "<benchmarks>/prepare_harness_first/{limit}/{benchmark}.jsonl"
    localrule: True
    params:
        settings=lambda wildcards: STUDY.with_limit(STUDY.task_settings(wildcards), wildcards.limit),


use rule generate as generate_first with:
    input:
        benchmarks=first.inputs(STUDY.suite_questions),
        model=STUDY.checkpoint_weights,
    output:
        generations="<results>/first{limit}/generations/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/generate_first/{limit}/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/generate_first/{limit}/{checkpoint}/{suite}.jsonl"
    params:
        state=state_of("generate_first"),


use rule critique_answers as critique_answers_first with:
    input:
        generations="<results>/first{limit}/generations/{checkpoint}/{suite}.jsonl",
        benchmarks=first.inputs(STUDY.choosing_questions),
        model=STUDY.checkpoint_weights,
    output:
        critiques="<results>/first{limit}/own_critiques/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/critique_answers_first/{limit}/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/critique_answers_first/{limit}/{checkpoint}/{suite}.jsonl"
    params:
        state=state_of("critique_answers_first"),


use rule score as score_first with:
    input:
        generations="<results>/first{limit}/generations/{checkpoint}/{suite}.jsonl",
        critiques=first.inputs(STUDY.own_critiques),
        benchmarks=first.inputs(STUDY.suite_questions),
        validation=STUDY.selecting_questions,
        punkt=STUDY.sentence_splitter,
        script=[*code_of("score", "grading"), of_project("scripts/lib/questions/fingerprints.py")],
    output:
        summary="<results>/first{limit}/scores/{checkpoint}/{suite}.json",
        graded="<results>/first{limit}/scores/{checkpoint}/{suite}.jsonl",
        disagreements=directory("<results>/first{limit}/scores/{checkpoint}/{suite}.disagreements"),
    log:
        "<logs>/score_first/{limit}/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/score_first/{limit}/{checkpoint}/{suite}.jsonl"


use rule average_seeds as average_seeds_first with:
    input:
        scores=first.inputs(STUDY.seed_scores),
        graded=first.inputs(STUDY.seed_answers),
        script=[*code_of("average_seeds"), of_project("scripts/lib/grading/scoring.py")],
    output:
        summary="<results>/first{limit}/scores/{checkpoint}/{suite}.json",
        graded="<results>/first{limit}/scores/{checkpoint}/{suite}.jsonl",
    log:
        "<logs>/average_seeds_first/{limit}/{checkpoint}/{suite}.log",
    benchmark:
        "<benchmarks>/average_seeds_first/{limit}/{checkpoint}/{suite}.jsonl"
    localrule: True


use rule generate_turns as generate_turns_first with:
    input:
        benchmark="<results>/first{limit}/benchmarks/{benchmark}.jsonl",
        model=STUDY.checkpoint_weights,
    output:
        turns="<results>/first{limit}/generations/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/generate_turns_first/{limit}/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/generate_turns_first/{limit}/{checkpoint}/{benchmark}.jsonl"
    params:
        state=state_of("generate_turns_first"),


use rule judge_turns as judge_turns_first with:
    input:
        turns="<results>/first{limit}/generations/{checkpoint}/{benchmark}.jsonl",
        benchmark="<results>/first{limit}/benchmarks/{benchmark}.jsonl",
    output:
        summary="<results>/first{limit}/scores/{checkpoint}/{benchmark}.json",
        graded="<results>/first{limit}/scores/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/judge_turns_first/{limit}/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/judge_turns_first/{limit}/{checkpoint}/{benchmark}.jsonl"
    localrule: True


use rule evaluate_harness as evaluate_harness_first with:
    input:
        benchmark="<results>/first{limit}/benchmarks/{benchmark}.jsonl",
        model=STUDY.checkpoint_weights,
    output:
        summary="<results>/first{limit}/scores/{checkpoint}/{benchmark}.json",
        graded="<results>/first{limit}/scores/{checkpoint}/{benchmark}.jsonl",
    log:
        "<logs>/evaluate_harness_first/{limit}/{checkpoint}/{benchmark}.log",
    benchmark:
        "<benchmarks>/evaluate_harness_first/{limit}/{checkpoint}/{benchmark}.jsonl"
    params:
        settings=lambda wildcards: STUDY.with_limit(STUDY.harness_settings(wildcards), wildcards.limit),
        state=state_of("evaluate_harness_first"),
