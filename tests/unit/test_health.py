"""A training that is no longer one of numbers ends at once, says why, and leaves no checkpoint."""

import argparse
import json
import logging
import math
import os
import signal
from pathlib import Path

import pytest

from scripts.lib.jsonl import BadInput
from tests import trainings
from tests.trainings import BLOWS_UP, KINDS, LORA, RECIPE, flags, rows_of_both_kinds
from tests.unit.test_preference import rows as pairs

torch = pytest.importorskip("torch")


@pytest.fixture
def data(write_lines) -> Path:
    """A training set."""
    return write_lines("rows.jsonl", rows_of_both_kinds())


def as_completions(count: int) -> list[dict]:
    """The same rows for sft."""
    return [
        {
            "input_ids": row["prompt_ids"] + row["chosen_ids"],
            "labels": [-100] * len(row["prompt_ids"]) + row["chosen_ids"],
        }
        for row in pairs(count)
    ]


def fit(model: Path, tokenizer, folder: Path, kind: str, **changes) -> dict:
    """Trains with the script's own function."""
    recipe = {**RECIPE, **KINDS[kind], **BLOWS_UP, "order": "sequential", **changes}
    rows = pairs(24) if kind == "dpo" else as_completions(24)
    return trainings.fit(recipe, rows, model, tokenizer, folder, micro_batch=2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_training_that_blows_up_stops_at_the_step(kind, precision, model_folder, tokenizer, tmp_path) -> None:
    # A rate at which the weights themselves leave the range of the type.
    with pytest.raises(BadInput) as caught:
        fit(model_folder, tokenizer, tmp_path, kind, precision=precision, learning_rate=1e20, candidate_steps=[1])
    said = str(caught.value)
    assert "run two, step 2: the loss is nan" in said and "at learning rate 9.17e+19" in said
    assert "Lower learning_rate in the recipe (it is 1e+20)" in said
    assert ("set precision: mixed" in said) is (precision == "bfloat16")
    assert not list(tmp_path.glob("checkpoint-*")), "what would be resumed from holds NaN"


def test_infinite_gradient_is_told_though_the_loss_is_finite(caplog) -> None:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from scripts.lib.training.health import StopOnNonFinite

    logs = {"loss": 1.5, "grad_norm": math.inf, "learning_rate": 0.25}
    watch = StopOnNonFinite({**RECIPE, "max_grad_norm": 0.0, "warmup": 0.0})
    with pytest.raises(BadInput, match=r"step 7: the gradient norm is inf at learning rate 0.25.*max_grad_norm: 1.0"):
        watch.on_log(TrainingArguments(), TrainerState(global_step=7), TrainerControl(), logs=logs)
    watch.on_log(TrainingArguments(), TrainerState(global_step=7), TrainerControl(), logs={**logs, "grad_norm": 1e30})


def broken_copy(model_folder: Path, folder: Path) -> Path:
    """The model with one weight that is NaN."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = math.nan
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(folder)
    return folder


def test_loss_that_is_no_number_at_the_first_step_is_the_start_models_fault(model_folder, tokenizer, tmp_path) -> None:
    start = broken_copy(model_folder, tmp_path / "broken")
    with pytest.raises(BadInput, match=r"step 1: the loss is nan.*check the model's weights"):
        fit(start, tokenizer, tmp_path / "state", "sft", learning_rate=1e-3)


@pytest.mark.parametrize("adapter", [False, True], ids=["full", "adapter"])
def test_weights_that_are_no_numbers_are_not_exported(adapter, model_folder, tokenizer, tmp_path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from scripts.lib.training.trainers import export

    saved, start = broken_copy(model_folder, tmp_path / "saved"), model_folder
    if adapter:
        start, saved = saved, tmp_path / "adapter"
        config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
        get_peft_model(AutoModelForCausalLM.from_pretrained(start), config).save_pretrained(saved)
    with pytest.raises(BadInput, match=r"run a, step 9: 1 of 2048 values of model.layers.1.mlp.up_proj.weight are NaN"):
        export(start, saved, tmp_path / "model", tokenizer, adapter, [1, 2, 3], {"run": "a", "step": 9})
    assert not (tmp_path / "model").exists()


# --- what the model's files say of generation ------------------------------------------------------------------------


def with_generation_config(model_folder: Path, folder: Path, config: dict) -> Path:
    """A copy of the model whose generation config is this one."""
    import shutil

    shutil.copytree(model_folder, folder)
    (folder / "generation_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_temperature_without_do_sample_does_not_end_a_training_at_its_first_save(
    lora,
    data,
    model_folder,
    tmp_path,
    caplog,
) -> None:
    from scripts import train

    start = with_generation_config(model_folder, tmp_path / "start", {"temperature": 0.6, "top_p": 0.9})
    recipe = {**RECIPE, **KINDS["sft"], "lora": lora, "max_steps": 2}
    with caplog.at_level(logging.WARNING):
        assert train.main(train.parse_args(flags(recipe, data, start, tmp_path, 1))) == 0
    assert "sets temperature = 0.6, top_p = 0.9 without do_sample: checkpoints get do_sample = true" in caplog.text
    saved = json.loads((tmp_path / "weights" / "step-000002" / "generation_config.json").read_text())
    assert saved["do_sample"] is True and saved["temperature"] == 0.6


def test_generation_config_that_cannot_be_saved_is_told_before_the_first_step(data, model_folder, tmp_path) -> None:
    from scripts import train

    start = with_generation_config(model_folder, tmp_path / "start", {"num_return_sequences": 3})
    args = train.parse_args(flags({**RECIPE, **KINDS["sft"]}, data, start, tmp_path, 1))
    with pytest.raises(BadInput, match=r"cannot be saved with a checkpoint.*Correct generation_config.json"):
        train.main(args)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"temperature": 0.6}, {"do_sample": True, "temperature": 0.6}),
        ({"temperature": 0.6, "do_sample": False}, {"do_sample": False}),
        ({"temperature": 0.0, "top_p": 0.9}, {}),
        ({"pad_token_id": -1}, {}),
        ({"temperature": 0.6, "do_sample": True}, {"do_sample": True, "temperature": 0.6}),
        ({"top_k": 20}, {"do_sample": True, "top_k": 20}),
    ],
)
def test_generation_config_is_mended_where_it_has_one_meaning(given, kept, tmp_path) -> None:
    from transformers import GenerationConfig

    from scripts.lib.generation.model_checks import mend_generation_config

    config = GenerationConfig(**given)
    changes = mend_generation_config(config)
    config.validate(strict=True)
    found = config.to_diff_dict()
    assert {key: found[key] for key in found if key != "transformers_version"} == kept
    assert bool(changes) is (given != kept)


def test_model_that_could_not_be_saved_is_told_without_saving_its_weights(model_folder) -> None:
    from transformers import AutoModelForCausalLM

    from scripts.lib.generation.model_checks import check_savable

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    check_savable(model)
    model.config.temperature = 0.5
    with pytest.raises(BadInput, match="a checkpoint of this model could not be saved: .*temperature.*config.json"):
        check_savable(model)


def test_training_of_one_step_at_rate_0_stops_before_it(model_folder, tokenizer, tmp_path) -> None:
    with pytest.raises(
        BadInput, match=r"run two: the learning rate is 0 at each of its 1 step \(warmup 0.1\).*warmup: 0"
    ):
        fit(model_folder, tokenizer, tmp_path, "sft", max_steps=1, warmup=0.1, learning_rate=1e-3)


def test_weights_that_have_not_moved_are_refused_and_one_that_has_is_enough(model_folder) -> None:
    from transformers import AutoModelForCausalLM

    from scripts.lib.training.health import refuse_unmoved

    model = AutoModelForCausalLM.from_pretrained(model_folder)
    with pytest.raises(BadInput, match="run a, step 3: no weight differs from those of .* Raise learning_rate"):
        refuse_unmoved(model_folder, model, "run a, step 3")
    with torch.no_grad():
        model.model.norm.weight[0] += 1e-3
    refuse_unmoved(model_folder, model, "run a, step 3")


def test_ctrl_c_ends_a_training_like_a_preemption_and_a_second_one_at_once() -> None:
    from transformers import TrainerControl

    from scripts.lib.training.trainers import StopOnSignal

    stop, control = StopOnSignal(), TrainerControl()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        stop.on_step_end(argparse.Namespace(world_size=1), None, control)
        assert stop.signal == signal.SIGINT and control.should_save and control.should_training_stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        stop.release()
