"""The trainings that are compared: for each its command, and how its steps and losses are read.

All start from the same model, train the same LoRA adapter on the same tokens in the same order and batches, with the
same optimizer and course of the learning rate.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.peers.watching import LOG, llamafactory_losses, our_steps, trl_steps
from bench.training import RECIPE
from scripts.lib.generation.chat import prompt_text
from scripts.lib.jsonl import read_json, write_json, write_rows

OURS, TOKENS, THEIRS = "rows.jsonl", "tokens.json", "llamafactory.json"


@dataclass(frozen=True)
class Job:
    """What all ways have in common.

    Args:
        folder: with the rows, as `write_inputs` wrote them.
        model: the start model's folder.
        steps: of a training.
        batch: rows of a step.
        peer: the Python of LLaMA-Factory's environment.
    """

    folder: Path
    model: Path
    steps: int
    batch: int
    peer: Path


@dataclass(frozen=True)
class Way:
    """One training.

    Args:
        command: of a job that writes to a folder.
        done: steps made so far, from what is in that folder.
        losses: of each step, once it has ended.
    """

    command: Callable[[Job, Path], list[str]]
    done: Callable[[Path], int]
    losses: Callable[[Path], list[float]]


def write_inputs(job: Job, given: list[dict], made: list[dict], tokenizer) -> None:
    """The same rows for each: ours, tokenised ones for TRL, and texts for LLaMA-Factory.

    LLaMA-Factory's own template for the model closes an answer with a line break that has a loss, and ends the system
    message with a full stop. So it gets the conversation as the model's template renders it, and its template `empty`.

    Args:
        job: names the folder.
        given: rows with messages and completion.
        made: the same with input_ids and labels.
        tokenizer: the model's.
    """
    write_rows(job.folder / OURS, given)
    write_json(job.folder / TOKENS, [{key: row[key] for key in ("input_ids", "labels")} for row in made])
    texts = [
        {
            "instruction": prompt_text(tokenizer, row["messages"]),
            "output": row["completion"] + tokenizer.eos_token,
        }
        for row in given
    ]
    write_json(job.folder / THEIRS, texts)
    columns = {"prompt": "instruction", "response": "output"}
    write_json(job.folder / "dataset_info.json", {"rows": {"file_name": THEIRS, "columns": columns}})


def our_command(job: Job, out: Path, precision: str, padding_free: int) -> list[str]:
    """The train script as Snakemake calls it."""
    recipe = {**RECIPE, "global_batch": job.batch, "max_steps": job.steps, "precision": precision}
    command = [sys.executable, "-m", "scripts.train", "--recipe", json.dumps(recipe), "--data", str(job.folder / OURS)]
    command += ["--start", str(job.model), "--micro-batch", str(job.batch), "--padding-free", str(padding_free)]
    return [
        *command,
        *("--state", str(out / "state"), "--weights", str(out / "weights"), "--summary", str(out / "summary.json")),
    ]


def float32_copy(model: Path, folder: Path) -> Path:
    """A model folder that LLaMA-Factory loads and trains in float32: it goes by the type that config.json names."""
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "config.json").unlink()
    write_json(folder / "config.json", {**read_json(model / "config.json"), "dtype": "float32"})
    return folder


def llamafactory_command(job: Job, out: Path, recompute: bool, float32: bool) -> list[str]:
    """LLaMA-Factory's command line; what is not the science of the recipe is as it comes."""
    model = float32_copy(job.model, out / "model") if float32 else job.model
    lora = RECIPE["lora"]
    settings = {
        **{"stage": "sft", "do_train": True, "model_name_or_path": str(model), "template": "empty"},
        **{"finetuning_type": "lora", "lora_target": "all", "lora_rank": lora["rank"], "lora_alpha": lora["alpha"]},
        **{"lora_dropout": lora["dropout"], "dataset_dir": str(job.folder), "dataset": "rows"},
        **{"cutoff_len": RECIPE["max_tokens"], "disable_shuffling": True, "tokenized_path": str(out / "tokenised")},
        **{"output_dir": str(out), "per_device_train_batch_size": job.batch, "gradient_accumulation_steps": 1},
        **{"learning_rate": RECIPE["learning_rate"], "lr_scheduler_type": RECIPE["scheduler"]},
        **{"max_steps": job.steps, "warmup_steps": math.ceil(RECIPE["warmup"] * job.steps), "bf16": not float32},
        **{"optim": RECIPE["optimizer"], "weight_decay": RECIPE["weight_decay"], "seed": RECIPE["seed"]},
        **{"max_grad_norm": RECIPE["max_grad_norm"], "use_cpu": True, "save_strategy": "no", "report_to": "none"},
        **{"logging_steps": 1, "disable_gradient_checkpointing": not recompute},
    }
    write_json(out / "settings.yaml", settings)  # JSON is YAML; its reader of .json files fails
    return [str(job.peer), "-m", "llamafactory.cli", "train", str(out / "settings.yaml")]


def trl_command(job: Job, out: Path) -> list[str]:
    """TRL in this environment."""
    command = [sys.executable, "-m", "bench.peers.plain_trl", "--model", str(job.model), "--out", str(out)]
    return [*command, "--rows", str(job.folder / TOKENS), "--batch", str(job.batch), "--warmup", str(RECIPE["warmup"])]


def text_of(file: Path) -> str:
    """What is in a file so far; nothing where there is none yet."""
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def ours(precision: str, padding_free: int) -> Way:
    """The train script in a precision."""
    return Way(
        lambda job, out: our_command(job, out, precision, padding_free),
        lambda out: our_steps(text_of(out / LOG)),
        lambda out: [entry["loss"] for entry in read_json(out / "summary.json")["losses"]],
    )


def llamafactory(recompute: bool, float32: bool = False) -> Way:
    """LLaMA-Factory, with or without its recomputed activations and its autocast."""

    def losses(out: Path) -> list[float]:
        return llamafactory_losses(text_of(out / "trainer_log.jsonl"))

    def command(job: Job, out: Path) -> list[str]:
        return llamafactory_command(job, out, recompute, float32)

    return Way(command, lambda out: len(losses(out)), losses)


PEER, EXACT_PEER = "LLaMA-Factory, no recompute", "LLaMA-Factory, float32"
WAYS = {
    "train script, mixed, padding_free": ours("mixed", 1),
    "LLaMA-Factory as it comes": llamafactory(True),
    "train script, mixed": ours("mixed", 0),
    PEER: llamafactory(False),
    "train script, bfloat16, padding_free": ours("bfloat16", 1),
    "TRL as it comes": Way(
        trl_command, lambda out: trl_steps(text_of(out / LOG)), lambda out: read_json(out / "losses.json")
    ),
}
# Not for speed: what is left between their losses is no matter of rounding.
EXACT = {"train script, float32": ours("float32", 1), EXACT_PEER: llamafactory(False, float32=True)}
