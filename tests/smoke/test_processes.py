"""Training in two processes (gloo, on CPU) is the training of one: the same loss at every step, also when interrupted.

Tolerance: each loss within 1e-4 of that of one process, in float32, each weight within 1e-3. Sums in another order are
all that differs.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from scripts import train
from scripts.lib.jsonl import BadInput
from scripts.lib.training import fitting, trainers
from tests.trainings import BLOWS_UP, KINDS, RECIPE, STEPS, flags, launch, rows_of_both_kinds


@pytest.fixture
def rows(write_lines) -> Path:
    return write_lines("rows.jsonl", rows_of_both_kinds())


def workers_of(launcher: subprocess.Popen) -> list[int]:
    """The pids of the training processes."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


@pytest.mark.slow("starts two processes that import torch, and starts them again after their interruption")
@pytest.mark.parametrize(
    ("kind", "parallel", "nodes"),
    [
        ("precomputed", "ddp", 1),
        ("dpo", "ddp", 2),
        ("sft", "fsdp", 1),
        ("sft", "zero3", 2),
        ("precomputed", "zero3", 1),
    ],
)
def test_two_processes_are_the_training_of_one(kind, parallel, nodes, rows, model_folder, tmp_path) -> None:
    if parallel == "zero3":
        pytest.importorskip("deepspeed", reason="pip install -r envs/deepspeed.lock.txt")
    recipe = {**RECIPE, **KINDS[kind]}
    assert train.main(train.parse_args(flags(recipe, rows, model_folder, tmp_path / "one", 1))) == 0
    one = json.loads((tmp_path / "one" / "train.json").read_text())
    launchers = launch(recipe, rows, model_folder, tmp_path / "two", parallel, nodes)
    interrupt(launchers, tmp_path / "two")
    launchers = launch(recipe, rows, model_folder, tmp_path / "two", parallel, nodes)
    said = (tmp_path / "two" / "log").read_text
    assert [launcher.wait(timeout=120) for launcher in launchers] == [0] * nodes, said()[-4000:]
    assert "resuming from" in said()
    two = json.loads((tmp_path / "two" / "train.json").read_text())
    assert (one["processes"], one["micro_batch"], one["accumulation"]) == (1, 2, 2)
    assert (two["processes"], two["micro_batch"], two["accumulation"]) == (2, 2, 1)
    assert len(one["losses"]) == STEPS and one["losses"][0]["loss"] > one["losses"][-1]["loss"] + 0.1
    for first, second in zip(one["losses"], two["losses"], strict=True):
        assert second == pytest.approx(first, abs=1e-4)
    trained = [load_file(next(tmp_path.glob(f"{folder}/weights/*/model.safetensors"))) for folder in ("one", "two")]
    assert trained[0].keys() == trained[1].keys()
    assert max(trainers.largest_difference(trained[0][name], trained[1][name]) for name in trained[0]) < 1e-3
    # What FSDP alone writes into a checkpoint: the weights, put together from those of the processes.
    assert bool(list(tmp_path.glob("two/state/*/checkpoint-40/pytorch_model_fsdp.bin"))) is (parallel == "fsdp")


def interrupt(launchers: list[subprocess.Popen], folder: Path) -> None:
    """Sends SIGTERM after the first checkpoint, as Slurm does, to launchers too, but to the last process only.

    All processes must save the same step, and the launchers end with the status of the script.
    """
    end = time.monotonic() + 60
    while not list(folder.glob("state/*/checkpoint-4/trainer_state.json")):
        running = all(launcher.poll() is None for launcher in launchers)
        assert running and time.monotonic() < end, (folder / "log").read_text()[-4000:]
        time.sleep(0.005)
    for pid in [workers_of(launchers[-1])[-1], *(launcher.pid for launcher in launchers)]:
        os.kill(pid, signal.SIGTERM)
    assert [launcher.wait(timeout=60) for launcher in launchers] == [fitting.INTERRUPTED] * len(launchers)
    said = (folder / "log").read_text()
    assert f"signal {signal.SIGTERM:d}: stopped after step" in said, said[-4000:]
    step = int(said.partition("stopped after step ")[2].partition(",")[0])
    assert list(folder.glob(f"state/*/checkpoint-{step}/trainer_state.json")) and 4 <= step < STEPS
    assert not (folder / "train.json").exists()


def test_processes_that_train_together_end_together(rows, model_folder, tmp_path) -> None:
    recipe = {**RECIPE, **KINDS["sft"], **BLOWS_UP, "learning_rate": 1e20, "run": "together"}
    [launcher] = launch(recipe, rows, model_folder, tmp_path / "two", "ddp", 1)
    assert launcher.wait(timeout=120) == 1
    said = (tmp_path / "two" / "log").read_text()
    assert said.count("run together, step 2: the ") >= 1, said[-3000:]
    assert "Traceback" not in said.partition("run together, step 2")[0]
    assert not (tmp_path / "two" / "train.json").exists() and not (tmp_path / "two" / "weights").exists()


def test_number_of_processes_must_be_the_one_asked_for() -> None:
    with pytest.raises(BadInput, match="2 processes were asked for, and 1 run"):
        trainers.processes(2)


def test_second_gpu_in_one_process_is_refused(tmp_path: Path) -> None:
    from trl import SFTConfig

    config = SFTConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=2, gradient_accumulation_steps=2, bf16=False
    )
    trainers.check_global_batch(4, config)
    config._n_gpu = 2
    with pytest.raises(BadInput, match="a step would see 8 rows, not the recipe's 4: one process sees 2 GPUs"):
        trainers.check_global_batch(4, config)
