"""Trainings of a few steps of a tiny model, in one process and in two."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import write_rows

STEPS = 40
RECIPE = {
    **{"run": "two", "template": None, "seed": 1, "learning_rate": 1e-3, "epochs": 1, "max_steps": STEPS},
    **{"global_batch": 4, "max_tokens": 128, "too_long": "error", "scheduler": "linear", "warmup": 0.1},
    **{"end_inside": "error", "loss_on": "answer", "packing": False, "schedule_epochs": None},
    **{"weight_decay": 0.0, "max_grad_norm": 1.0, "optimizer": "adamw_torch", "precision": "float32"},
    **{"save_steps": 4, "candidate_steps": [], "activation_checkpointing": False, "loss": "logistic"},
}
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
KINDS = {
    "sft": {"method": "sft", "order": "group_by_length", "lora": None},
    "dpo": {
        **{"method": "dpo", "order": "random", "lora": LORA},
        **{"beta": 0.1, "gamma": 0.5, "precompute_reference": False},
    },
}
KINDS["precomputed"] = {**KINDS["dpo"], "lora": None, "precompute_reference": True}
BLOWS_UP = {"learning_rate": 1e6, "warmup": 0.0, "lora": None, "max_steps": 12, "optimizer": "adamw_torch"}


def rows_of_both_kinds() -> list[dict]:
    """40 rows of many lengths, which serve both methods."""
    made = []
    for n in range(40):
        right, wrong = f"{n} plus {n} makes {2 * n}{'.' * (n % 7)}", f"{'No' * (n % 5 + 1)}: {n}"
        messages = [{"role": "user", "content": f"{n} + {n} = {'?' * (n % 11)}"}]
        made.append({"id": f"{n:02}", "messages": messages, "completion": right, "chosen": right, "rejected": wrong})
    return made


def flags(recipe: dict, rows: Path, start: Path, folder: Path, processes: int) -> list[str]:
    """The command line of scripts.train, with everything below `folder`."""
    values = {
        **{"recipe": json.dumps(recipe), "data": rows, "start": start, "micro-batch": 2, "processes": processes},
        **{"state": folder / "state", "weights": folder / "weights", "summary": folder / "train.json"},
    }
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


def tokenised(
    given: list[dict], tokenizer, recipe: dict, positions: int | None = None, workers: int = 1
) -> tuple[list[dict], dict[str, int]]:
    """What `rows.prepare` makes of rows, as lists, and its counts."""
    from scripts.lib.training import rows

    method = "dpo" if given and "chosen" in given[0] and "completion" not in given[0] else "sft"
    with tempfile.TemporaryDirectory() as folder:
        data, made = Path(folder) / "rows.jsonl", Path(folder) / "made"
        write_rows(data, given)
        rows.prepare(data, made, tokenizer, {"method": method, **recipe}, positions, workers)
        found, counts = rows.load(made)
        return found.to_list(), counts


def fit(recipe: dict, rows: list[dict], model: Path, tokenizer, state: Path, micro_batch: int, **settings) -> dict:
    """Trains on rows of token ids with the script's own function."""
    from datasets import Dataset

    from scripts.lib.training import fitting
    from scripts.lib.training.machine import Machine

    Dataset.from_list(rows).save_to_disk(state / "rows")
    return fitting.fit(recipe, model, tokenizer, state, Machine(micro_batch, **settings))


def launch(
    recipe: dict, rows: Path, start: Path, folder: Path, parallel: str, nodes: int, script: str = "scripts.train"
) -> list[subprocess.Popen]:
    """Starts a training in two processes the way the rule does: a launcher for each node (all nodes are this one)."""
    folder.mkdir(exist_ok=True)
    with socket.create_server(("", 0)) as free:
        meet = ["--nodes", str(nodes), "--main", f"{socket.gethostname()}:{free.getsockname()[1]}"]
    options = ["--parallel", parallel, "--processes", "2", *(meet if nodes > 1 else [])]
    script = "tests.smoke.sharded_train" if parallel == "fsdp" else script
    command = [script, *flags(recipe, rows, start, folder, 2)]
    with (folder / "log").open("ab") as log:
        return [
            subprocess.Popen(
                [sys.executable, "-m", "scripts.launch", *options, "--node", str(node), *command],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"},
                stdout=log,
                stderr=log,
            )
            for node in range(nodes)
        ]
