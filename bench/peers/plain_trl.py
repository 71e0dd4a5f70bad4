"""TRL's trainer as it comes, as a process of its own; prints the loss of each step, and writes them.

python -m bench.peers.plain_trl --model MODEL --rows TOKENISED.json --batch 4 --warmup 0.1 --out FOLDER
"""

import argparse
from pathlib import Path

from bench.training import trl_trainer
from scripts.lib import cli
from scripts.lib.generation.chat import load_tokenizer
from scripts.lib.jsonl import read_json, write_json


def main() -> None:
    """Trains for one epoch, in the order of the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", required=True, help="JSON: a list of rows with input_ids and labels")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--warmup", type=float, required=True, help="share of the steps")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    cli.quiet()
    trainer = trl_trainer(
        args.model,
        read_json(args.rows),
        load_tokenizer(args.model),
        args.out,
        per_device_train_batch_size=args.batch,
        warmup_steps=args.warmup,
        train_sampling_strategy="sequential",
        logging_steps=1,
        seed=1,
    )
    trainer.train()
    write_json(args.out / "losses.json", [entry["loss"] for entry in trainer.state.log_history if "loss" in entry])


if __name__ == "__main__":
    main()
