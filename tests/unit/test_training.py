"""Batches, tokenised rows, the loss on CPU, and what a training leaves behind."""

import json
from pathlib import Path

import pytest

from scripts.lib.generation.chat import answer_ids, prompt_ids
from scripts.lib.jsonl import BadInput
from tests.trainings import tokenised

training = pytest.importorskip("scripts.lib.training.trainers")
rows = pytest.importorskip("scripts.lib.training.rows")
machine = pytest.importorskip("scripts.lib.training.machine")

RULES = {"max_tokens": 512, "too_long": "error", "end_inside": "error", "loss_on": "answer", "packing": False}

TEXTS = ["4", "It is 9.", "13 + 29 = 42, so it is 42.", "No.", "7", "Seven is prime.", "1 + 1 = 2", "The answer is 30."]
ROWS = [
    {"id": f"r{n}", "messages": [{"role": "user", "content": "?" * (1 + n % 3)}], "completion": text}
    for n, text in enumerate(TEXTS)
]


# --- batches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((512, 8, 8), (8, 8)), ((8, 8, 1), (8, 1)), ((8, 3, 1), (2, 4)), ((7, 4, 1), (1, 7)), ((4, 8, 2), (2, 1))],
)
def test_batch_is_split_to_fit_the_device(arguments: tuple, expected: tuple) -> None:
    assert machine.split_batch(*arguments) == expected


def test_split_always_multiplies_back() -> None:
    for processes in (1, 2, 3):
        for share in range(1, 40):
            for most in range(1, 12):
                rows, accumulation = machine.split_batch(share * processes, most, processes)
                assert rows * accumulation * processes == share * processes and rows <= most


def test_batch_that_does_not_divide_is_told() -> None:
    with pytest.raises(BadInput, match="global_batch 10 is not a multiple of the 4 processes. Change either."):
        machine.split_batch(10, 8, 4)


# --- rows ---------------------------------------------------------------------------------------------------------


def test_labels_cover_the_completion_and_nothing_else(tokenizer) -> None:
    kept, counts = tokenised(ROWS[:1], tokenizer, RULES)
    prompt, completion = prompt_ids(tokenizer, ROWS[0]["messages"]), answer_ids(tokenizer, "4")
    assert kept == [{"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion}]
    assert counts["prompt_tokens"] == len(prompt) and counts["completion_tokens"] == len(completion) == 2


def test_row_of_exactly_the_limit_is_kept(tokenizer) -> None:
    length = len(tokenised(ROWS[:1], tokenizer, RULES)[0][0]["input_ids"])
    assert len(tokenised(ROWS[:1], tokenizer, RULES | {"max_tokens": length})[0]) == 1
    with pytest.raises(BadInput):
        tokenised(ROWS[:1], tokenizer, RULES | {"max_tokens": length - 1})


def test_too_long_rows_are_told_longest_first(tokenizer) -> None:
    with pytest.raises(BadInput) as caught:
        tokenised(ROWS, tokenizer, RULES | {"max_tokens": 35})
    found = str(caught.value)
    assert "of 8 rows are longer than max_tokens = 35: r2 (" in found and "too_long: drop" in found


def test_too_long_rows_are_dropped_whole_and_counted(tokenizer) -> None:
    whole = tokenised(ROWS, tokenizer, RULES)[0]
    kept, counts = tokenised(ROWS, tokenizer, RULES | {"max_tokens": 35, "too_long": "drop"})
    assert kept == [row for row in whole if len(row["input_ids"]) <= 35]
    assert counts["rows_in"] == 8 and counts["rows_trained"] == len(kept) == 8 - counts["rows_dropped_too_long"]
    assert 0 < len(kept) < 8 and counts["rows_truncated"] == 0


def test_no_row_left_is_told(tokenizer) -> None:
    with pytest.raises(BadInput, match="no row is left to train on: 8 of 8"):
        tokenised(ROWS, tokenizer, RULES | {"max_tokens": 3, "too_long": "drop"})


# --- the loss -----------------------------------------------------------------------------------------------------


def one_step(
    model_folder: Path, tokenizer, folder: Path, micro: int, accumulation: int, loss_type: str = "nll"
) -> tuple[dict, float]:
    """The weights after one step of plain gradient descent over all rows, and the loss that is logged."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig

    config = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        max_steps=1,
        learning_rate=0.5,
        lr_scheduler_type="constant",
        warmup_steps=0,
        optim="sgd",
        max_grad_norm=0,
        bf16=False,
        use_cpu=True,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        loss_type=loss_type,
        train_sampling_strategy="sequential",
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = training.CompletionTrainer(
        model=AutoModelForCausalLM.from_pretrained(model_folder),
        args=config,
        train_dataset=Dataset.from_list(tokenised(ROWS, tokenizer, RULES)[0]),
        processing_class=tokenizer,
    )
    trainer.train()
    loss = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    return {name: value.detach().clone() for name, value in trainer.model.named_parameters()}, loss


def plain_step(model_folder: Path, tokenizer, loss_type: str = "nll") -> tuple[dict, float]:
    """The same step without any trainer: row by row, the mean over all labelled tokens of all rows."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    total, count = 0.0, 0
    for row in tokenised(ROWS, tokenizer, RULES)[0]:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
        scores = model(input_ids=ids).logits[0].log_softmax(-1)
        for place, label in enumerate(labels[1:].tolist()):
            if label != -100:
                weight = scores[place, label].exp().detach() if loss_type == "dft" else 1
                total, count = total - weight * scores[place, label], count + 1
    loss = total / count
    loss.backward()
    return {name: (value - 0.5 * value.grad).detach() for name, value in model.named_parameters()}, loss.item()


@pytest.mark.parametrize(
    ("micro", "accumulation", "loss_type"), [(8, 1, "nll"), (2, 4, "nll"), (1, 8, "nll"), (8, 1, "dft"), (2, 4, "dft")]
)
def test_step_equals_a_plain_computation_however_it_is_accumulated(
    model_folder: Path, tokenizer, tmp_path: Path, micro: int, accumulation: int, loss_type: str
) -> None:
    from transformers import AutoModelForCausalLM

    weights, loss = one_step(model_folder, tokenizer, tmp_path, micro, accumulation, loss_type)
    expected, expected_loss = plain_step(model_folder, tokenizer, loss_type)
    assert loss == pytest.approx(expected_loss, rel=1e-4)
    assert set(weights) == set(expected)
    start = AutoModelForCausalLM.from_pretrained(model_folder).state_dict()
    assert max(training.largest_difference(value, start[name]) for name, value in expected.items()) > 0.01
    for name, value in weights.items():
        assert training.largest_difference(value, expected[name]) < 1e-4, name


# --- time left ----------------------------------------------------------------------------------------------------


def test_time_left_is_that_of_the_tokens_left(monkeypatch, caplog) -> None:
    """Long rows come first, and their steps take seventy times as long as the last ones."""
    import logging
    from types import SimpleNamespace

    steps = [7000] * 10 + [100] * 90
    clock = [50.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: clock[0])
    state = SimpleNamespace(
        num_input_tokens_seen=300, global_step=0, max_steps=100, is_world_process_zero=True
    )  # 300: before an interruption
    report = training.Report(sum(steps) + 300, every_s=0)
    report.trainer = SimpleNamespace(tokens_seen=0)
    report.on_train_begin(None, state, None)
    told, left = [], []
    with caplog.at_level(logging.INFO):
        for number, tokens in enumerate(steps, 1):
            clock[0] += tokens / 100
            report.trainer.tokens_seen, state.global_step = tokens, number
            report.on_step_end(None, state, None)
            report.on_log(SimpleNamespace(world_size=1), state, None, logs={"loss": 1.0})
            told.append(caplog.messages[-1])
            left.append(training.duration(sum(steps[number:]) / 100))
    assert told == [
        f"trained {number} of 100 steps, 100 tokens/s, {time} left, loss 1" for number, time in enumerate(left, 1)
    ]


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_tokens_of_a_training_are_counted_also_over_an_interruption(
    kind, model_folder, write_lines, tmp_path, monkeypatch
) -> None:
    from scripts import train
    from tests.trainings import KINDS, RECIPE, flags, rows_of_both_kinds

    recipe = {**RECIPE, **KINDS[kind], "max_steps": None, "epochs": 2}
    data = write_lines("rows.jsonl", rows_of_both_kinds())
    arguments = train.parse_args(flags(recipe, data, model_folder, tmp_path, 1))
    with monkeypatch.context() as stopped:
        stopped.setattr(training.Report, "on_log", lambda *_, **__: None)
        at_step = training.StopOnSignal.on_step_end

        def stop(self, args, state, control, **kwargs):
            self.signal = 15 if state.global_step == 7 else 0
            at_step(self, args, state, control, **kwargs)

        stopped.setattr(training.StopOnSignal, "on_step_end", stop)
        with pytest.raises(SystemExit):
            train.main(arguments)
    assert train.main(arguments) == 0
    summary = json.loads((tmp_path / "train.json").read_text())
    newest = json.loads(next(tmp_path.glob("state/*/checkpoint-20/trainer_state.json")).read_text())
    counts = summary["counts"]
    assert newest["num_input_tokens_seen"] == 2 * (counts["prompt_tokens"] + counts["completion_tokens"])
    assert 0 < summary["tokens_per_s"] * summary["train_seconds"] < newest["num_input_tokens_seen"]


# --- interruptions ------------------------------------------------------------------------------------------------


def test_rows_grouped_by_length_have_the_order_of_their_epoch_whenever_it_goes_on() -> None:
    import torch
    from torch.utils.data import DataLoader
    from transformers.trainer_pt_utils import LengthGroupedSampler

    lengths = [7 * row % 23 for row in range(40)]
    torch.manual_seed(5)
    uninterrupted = DataLoader(range(40), batch_size=4, sampler=LengthGroupedSampler(4, lengths=lengths))
    epochs = [torch.cat(list(uninterrupted)).tolist() for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    torch.manual_seed(99)  # an interrupted training draws other things before
    for number in (2, 0, 1):
        assert list(training.GroupedByLength(4, lengths, 5, lambda number=number: number)) == epochs[number]


@pytest.mark.parametrize(
    ("kind", "changes", "stopped_at"),
    [
        ("sft", {}, 14),  # within the second epoch: group_by_length
        ("sft", {"lora": {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"}}, 14),
        ("precomputed", {"order": "group_by_length"}, 14),
        ("precomputed", {"lora": {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"}}, 2),  # none saved
    ],
)
def test_interrupted_training_ends_with_the_bytes_of_an_uninterrupted_one(
    kind, changes, stopped_at, model_folder, write_lines, tmp_path, monkeypatch
) -> None:
    from scripts import train
    from tests.trainings import KINDS, RECIPE, flags, rows_of_both_kinds

    recipe = {**RECIPE, **KINDS[kind], **changes, "max_steps": 18}
    data = write_lines("rows.jsonl", rows_of_both_kinds())
    whole, killed = (train.parse_args(flags(recipe, data, model_folder, tmp_path / name, 1)) for name in "ab")
    assert train.main(whole) == 0
    with monkeypatch.context() as stopped:

        def end(self, args, state, control, **kwargs):
            if state.global_step == stopped_at:
                raise KeyboardInterrupt

        stopped.setattr(training.StopOnSignal, "on_step_end", end)
        with pytest.raises(KeyboardInterrupt):
            train.main(killed)
    assert bool(list(tmp_path.glob("b/state/*/checkpoint-12"))) is (stopped_at == 14)
    assert train.main(killed) == 0
    losses = [json.loads((tmp_path / name / "train.json").read_text())["losses"] for name in "ab"]
    assert losses[1] == losses[0]
    weights = [next((tmp_path / name / "weights").rglob("*.safetensors")).read_bytes() for name in "ab"]
    assert weights[1] == weights[0]


# --- checkpoints --------------------------------------------------------------------------------------------------


def test_newest_incomplete_checkpoints_are_removed(tmp_path: Path) -> None:
    for step, complete in ((2, True), (10, True), (12, False), (14, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if complete:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({}))
    training.drop_incomplete_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-10"}


@pytest.mark.parametrize("content", ["", "\0\0\0\0", '{"global_step": 1'])
def test_checkpoint_whose_state_lost_its_end_is_removed(tmp_path: Path, content: str) -> None:
    for step, text in ((2, "{}"), (4, content)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(text)
    training.drop_incomplete_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


def test_reference_beside_the_rows_counts_once_it_is_on_the_disk(tmp_path: Path) -> None:
    reference = tmp_path / "cache-1.arrow"
    reference.touch()
    training.drop_unsynced_reference(tmp_path)
    assert not reference.exists(), "perhaps it lost its end"
    reference.touch()
    training.keep_reference(tmp_path)
    training.drop_unsynced_reference(tmp_path)
    assert reference.exists()


def test_folder_without_a_checkpoint_is_left_alone(tmp_path: Path) -> None:
    training.drop_incomplete_checkpoints(tmp_path)
    training.drop_incomplete_checkpoints(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_merged_adapter_is_the_model_that_was_trained(model_folder: Path, tokenizer, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    adapter = LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), adapter).eval()
    model.save_pretrained(tmp_path / "saved")
    ids = prompt_ids(tokenizer, ROWS[2]["messages"])
    facts = training.export(
        model_folder, tmp_path / "saved", tmp_path / "model", tokenizer, True, ids, {"run": "cft", "step": 3}
    )
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    plain = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    with torch.inference_mode():
        trained = model(input_ids=torch.tensor([ids])).logits
        difference = training.largest_difference(trained, merged(input_ids=torch.tensor([ids])).logits)
        moved = training.largest_difference(trained, plain(input_ids=torch.tensor([ids])).logits)
    assert difference < 1e-3 * moved and facts["logit_difference_merged"] < 1e-3 * moved
    about = json.loads((tmp_path / "model" / "redpen.json").read_text())
    assert about["run"] == "cft" and about["step"] == 3 and set(facts) <= set(about)
    assert not list(tmp_path.glob("*.tmp"))
