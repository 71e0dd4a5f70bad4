"""What the rules share: wildcards, interpreters, launchers, state folders. No rules.

What each job reads and writes is the class `Study` in scripts/lib/study (files.py and settings.py).
"""

import os
import re
import shlex
import subprocess
import time

from scripts.lib.console.targets import wrong_target
from scripts.lib.jobs import cards, gpu_checks
from scripts.lib.jobs.before import Before
from scripts.lib.jobs.dag import as_job
from scripts.lib.jobs.planning import Estimator
from scripts.lib.jsonl import sync_tree, write_text
from scripts.lib.page.finished import said
from scripts.lib.page.results import state_of_results
from scripts.lib.study import first
from scripts.lib.study.contents import of_project
from scripts.lib.study.files import GENERATED, one_of
from scripts.lib.study.settings import LOCAL_TEACHERS, as_json
from scripts.lib.training import tracking

SLUG = r"[a-z0-9][a-z0-9.-]*"

READ_AT = time.time()  # before any job of this call

# The names under seeds: their scores are averaged, not made from a checkpoint.
SEEDS = one_of(STUDY["seeds"])

# The journals of teachers that cost money: shared by all studies, never deleted by a rule.
TEACHERS_STATE = "state/teachers"

# Cores of a job that can use several.
THREADS = STUDY["threads"]


def code_of(*names):
    """The code files of programs (`score`) and library folders (`grading`)."""
    scripts = ROOT / "scripts"
    files = [scripts / f"{name}.py" for name in names]
    files += [
        file for name in names for ending in ("py", "j2") for file in (scripts / "lib" / name).glob(f"*.{ending}")
    ]
    return sorted(of_project(str(file.relative_to(ROOT))) for file in files if file.is_file())


wildcard_constraints:
    model=SLUG,
    dataset=SLUG,
    responses=SLUG,
    critiques=SLUG,
    refinements=SLUG,
    answers=SLUG,
    run=SLUG,
    checkpoint=rf"(?!(?:{SEEDS})/){SLUG}",
    benchmark=SLUG,
    suite=SLUG,
    shard=r"\d+",
    limit=r"[1-9]\d*",
    table=r"[a-z][a-z0-9_]*",
    figure=r"[a-z][a-z0-9_]*",


def interpreter_of(env):
    """The interpreter of an environment under envs/: $REDPEN_PYTHON_<ENV>, else its venv, else .venv, else python.

    Both builds of vLLM, for GPUs and for CPUs, are the environment `vllm`.
    """
    family = env.partition("-")[0]
    named = os.environ.get(f"REDPEN_PYTHON_{family.upper()}")
    places = [ROOT / folder / "bin" / "python" for folder in (f".venv-{family}", ".venv")]
    return named or next((str(place) for place in places if place.exists()), "python")


def limit_gpu_jobs():
    """Limits parallel GPU jobs to this machine's number of GPUs, unless `--resources gpu=N` is given."""
    found = len(cards.cards()) if "gpu" not in workflow.global_resources else 0
    if found:
        workflow.register_resource("gpu", found)


def check_gpus():
    """Stops before the first job if a model is too large for this machine's GPU, or needs a GPU and there is none."""
    jobs = [job for job in workflow.dag.needrun_jobs() if "gpu" in job.rule.resources]
    there = cards.cards()
    # ddp keeps all weights on each GPU; fsdp and zero3 shard them.
    trained = {
        job.wildcards.run: 1 if job.resources.parallel == "ddp" else gpus_of(job.resources)
        for job in jobs
        if job.rule.name == "train"
    }
    wrong = gpu_checks.too_large(STUDY.resolved, trained, min(there)) if there else []
    asked = ((job.rule.name, STUDY.loaded_by(job.wildcards_dict), interpreter_for(job)) for job in jobs)
    wrong += gpu_checks.without_gpu(STUDY.resolved, asked)
    if wrong:
        raise WorkflowError("\n".join(wrong))


def interpreter_for(job):
    """The interpreter that a job with a GPU runs in."""
    return interpreter_of("laptop") if job.rule.name == "train" else job.params.python


def python_for(env):
    """A param that names the interpreter of an environment.

    It takes `output`, so that Snakemake does not track it: another interpreter asks for nothing again.
    """
    interpreter = interpreter_of(env)
    return lambda wildcards, output: interpreter


def gpus_of(resources):
    """How many GPUs a job has: `gpu`, or the number at the end of `gres` on clusters that want that."""
    gres = resources.get("gres", "")
    return int(gres.rpartition(":")[2]) if gres.startswith("gpu") else resources.gpu


def gpus_of_training(wildcards, **job):
    """A resource: one GPU where the recipe has LoRA, else what the rule's `gpu_full` says. `train:gpu` replaces both."""
    if STUDY["runs"][wildcards.run]["hyperparameters"]["lora"]:
        return 1
    return workflow.get_rule("train").resources["gpu_full"].evaluate(wildcards, **job).value


# Prints a free port of this node.
FREE_PORT = "import socket; s = socket.socket(); s.bind((str(), 0)); print(s.getsockname()[1])"


def train_command(wildcards, output, threads, resources):
    """A param that starts scripts.train, in one process for each GPU. It takes `output`: not tracked."""
    python = shlex.quote(interpreter_of("laptop"))
    nodes, gpus = resources.get("nodes", 1), gpus_of(resources)
    if nodes > 1 and not (resources.get("mpi") and resources.get("gres")):
        raise WorkflowError("train: several nodes want gpu, gres, tasks, tasks_per_gpu and mpi too (docs/slurm.md)")
    processes = nodes * gpus
    if processes <= 1:
        return f"{python} -m scripts.train"
    launch = f"{python} -m scripts.launch --parallel {resources.parallel} --processes {processes}"
    if nodes > 1:
        # When a node's processes have ended, the others have a minute.
        srun = f"{resources.mpi} --nodes={nodes} --ntasks={nodes} --gres={resources.gres} --wait=60 --cpu-bind=q"
        srun += f" --cpus-per-task={resources.get('cpus_per_task', threads)}"
        main = f'"$(hostname):$({python} -c {shlex.quote(FREE_PORT)})"'
        launch = f"{srun} {launch} --nodes {nodes} --main {main}"
    return f"{launch} scripts.train --processes {processes}"


def tracker(wildcards, output):
    """A param: where a training's log is shown as well. It takes `output`: not tracked."""
    return f"--tracker {STUDY['tracker']} --project {STUDY.name}" if STUDY["tracker"] != "none" else ""


def check_tracker():
    """Stops before the first job if the package of a training's tracker is missing."""
    if STUDY["tracker"] != "none" and any(job.rule.name == "train" for job in workflow.dag.needrun_jobs()):
        python = interpreter_of("laptop")
        finds = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{STUDY['tracker']}') is None)"
        if subprocess.run([python, "-c", finds]).returncode:
            raise WorkflowError(tracking.missing(STUDY["tracker"], python))


def machine_of(engine=lambda wildcards: None):
    """A param: the engine settings that do not affect texts, and the job's GPUs. It takes `resources`: not tracked."""
    return lambda wildcards, resources: STUDY.machine(engine(wildcards), gpus_of(resources))


def state_of(rule, *names):
    """A param: the state folder of a job, or of the entry named by `wildcards`. It takes `output`: not tracked."""

    def state(wildcards, output):
        chosen = [wildcards[name] for name in names] if names else wildcards
        return str(Path("state", STUDY.name, rule, *chosen))

    return state


# A file beside the log that passes a long param to a job as JSON, so that its command stays readable.
BY_FILE = re.compile(r"\{log:q\}\.(\w+)\.json")


def write_settings(jobs):
    """Writes the params that jobs read from files, such as `logs/laptop/train/cft.log.recipe.json`.

    Snakemake tracks the params themselves, so these files may be deleted at any time: the next call writes them.
    """
    for job in jobs:
        for name in BY_FILE.findall(job.rule.shellcmd or ""):
            write_text(Path(f"{job.log[0]}.{name}.json"), str(job.params[name]) + "\n")


def seconds_planned(jobs):
    """(rule, wildcards, planned seconds) of each job that makes something; 0 if the plan has no estimate."""
    estimator = Estimator(STUDY.resolved)
    for job in jobs:
        if job.output:
            ours = as_job(job, pending=True)
            yield ours.rule, ours.wildcards, 3600 * estimator.cost(ours).gpu_hours if ours.gpu else 0.0


BEFORE = Before(Path("results") / STUDY.name, lambda: workflow.persistence)


def keep_outputs(jobs):
    """Keeps what these jobs have made before, until they have made it anew."""
    if workflow.is_main_process and not workflow.touch:
        for job in jobs:
            BEFORE.keep(job, whole=not workflow.async_run(workflow.persistence.incomplete(job)))


def give_back_outputs():
    """Puts back what failed jobs have made before, and says so."""
    if found := BEFORE.settle(workflow.dag.finished):
        sys.stderr.write(f"Put back as it was before its job failed: {', '.join(found)}\n")


def write_study():
    """Writes the resolved study beside its results, for the record (no job reads it)."""
    import yaml

    text = yaml.safe_dump(STUDY.resolved, sort_keys=True, allow_unicode=True)
    write_text(Path("results") / STUDY.name / "study.yaml", text)


def sync_records():
    """Syncs Snakemake's metadata of these jobs to the disk: without it, a changed setting would go unnoticed.

    Measured: 0.25 s after 70 jobs, 15 s after 5,000.
    """
    for name in ("metadata", "incomplete"):
        sync_tree(Path(".snakemake", name), since=READ_AT)


def last_words():
    """The requested tables, and where the answers behind them are shown."""
    return said(STUDY, workflow.dag_settings.targets, bool(workflow.output_settings.quiet))


def wrong_targets():
    """Error messages for targets that no rule makes."""
    named = {rule.name for rule in workflow.rules if not rule.has_wildcards()}
    return [
        wrong_target(asked, named, STUDY.name, [f"results/{STUDY.name}"])
        for asked in sorted(workflow.dag_settings.targets)
        if asked not in named and not any(rule.is_producer(asked) for rule in workflow.rules)
    ]
