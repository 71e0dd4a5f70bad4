"""Training pieces shared by the methods: batches, trainers, checkpoints, merged weights."""

import json
import logging
import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, TrainerCallback, TrainingArguments
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTTrainer

from scripts.lib.cli import duration
from scripts.lib.generation.model_checks import mend_generation_config
from scripts.lib.generation.model_folders import hashes_of, open_to_umask
from scripts.lib.jsonl import (
    BadInput,
    replacing_folder,
    sync_folder,
    sync_tree,
    write_json,
    write_text,
)
from scripts.lib.training import machine
from scripts.lib.training.health import refuse_non_finite, refuse_unmoved
from scripts.lib.training.rows import lengths

log = logging.getLogger(__name__)
SMALLER = 76  # exit status of one of several processes that ran out of memory: all restart with fewer rows per pass
SYNCED = "synced"  # a marker file: the files beside it are on the disk


def processes(asked: int) -> PartialState:
    """This process among those that train together (started by `scripts.launch`), as accelerate sees it.

    Raises:
        BadInput: their number is not the requested one.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes != asked:
        raise BadInput(
            f"{asked} processes were asked for, and {state.num_processes} run. "
            "Give `scripts.launch --processes` and the script's `--processes` the same number."
        )
    return state


def wait_for(ready: Callable[[], bool], poll_s: float = 0.2) -> None:
    """Waits for another process's output, for hours if need be, unlike `wait_for_everyone`.

    If that process fails, the launcher ends this one.
    """
    while not ready():
        time.sleep(poll_s)


def least(value: int, device: torch.device) -> int:
    """The smallest of the processes' values."""
    share = torch.tensor(value, device=device)
    torch.distributed.all_reduce(share, op=torch.distributed.ReduceOp.MIN)
    return int(share)


def check_global_batch(global_batch: int, config: TrainingArguments) -> None:
    """Raises BadInput if a step of the trainer would not see `global_batch` rows."""
    rows = config.train_batch_size * config.gradient_accumulation_steps * config.world_size
    if rows != global_batch:
        raise BadInput(
            f"a step would see {rows} rows, not the recipe's {global_batch}: one process sees {config.n_gpu} GPUs. "
            "Set CUDA_VISIBLE_DEVICES to one of them, or start one process for each with scripts.launch."
        )


def lora_config(lora: dict | None):
    """peft's configuration of a recipe's `lora`, or None for full fine-tuning."""
    from peft import LoraConfig

    if lora is None:
        return None
    return LoraConfig(
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["targets"],
        task_type="CAUSAL_LM",
    )


NOT_READ = ("labels", "completion_mask", "ref_chosen_logps", "ref_rejected_logps")
LEAK = 0.01  # relative to the largest logit: more than rounding


def model_inputs(inputs: dict) -> dict:
    """The inputs of a model in a batch: the tokens, and the mask or position ids that separate rows and padding."""
    return {name: value for name, value in inputs.items() if name not in NOT_READ} | {"use_cache": False}


def are_joined(inputs: dict) -> bool:
    """Whether the rows of a batch are joined into one, with position ids that restart in each row."""
    return "seq_idx" in inputs


def sums_of_rows(values: torch.Tensor, inputs: dict, positions: torch.Tensor | slice = slice(None)) -> torch.Tensor:
    """The sum over each row of a batch, shape (rows,), whether rows are joined or not.

    Args:
        values: one for each position, about the token after it.
        inputs: the batch.
        positions: the positions of the values; all by default.
    """
    if not are_joined(inputs):
        return values.sum(dim=1)
    sums = values.new_zeros(len(inputs["cu_seq_lens_q"]) - 1)
    return sums.index_add(0, inputs["seq_idx"][0, 1:][positions], values[0])


@torch.no_grad()
def refuse_mixed_rows(model, inputs: dict) -> None:
    """Raises BadInput if the last of the joined rows attends to the rows before it, which would change its loss.

    Not every attention and not every model respects position ids. If other tokens replace the rows before, the
    last logits must not change.
    """
    begin = int(inputs["cu_seq_lens_q"][-2])
    if begin == 0:
        return  # a single row
    ids = inputs["input_ids"].clone()
    ids[:, :begin] = ids[0, -1]
    model.eval()
    kept, changed = (
        model(**{**model_inputs(inputs), "input_ids": tokens}, logits_to_keep=1).logits.float()
        for tokens in (inputs["input_ids"], ids)
    )
    model.train()
    if largest_difference(kept, changed) > LEAK * kept.abs().max():
        raise BadInput(
            "padding_free: this model, with its attention, does not keep rows apart that are joined into one. Set "
            "train:padding_free=0, or another train:attention (docs/performance.md)."
        )


def scored_logits(model, inputs: dict, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(logits, positions): only positions that predict a wanted token of some row go through the head.

    Args:
        model: a causal language model.
        inputs: a batch: `input_ids` (rows, length), and `attention_mask` or what joined rows have instead.
        wanted: (rows, length - 1), True where the next token is scored.

    Returns:
        Logits of shape (rows, positions, vocabulary), and the positions; position i predicts token i + 1.
    """
    positions = wanted.any(dim=0).nonzero().flatten()
    return model(**model_inputs(inputs), logits_to_keep=positions).logits, positions


class GroupedByLength(LengthGroupedSampler):
    """Groups rows of similar length; the order of an epoch depends on the seed and the epoch's number alone.

    Transformers' own sampler draws the order from the generator of the whole process. A training that was killed in its
    second epoch and resumed from a checkpoint there would use the order of the first one.

    Args:
        batch: rows per step, which have similar lengths.
        lengths: lengths of all rows.
        seed: the recipe's seed.
        epoch: returns the number of the current epoch, from 0.
    """

    def __init__(self, batch: int, lengths: list[int], seed: int, epoch: Callable[[], int]) -> None:
        super().__init__(batch, lengths=lengths, generator=torch.Generator())
        self.seed, self.epoch = seed, epoch

    def __iter__(self):
        self.generator.manual_seed(self.seed)
        order = iter(())
        for _ in range(self.epoch() + 1):
            # As PyTorch's DataLoader draws a number before each order, so that resumed runs get the same orders.
            torch.empty((), dtype=torch.int64).random_(generator=self.generator)
            order = super().__iter__()
        return order


class SameOrder:
    """Keeps the order of rows and their steps the same for any number of processes and of resumed calls.

    `schedule_stretch` spreads the learning-rate schedule over a multiple of the trained steps.
    """

    schedule_stretch = 1.0

    def create_scheduler(self, num_training_steps, optimizer=None):
        """The trainer's own scheduler, including warm-up, over a number of steps that may exceed the training's."""
        return super().create_scheduler(round(num_training_steps * self.schedule_stretch), optimizer)

    def _get_train_sampler(self, train_dataset=None):
        """The trainer's own sampler; grouping by length works within the global batch, not a process's share."""
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        batch = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return GroupedByLength(
            batch, lengths(self.train_dataset).tolist(), self.args.seed, lambda: int(self.state.epoch or 0)
        )


class SyncedCheckpoints:
    """Syncs a checkpoint to the disk, in all processes, before `trainer_state.json` marks it as complete."""

    def _save_rng_state(self, output_dir):
        """The last file that is written before the trainer state."""
        super()._save_rng_state(output_dir)
        sync_tree(output_dir)
        sync_folder(Path(output_dir).parent)
        self.accelerator.wait_for_everyone()


class CountsTokens:
    """Counts the tokens that this process has trained on, without padding; checkpoints store the number."""

    tokens_seen: torch.Tensor | int = 0  # since the last completed step

    def training_step(self, model, inputs, *rest):
        """The trainer's own step, extended."""
        seen = inputs["input_ids"].numel() if are_joined(inputs) else inputs["attention_mask"].sum()
        self.tokens_seen = self.tokens_seen + seen
        return super().training_step(model, inputs, *rest)


class ChecksJoinedRows:
    """Checks before the first step that the model keeps joined rows apart."""

    checked = False

    def training_step(self, model, inputs, *rest):
        """The trainer's own step, extended."""
        if not self.checked and are_joined(inputs):
            with self.accelerator.autocast():
                refuse_mixed_rows(model, self._prepare_inputs(inputs))
        self.checked = True
        return super().training_step(model, inputs, *rest)


class HeldOutLoss:
    """The evaluation of a trainer: the training's own loss, by token, on one held-out row at a time.

    So it depends on neither the rows in a pass nor the number of processes, and it draws no random number.
    """

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """Logs and returns the loss on `eval_dataset`."""
        self.model_wrapped.eval()
        sums, counts = self.accelerator.gather(self._own_sums()).T.tolist()
        metrics = {"eval_loss": math.fsum(sums) / sum(counts)}
        self.log(metrics)
        self.model_wrapped.train()
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _own_sums(self) -> torch.Tensor:
        """(the summed loss, the number of tokens) of each row of this process, shape (rows, 2).

        All processes make as many passes: where they share out a model, each pass takes them all. What a process lacks
        is a row without weight.
        """
        rows, processes = self.eval_dataset, self.accelerator.num_processes
        places = range(self.accelerator.process_index, -(-len(rows) // processes) * processes, processes)
        found = [self._sums_of(rows[place % len(rows)]) * (place < len(rows)) for place in places]
        return torch.stack(found)

    @torch.no_grad()
    def _sums_of(self, row: dict) -> torch.Tensor:
        inputs = self._prepare_inputs(self.data_collator([row]))
        count = (inputs["labels"][:, 1:] != -100).sum()
        with self.compute_loss_context_manager():
            mean = self.compute_loss(self.model_wrapped, inputs)
        return torch.stack([mean.double() * count, count.double()])


class HalvesFrozen:
    """Under bfloat16 autocast, moves frozen weights of linear layers to the device in bfloat16, never in float32.

    By then peft has made the adapter, in its base's dtype. Sharded models are excluded, since all their weights must
    have the same dtype.
    """

    def _move_model_to_device(self, model, device):
        if self.args.bf16:
            machine.halve_frozen(model)
        super()._move_model_to_device(model, device)


class CompletionTrainer(
    SameOrder, CountsTokens, ChecksJoinedRows, HeldOutLoss, HalvesFrozen, SyncedCheckpoints, SFTTrainer
):
    """TRL's SFTTrainer with a loss that, on CPU, puts only the completion through the language-model head.

    With Triton, TRL's fused head does the same. Elsewhere it scores every position, in float32 tiles that the
    backward pass recomputes, and adds entropy and top-1 over the vocabulary: on a CPU that is more than half of
    the step (`bench/training.py`).
    """

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The summed negative log-likelihood of the labelled tokens over their number in the whole batch.

        With the loss `dft` (arXiv 2508.05629, eq. 9) each token is weighted by its probability, which has no gradient.
        """
        if inputs["input_ids"].is_cuda or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = inputs["labels"][:, 1:]
        logits, scored = scored_logits(model, inputs, targets != -100)
        targets = targets[:, scored]
        logits = (logits if logits.dtype == torch.float64 else logits.float()).flatten(0, 1)
        if self.args.loss_type == "dft":
            losses = functional.cross_entropy(logits, targets.flatten(), reduction="none")
            total = (losses * torch.exp(-losses.detach())).sum()
        else:
            total = functional.cross_entropy(logits, targets.flatten(), reduction="sum")
        count = (targets != -100).sum() if num_items_in_batch is None else num_items_in_batch
        loss = total / torch.as_tensor(count).clamp(min=1)
        # The count covers all processes, whose gradients are then averaged.
        return loss * self.accelerator.num_processes if num_items_in_batch is not None else loss


class Report(TrainerCallback):
    """Logs completed steps, speed, loss and time left, in one of several processes.

    Time left is estimated from the tokens left: if rows are ordered by length, steps take from a seventh to seven times
    the mean.

    Args:
        tokens: tokens that this process will train on, from the first step to the last.
    """

    def __init__(self, tokens: float, every_s: float = 10.0) -> None:
        self.tokens, self.every_s = tokens, every_s
        self.trainer: Any = None

    def on_train_begin(self, args, state, control, **kwargs):
        self.start, self.first, self.last = time.monotonic(), state.num_input_tokens_seen, 0.0

    def on_step_end(self, args, state, control, **kwargs):
        state.num_input_tokens_seen += int(self.trainer.tokens_seen)
        self.trainer.tokens_seen = 0

    def on_log(self, args, state, control, logs=None, **kwargs):
        now = time.monotonic()
        if "loss" not in (logs or {}) or not state.is_world_process_zero:
            return
        if now - self.last < self.every_s and state.global_step < state.max_steps:
            return
        self.last = now
        rate = self.seen(state) / (now - self.start)
        left = max(0.0, self.tokens - state.num_input_tokens_seen) if state.global_step < state.max_steps else 0.0
        log.info(
            "trained %d of %d steps, %.3g tokens/s, %s left, loss %.4g",
            *(state.global_step, state.max_steps, rate * args.world_size, duration(left / rate), logs["loss"]),
        )

    def seen(self, state) -> int:
        """Tokens that this process has trained on since it started."""
        return state.num_input_tokens_seen - self.first


class SaveCandidates(TrainerCallback):
    """Saves the trained adapter or full weights at the steps given in the config."""

    def __init__(self, folder: Path, steps: set[int]) -> None:
        self.folder, self.steps = folder, steps
        self.trainer: Any = None

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step in self.steps or state.global_step == state.max_steps:
            self.save(state.global_step)

    def save(self, step: int) -> None:
        """Writes `step-000045`, atomically."""
        final = self.folder / f"step-{step:06d}"
        if final.exists():
            return
        temporary = final.with_name(final.name + ".tmp")
        self.trainer.save_model(str(temporary))
        if self.trainer.accelerator.is_main_process:
            sync_tree(temporary)
            os.replace(temporary, final)
            sync_folder(self.folder)


STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopOnSignal(TrainerCallback):
    """On SIGTERM, SIGUSR1 or Ctrl-C (SIGINT) saves a checkpoint after the current step, and ends the training.

    Slurm sends SIGTERM when it preempts or cancels a job or its time runs out, and SIGKILL some seconds later
    (KillWait). A second Ctrl-C ends it at once.
    """

    def __init__(self) -> None:
        self.signal = 0  # the number of the received signal, in this process or another one
        self.before = {number: signal.signal(number, self._take) for number in STOPPING}

    def release(self) -> None:
        """Restores the previous signal handlers."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: object) -> None:
        self.signal = number
        if number == signal.SIGINT:
            signal.signal(number, self.before[number])

    def on_step_end(self, args, state, control, **kwargs):
        if args.world_size > 1:  # all processes must stop at the same step
            self.signal = -least(-self.signal, args.device)
        if self.signal:
            control.should_save = control.should_training_stop = True


def drop_unsynced_reference(folder: Path) -> None:
    """Removes the reference beside the rows in `folder` if it may be truncated after a power loss."""
    if not (folder / SYNCED).exists():
        for reference in folder.glob("cache-*.arrow"):
            reference.unlink()


def keep_reference(folder: Path) -> None:
    """Records that the reference that TRL put beside the rows in `folder` is on the disk."""
    sync_tree(folder)
    write_text(folder / SYNCED, "")


def drop_incomplete_checkpoints(folder: Path) -> None:
    """Removes the newest checkpoints in `folder` without a complete trainer state, which is written last."""
    while folder.is_dir() and (newest := get_last_checkpoint(str(folder))):
        if _is_json(Path(newest) / "trainer_state.json"):
            return
        log.warning("%s is incomplete: removed", newest)
        shutil.rmtree(newest)


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """The largest absolute difference between two tensors, in float32."""
    return (first.float() - second.float()).abs().max().item()


def _end_at(config, end: int) -> None:
    """Adds the end token that a run trained with to those of a generation config, for programs other than ours."""
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    if end not in ends:
        config.eos_token_id = [end, *(other for other in ends if other is not None)]


def export(
    start: Path,
    saved: Path,
    folder: Path,
    tokenizer,
    adapter: bool,
    probe: list[int],
    origin: dict,
    last: bool = True,
) -> dict:
    """Writes a complete model folder (weights, tokenizer, `redpen.json`) from what the trainer saved.

    An adapter is merged in float32, and the result is rounded to the start model's dtype.

    Args:
        start: the model folder that training started from.
        saved: what `SaveCandidates` wrote.
        folder: the model folder to write.
        tokenizer: saved beside the weights, with its chat template.
        adapter: whether `saved` holds a LoRA adapter.
        probe: token ids of one training row, to compare the merged model with the unmerged one.
        origin: the content of `redpen.json`.
        last: whether it is the last step, at which the weights must have changed (during warm-up they may not).

    Returns:
        The largest difference between a logit of the unmerged and of the merged model, all in float32: before the
        merged weights are rounded, and after. Empty without an adapter.

    Raises:
        BadInput: a weight is NaN or infinite, or none has changed.
    """
    dtype = AutoConfig.from_pretrained(start, trust_remote_code=False).dtype or torch.float32
    facts: dict[str, float] = {}
    if adapter:
        from peft import PeftModel

        ids = torch.tensor([probe])
        model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32, trust_remote_code=False)
        model = PeftModel.from_pretrained(model, str(saved))
        with torch.inference_mode():
            unmerged = model(input_ids=ids).logits
        model = model.merge_and_unload()
        with torch.inference_mode():
            facts["logit_difference_merged"] = largest_difference(unmerged, model(input_ids=ids).logits)
            model = model.to(dtype).to(torch.float32)
            facts["logit_difference_rounded"] = largest_difference(unmerged, model(input_ids=ids).logits)
        model = model.to(dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(saved, dtype=dtype, trust_remote_code=False)
    where = f"run {origin['run']}, step {origin['step']}"
    refuse_non_finite(model, where)
    if last:
        refuse_unmoved(start, model, where)
    mend_generation_config(model.generation_config)
    _end_at(model.generation_config, tokenizer.eos_token_id)
    with replacing_folder(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        open_to_umask(temporary)
        write_json(temporary / "redpen.json", {**origin, **facts, "sha256": hashes_of(temporary)})
    return facts
