"""Preference optimisation: the loss of DPO and SPIN, and TRL's trainer with it.

With π the policy, r the reference (the checkpoint that training starts from), β > 0, and log-probabilities summed over
the answer's tokens (the end token included, the prompt and padding not),

    m = β [ (log π(chosen) − log r(chosen)) − (log π(rejected) − log r(rejected)) ]
    logistic loss = −log σ(m)        hinge loss = max(0, 1 − m)

DPO (arXiv 2305.18290, eq. 7) and SPIN (arXiv 2401.01335, eq. 4.7, where β is called λ) share this form; ThinkPO
(arXiv 2502.13173, section 2) is DPO on long against short answers. m is called the reward margin.

With a the mean log-probability of an answer's tokens, and a_r the same under the reference,

    IPO    (a(chosen) − a_r(chosen) − a(rejected) + a_r(rejected) − 1 / 2β)²     arXiv 2310.12036, eq. 17, by token
    SimPO  −log σ(β [a(chosen) − a(rejected)] − γ)                               arXiv 2405.14734, eq. 6
    ORPO   −a(chosen) − β log σ(log odds(chosen) − log odds(rejected))           arXiv 2403.07691, eqs. 6 and 7
           where odds = exp(a) / (1 − exp(a)), and β is the paper's λ

SimPO and ORPO need no reference model: none is kept in memory. Their margin is β [a(chosen) − a(rejected)].
"""

import contextlib

import torch
from torch.nn import functional
from trl import DPOTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from scripts.lib.training.trainers import (
    ChecksJoinedRows,
    CountsTokens,
    HalvesFrozen,
    SameOrder,
    SyncedCheckpoints,
    are_joined,
    model_inputs,
    scored_logits,
    sums_of_rows,
)

# The losses with a reference, by TRL's names, and those without.
WITH_REFERENCE = {"logistic": "sigmoid", "hinge": "hinge", "ipo": "ipo"}
REFERENCE_FREE = ("simpo", "orpo")


def preference_loss(
    policy: torch.Tensor, reference: torch.Tensor, beta: float, kind: str, lengths: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss of each pair, reward margin of each pair), both of shape (pairs,), for a loss with a reference.

    Args:
        policy: summed log-probabilities, shape (2 × pairs,): all chosen answers, then all rejected ones.
        reference: the same under the reference.
        beta: β.
        kind: a key of WITH_REFERENCE.
        lengths: tokens of each answer, shape (2 × pairs,); only `ipo` reads it.
    """
    chosen, rejected = (policy - reference).chunk(2)
    margin = beta * (chosen - rejected)
    if kind == "logistic":
        return -functional.logsigmoid(margin), margin
    if kind == "hinge":
        return torch.relu(1 - margin), margin
    chosen, rejected = ((policy - reference) / lengths).chunk(2)
    return (chosen - rejected - 1 / (2 * beta)) ** 2, margin


def reference_free_loss(
    policy: torch.Tensor, lengths: torch.Tensor, beta: float, gamma: float, kind: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss of each pair, margin of each pair), both of shape (pairs,), for a loss without a reference.

    Args:
        policy: summed log-probabilities, shape (2 × pairs,): all chosen answers, then all rejected ones.
        lengths: tokens of each answer, shape (2 × pairs,).
        beta: β of SimPO, λ of ORPO.
        gamma: γ of SimPO.
        kind: one of REFERENCE_FREE.
    """
    chosen, rejected = (policy / lengths).chunk(2)
    margin = beta * (chosen - rejected)
    if kind == "simpo":
        return -functional.logsigmoid(margin - gamma), margin
    log_odds = chosen - rejected - torch.log1p(-chosen.exp()) + torch.log1p(-rejected.exp())
    return -chosen - beta * functional.logsigmoid(log_odds), margin


def answer_log_probs(model, inputs: dict) -> torch.Tensor:
    """The summed log-probability of each row's answer, shape (rows,), in one forward pass.

    Only positions that predict an answer token of some row go through the language-model head.

    Args:
        model: a causal language model.
        inputs: `input_ids`, `attention_mask` and `completion_mask` (1 on answer tokens), each (rows, length); or what
            `joined_pairs` makes.
    """
    targets = inputs["input_ids"][:, 1:]
    answer = inputs["completion_mask"][:, 1:].bool()
    logits, scored = scored_logits(model, inputs, answer)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    targets = targets[:, scored].masked_fill(~answer[:, scored], -100)
    # cross_entropy is the negative log-probability, and 0 on -100, without a copy of the log-softmax.
    losses = functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    return -sums_of_rows(losses, inputs, scored)


def fused_log_probs(model, inputs: dict) -> torch.Tensor:
    """The same by TRL's fused head, which `DPOTrainer` has put on the model; it needs Triton."""
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    return sums_of_rows(model(**model_inputs(inputs), labels=labels, fused_lm_head=True).log_probs, inputs)


def joined_pairs(pairs: list[dict]) -> dict[str, torch.Tensor]:
    """A batch of pairs as one row without padding: all chosen texts, then all rejected ones.

    Position ids restart in each text. TRL's DPOTrainer has no such batches (version 1.16).
    """
    texts = [
        {"input_ids": [*pair["prompt_ids"], *pair[key]], "labels": [-100] * len(pair["prompt_ids"]) + [*pair[key]]}
        for key in ("chosen_ids", "rejected_ids")
        for pair in pairs
    ]
    batch = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(texts)
    batch["completion_mask"] = (batch.pop("labels") != -100).long()
    references = [key for key in ("ref_chosen_logps", "ref_rejected_logps") if key in pairs[0]]
    return batch | {key: torch.tensor([pair[key] for pair in pairs]) for key in references}


class PreferenceTrainer(SameOrder, CountsTokens, ChecksJoinedRows, HalvesFrozen, SyncedCheckpoints, DPOTrainer):
    """TRL's DPOTrainer on rows that are already tokenised, with a loss that is cheap on CPU too.

    With Triton, TRL's fused head scores only answer tokens and is used. Elsewhere it scores every position
    and computes entropies, so the loss is computed here from `answer_log_probs`: the same number (tests compare them).
    A loss without a reference is always computed here, and no reference is kept; so is that of joined rows.

    Args:
        kind: a key of WITH_REFERENCE, or one of REFERENCE_FREE.
        gamma: γ of SimPO.
    """

    def __init__(self, *args, kind: str = "logistic", gamma: float = 0.0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.gamma = kind, gamma
        if kind in REFERENCE_FREE:
            self.ref_model = None

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        """The rows hold `prompt_ids`, `chosen_ids` and `rejected_ids`: TRL's own tokenisation is skipped."""
        return dataset

    def compute_ref_log_probs(self, model, inputs):
        """The reference's (chosen, rejected) log-probabilities: before training the model is the reference."""
        on_gpu = inputs["input_ids"].is_cuda
        if on_gpu and not are_joined(inputs):
            return super().compute_ref_log_probs(model, inputs)
        arithmetic = torch.autocast("cuda", torch.bfloat16, enabled=on_gpu and self.args.bf16)  # as TRL's own
        with torch.no_grad(), self._reference(model) as reference, arithmetic:
            return self._log_probs(reference, inputs).chunk(2)

    def _log_probs(self, model, inputs) -> torch.Tensor:
        fused = inputs["input_ids"].is_cuda and self.kind in WITH_REFERENCE
        return (fused_log_probs if fused else answer_log_probs)(model, inputs)

    @contextlib.contextmanager
    def _reference(self, model):
        """The reference model: its own copy, or the model with its adapter off."""
        if self.ref_model is not None:
            yield self.ref_model
            return
        unwrapped = self.accelerator.unwrap_model(model)
        if not hasattr(unwrapped, "disable_adapter"):
            yield model  # full fine-tuning, before the first step
            return
        with unwrapped.disable_adapter():
            yield model

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The mean loss over the pairs of the batch."""
        as_trl = inputs["input_ids"].is_cuda and not are_joined(inputs)
        if self.kind in WITH_REFERENCE and (as_trl or return_outputs):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        policy = self._log_probs(model, inputs)
        lengths = sums_of_rows(inputs["completion_mask"][:, 1:], inputs)
        if self.kind in REFERENCE_FREE:
            loss, margin = reference_free_loss(policy, lengths, self.beta, self.gamma, self.kind)
        else:
            loss, margin = preference_loss(
                policy, self._reference_log_probs(model, inputs), self.beta, self.kind, lengths
            )
        self._note(policy, margin)
        return loss.mean()

    def _reference_log_probs(self, model, inputs) -> torch.Tensor:
        if "ref_chosen_logps" in inputs:
            return torch.cat([inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]])
        return torch.cat(self.compute_ref_log_probs(model, inputs))

    def _note(self, policy: torch.Tensor, margin: torch.Tensor) -> None:
        """Stores a batch's values for the log, under TRL's names."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        margin = self.accelerator.gather_for_metrics(margin.detach())
        metrics["rewards/margins"].append(margin.mean().item())
        metrics["rewards/accuracies"].append((margin > 0).float().mean().item())
        for name, side in zip(("chosen", "rejected"), policy.detach().chunk(2)):
            metrics[f"logps/{name}"].append(self.accelerator.gather_for_metrics(side).mean().item())
