"""Functions that the rules share, and what each wildcard may be. No rules.

Functions ending in `_of` take wildcards and return the paths or the settings of one entry. Settings are JSON with
sorted keys: they hold what a job reads and the `VERSION` of its script, so that Snakemake runs exactly the jobs again
that a changed key concerns.
"""

import json
import os
import re
import shlex

from scripts import (
    answer_questions,
    build_train_set,
    critique_responses,
    evaluate_harness,
    fetch_model,
    generate,
    generate_turns,
    grade_responses,
    judge_turns,
    prepare_dataset,
    prepare_harness,
    sample_responses,
    train,
    validate,
)
from scripts.lib.study import runs
from scripts.lib.tables import figures
from scripts.lib.jsonl import write_text

SLUG = r"[a-z0-9][a-z0-9.-]*"


def code_of(room):
    """The modules of one room of the library."""
    return sorted(
        str(path.relative_to(workflow.basedir)) for path in Path(workflow.basedir, "scripts/lib", room).glob("*.py")
    )


# The journals of teachers that cost money: shared by all studies, never deleted by a rule.
TEACHERS_STATE = "state/teachers"

# What grading depends on. It is an input of `score` alone: nothing costly lies below.
GRADING_CODE = ["scripts/score.py", "scripts/lib/questions/fingerprints.py", *code_of("grading")]

TABLE_CODE = [
    "scripts/make_table.py",
    "scripts/lib/study/papers.py",
    "scripts/lib/grading/scoring.py",
    *code_of("tables"),
]
CLAIM_CODE = [
    "scripts/check_claims.py",
    "scripts/lib/study/expressions.py",
    "scripts/lib/grading/scoring.py",
    *code_of("tables"),
]


# The names under seeds, as a pattern: their scores are averaged, not made from a checkpoint.
SEEDS = "|".join(map(re.escape, STUDY["seeds"]))

# The kinds of benchmarks that are answered suite by suite; those in ALONE are jobs of their own.
GENERATED = ("math", "choice", "ifeval")


# Of a job that computes on several cores. At tiny scale one is as fast, and then two jobs run at once on two cores.
THREADS = 1 if "scale" in STUDY else 8


wildcard_constraints:
    model=SLUG,
    dataset=SLUG,
    responses=SLUG,
    critiques=SLUG,
    answers=SLUG,
    run=SLUG,
    checkpoint=rf"(?!(?:{SEEDS})/){SLUG}" if SEEDS else SLUG,
    benchmark=SLUG,
    suite=SLUG,
    shard=r"\d+",
    table=r"[a-z][a-z0-9_]*",
    figure=r"[a-z][a-z0-9_]*",


def interpreter_of(env):
    """The interpreter of an environment under envs/: $REDPEN_PYTHON_<ENV>, else its venv, else .venv, else python.

    Both builds of vLLM, for GPUs and for CPUs, are the environment `vllm`.
    """
    family = env.partition("-")[0]
    named = os.environ.get(f"REDPEN_PYTHON_{family.upper()}")
    places = [Path(workflow.basedir) / folder / "bin" / "python" for folder in (f".venv-{family}", ".venv")]
    return named or next((str(place) for place in places if place.exists()), "python")


def python_for(env):
    """A param that names the interpreter of an environment.

    It takes `output`, so that Snakemake does not track it: another interpreter asks for nothing again.
    """
    found = interpreter_of(env)
    return lambda wildcards, output: found


def gpus_of(resources):
    """How many GPUs a job has: `gpu`, or the number at the end of `gres` on clusters that want that."""
    gres = resources.get("gres", "")
    return int(gres.rpartition(":")[2]) if gres.startswith("gpu") else resources.gpu


# Prints a port that is free on this node.
FREE_PORT = "import socket; s = socket.socket(); s.bind((str(), 0)); print(s.getsockname()[1])"


def train_command(wildcards, output, threads, resources):
    """A param that starts scripts.train, in one process for each GPU. It takes `output`: not tracked."""
    python = python_for("laptop")(wildcards, output)
    nodes, gpus = resources.get("nodes", 1), gpus_of(resources)
    if nodes > 1 and not (resources.get("mpi") and resources.get("gres")):
        raise WorkflowError("train: several nodes want gpu, gres, tasks, tasks_per_gpu and mpi too (docs/slurm.md)")
    processes = nodes * gpus
    if processes <= 1:
        return f"{python} -m scripts.train"
    launch = f"{python} -m scripts.launch --parallel {resources.parallel} --processes {processes}"
    if nodes > 1:
        # Where a node's processes have ended, the others have a minute.
        srun = f"{resources.mpi} --nodes={nodes} --ntasks={nodes} --gres={resources.gres} --wait=60 --cpu-bind=q"
        srun += f" --cpus-per-task={resources.get('cpus_per_task', threads)}"
        main = f'"$(hostname):$({python} -c {shlex.quote(FREE_PORT)})"'
        launch = f"{srun} {launch} --nodes {nodes} --main {main}"
    return f"{launch} scripts.train --processes {processes}"


def settings(module, **values):
    """A tracked param: the values and the script's VERSION, as JSON with sorted keys."""
    return json.dumps({**values, "script_version": module.VERSION}, sort_keys=True)


# Every table and figure of the study: its id is a target, which asks for this file.
TARGETS = {
    **{table: f"<results>/tables/{table}.md" for table in STUDY["tables"]},
    **{figure: f"<results>/figures/{figure}.svg" for figure in STUDY["figures"]},
}


def state_of(rule):
    """A param that names the state folder of a job. It takes `output`, so that Snakemake does not track it."""
    return lambda wildcards, output: str(Path("state", STUDY["study"], rule, *wildcards))


def write_study():
    """Writes the resolved study beside its results, for the record (no job reads it)."""
    import yaml

    text = yaml.safe_dump(STUDY, sort_keys=True, allow_unicode=True)
    write_text(Path("results") / STUDY["study"] / "study.yaml", text)


# --- paths ------------------------------------------------------------------------------------------------------------


def weights_of(checkpoint):
    """The model folder of a model or a run."""
    if checkpoint in STUDY["models"]:
        return f"<results>/models/{checkpoint}"
    return f"<results>/checkpoints/{checkpoint}/model"


def shards_of(wildcards):
    """All shards of one entry of responses, or the dataset whose own field they are."""
    if "field" in STUDY["responses"][wildcards.responses]:
        return [f"<results>/datasets/{STUDY['responses'][wildcards.responses]['dataset']}.jsonl"]
    return shard_files("responses", wildcards.responses)


def grading_version_of(wildcards):
    """The script's VERSION, and the dataset's own field that holds the responses, where it is not a sampled entry."""
    field = STUDY["responses"][wildcards.responses].get("field")
    return f"{grade_responses.VERSION} {field}" if field else grade_responses.VERSION


def response_field_of(wildcards, output):
    """The flag for responses that are a dataset's own field (tracked in the version)."""
    entry = STUDY["responses"][wildcards.responses]
    return f"--field {entry['field']}" if "field" in entry else ""


def graded_of(wildcards):
    """The graded responses that an entry of critiques judges."""
    return f"<results>/responses/{STUDY['critiques'][wildcards.critiques]['responses']}/graded.jsonl"


def shard_files(section, slug):
    """All shards of one entry of responses, critiques or answers."""
    return [f"<results>/{section}/{slug}/shard-{shard}.jsonl" for shard in range(STUDY[section][slug]["shards"])]


def shards_in(section):
    """An input: all shards of one entry of critiques or answers."""
    return lambda wildcards: shard_files(section, wildcards[section])


def benchmarks_of(suites, kinds=None):
    """The benchmarks of suites (of these kinds, or all), each once, in the suites' order."""
    names = dict.fromkeys(name for suite in suites for name in STUDY["suites"][suite])
    return [name for name in names if kinds is None or STUDY["benchmarks"][name]["kind"] in kinds]


def generated_in(suite):
    """The benchmarks of a suite that `generate` answers and `score` grades."""
    return benchmarks_of([suite], GENERATED)


def pattern_of(slugs):
    """A wildcard's pattern: one of these slugs."""
    return "|".join(map(re.escape, slugs)) or "(?!)"


def benchmarks_by(*kinds):
    """A wildcard's pattern: the benchmarks of these kinds."""
    return pattern_of(name for name, entry in STUDY["benchmarks"].items() if entry["kind"] in kinds)


def instructed(suite):
    """Whether a suite holds instructions that lm-eval's programs check."""
    return bool(benchmarks_of([suite], ["ifeval"]))


def grading_env_of(wildcards):
    """The environment under envs/ that grades a suite."""
    return "harness" if instructed(wildcards.suite) else "laptop"


def validations_of(name):
    """The benchmarks that a checkpoint, or one that it starts from, was selected by."""
    found = {}
    while name in STUDY["runs"]:
        run = STUDY["runs"][name]
        found |= {run["select"]: True} if run["select"] != "last" else {}
        name = run["start"]
    return list(found)


def benchmark_files(names):
    """The prepared questions of benchmarks."""
    return [f"<results>/benchmarks/{name}.jsonl" for name in names]


def train_data_of(wildcards):
    """What a run's training set is built from, part by part: datasets, graded responses, critiques, answers."""
    paths = {
        "datasets": "<results>/datasets/{}.jsonl",
        "responses": "<results>/responses/{}/graded.jsonl",
        "critiques": "<results>/critiques/{}.jsonl",
        "answers": "<results>/answers/{}.jsonl",
    }
    paths["runs"] = "<results>/train_sets/{}.jsonl"
    parts = runs.parts(STUDY["runs"][wildcards.run])
    return [paths[section].format(slug) for part in parts for _, section, slug in runs.sources(part)]


def gap_tokenizer_of(wildcards):
    """The start model of a run whose rows or pairs are chosen by their length: its tokenizer measures it."""
    run = STUDY["runs"][wildcards.run]
    gapped = any(part.get("length_gap") or part.get("like") for part in runs.parts(run))
    return [weights_of(run["start"])] if gapped else []


def curve_of(wildcards):
    """The validation curve of a run, where its checkpoint is selected by it."""
    selected = STUDY["runs"][wildcards.run]["select"] != "last"
    return [f"<results>/checkpoints/{wildcards.run}/validation.json"] if selected else []


def checkpoints_of(table):
    """The models and runs in a table's rows, or in its cells, each once."""
    if "columns" in table:
        scored = [checkpoint for checkpoint, _ in figures.scores_needed(table, STUDY)]
        return list(dict.fromkeys([*scored, *(run for _, run in figures.facts_needed(table))]))
    names = [[row["of"]] if "of" in row else [row["difference"], *row["best_of"]] for row in table["rows"]]
    return list(dict.fromkeys(name for row in names for name in row))


def summaries_of(checkpoints, suites):
    """The score summaries of checkpoints: one for each suite, and one for each benchmark that is a job of its own."""
    names = [suite for suite in suites if generated_in(suite)] + benchmarks_of(suites, figures.ALONE)
    return collect("<results>/scores/{checkpoint}/{name}.json", checkpoint=checkpoints, name=names)


def scores_of_table(table):
    """The score summaries that a table is made of."""
    if "columns" in table:
        needed = figures.scores_needed(table, STUDY)
        return [f"<results>/scores/{checkpoint}/{name}.json" for checkpoint, name in needed]
    return summaries_of(checkpoints_of(table), table["suites"])


def scores_of(wildcards):
    """The score summaries that a table is made of."""
    return scores_of_table(STUDY["tables"][wildcards.table])


def items_beside(scores):
    """An input: the graded answers beside the score summaries that the function `scores` names."""
    return lambda wildcards: [path.removesuffix(".json") + ".jsonl" for path in scores(wildcards)]


def seed_scores_of(wildcards):
    """The score summaries of the runs that a name under seeds is the mean of."""
    return [f"<results>/scores/{run}/{wildcards.suite}.json" for run in STUDY["seeds"][wildcards.checkpoint]]


def train_summaries_of(wildcards):
    """The training summaries of the runs in a table; for a table of cells, the files of the facts it shows."""
    table = STUDY["tables"][wildcards.table]
    if "columns" in table:
        files = {
            "train": lambda run: [f"<results>/checkpoints/{run}/train.json"],
            "validation": lambda run: [f"<results>/checkpoints/{run}/selection.json"],
            "train_set": lambda run: [f"<results>/train_sets/{run}.json"],
            "sampling": lambda run: [
                f"<benchmarks>/sample_responses/{run}/{shard}.jsonl"
                for shard in range(STUDY["responses"][run]["shards"])
            ],
        }
        return [file for kind, run in figures.facts_needed(table) for file in files[kind](run)]
    runs = [name for name in checkpoints_of(table) if name in STUDY["runs"]]
    return [f"<results>/checkpoints/{run}/train.json" for run in runs]


def datasets_of(wildcards):
    """The datasets whose questions the runs of a table were trained on, their starts included."""
    found = {}
    pending = checkpoints_of(STUDY["tables"][wildcards.table])
    pending += [run for name in pending for run in STUDY["seeds"].get(name, ())]
    while pending:
        run = STUDY["runs"].get(pending.pop())
        if run is None:
            continue
        pending.append(run["start"])
        for part in runs.parts(run):
            for _, section, slug in runs.sources(part):
                if section == "runs":
                    continue  # only the length of its rows matters
                found[f"<results>/datasets/{runs.dataset_behind(STUDY, section, slug)}.jsonl"] = True
    return sorted(found)


def figure_files_of(wildcards):
    """What a figure is drawn from: training summaries, or score summaries with the graded answers beside them."""
    figure = STUDY["figures"][wildcards.figure]
    names = checkpoints_of(figure)
    if figure["kind"] == "training":
        return [f"<results>/checkpoints/{name}/train.json" for name in names]
    if figure["kind"] == "validation":
        return [f"<results>/checkpoints/{name}/validation.json" for name in names]
    return summaries_of(names, figure["suites"])


def named_in_claims():
    """The tables whose cells the study's claims name, each once."""
    named = {}
    for claim in STUDY["claims"].values():
        for cell in claim["cells"].values():
            named[cell.get("table", claim.get("table"))] = True
    return list(named)


def tables_of_claims(wildcards):
    """The cells of those tables."""
    return collect("<results>/tables/{table}.json", table=named_in_claims())


def scores_of_claims(wildcards):
    """The score summaries that those tables are made of, each once."""
    found = {}
    for table in named_in_claims():
        found |= dict.fromkeys(scores_of_table(STUDY["tables"][table]))
    return list(found)


def made_of_claims(wildcards):
    """By table, its checkpoints, the verdict that counts in it, and what becomes of validation questions."""
    found = {}
    for name in named_in_claims():
        table = STUDY["tables"][name]
        settings = {key: table[key] for key in ("verdict", "validation_questions")}
        found[name] = {"checkpoints": checkpoints_of(table), **settings}
    return json.dumps(found, sort_keys=True)


# --- settings: what each job reads --------------------------------------------------------------------------------------


# Keys of an engine that change no output, so that another machine asks for nothing again.
MACHINE_KEYS = ("memory_share",)


def engine(slug=None):
    """An engine that generates text, by default the study's (empty where the study generates nothing)."""
    return STUDY["engines"].get(slug or STUDY.get("engine"), {})


def engine_env(slug=None):
    """The environment under envs/ that the engine runs in."""
    return "vllm-gpu" if engine(slug).get("kind") == "vllm" else "laptop"


def engine_settings(slug=None):
    """What decides the engine's texts."""
    return {key: value for key, value in engine(slug).items() if key not in MACHINE_KEYS}


def machine_of(slug_of=lambda wildcards: None):
    """A param with the rest, and the job's GPUs. It takes `resources`, so that Snakemake does not track it."""

    def machine(wildcards, resources):
        chosen = engine(slug_of(wildcards))
        values = {key: value for key, value in chosen.items() if key in MACHINE_KEYS}
        return json.dumps({**values, "gpus": gpus_of(resources)} if chosen.get("kind") == "vllm" else values)

    return machine


def model_settings_of(wildcards):
    return settings(fetch_model, **STUDY["models"][wildcards.model])


def dataset_settings_of(wildcards):
    return settings(prepare_dataset, **STUDY["datasets"][wildcards.dataset])


def benchmark_settings_of(wildcards):
    return settings(prepare_dataset, **STUDY["benchmarks"][wildcards.benchmark]["questions"])


def sampling_settings_of(wildcards):
    entry = STUDY["responses"][wildcards.responses]
    keys = ("prompt", "template", "samples", "temperature", "top_p", "max_tokens", "seed", "rows")
    return settings(sample_responses, engine=engine_settings(), **{key: entry[key] for key in keys})


def teacher_of(section, wildcards):
    """The teacher of an entry of critiques or answers."""
    return STUDY["teachers"][STUDY[section][wildcards[section]]["teacher"]]


# Kinds of teachers that are a model of the study, through its engine.
LOCAL_TEACHERS = ("transformers", "vllm")


def engine_of_teacher(wildcards):
    """The engine that a local teacher speaks through, where it names one of its own."""
    return teacher_of("critiques", wildcards)["engine"]


def critiques_by(*kinds):
    """A wildcard's pattern: the entries of critiques whose teacher is of one of these kinds."""
    slugs = [slug for slug, entry in STUDY["critiques"].items() if STUDY["teachers"][entry["teacher"]]["kind"] in kinds]
    return pattern_of(slugs)


def told_apart(teacher):
    """A teacher's entry in two: what decides its texts, and what does not (rates, price, endpoint)."""
    keys = {
        "verifier": ("kind",),
        "openai": ("kind", "model", "temperature", "top_p", "max_tokens", "token_parameter"),
        **dict.fromkeys(LOCAL_TEACHERS, ("kind", "temperature", "top_p", "max_tokens", "template", "seed")),
    }[teacher["kind"]]
    prompts = ("critique_prompt", "answer_prompt")
    rest = {key: value for key, value in teacher.items() if key not in (*keys, *prompts)}
    return {key: teacher[key] for key in keys}, rest


def critique_values(entry):
    """What decides an entry's critiques."""
    teacher = STUDY["teachers"][entry["teacher"]]
    values, _ = told_apart(teacher)
    if teacher["kind"] != "verifier":
        values["critique_prompt"] = teacher["critique_prompt"]
    local = {"engine": engine_settings(teacher["engine"])} if teacher["kind"] in LOCAL_TEACHERS else {}
    return {"teacher": values, "rows": entry["rows"], **local}


def answer_values(entry):
    """What decides an entry's answers."""
    teacher = STUDY["teachers"][entry["teacher"]]
    values, _ = told_apart(teacher)
    return {
        "teacher": {**values, "answer_prompt": teacher["answer_prompt"]},
        "rows": entry["rows"],
        "samples": entry["samples"],
    }


def limit_values(entry):
    """What decides how an entry is asked for, but none of its texts."""
    _, rest = told_apart(STUDY["teachers"][entry["teacher"]])
    return {**rest, "teacher": entry["teacher"], "max_errors": entry["max_errors"]}


def limits_of(section):
    """A param with those. It takes `output`, so that Snakemake does not track it: a higher budget asks for nothing."""
    return lambda wildcards, output: json.dumps(limit_values(STUDY[section][wildcards[section]]), sort_keys=True)


def critique_settings_of(wildcards):
    return settings(critique_responses, **critique_values(STUDY["critiques"][wildcards.critiques]))


def answer_settings_of(wildcards):
    return settings(answer_questions, **answer_values(STUDY["answers"][wildcards.answers]))


def priced_entries(resolved=False):
    """What `estimate` looks at: the entries whose teacher is behind an endpoint, by teacher.

    Args:
        resolved: with the path variables in file names filled in, for a param.
    """
    found = []
    for section, values in (("critiques", critique_values), ("answers", answer_values)):
        for slug, entry in STUDY[section].items():
            if STUDY["teachers"][entry["teacher"]]["kind"] != "openai":
                continue
            file = (
                f"<results>/responses/{entry['responses']}/graded.jsonl"
                if section == "critiques"
                else f"<results>/datasets/{entry['dataset']}.jsonl"
            )
            file = file.replace("<results>", f"results/{STUDY['study']}") if resolved else file
            limits = limit_values(entry)
            found.append({"name": f"{section}.{slug}", "file": file, "settings": values(entry), "limits": limits})
    return sorted(found, key=lambda entry: (entry["limits"]["teacher"], entry["name"]))


def train_set_settings_of(wildcards):
    run = STUDY["runs"][wildcards.run]
    parts = []
    for part in runs.parts(run):
        sources = runs.sources(part)
        made = {"files": len(sources), **{key: part[key] for key in ("method", "prompt", "weight", "keep")}}
        if part["method"] == "thinkpo" and "long" in part:
            fields = [part[side].get("field") if "dataset" in part[side] else "response" for side in ("long", "short")]
            made["sides"] = [{"field": field} for field in fields]
            made["format_only"] = part["format_only"]
        elif part["method"] == "spin":
            made["iterations"] = [
                part["pairs"].index(slug) if "pairs" in part else int(slug.rpartition(".t")[2])
                for slug in part["self_play"]
            ]
        else:
            made["kind"] = {"datasets": "dataset"}.get(sources[0][1], sources[0][1])
            made |= {"pairs_per_question": part["pairs_per_question"]} if part["method"] == "dpo" else {}
        if part["method"] == "thinkpo":
            made |= {key: part[key] for key in ("length_gap", "gap_rows")}
        if part.get("like"):
            made |= {key: part[key] for key in ("like", "like_rows")}
        parts.append(made)
    values = {"rows": run["data"]["rows"], "seed": run["seed"], "when_short": run["data"].get("when_short", "fail")}
    return settings(build_train_set, run=wildcards.run, parts=parts, **values)


def recipe_of(wildcards):
    run = STUDY["runs"][wildcards.run]
    keys = ("method", "template", "seed")
    return settings(train, run=wildcards.run, **{key: run[key] for key in keys}, **run["hyperparameters"])


def decoding_of(name):
    """What generation reads of a benchmark."""
    entry = STUDY["benchmarks"][name]
    keys = ("prompt", "template", "temperature", "temperature_by_subject", "top_p", "samples", "max_tokens", "seed")
    keys += ("self_critique",)
    return {key: entry[key] for key in keys if key in entry}


def validation_settings_of(wildcards):
    name = STUDY["runs"][wildcards.run]["select"]
    kind = STUDY["benchmarks"][name]["kind"]
    return settings(validate, kind=kind, engine=engine_settings(), benchmark=decoding_of(name))


def suite_settings_of(wildcards):
    names = generated_in(wildcards.suite)
    return settings(generate, engine=engine_settings(), benchmarks={name: decoding_of(name) for name in names})


def turns_settings_of(wildcards):
    return settings(generate_turns, engine=engine_settings(), benchmark=decoding_of(wildcards.benchmark))


def judge_settings_of(wildcards):
    entry = STUDY["benchmarks"][wildcards.benchmark]
    teacher, _ = told_apart(STUDY["teachers"][entry["teacher"]])
    shown = {"reference_subjects": entry["reference_subjects"]}
    return settings(judge_turns, teacher={**teacher, "judge_prompt": entry["judge_prompt"]}, **shown)


def judge_limits_of(wildcards, output):
    """What decides how the judge is asked, but none of its ratings. It takes `output`: Snakemake does not track it."""
    return json.dumps(limit_values(STUDY["benchmarks"][wildcards.benchmark]), sort_keys=True)


def harness_settings_of(wildcards):
    entry = STUDY["benchmarks"][wildcards.benchmark]
    return settings(evaluate_harness, **{key: value for key, value in entry.items() if key not in ("kind", "title")})


def task_settings_of(wildcards):
    entry = STUDY["benchmarks"][wildcards.benchmark]
    return settings(prepare_harness, **{key: entry[key] for key in ("task", "task_path", "limit")})


def grader_kinds_of(wildcards):
    entries = {name: STUDY["benchmarks"][name] for name in generated_in(wildcards.suite)}
    kinds = {name: entry["kind"] for name, entry in entries.items()}
    metrics = {name: entry["metric"] for name, entry in entries.items() if "metric" in entry}
    return json.dumps({"benchmarks": kinds, **({"metrics": metrics} if metrics else {})}, sort_keys=True)


def columns_of(suites):
    """The headings of the benchmarks of suites, by slug."""
    return {name: STUDY["benchmarks"][name]["title"] or name for name in benchmarks_of(suites)}


def table_settings_of(wildcards):
    table = STUDY["tables"][wildcards.table]
    if "columns" not in table:
        return json.dumps({**table, "columns": columns_of(table["suites"])})
    shown = {cell["benchmark"] for _, _, cell in figures.specs(table) if "setting" in cell}
    values = {"layout": "cells", "scaled": STUDY.get("scale", {}).get("suffix")}
    values["settings"] = {name: STUDY["benchmarks"][name] for name in sorted(shown)}
    return json.dumps({**table, **values})


def paper_of(wildcards):
    """The file that holds the paper's values of a table, where it is a paper's."""
    paper = STUDY["tables"][wildcards.table].get("paper")
    return [f"papers/{paper.partition('_')[0]}.yaml"] if paper else []


def figure_settings_of(wildcards):
    figure = STUDY["figures"][wildcards.figure]
    return json.dumps({**figure, "columns": columns_of(figure.get("suites", []))})
