"""One training, from its prepared rows to its candidates: TRL's trainers with our losses, resumed where it stopped."""

import logging
import os
import sys
from functools import partial
from pathlib import Path

import torch
from accelerate.utils.memory import clear_device_cache
from datasets import Dataset
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PrinterCallback, TrainerState, set_seed
from transformers.trainer_utils import get_last_checkpoint
from trl import DPOConfig, SFTConfig

from scripts.lib.generation.model_checks import check_savable, mend_generation_config
from scripts.lib.jobs import cards, slurm
from scripts.lib.jsonl import BadInput, read_json, write_json
from scripts.lib.training import machine, rows, stopping, trainers
from scripts.lib.training.health import StopOnNonFinite, StopOnNoRate
from scripts.lib.training.machine import Machine
from scripts.lib.training.preference import WITH_REFERENCE, PreferenceTrainer, joined_pairs

INTERRUPTED = 75  # exit status of a training that was interrupted and can resume (sysexits.h: try again)
# What the summary keeps per step besides the loss; for pairs, the margin and each answer's summed log-probability.
LOGGED = {"learning_rate": "learning_rate", "grad_norm": "gradient_norm"}
LOGGED |= {"rewards/margins": "margin", "logps/chosen": "chosen_log_probability"}
LOGGED |= {"logps/rejected": "rejected_log_probability"}
log = logging.getLogger(__name__)


def fit(recipe: dict, start: str | Path, tokenizer, state: Path, settings: Machine) -> dict:
    """Trains to the last step, resuming from the newest checkpoint in `state`; returns facts for the summary.

    The rows are already in `state / "rows"`. TRL puts a precomputed reference beside them, which a resumed run reuses.
    If memory runs out, a single process restarts with half the rows per pass; several are restarted by the launcher.

    Ends the process with status 75 if a signal stopped it before the last step.
    """
    stop = trainers.StopOnSignal()
    try:
        while (facts := attempt(recipe, start, tokenizer, state, settings, stop)) is None:
            clear_device_cache(garbage_collection=True)
        return facts
    finally:
        stop.release()


def attempt(recipe: dict, start, tokenizer, state: Path, settings: Machine, stop: trainers.StopOnSignal) -> dict | None:
    """A single attempt of `fit`; None if memory ran out, after recording that fewer rows per pass are needed."""
    micro = rows_in_pass(recipe, start, tokenizer, state, settings)
    try:
        return train(recipe, start, tokenizer, state, settings, micro, stop)
    except RuntimeError as error:
        if not cards.is_out_of_memory(error):
            raise
        machine.halve(state, micro, recipe, error)
    if settings.processes > 1:
        sys.exit(trainers.SMALLER)  # the other processes wait for this one in the middle of a step
    return None


def train(recipe: dict, start, tokenizer, state: Path, settings: Machine, micro: int, stop) -> dict:
    """`fit` with a fixed number of rows per pass."""
    processes = trainers.processes(settings.processes)
    made = Dataset.load_from_disk(state / "rows")
    passes = recipe["max_steps"] * recipe["global_batch"] / len(made) if recipe["max_steps"] else recipe["epochs"]
    report = trainers.Report(passes * rows.tokens_of(made) / settings.processes)
    early = recipe.get("early_stopping")
    keep = trainers.SaveCandidates(state / "candidates", set(recipe["candidate_steps"]))
    if early:
        keep = stopping.KeepBest(state / "candidates", recipe)
    callbacks = [StopOnNoRate(recipe), StopOnNonFinite(recipe), report, keep, stop]
    config = configuration(recipe, state, settings, micro)
    trainer = trainer_of(recipe, start, tokenizer, config, made, callbacks, settings)
    keep.trainer = report.trainer = trainer
    if recipe["method"] in rows.PREFERENCE_METHODS and processes.is_main_process:
        trainers.keep_reference(state / "rows")
    checkpoint = get_last_checkpoint(str(state)) if state.is_dir() else None
    if checkpoint:
        log.info("resuming from %s", checkpoint)
    seconds = speed = 0.0
    reached = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json")) if checkpoint else None
    if reached and stopping.is_complete(reached, early):  # ended after its last step: Trainer would add a step
        trainer.state = reached
    else:
        set_seed(recipe["seed"])  # computing a reference draws random numbers, reusing an earlier one does not
        seconds = trainer.train(resume_from_checkpoint=checkpoint).metrics["train_runtime"]
        speed = report.seen(trainer.state) * settings.processes / seconds
    if stop.signal and not stopping.is_complete(trainer.state, early):
        log.warning("signal %d: stopped after step %d, saved", stop.signal, trainer.state.global_step)
        if processes.is_main_process:
            slurm.queue_again()
        processes.wait_for_everyone()  # the launcher ends all processes when one ends
        sys.exit(INTERRUPTED)
    if early:
        keep.drop_others(trainer.state)
    return {
        "steps": trainer.state.global_step,
        "micro_batch": micro,
        "accumulation": trainer.args.gradient_accumulation_steps,
        "processes": settings.processes,
        "train_seconds": round(seconds, 1),
        "tokens_per_s": round(speed, 1),
        "losses": losses(trainer.state.log_history),
        **stopping.outcome(trainer.state, early),
    }


def losses(history: list[dict]) -> list[dict]:
    """The values of each step for the summary."""
    held_out = dict(stopping.evaluations(history))
    return [
        {"step": entry["step"], "loss": entry["loss"]}
        | {name: entry[key] for key, name in LOGGED.items() if key in entry}
        | ({"validation_loss": held_out[entry["step"]]} if entry["step"] in held_out else {})
        for entry in history
        if "loss" in entry
    ]


def configuration(recipe: dict, state: Path, settings: Machine, micro: int) -> SFTConfig | DPOConfig:
    """The trainer's configuration, from the recipe and the settings of this machine."""
    micro, accumulation = machine.split_batch(recipe["global_batch"], micro, settings.processes)
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
        max_length=None,  # rows are checked in advance, never truncated
        train_sampling_strategy=recipe["order"],
        save_strategy="steps",
        save_steps=recipe["save_steps"],
        save_total_limit=2,
        logging_steps=1,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # do not hide a NaN loss: StopOnNonFinite ends the training
        **settings.reported,
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        activation_checkpointing=recipe["activation_checkpointing"] or settings.recompute,
        torch_compile=settings.compiled,
        activation_offloading=settings.offload,
    )
    if early := recipe.get("early_stopping"):
        common |= {"eval_strategy": "steps", "eval_steps": early["every"]}  # and after the last step
    if recipe["method"] not in rows.PREFERENCE_METHODS:
        loss = "dft" if recipe["loss"] == "dft" else "nll"
        prepared = {"skip_prepare_dataset": True}
        config = SFTConfig(**common, dataset_kwargs=prepared, loss_type=loss, padding_free=settings.padding_free)
    else:
        config = DPOConfig(
            **common,
            beta=recipe["beta"],
            loss_type=[WITH_REFERENCE.get(recipe["loss"], "sigmoid")],  # TRL does not compute the others
            precompute_ref_log_probs=recipe["precompute_reference"],
            remove_unused_columns=False,  # else `length` is removed before the rows are ordered by it
        )
    trainers.check_global_batch(recipe["global_batch"], config)
    return config


def trainer_of(recipe: dict, start, tokenizer, config, made: Dataset, callbacks: list, settings: Machine):
    """The trainer of the recipe's method, with the start model."""
    # After the configuration: with DeepSpeed, each process then loads only its shard of the weights.
    model = start_model(recipe, start, settings.attention)
    kind = trainers.CompletionTrainer
    if recipe["method"] in rows.PREFERENCE_METHODS:
        kind = partial(PreferenceTrainer, kind=recipe["loss"], gamma=recipe["gamma"])
    trainer = kind(
        model=model,
        args=config,
        train_dataset=made,
        eval_dataset=rows.load_held_out(Path(config.output_dir) / "rows") if recipe.get("early_stopping") else None,
        processing_class=tokenizer,
        peft_config=trainers.lora_config(recipe["lora"]),
        callbacks=callbacks,
    )
    if settings.padding_free and recipe["method"] in rows.PREFERENCE_METHODS:
        trainer.data_collator = joined_pairs
    trainer.schedule_stretch = (recipe["schedule_epochs"] or recipe["epochs"]) / recipe["epochs"]
    check_savable(model)
    if settings.kernels:
        machine.take_kernels(model)  # the trainer has moved it to its device
    trainer.remove_callback(PrinterCallback)  # trainers.Report logs the same in fewer lines
    return trainer


def start_model(recipe: dict, start: str | Path, attention: str | None = None):
    """The model that is trained, in the recipe's precision."""
    dtype = torch.bfloat16 if recipe["precision"] == "bfloat16" else torch.float32
    packed = four_bits(recipe) if machine.has_four_bits(recipe) else None
    model = AutoModelForCausalLM.from_pretrained(
        start, dtype=dtype, trust_remote_code=False, attn_implementation=attention, quantization_config=packed
    )
    mend_generation_config(model.generation_config)
    return model


def four_bits(recipe: dict) -> BitsAndBytesConfig:
    """The frozen weights as QLoRA keeps them (arXiv 2305.14314): NF4, with constants that are quantized themselves.

    Raises:
        BadInput: the model is to be cut over GPUs.
    """
    if is_sharded():
        raise BadInput(
            f"run {recipe['run']}: lora.four_bit: true: weights in 4 bits are not shared by GPUs. Set "
            "train:parallel=ddp, or four_bit: false in the recipe."
        )
    products = torch.float32 if recipe["precision"] == "float32" else torch.bfloat16
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=products,
    )


def is_sharded() -> bool:
    """Whether the launcher shards the model over the processes; then all weights have the same dtype."""
    return any(os.environ.get(name) == "true" for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"))


def rows_in_pass(recipe: dict, start, tokenizer, state: Path, settings: Machine) -> int:
    """Rows per device and pass: the requested number, or the most that fit; fewer if memory ran out before."""
    set_seed(recipe["seed"])
    known = machine.noted(state)
    most = settings.micro_batch or known
    if most is None and not can_try():
        most = machine.USUAL_ROWS
    if most is None:
        most = found(recipe, start, tokenizer, state, settings)
        log.info("%d rows in a pass fit", most)
    return machine.split_batch(recipe["global_batch"], min(most, known or most), settings.processes)[0]


def can_try() -> bool:
    """Whether a pass may run out of memory and training continue: not with several processes, and not on a CPU."""
    return torch.cuda.is_available() and not is_sharded()


def found(recipe: dict, start, tokenizer, state: Path, settings: Machine) -> int:
    """The most rows per pass that fit on each device, tried with the longest rows.

    The number is stored, so that a resumed training sums in the same order, whatever memory is free then.
    """
    kept = state / machine.FOUND
    if kept.is_file():
        return read_json(kept)
    made = Dataset.load_from_disk(state / "rows")
    share = machine.split_batch(recipe["global_batch"], recipe["global_batch"], settings.processes)[0]
    longest = rows.lengths(made).argsort(kind="stable")[::-1][:share]
    trial = Dataset.from_list(made.select(longest).to_list())
    config = configuration(recipe, state, settings, 1)
    trainer = trainer_of(recipe, start, tokenizer, config, trial, [], settings)
    given = [trainer.train_dataset[place] for place in range(len(trial))]
    given = [given[place % len(given)] for place in range(share)]  # a small set's rows are repeated
    most = machine.largest_that_fits(share, lambda size: machine.pass_over_longest(trainer, given, size))
    if settings.processes > 1:
        most = trainers.least(most, trainer.args.device)
    if trainer.accelerator.is_main_process:
        write_json(kept, most)
    return most
