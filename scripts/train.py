"""Fine-tunes one run's start checkpoint on its training set, and writes its candidates: complete model folders.

Reads JSON Lines rows `{"id", "messages", "completion"}` (sft, cft) or `{"id", "messages", "chosen", "rejected"}`
(dpo, spin, thinkpo) and a model folder, which is also the reference of the preference methods; writes
`candidates/step-000025/…` and a summary.

Progress is kept in `--state` under a key made from the recipe, the data and the start weights; a job that died resumes
from the newest complete checkpoint. `select_checkpoint` removes the progress: only then has Snakemake recorded the
result; the outputs of a job that outlived a killed Snakemake are deleted and remade. On SIGTERM, SIGUSR1 (preemption, a
time limit) or Ctrl-C it saves a checkpoint after the current step, requeues its Slurm job unless Slurm does so itself,
and exits with status 75.

`scripts.launch` starts several processes (one for each GPU) and passes their number in `--processes`.

    python -m scripts.train --recipe '{"method": "sft", "learning_rate": 1e-3, "epochs": 1, ...}' \\
        --data results/laptop/train_sets/sft.jsonl --start results/laptop/models/smollm2-135m --micro-batch 8 \\
        --state state/laptop/train/sft --weights results/laptop/checkpoints/sft/candidates \\
        --summary results/laptop/checkpoints/sft/train.json
    python -m scripts.launch --parallel ddp --processes 8 scripts.train --processes 8 ...
"""

import argparse
import logging
import shutil
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib import cli
from scripts.lib.jobs import cards
from scripts.lib.journal import held
from scripts.lib.jsonl import content_key, file_hash, make_folder, read_json, write_json, writing
from scripts.lib.training import tracking

if TYPE_CHECKING:
    from scripts.lib.training.machine import Machine

VERSION = 2  # raise by hand when the weights would differ
log = logging.getLogger(__name__)


def rows_or_auto(text: str) -> int | None:
    """A number of rows; `auto` is None."""
    return None if text == "auto" else int(text)


def named_or_default(text: str) -> str | None:
    """A name; `default` is None."""
    return None if text == "default" else text


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=cli.json_argument, required=True, help="JSON: method and hyper-parameters")
    parser.add_argument("--data", required=True, help="the training set (JSON Lines)")
    parser.add_argument("--start", required=True, help="the model folder to start from")
    rows = "most rows per device and pass; auto: as many as fit (on a CPU, and in sharded models: 8)"
    parser.add_argument("--micro-batch", type=rows_or_auto, metavar="ROWS", default=None, help=rows)
    parser.add_argument("--attention", type=named_or_default, default=None, help="attention of transformers: sdpa, …")
    parser.add_argument("--compile", type=int, choices=(0, 1), default=0, help="1: torch.compile compiles the model")
    recompute = "1: recompute activations, even if the recipe does not say so"
    parser.add_argument("--recompute", type=int, choices=(0, 1), default=0, help=recompute)
    padding_free = "1: the rows of a pass are joined into one, so that no padding is computed"
    parser.add_argument("--padding-free", type=int, choices=(0, 1), default=0, help=padding_free)
    kernels = "1: layers run on kernels of the Hub (needs transformers[kernels] and a GPU)"
    parser.add_argument("--kernels", type=int, choices=(0, 1), default=0, help=kernels)
    offload = "1: activations wait for the backward pass in the memory of the CPU (needs a GPU)"
    parser.add_argument("--offload", type=int, choices=(0, 1), default=0, help=offload)
    parser.add_argument("--processes", type=int, default=1, help="how many processes were asked for: checked")
    tracker = "where the log is shown as well: none, tensorboard, trackio, wandb or mlflow (the package is yours)"
    parser.add_argument("--tracker", choices=("none", *tracking.TRACKERS), default="none", help=tracker)
    parser.add_argument("--project", default="by-hand", help="for the tracker: its project, logs/<project>/")
    parser.add_argument("--workers", type=int, default=1, help="processes that tokenize before the training")
    parser.add_argument("--state", required=True, help="folder for resumable progress")
    parser.add_argument("--weights", required=True, help="folder of candidates to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def settings_of(args: argparse.Namespace) -> "Machine":
    """The settings of the training on this machine."""
    from scripts.lib.training.machine import Machine

    return Machine(
        micro_batch=args.micro_batch,
        processes=args.processes,
        attention=args.attention,
        compiled=args.compile,
        recompute=args.recompute,
        padding_free=args.padding_free,
        kernels=args.kernels,
        offload=args.offload,
        reported=tracking.begin(args.tracker, args.project, args.recipe["run"]),
    )


def main(args: argparse.Namespace) -> int:
    """Trains, exports the candidates, writes the summary."""
    from datasets import disable_progress_bars
    from transformers import AutoConfig
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    from scripts.lib.generation.chat import load_tokenizer
    from scripts.lib.generation.engines import positions
    from scripts.lib.generation.generator import weights_hash
    from scripts.lib.generation.model_checks import check_generation_config
    from scripts.lib.training import fitting, rows, trainers
    from scripts.lib.training.machine import refuse_missing

    cli.quiet()
    settings = settings_of(args)
    refuse_missing(settings, args.recipe)
    disable_progress_bars()
    cards.take()
    # DeepSpeed calls deprecated torch functions several times per step.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed\.")
    recipe, start, weights = args.recipe, Path(args.start), Path(args.weights)
    summary = cli.Summary("train", recipe)
    tokenizer = load_tokenizer(start, recipe["template"])
    check_generation_config(start)
    longest = positions(AutoConfig.from_pretrained(start, trust_remote_code=False))
    start_hash = weights_hash(start)
    state = Path(args.state) / content_key(VERSION, recipe, file_hash(args.data), start_hash)
    processes = trainers.processes(args.processes)
    with held(args.state) if processes.is_main_process else nullcontext():
        if processes.is_main_process:
            for other in Path(args.state).iterdir():
                if other.is_dir() and other != state:
                    shutil.rmtree(other)  # progress of an earlier recipe, dataset or start
            trainers.drop_incomplete_checkpoints(state)
            if not rows.is_prepared(state / "rows"):
                rows.prepare(Path(args.data), state / "rows", tokenizer, recipe, longest, args.workers)
            trainers.drop_unsynced_reference(state / "rows")
        trainers.wait_for(lambda: rows.is_prepared(state / "rows"))
        processes.wait_for_everyone()
        tokenised, counts = rows.load(state / "rows")
        if processes.is_main_process:
            log.info("%s", rows.trained_on(counts))
            shown = rows.as_read(tokenised[0], tokenizer)
            log.info("the first row as the model reads it, ⟦tokens with the loss⟧:\n%s", shown)
        if not (state / "facts.json").exists():
            with writing(state):
                facts = fitting.fit(recipe, start, tokenizer, state, settings)
            if processes.is_main_process:
                write_json(state / "facts.json", facts)
        if not processes.is_main_process:
            return 0
        facts = read_json(state / "facts.json")
        unset_hf_deepspeed_config()  # else ZeRO-3 would shard models loaded from here on over processes that have ended
        shutil.rmtree(weights, ignore_errors=True)
        make_folder(weights)
        candidates = {}
        found = sorted((state / "candidates").glob("step-*[0-9]"))
        for saved in found:
            log.info("writing %s", weights / saved.name)
            origin = {"run": recipe["run"], "step": int(saved.name[5:]), "start_weights": start_hash}
            probe = [*tokenised[0].get("input_ids", ()), *tokenised[0].get("prompt_ids", ())]
            candidates[saved.name] = trainers.export(
                start, saved, weights / saved.name, tokenizer, bool(recipe["lora"]), probe, origin, saved == found[-1]
            )
        fields = {"rows": counts["rows_trained"], "counts": counts, "candidates": candidates}
        write_json(args.summary, summary.fields(**fields, **facts, start_weights=start_hash))
    return 0


if __name__ == "__main__":
    cli.run(main, parse_args)
