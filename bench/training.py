"""Training speed: the `train` script against a bare PyTorch loop, and against TRL's trainer as it comes.

All see the same model, adapter, dtype, batches and sequences. The bare loop puts only the completion's positions
through the language-model head. Speed is in real tokens (prompt and completion, no padding) per second.

    python -m bench.training --model results/laptop/models/smollm2-135m \\
        --data results/laptop/train_sets/sft-teacher.jsonl
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import get_peft_model
from torch.nn import functional
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

from scripts.lib import cli
from scripts.lib.generation.chat import load_tokenizer
from scripts.lib.jsonl import read_rows, write_rows
from scripts.lib.training import fitting, rows, trainers
from scripts.lib.training.machine import Machine

BATCH = 8
RECIPE = {
    **{"run": "bench", "method": "sft", "template": None, "seed": 1, "learning_rate": 1e-3, "epochs": 1},
    **{"max_steps": None, "global_batch": BATCH, "scheduler": "linear", "warmup": 0.1, "weight_decay": 0.0},
    **{"max_grad_norm": 1.0, "optimizer": "adamw_torch", "precision": "bfloat16", "order": "sequential"},
    **{"save_steps": 10_000, "candidate_steps": [], "activation_checkpointing": False},
    **{"max_tokens": 2048, "too_long": "error", "end_inside": "error", "loss_on": "answer", "packing": False},
    **{"schedule_epochs": None, "loss": "logistic"},
    "lora": {"rank": 16, "alpha": 32, "dropout": 0.0, "targets": "all-linear"},
}


def main() -> None:
    """Runs the three ways in turn, twice, and prints the best of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    cli.quiet()
    tokenizer = load_tokenizer(args.model)
    made = tokenised(read_rows(args.data)[: args.steps * BATCH], tokenizer, RECIPE)
    tokens = sum(len(row["input_ids"]) for row in made)
    ways = {"bare loop": bare_loop, "train script": train_script, "TRL as it comes": plain_trl}
    best = dict.fromkeys(ways, 0.0)
    for _ in range(args.rounds):
        for name, way in ways.items():
            best[name] = max(best[name], tokens / way(args.model, made, tokenizer))
    print(f"{len(made)} rows, {tokens} tokens, batch {BATCH}, {cli.device_name()}, torch {torch.__version__}")
    for name, speed in best.items():
        print(f"{name:16} {speed:8.1f} tokens/s   {speed / best['bare loop']:.2f} × bare loop")


def tokenised(given: list[dict], tokenizer, recipe: dict) -> list[dict]:
    """Rows of token ids, as in the script."""
    with tempfile.TemporaryDirectory() as folder:
        data, made = Path(folder) / "rows.jsonl", Path(folder) / "made"
        write_rows(data, given)
        rows.prepare(data, made, tokenizer, recipe)
        return rows.load(made)[0].to_list()


def fit(recipe: dict, made: list[dict], model: str, tokenizer, micro_batch: int) -> float:
    """Seconds of the script's trainer, from its first step to its last."""
    with tempfile.TemporaryDirectory() as state:
        Dataset.from_list(made).save_to_disk(Path(state) / "rows")
        return fitting.fit(recipe, model, tokenizer, Path(state), Machine(micro_batch))["train_seconds"]


def bare_loop(model_folder: str, made: list[dict], tokenizer) -> float:
    """Seconds for one pass with nothing but PyTorch around the model."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
    model = get_peft_model(model, trainers.lora_config(RECIPE["lora"])).train()
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RECIPE["learning_rate"], weight_decay=0.0)
    backbone, head = model.get_base_model().model, model.get_base_model().lm_head
    start = time.perf_counter()
    for at in range(0, len(made), BATCH):
        batch = made[at : at + BATCH]
        width = max(len(row["input_ids"]) for row in batch)

        def padded(values: list[list[int]], filler: int, width: int = width) -> torch.Tensor:
            return torch.tensor([value + [filler] * (width - len(value)) for value in values])

        ids = padded([row["input_ids"] for row in batch], tokenizer.pad_token_id)
        labels = padded([row["labels"] for row in batch], -100)[:, 1:]
        mask = padded([[1] * len(row["input_ids"]) for row in batch], 0)
        hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
        scored = labels != -100
        functional.cross_entropy(head(hidden[scored]).float(), labels[scored]).backward()
        torch.nn.utils.clip_grad_norm_(weights, RECIPE["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


def train_script(model_folder: str, made: list[dict], tokenizer) -> float:
    """Seconds of the script's trainer, from its first step to its last."""
    return fit(RECIPE, made, model_folder, tokenizer, BATCH)


def plain_trl(model_folder: str, made: list[dict], tokenizer) -> float:
    """Seconds of SFTTrainer as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        return trl_trainer(model_folder, made, tokenizer, folder).train().metrics["train_runtime"]


def trl_trainer(model_folder: str, made: list[dict], tokenizer, folder: str | Path, **settings) -> SFTTrainer:
    """SFTTrainer with bf16=True, the setting its documentation shows; one epoch of tokenised rows.

    Args:
        model_folder: the start model.
        made: the rows.
        tokenizer: the model's.
        folder: where it writes.
        settings: further arguments of SFTConfig, or others in place of these.
    """
    usual = dict(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        learning_rate=RECIPE["learning_rate"],
        num_train_epochs=1,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32),
        args=SFTConfig(**{**usual, **settings}),
        train_dataset=Dataset.from_list(made),
        processing_class=tokenizer,
        peft_config=trainers.lora_config(RECIPE["lora"]),
    )


if __name__ == "__main__":
    main()
