"""Preference optimisation: the loss of DPO and SPIN, and TRL's trainer with it.

With π the policy, r the reference (the checkpoint that training starts from), β > 0, and log-probabilities summed over
the answer's tokens (the end token included, the prompt and padding not),

    m = β [ (log π(chosen) − log r(chosen)) − (log π(rejected) − log r(rejected)) ]
    logistic loss = −log σ(m)        hinge loss = max(0, 1 − m)

DPO (arXiv 2305.18290, eq. 7) and SPIN (arXiv 2401.01335, eq. 4.7, where β is called λ) share this form; ThinkPO
(arXiv 2502.13173, section 2) is DPO on long against short answers. m is called the reward margin.
"""

import contextlib

import torch
from torch.nn import functional
from trl import DPOTrainer

from scripts.lib.training.trainers import SameOrder, SyncedCheckpoints, scored_logits


def preference_loss(
    policy: torch.Tensor, reference: torch.Tensor, beta: float, kind: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss of each pair, reward margin of each pair), both of shape (pairs,).

    Args:
        policy: summed log-probabilities, shape (2 × pairs,): all chosen answers, then all rejected ones.
        reference: the same under the reference.
        beta: β.
        kind: `logistic` or `hinge`.
    """
    chosen, rejected = (policy - reference).chunk(2)
    margin = beta * (chosen - rejected)
    if kind == "logistic":
        return -functional.logsigmoid(margin), margin
    return torch.relu(1 - margin), margin


def answer_log_probs(model, inputs: dict) -> torch.Tensor:
    """The summed log-probability of each row's answer, shape (rows,), from one forward pass.

    Only positions that predict an answer token of some row go through the language-model head.

    Args:
        model: a causal language model.
        inputs: `input_ids`, `attention_mask` and `completion_mask` (1 on answer tokens), each (rows, length).
    """
    targets = inputs["input_ids"][:, 1:]
    answer = inputs["completion_mask"][:, 1:].bool()
    logits, scored = scored_logits(model, inputs, answer)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    targets = targets[:, scored].masked_fill(~answer[:, scored], -100)
    # cross_entropy is the negative log-probability, and zero on -100, without a copy of the log-softmax.
    return -functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none").sum(dim=1)


class PreferenceTrainer(SameOrder, SyncedCheckpoints, DPOTrainer):
    """TRL's DPOTrainer on rows that are tokenised already, with a loss that is cheap on CPU too.

    TRL's fused head scores only answer tokens where Triton runs, and is used there. Elsewhere it scores every position
    and computes entropies, so the loss is computed here from `answer_log_probs`: the same number (tests compare them).
    """

    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        """The rows hold `prompt_ids`, `chosen_ids` and `rejected_ids`: TRL's own tokenisation is not wanted."""
        return dataset

    def compute_ref_log_probs(self, model, inputs):
        """The reference's (chosen, rejected) log-probabilities: before training the model is the reference."""
        if inputs["input_ids"].is_cuda:
            return super().compute_ref_log_probs(model, inputs)
        with torch.no_grad(), self._reference(model) as reference:
            return answer_log_probs(reference, inputs).chunk(2)

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
        if inputs["input_ids"].is_cuda or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if "ref_chosen_logps" in inputs:
            reference = torch.cat([inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]])
        else:
            reference = torch.cat(self.compute_ref_log_probs(model, inputs))
        policy = answer_log_probs(model, inputs)
        kind = {"sigmoid": "logistic"}.get(self.loss_types[0], self.loss_types[0])
        loss, margin = preference_loss(policy, reference, self.beta, kind)
        metrics = self._metrics["train" if self.model.training else "eval"]
        margin = self.accelerator.gather_for_metrics(margin.detach())
        metrics["rewards/margins"].append(margin.mean().item())
        metrics["rewards/accuracies"].append((margin > 0).float().mean().item())
        # Under the names that TRL gives them.
        for name, side in zip(("chosen", "rejected"), policy.detach().chunk(2)):
            metrics[f"logps/{name}"].append(self.accelerator.gather_for_metrics(side).mean().item())
        return loss.mean()
