"""What the profile `slurm` asks for, from dry runs: no Slurm is needed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.test_workflow import TINY, copied

TRAIN = "results/laptop-tiny/checkpoints/sft/train.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the profile."""
    folder = tmp_path_factory.mktemp("project") / "tree"
    copied(folder)
    shutil.copytree(Path(__file__).parents[2] / "slurm", folder / "slurm")
    return folder


def planned(folder: Path, *arguments: str, target: str = TRAIN, status: int = 0, **environment: str) -> str:
    """What a dry run with the profile says, with shell commands."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SBATCH_", "SLURM_"))}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "--profile",
            "slurm",
            *arguments,
            "--configfile",
            TINY,
            "-np",
            "--",
            target,
        ],
        cwd=folder,
        env={**clean, "REDPEN_PYTHON_LAPTOP": "python", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def job(said: str, rule: str) -> str:
    """The first planned job of a rule."""
    return re.search(rf"^(?:local)?rule {rule}:\n(.*?)(?=^\[|\Z)", said, re.MULTILINE | re.DOTALL)[0]


def test_site_comes_from_the_environment(folder: Path) -> None:
    without = job(planned(folder), "train")
    assert not re.search("slurm_account|slurm_partition|constraint", without), without
    site = {"SBATCH_ACCOUNT": "123", "SBATCH_PARTITION": "gpu-a,gpu-b", "SBATCH_CONSTRAINT": "a100&nvlink"}
    train = job(planned(folder, **site), "train")
    for wish in ("slurm_account=123", "slurm_partition=gpu-a,gpu-b", "constraint=a100&nvlink"):
        assert wish in train, train


def test_gpu_jobs_and_grading_are_submitted_and_the_rest_stays_where_snakemake_runs(folder: Path) -> None:
    planned_rules = set(re.findall(r"^rule (\w+):$", planned(folder, target="all_tables"), re.MULTILINE))
    local = set(re.findall(r"\w+", (folder / "Snakefile").read_text().partition("localrules:")[2].partition("\n\n")[0]))
    on_gpu = {"sample_responses", "critique_by_model", "train", "validate", "generate", "generate_turns"}
    assert {"sample_responses", "train", "score"} <= planned_rules - local <= on_gpu | {"grade_responses", "score"}
    assert {"fetch_model", "prepare_dataset", "critique_by_api", "answer_questions"} <= local


def test_one_gpu_needs_no_launcher(folder: Path) -> None:
    train = job(planned(folder), "train")
    assert "gpu=1" in train and "python -m scripts.train --recipe" in train and "accelerate" not in train


@pytest.mark.parametrize("wish", [("train:gpu=8",), ("train:gpu=0", "train:gres='gpu:a100:8'")], ids=["gpu", "gres"])
def test_more_gpus_are_one_process_each(folder: Path, wish: tuple[str, ...]) -> None:
    train = job(planned(folder, "--set-resources", *wish, "train:parallel=fsdp"), "train")
    assert "python -m scripts.launch --parallel fsdp --processes 8 scripts.train --processes 8 --recipe" in train, train


def test_more_nodes_are_one_launcher_each(folder: Path) -> None:
    two = ("nodes=2", "gpu=0", "gres='gpu:8'", "tasks=2", "tasks_per_gpu=0", "mpi='srun'", "cpus_per_task=16")
    train = job(planned(folder, "--set-resources", *(f"train:{value}" for value in two)), "train")
    assert "srun --nodes=2 --ntasks=2 --gres=gpu:8" in train and "--cpus-per-task=16 python" in train, train
    assert "scripts.launch --parallel ddp --processes 16 --nodes 2 --main" in train, train
    assert "scripts.train --processes 16 --recipe" in train, train


def test_nodes_alone_are_refused(folder: Path) -> None:
    said = planned(folder, "--set-resources", "train:nodes=2", "train:gpu=16", status=1)
    assert "train: several nodes want gpu, gres, tasks, tasks_per_gpu and mpi too" in said, said


@pytest.mark.parametrize("name", ["ddp", "fsdp", "zero3"])
def test_accelerate_reads_each_configuration(name: str) -> None:
    config_args = pytest.importorskip("accelerate.commands.config.config_args")
    config = config_args.load_config_from_file(str(Path(__file__).parents[2] / "envs" / "accelerate" / f"{name}.yaml"))
    assert config.num_machines == 1 and config.use_cpu is False
    assert config.distributed_type.name == {"ddp": "MULTI_GPU", "fsdp": "FSDP", "zero3": "DEEPSPEED"}[name]
