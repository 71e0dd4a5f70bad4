"""What the profile `slurm` asks for, from dry runs: no Slurm is needed."""

import os
import re
from pathlib import Path

import pytest

from tests.project import Project
from tests.workflow.conftest import TINY, Tree

TRAIN = "results/laptop-tiny/checkpoints/sft/train.json"


@pytest.fixture(autouse=True)
def no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """No site's settings from outside."""
    for name in os.environ:
        if name.startswith(("SBATCH_", "SLURM_")):
            monkeypatch.delenv(name)


def planned(project: Tree, *arguments: str, target: str = TRAIN, status: int = 0, **environment: str) -> str:
    """What a dry run with the profile says, with shell commands."""
    options = ("--profile", "slurm", *arguments, "--configfile", TINY, "-np", "--", target)
    return Project(project.folder, "python", **environment).make(*options, status=status, seconds=300)


def job(said: str, rule: str) -> str:
    """The first planned job of a rule."""
    return re.search(rf"^(?:local)?rule {rule}:\n(.*?)(?=^\[|\Z)", said, re.MULTILINE | re.DOTALL)[0]


def test_site_comes_from_the_environment(project: Tree) -> None:
    without = job(planned(project), "train")
    assert not re.search("slurm_account|slurm_partition|constraint", without), without
    site = {"SBATCH_ACCOUNT": "123", "SBATCH_PARTITION": "gpu-a,gpu-b", "SBATCH_CONSTRAINT": "a100&nvlink"}
    train = job(planned(project, **site), "train")
    for wish in ("slurm_account=123", "slurm_partition=gpu-a,gpu-b", "constraint=a100&nvlink"):
        assert wish in train, train


def test_gpu_jobs_and_grading_are_submitted_and_the_rest_stays_where_snakemake_runs(project: Tree) -> None:
    planned_rules = set(re.findall(r"^rule (\w+):$", planned(project, target="all_tables"), re.MULTILINE))
    files = (project.folder / "Snakefile", *(project.folder / "rules").glob("*.smk"))
    rules = [rule for file in files for rule in re.split(r"^(?=\w)", file.read_text(), flags=re.MULTILINE)]
    named = re.compile(r"(?:use rule \w+ as|rule) (\w+)")
    local = {named.match(rule)[1] for rule in rules if "    localrule: True\n" in rule and named.match(rule)}
    on_gpu = {"sample_responses", "critique_by_model", "train", "validate", "generate", "generate_turns"}
    on_gpu |= {"critique_answers"}
    assert {"sample_responses", "train", "score"} <= planned_rules - local <= on_gpu | {"grade_responses", "score"}
    assert {"fetch_model", "prepare_dataset", "critique_by_api", "answer_questions"} <= local


def test_one_gpu_needs_no_launcher(project: Tree) -> None:
    train = job(planned(project), "train")
    assert "gpu=1" in train and "python -m scripts.train --recipe" in train and "accelerate" not in train


@pytest.mark.parametrize("wish", [("train:gpu=8",), ("train:gpu=0", "train:gres='gpu:a100:8'")], ids=["gpu", "gres"])
def test_more_gpus_are_one_process_each(project: Tree, wish: tuple[str, ...]) -> None:
    train = job(planned(project, "--set-resources", *wish, "train:parallel=fsdp"), "train")
    assert "python -m scripts.launch --parallel fsdp --processes 8 scripts.train --processes 8 --recipe" in train, train


def test_more_nodes_are_one_launcher_each(project: Tree) -> None:
    two = ("nodes=2", "gpu=0", "gres='gpu:8'", "tasks=2", "tasks_per_gpu=0", "mpi='srun'", "cpus_per_task=16")
    train = job(planned(project, "--set-resources", *(f"train:{value}" for value in two)), "train")
    assert "srun --nodes=2 --ntasks=2 --gres=gpu:8" in train and "--cpus-per-task=16 python" in train, train
    assert "scripts.launch --parallel ddp --processes 16 --nodes 2 --main" in train, train
    assert "scripts.train --processes 16 --recipe" in train, train


def test_nodes_alone_are_refused(project: Tree) -> None:
    said = planned(project, "--set-resources", "train:nodes=2", "train:gpu=16", status=1)
    assert "train: several nodes want gpu, gres, tasks, tasks_per_gpu and mpi too" in said, said


FULL_TRAINING = ("--config", "runs={sft: {overrides: {lora: null}}}")


@pytest.mark.parametrize(("recipe", "gpus"), [((), 1), (FULL_TRAINING, 4)], ids=["lora", "full"])
def test_gpus_of_a_training_follow_its_recipe(project: Tree, recipe: tuple[str, ...], gpus: int) -> None:
    train = job(planned(project, *recipe, "--set-resources", "train:gpu_full=4"), "train")
    assert f"gpu={gpus}," in train and ("--processes 4" in train) == (gpus == 4), train


@pytest.mark.parametrize("recipe", [(), FULL_TRAINING], ids=["lora", "full"])
def test_gpus_that_are_set_count_for_every_recipe(project: Tree, recipe: tuple[str, ...]) -> None:
    train = job(planned(project, *recipe, "--set-resources", "train:gpu_full=4", "train:gpu=2"), "train")
    assert "gpu=2," in train and "--processes 2" in train, train


PAPERS_RUN = "cft.qwen2.5-math-7b"
PAPERS_LORA = ("--config", f"runs={{{PAPERS_RUN}: {{overrides: {{lora: {{rank: 32}}}}}}}}")


@pytest.mark.parametrize(("recipe", "gpus"), [((), 8), (PAPERS_LORA, 1)], ids=["full", "lora"])
def test_a_lora_run_of_the_papers_study_asks_for_one_gpu(project: Tree, recipe: tuple[str, ...], gpus: int) -> None:
    target = f"results/papers/checkpoints/{PAPERS_RUN}/train.json"
    train = job(Project(project.folder, "python").make("--profile", "slurm", *recipe, "-np", "--", target), "train")
    assert f"gpu={gpus}," in train and ("--processes 8" in train) == (gpus == 8), train


@pytest.mark.parametrize("name", ["ddp", "fsdp", "zero3"])
def test_accelerate_reads_each_configuration(name: str) -> None:
    config_args = pytest.importorskip("accelerate.commands.config.config_args")
    config = config_args.load_config_from_file(str(Path(__file__).parents[2] / "envs" / "accelerate" / f"{name}.yaml"))
    assert config.num_machines == 1 and config.use_cpu is False
    assert config.distributed_type.name == {"ddp": "MULTI_GPU", "fsdp": "FSDP", "zero3": "DEEPSPEED"}[name]
