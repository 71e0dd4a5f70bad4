"""Fine-tunes one run's start checkpoint on its training set, and writes its candidates: complete model folders.

Reads JSON Lines rows `{"id", "messages", "completion"}` (sft, cft) or `{"id", "messages", "chosen", "rejected"}`
(dpo, spin, thinkpo) and a model folder, which is also the reference of the preference methods; writes
`candidates/step-000025/…` and a summary.

Progress is kept in `--state` under a key made from the recipe, the data and the start weights; a job that died goes on
from the newest complete checkpoint. `select_checkpoint` removes it: by then Snakemake has taken note of the result,
while the outputs of a job that outlived a killed Snakemake are deleted and made again. On SIGTERM, SIGUSR1
(preemption, a time limit) or Ctrl-C it saves a checkpoint after the step in hand, queues its Slurm job again where
Slurm does not do so itself, and ends with status 75.

Several processes (one for each GPU) are started by `scripts.launch`, and say so with `--processes`.

    python -m scripts.train --recipe '{"method": "sft", "learning_rate": 1e-3, "epochs": 1, ...}' \\
        --data results/laptop/train_sets/sft.jsonl --start results/laptop/models/smollm2-135m --micro-batch 8 \\
        --state state/laptop/train/sft --weights results/laptop/checkpoints/sft/candidates \\
        --summary results/laptop/checkpoints/sft/train.json
    python -m scripts.launch --parallel ddp --processes 8 scripts.train --processes 8 ...
"""

import argparse
import logging
import shutil
import sys
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jobs import cards, slurm
from scripts.lib.journal import held
from scripts.lib.jsonl import content_key, file_hash, make_folder, read_json, read_rows, write_json, writing

VERSION = 2  # raise by hand when the weights would differ
INTERRUPTED = 75  # the status of a training that was told to end and can go on (sysexits.h: try again)
# What the summary keeps of each step beside the loss; of pairs, the margin and the summed log-probability of an answer.
LOGGED = {"learning_rate": "learning_rate", "grad_norm": "gradient_norm"}
LOGGED |= {"rewards/margins": "margin", "logps/chosen": "chosen_log_probability"}
LOGGED |= {"logps/rejected": "rejected_log_probability"}
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=cli.json_argument, required=True, help="JSON: method and hyper-parameters")
    parser.add_argument("--data", required=True, help="the training set (JSON Lines)")
    parser.add_argument("--start", required=True, help="the model folder to start from")
    parser.add_argument("--micro-batch", type=int, default=8, help="most rows per device and forward pass")
    parser.add_argument("--processes", type=int, default=1, help="how many processes were asked for: checked")
    parser.add_argument("--state", required=True, help="folder for resumable progress")
    parser.add_argument("--weights", required=True, help="folder of candidates to write")
    parser.add_argument("--summary", required=True, help="JSON summary to write")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Trains, exports the candidates, writes the summary."""
    from datasets import disable_progress_bars
    from transformers import AutoConfig
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    from scripts.lib.generation.chat import load_tokenizer
    from scripts.lib.generation.engines import positions
    from scripts.lib.generation.generator import weights_hash
    from scripts.lib.generation.model_checks import check_generation_config
    from scripts.lib.training import trainers
    from scripts.lib.training.rows import as_read, tokenise, tokenise_pairs, trained_on

    cli.quiet()
    disable_progress_bars()
    cards.take()
    # DeepSpeed calls torch by names of the past, several times a step.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed\.")
    recipe, start, weights = args.recipe, Path(args.start), Path(args.weights)
    summary = cli.Summary("train", recipe)
    preference = recipe["method"] in trainers.PREFERENCE_METHODS
    rows = read_rows(args.data, required=("messages", *(("chosen", "rejected") if preference else ("completion",))))
    tokenizer = load_tokenizer(start, recipe["template"])
    check_generation_config(start)
    longest = positions(AutoConfig.from_pretrained(start, trust_remote_code=False))
    tokenised, counts = (tokenise_pairs if preference else tokenise)(rows, tokenizer, recipe, longest)
    start_hash = weights_hash(start)
    key = content_key(VERSION, recipe, file_hash(args.data), start_hash)
    state = Path(args.state) / key
    processes = trainers.processes(args.processes)
    if processes.is_main_process:
        log.info("%s", trained_on(counts))
        log.info("the first row as the model reads it, ⟦tokens with the loss⟧:\n%s", as_read(tokenised[0], tokenizer))
    with held(args.state) if processes.is_main_process else nullcontext():
        if processes.is_main_process:
            for other in Path(args.state).iterdir():
                if other.is_dir() and other != state:
                    shutil.rmtree(other)  # progress of an earlier recipe, data set or start
            trainers.drop_incomplete_checkpoints(state)
        processes.wait_for_everyone()
        if not (state / "facts.json").exists():
            with writing(state):
                facts = fit(args, tokenised, tokenizer, state)
            if processes.is_main_process:
                write_json(state / "facts.json", facts)
        if not processes.is_main_process:
            return 0
        facts = read_json(state / "facts.json")
        unset_hf_deepspeed_config()  # ZeRO-3 would share what is loaded from here on with processes that have ended
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


def fit(args: argparse.Namespace, tokenised: list[dict], tokenizer, state: Path) -> dict:
    """Trains to the last step, or on from the newest checkpoint in `state`; returns what the summary says of it.

    Ends the process with status 75 where a signal told it to stop before the last step.
    """
    import torch
    from transformers import AutoModelForCausalLM, PrinterCallback, TrainerState, set_seed
    from transformers.trainer_utils import get_last_checkpoint
    from trl import DPOConfig, SFTConfig

    from scripts.lib.generation.model_checks import check_savable, mend_generation_config
    from scripts.lib.training import trainers
    from scripts.lib.training.health import StopOnNonFinite, StopOnNoRate
    from scripts.lib.training.preference import WITH_REFERENCE, PreferenceTrainer

    recipe = args.recipe
    stop = trainers.StopOnSignal()
    processes = trainers.processes(args.processes)
    micro, accumulation = trainers.split_batch(recipe["global_batch"], args.micro_batch, args.processes)
    set_seed(recipe["seed"])
    common = dict(
        output_dir=str(state),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        learning_rate=recipe["learning_rate"],
        num_train_epochs=recipe["epochs"],
        max_steps=recipe["max_steps"] or -1,
        lr_scheduler_type=recipe["scheduler"],
        warmup_steps=recipe["warmup"],
        weight_decay=recipe["weight_decay"],
        max_grad_norm=recipe["max_grad_norm"],
        optim=recipe["optimizer"],
        seed=recipe["seed"],
        use_cpu=not torch.cuda.is_available(),
        bf16=recipe["precision"] == "mixed",
        max_length=None,  # rows are checked before, never truncated
        train_sampling_strategy=recipe["order"],
        save_strategy="steps",
        save_steps=recipe["save_steps"],
        save_total_limit=2,
        logging_steps=1,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # a loss that is no number is not hidden: StopOnNonFinite ends the training
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        activation_checkpointing=recipe["activation_checkpointing"],
    )
    if recipe["method"] in trainers.PREFERENCE_METHODS:
        config = DPOConfig(
            **common,
            beta=recipe["beta"],
            loss_type=[WITH_REFERENCE.get(recipe["loss"], "sigmoid")],  # TRL does not compute the others
            precompute_ref_log_probs=recipe["precompute_reference"],
            remove_unused_columns=False,  # else `length` is gone before the rows are ordered by it
        )
    else:
        loss = "dft" if recipe["loss"] == "dft" else "nll"
        config = SFTConfig(**common, dataset_kwargs={"skip_prepare_dataset": True}, loss_type=loss)
    trainers.check_global_batch(recipe["global_batch"], config)
    # After the configuration: where that is DeepSpeed's, each process loads its share of the weights only.
    dtype = torch.bfloat16 if recipe["precision"] == "bfloat16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(args.start, dtype=dtype, trust_remote_code=False)
    mend_generation_config(model.generation_config)
    keep = trainers.SaveCandidates(state / "candidates", set(recipe["candidate_steps"]))
    preference = recipe["method"] in trainers.PREFERENCE_METHODS
    kind = (
        partial(PreferenceTrainer, kind=recipe["loss"], gamma=recipe["gamma"])
        if preference
        else trainers.CompletionTrainer
    )
    trainer = kind(
        model=model,
        args=config,
        train_dataset=trainers.shared_dataset(tokenised, state / "rows", processes),
        processing_class=tokenizer,
        peft_config=trainers.lora_config(recipe["lora"]),
        callbacks=[StopOnNoRate(recipe), StopOnNonFinite(recipe), trainers.Report(), keep, stop],
    )
    trainer.schedule_stretch = (recipe["schedule_epochs"] or recipe["epochs"]) / recipe["epochs"]
    check_savable(model)
    keep.trainer = trainer
    if recipe["method"] in trainers.PREFERENCE_METHODS and processes.is_main_process:
        trainers.keep_reference(state / "rows")
    trainer.remove_callback(PrinterCallback)  # trainers.Report says it in fewer lines
    checkpoint = get_last_checkpoint(str(state)) if state.is_dir() else None
    if checkpoint:
        log.info("going on from %s", checkpoint)
    seconds = 0.0
    if checkpoint and trainers.has_all_steps(checkpoint):  # it ended after its last step: Trainer would make one more
        trainer.state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))
    else:
        seconds = trainer.train(resume_from_checkpoint=checkpoint).metrics["train_runtime"]
    if stop.signal and trainer.state.global_step < trainer.state.max_steps:
        log.warning("signal %d: stopped after step %d, which is saved", stop.signal, trainer.state.global_step)
        if processes.is_main_process:
            slurm.queue_again()
        processes.wait_for_everyone()  # the launcher ends the others when one ends
        sys.exit(INTERRUPTED)
    losses = [
        {"step": entry["step"], "loss": entry["loss"]}
        | {name: entry[key] for key, name in LOGGED.items() if key in entry}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    return {
        "steps": trainer.state.global_step,
        "micro_batch": micro,
        "accumulation": accumulation,
        "processes": args.processes,
        "train_seconds": round(seconds, 1),
        "losses": losses,
    }


if __name__ == "__main__":
    cli.run(main, parse_args)
