"""Preference optimisation is exact: loss and gradient against the papers' formula, reference, batches, boundaries."""

import math

import pytest

from tests import trainings
from tests.trainings import tokenised

torch = pytest.importorskip("torch")

RECIPE = {
    **{"run": "test", "method": "dpo", "template": None, "seed": 3, "learning_rate": 5e-3, "epochs": 1, "beta": 0.3},
    **{"max_steps": None, "global_batch": 8, "scheduler": "constant", "warmup": 0.0, "weight_decay": 0.0},
    **{"max_grad_norm": 1.0, "optimizer": "adamw_torch", "precision": "float32", "order": "sequential"},
    **{"save_steps": 100, "candidate_steps": [], "activation_checkpointing": False, "loss": "logistic"},
    **{"precompute_reference": False, "lora": None, "schedule_epochs": None, "gamma": 0.5},
}
RULES = {"max_tokens": 100, "too_long": "error", "end_inside": "error"}
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
PAIRS = [
    ([5, 6, 7], [8, 9], [10, 11, 12, 13]),
    ([5, 6], [14, 15, 16, 17, 18], [19]),
    ([20, 21, 22, 23, 24], [25], [26, 27]),
]


def batch(pairs) -> dict:
    """The trainer's batch: chosen rows, then rejected ones, padded on the right."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    keys = ("prompt_ids", "chosen_ids", "rejected_ids")
    return DataCollatorForPreference(pad_token_id=0)([dict(zip(keys, pair, strict=True)) for pair in pairs])


def by_hand(model, reference, pairs, beta: float):
    """The mean of −log σ(β[log π/r (chosen) − log π/r (rejected)]), token by token, one row at a time."""
    losses = []
    for prompt, chosen, rejected in pairs:
        ratios = []
        for answer in (chosen, rejected):
            sums = []
            for net in (model, reference):
                logits = net(input_ids=torch.tensor([prompt + answer])).logits[0]
                total = torch.zeros((), dtype=logits.dtype)
                for place, token in enumerate(answer):
                    row = logits[len(prompt) + place - 1]
                    total = total + row[token] - row.exp().sum().log()
                sums.append(total)
            ratios.append(sums[0] - sums[1].detach())
        losses.append((1 + (-beta * (ratios[0] - ratios[1])).exp()).log())
    return torch.stack(losses).mean()


@pytest.fixture
def models(model_folder):
    """A policy and a different reference, in double precision."""
    from transformers import AutoModelForCausalLM

    policy = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64)
    reference = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64)
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in reference.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return policy, reference


@pytest.mark.parametrize("beta", [0.01, 0.3, 5.0])
def test_loss_and_gradient_equal_the_formula(models, beta):
    from scripts.lib.training.preference import answer_log_probs, preference_loss

    policy, reference = models
    inputs = batch(PAIRS)
    with torch.no_grad():
        fixed = answer_log_probs(reference, inputs)
    loss = preference_loss(answer_log_probs(policy, inputs), fixed, beta, "logistic")[0].mean()
    loss.backward()
    gradient = {name: weight.grad.clone() for name, weight in policy.named_parameters()}
    policy.zero_grad()
    expected = by_hand(policy, reference, PAIRS, beta)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, weight in policy.named_parameters():
        torch.testing.assert_close(gradient[name], weight.grad, rtol=1e-6, atol=1e-9)


def test_padding_and_prompt_tokens_do_not_count(models):
    from scripts.lib.training.preference import answer_log_probs

    policy, _ = models
    together = answer_log_probs(policy, batch(PAIRS))
    alone = torch.cat([answer_log_probs(policy, batch([pair])) for pair in PAIRS]).view(-1, 2).T.flatten()
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)


def test_hinge_is_zero_beyond_a_margin_of_one():
    from scripts.lib.training.preference import preference_loss

    policy, reference = torch.tensor([3.0, 0.5, 0.0, 0.0]), torch.zeros(4)
    loss, margin = preference_loss(policy, reference, 1.0, "hinge")
    assert margin.tolist() == [3.0, 0.5] and loss.tolist() == [0.0, 0.5]


def averages(model, pairs):
    """Row by row, the mean log-probability of an answer's tokens: (chosen, rejected), each of shape (pairs,)."""
    means = []
    for prompt, *answers in pairs:
        for answer in answers:
            scores = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            means.append(torch.stack([scores[len(prompt) + at - 1, token] for at, token in enumerate(answer)]).mean())
    return torch.stack(means[::2]), torch.stack(means[1::2])


def formula(kind: str, policy, reference, beta: float, gamma: float):
    """A loss as its paper writes it, in double precision."""
    chosen, rejected = averages(policy, PAIRS)
    if kind == "ipo":
        fixed = [mean.detach() for mean in averages(reference, PAIRS)]
        return ((chosen - fixed[0] - rejected + fixed[1] - 1 / (2 * beta)) ** 2).mean()
    if kind == "simpo":
        return -torch.log(1 / (1 + torch.exp(-(beta * (chosen - rejected) - gamma)))).mean()
    odds = [mean.exp() / (1 - mean.exp()) for mean in (chosen, rejected)]
    return (-chosen - beta * torch.log(torch.sigmoid(torch.log(odds[0] / odds[1])))).mean()


@pytest.mark.parametrize("kind", ["ipo", "simpo", "orpo"])
def test_further_losses_and_gradients_equal_their_papers(kind, models):
    from scripts.lib.training import preference

    policy, reference = models
    inputs, beta, gamma = batch(PAIRS), 0.7, 0.5
    lengths = inputs["completion_mask"].sum(dim=1)
    sums = preference.answer_log_probs(policy, inputs)
    if kind == "ipo":
        with torch.no_grad():
            fixed = preference.answer_log_probs(reference, inputs)
        loss = preference.preference_loss(sums, fixed, beta, kind, lengths)[0].mean()
    else:
        loss = preference.reference_free_loss(sums, lengths, beta, gamma, kind)[0].mean()
    loss.backward()
    gradient = {name: weight.grad.clone() for name, weight in policy.named_parameters()}
    policy.zero_grad()
    expected = formula(kind, policy, reference, beta, gamma)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    for name, weight in policy.named_parameters():
        torch.testing.assert_close(gradient[name], weight.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["ipo", "simpo", "orpo"])
def test_a_training_with_a_further_loss_prefers_the_chosen_answers(kind, model_folder, tokenizer, tmp_path):
    losses = fit(model_folder, tokenizer, tmp_path, loss=kind, epochs=3)["losses"]
    assert losses[-1]["margin"] > losses[0]["margin"]
    assert losses[-1]["loss"] < losses[0]["loss"]


def rows(count: int) -> list[dict]:
    """Pairs of bytes that a model can learn to prefer: the chosen answer is made of other bytes than the rejected."""
    return [
        {
            "prompt_ids": [40 + index % 7, 41, 42],
            "chosen_ids": [60 + index % 3, 61, 257],
            "rejected_ids": [80 + index % 5, 81, 82, 257],
            "length": 7,
        }
        for index in range(count)
    ]


def fit(
    model_folder, tokenizer, tmp_path, name: str = "state", micro_batch: int = 8, count: int = 24, **changes
) -> dict:
    """Trains with the script's own function."""
    return trainings.fit({**RECIPE, **changes}, rows(count), model_folder, tokenizer, tmp_path / name, micro_batch)


@pytest.fixture(scope="module")
def plain(model_folder, tokenizer, tmp_path_factory) -> dict:
    """A training with the unchanged recipe."""
    return fit(model_folder, tokenizer, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_first_step_has_loss_log_2_and_margins_grow(lora, model_folder, tokenizer, tmp_path):
    losses = fit(model_folder, tokenizer, tmp_path, lora=lora, epochs=3)["losses"]
    assert losses[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert losses[0]["margin"] == pytest.approx(0, abs=1e-5)
    assert losses[-1]["margin"] > losses[2]["margin"] > losses[1]["margin"] > 0
    first, last = (
        step["chosen_log_probability"] - step["rejected_log_probability"] for step in (losses[0], losses[-1])
    )
    assert RECIPE["beta"] * (last - first) == pytest.approx(losses[-1]["margin"], rel=0.5)  # of other pairs
    assert all(step["chosen_log_probability"] < 0 for step in losses)


def test_precomputed_reference_gives_the_same_curve(plain, model_folder, tokenizer, tmp_path):
    precomputed = fit(model_folder, tokenizer, tmp_path, precompute_reference=True)["losses"]
    for one, other in zip(plain["losses"], precomputed, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)


def test_accumulation_does_not_change_the_curve_and_a_seed_repeats_it(plain, model_folder, tokenizer, tmp_path):
    single = fit(model_folder, tokenizer, tmp_path, "single", micro_batch=1)
    again = fit(model_folder, tokenizer, tmp_path, "again", micro_batch=8)
    assert (plain["micro_batch"], plain["accumulation"]) == (8, 1)
    assert (single["micro_batch"], single["accumulation"]) == (1, 8)
    assert [entry["loss"] for entry in plain["losses"]] == [entry["loss"] for entry in again["losses"]]
    for one, other in zip(plain["losses"], single["losses"], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


def test_trl_own_loss_is_the_same(model_folder, tokenizer, tmp_path):
    """TRL's unmodified DPOTrainer on the batch that ours sees: within 1e-4 in float32."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import DPOConfig, DPOTrainer

    from scripts.lib.training.preference import PreferenceTrainer

    torch.manual_seed(5)
    policy = AutoModelForCausalLM.from_pretrained(model_folder)
    with torch.no_grad():  # away from the reference, where every loss is log 2
        for weight in policy.parameters():
            weight += 0.05 * torch.randn_like(weight)
    config = DPOConfig(
        output_dir=str(tmp_path), beta=0.3, report_to="none", remove_unused_columns=False, use_cpu=True, bf16=False
    )
    trainer = PreferenceTrainer(
        model=policy,
        ref_model=AutoModelForCausalLM.from_pretrained(model_folder),
        args=config,
        train_dataset=Dataset.from_list(rows(6)),
        processing_class=tokenizer,
    )
    inputs = batch([(row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]) for row in rows(6)])
    ours = trainer.compute_loss(trainer.model, dict(inputs))
    theirs = DPOTrainer.compute_loss(trainer, trainer.model, dict(inputs))
    assert ours.item() != pytest.approx(math.log(2), abs=1e-2)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_later_iteration_is_measured_against_its_own_start(lora, model_folder, tokenizer, tmp_path):
    """Iteration 1 starts from iteration 0: with the original model as reference its first loss would not be log 2."""
    from scripts.lib.training import trainers

    fit(model_folder, tokenizer, tmp_path, "t0", lora=lora, method="spin")
    saved = sorted((tmp_path / "t0" / "candidates").iterdir())[-1]
    trainers.export(
        model_folder, saved, tmp_path / "model", tokenizer, lora is not None, [40, 41], {"run": "a", "step": 1}
    )
    first = fit(tmp_path / "model", tokenizer, tmp_path, "t1", lora=lora, method="spin")["losses"][0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-3) and first["margin"] == pytest.approx(0, abs=1e-3)

    from transformers import AutoModelForCausalLM

    from scripts.lib.training.preference import answer_log_probs, preference_loss

    policy = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    original = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    inputs = batch([(row["prompt_ids"], row["chosen_ids"], row["rejected_ids"]) for row in rows(8)])
    with torch.no_grad():
        wrong = preference_loss(answer_log_probs(policy, inputs), answer_log_probs(original, inputs), 0.3, "logistic")
    assert abs(wrong[0].mean().item() - math.log(2)) > 0.01, "iteration 0 did not move, so this test shows nothing"


def test_pairs_are_tokenised_to_one_end_token_each(tokenizer):
    row = {"id": "a", "messages": [{"role": "user", "content": "1 + 1?"}], "chosen": "2", "rejected": "three"}
    made, counts = tokenised([row], tokenizer, RULES)
    for key in ("chosen_ids", "rejected_ids"):
        assert made[0][key].count(tokenizer.eos_token_id) == 1 and made[0][key][-1] == tokenizer.eos_token_id
    assert counts["rows_trained"] == 1 and counts["completion_tokens"] == len("2") + len("three") + 2


def test_long_pairs_are_refused_or_dropped(tokenizer):
    from scripts.lib.jsonl import BadInput

    row = {"id": "a", "messages": [{"role": "user", "content": "?"}], "chosen": "x" * 90, "rejected": "y"}
    rules = RULES | {"max_tokens": 60}
    with pytest.raises(BadInput, match=r"1 of 1 rows are longer than max_tokens = 60.*Raise max_tokens"):
        tokenised([row], tokenizer, rules)
    made, counts = tokenised([row, {**row, "id": "b", "chosen": "x"}], tokenizer, rules | {"too_long": "drop"})
    assert len(made) == 1 and counts["rows_dropped_too_long"] == 1


def test_pairs_that_are_equal_once_tokenised_are_left_out_and_counted(tokenizer, monkeypatch):
    from scripts.lib.jsonl import BadInput
    from scripts.lib.training import rows

    # A tokenizer that normalises: another text, the same tokens.
    plain = rows.token_ids
    monkeypatch.setattr(rows, "token_ids", lambda tokenizer, texts: plain(tokenizer, [text.lower() for text in texts]))
    pair = {"id": "a", "messages": [{"role": "user", "content": "?"}], "chosen": "It is X", "rejected": "it is x"}
    made, counts = tokenised([pair, {**pair, "id": "b", "chosen": "No"}], tokenizer, RULES)
    assert len(made) == 1 and made[0]["chosen_ids"][:-1] == plain(tokenizer, ["no"])[0]
    assert (counts["rows_in"], counts["rows_trained"], counts["rows_dropped_equal"]) == (2, 1, 1)
    with pytest.raises(BadInput, match="no row is left to train on: 1 of 1 have two equal answers"):
        tokenised([pair], tokenizer, RULES)
