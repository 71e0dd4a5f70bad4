"""How a training runs on its machine changes nothing of what is learnt: rows in a pass, attention, types of weights."""

import json
import logging
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from scripts.lib.jsonl import BadInput
from tests.trainings import KINDS, LORA, RECIPE, fit, flags, launch, rows_of_both_kinds, tokenised

torch = pytest.importorskip("torch")
fitting = pytest.importorskip("scripts.lib.training.fitting")
machine = pytest.importorskip("scripts.lib.training.machine")
trainers = pytest.importorskip("scripts.lib.training.trainers")

SHORT = {"max_steps": 4, "global_batch": 8, "save_steps": 2, "order": "sequential"}


@pytest.fixture
def trained(model_folder, tokenizer, tmp_path):
    """A function that trains a few steps and gives what the summary says of them."""

    def train(name: str, kind: str = "sft", micro_batch: int | None = 8, **settings) -> dict:
        recipe = {**RECIPE, **KINDS[kind], **SHORT, **settings.pop("changes", {})}
        given = [
            {key: row[key] for key in row if key != ("completion" if kind != "sft" else "chosen")}
            for row in rows_of_both_kinds()
        ]
        made, _ = tokenised(given, tokenizer, recipe)
        return fit(recipe, made, model_folder, tokenizer, tmp_path / name, micro_batch, **settings)

    return train


def same(one: dict, other: dict, within: float = 1e-4) -> None:
    """Checks that two trainings have the same losses."""
    assert len(one["losses"]) == len(other["losses"]) == SHORT["max_steps"]
    for first, second in zip(one["losses"], other["losses"], strict=True):
        assert second["loss"] == pytest.approx(first["loss"], abs=within)


# --- rows in a pass ---------------------------------------------------------------------------------------------------


OUT_OF_MEMORY = {
    "allocator": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "CUDA": torch.AcceleratorError("CUDA error: out of memory"),  # seen where other jobs shared the GPU
}


@pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)
def test_every_way_of_running_out_of_memory_is_known(error: RuntimeError) -> None:
    def attempt(size: int) -> None:
        if size > 4:
            raise error

    assert machine.largest_that_fits(16, attempt) == 4


def test_another_error_of_the_device_is_raised() -> None:
    def attempt(size: int) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    with pytest.raises(torch.AcceleratorError):
        machine.largest_that_fits(16, attempt)


def no_memory_for(rows: int, monkeypatch, step: int = 0) -> list[int]:
    """Lets passes of more rows run out of memory from a step on; returns the rows of each pass that is tried."""
    from scripts.lib.training.preference import PreferenceTrainer
    from scripts.lib.training.trainers import CompletionTrainer

    tried = []

    def short_of_memory(kind) -> None:
        plain = kind.compute_loss

        def compute_loss(self, model, inputs, *rest, **named):
            tried.append(len(inputs["input_ids"]))
            if tried[-1] > rows and self.state.global_step >= step:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return plain(self, model, inputs, *rest, **named)

        monkeypatch.setattr(kind, "compute_loss", compute_loss)

    short_of_memory(CompletionTrainer)
    short_of_memory(PreferenceTrainer)
    return tried


def test_memory_that_runs_out_halves_the_rows_of_a_pass_and_changes_no_loss(trained, tmp_path, monkeypatch, caplog):
    plain = trained("plain")
    no_memory_for(3, monkeypatch, step=3)
    with caplog.at_level(logging.INFO):
        halved = trained("halved")
    same(plain, halved)
    assert (plain["micro_batch"], plain["accumulation"]) == (8, 1)
    assert (halved["micro_batch"], halved["accumulation"]) == (2, 4)
    assert "memory ran out with 8 rows in a pass: continuing with 4 and more accumulation" in caplog.messages
    assert [message for message in caplog.messages if message.startswith("resuming from")][0].endswith("checkpoint-2")
    assert machine.noted(tmp_path / "halved") == 2


def test_memory_too_small_for_one_row_is_told(trained, monkeypatch):
    no_memory_for(0, monkeypatch)
    with pytest.raises(BadInput, match="run two: not enough memory for even one row .*Set activation"):
        trained("none", micro_batch=2)


def test_other_errors_are_no_lack_of_memory(trained, monkeypatch):
    from scripts.lib.training import trainers

    def training_step(self, model, inputs, *rest):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(trainers.CountsTokens, "training_step", training_step)
    with pytest.raises(RuntimeError, match="mat1"):
        trained("broken")


@pytest.mark.parametrize("kind", ["sft", "dpo", "precomputed"])
def test_most_rows_that_fit_are_found_on_the_longest_before_the_first_step(kind, trained, monkeypatch, tmp_path):
    plain = trained("plain", kind)
    pairs = 1 if kind == "sft" else 2  # an answer and its opposite
    tried = no_memory_for(5 * pairs, monkeypatch)
    monkeypatch.setattr(fitting, "can_try", lambda: True)
    found = trained("found", kind, micro_batch=None)
    assert tried[:3] == [8 * pairs, 4 * pairs, 4 * pairs] and found["micro_batch"] == 4
    same(plain, found)


def test_training_that_goes_on_takes_as_many_rows_in_a_pass_also_where_fewer_fit_by_then(trained, monkeypatch):
    monkeypatch.setattr(fitting, "can_try", lambda: True)
    with monkeypatch.context() as stopped:
        stopped.setattr(trainers.StopOnSignal, "on_step_end", lambda *_, **__: sys.exit(1))
        with pytest.raises(SystemExit):
            trained("found", micro_batch=None)
    monkeypatch.setattr(machine, "largest_that_fits", lambda *_: 1)
    assert trained("found", micro_batch=None)["micro_batch"] == 8


def test_without_a_gpu_rows_in_a_pass_are_the_usual_ones(trained):
    assert trained("usual", micro_batch=None, changes={"global_batch": 16})["micro_batch"] == machine.USUAL_ROWS


def test_rows_are_tried_from_the_most_down():
    tried = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 5:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")

    assert machine.largest_that_fits(24, attempt) == 4 and tried == [24, 12, 8, 6, 4]
    assert machine.largest_that_fits(7, attempt) == 1


# --- the same numbers another way -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sft", "dpo"])
@pytest.mark.parametrize("settings", [{"attention": "eager"}, {"attention": "sdpa"}, {"recompute": True}], ids=str)
def test_attention_and_recomputed_activations_change_no_loss(kind, settings, trained):
    same(trained("plain", kind), trained("other", kind, **settings))


@pytest.mark.slow("torch.compile traces the model for each new length")
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_compiled_model_has_the_same_losses(kind, trained, tmp_path, monkeypatch):
    """With the graphs that the compiler works on; C++ made of them takes minutes here."""
    configure = fitting.configuration

    def for_graphs(recipe, state, settings, micro):
        config = configure(recipe, state, settings, micro)
        if settings.compiled:
            monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "aot_eager")
        return config

    monkeypatch.setattr(fitting, "configuration", for_graphs)
    same(trained("plain", kind), trained("compiled", kind, compiled=True))
    assert not [name for name in saved(tmp_path / "compiled") if "_orig_mod" in name]


# --- kernels ----------------------------------------------------------------------------------------------------------


FOUR_BIT = {**LORA, "four_bit": True}
# What needs more than torch: settings, recipe, how a message names it, the package, and what says whether it is there.
NEEDY = {
    "kernels": ({"kernels": True}, None, "train:kernels=1", "transformers[kernels]", "is_kernels_available"),
    "offload": ({"offload": True}, None, "train:offload=1", None, None),
    "four bits": ({}, FOUR_BIT, "run two: lora.four_bit: true", "bitsandbytes", "is_bitsandbytes_available"),
}


@pytest.mark.parametrize("name", NEEDY)
def test_what_needs_a_package_or_a_gpu_is_refused_without_them(name, monkeypatch):
    settings, lora, named, package, check = NEEDY[name]
    recipe = {**RECIPE, "lora": lora}
    for there, card in [(False, True), (True, False)] if package else [(True, False)]:
        if package:
            monkeypatch.setattr(machine, check, lambda there=there: there)
        monkeypatch.setattr(torch.cuda, "is_available", lambda card=card: card)
        lacking = "it needs a GPU, and torch finds none" if there else f"{package} is not installed. Install it"
        with pytest.raises(BadInput, match=re.escape(f"{named}: {lacking}") + ".* or set "):
            machine.refuse_missing(machine.Machine(**settings), recipe)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    machine.refuse_missing(machine.Machine(**settings), recipe)
    machine.refuse_missing(machine.Machine(), {**RECIPE, "lora": LORA})


def test_train_refuses_what_is_missing_before_it_reads_anything(monkeypatch, tmp_path):
    from scripts import train

    monkeypatch.setattr(machine, "is_kernels_available", lambda: False)
    given = flags({**RECIPE, **KINDS["sft"]}, tmp_path / "none.jsonl", tmp_path / "none", tmp_path, 1)
    with pytest.raises(BadInput, match="train:kernels=1"):
        train.main(train.parse_args([*given, "--kernels", "1"]))


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_offload_reaches_the_trainer(kind, tmp_path):
    recipe = {**RECIPE, **KINDS[kind]}
    for offload in (False, True):
        config = fitting.configuration(recipe, tmp_path, machine.Machine(offload=offload), 4)
        assert config.activation_offloading == offload


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_kernels_are_taken_before_the_first_step_and_counted(kind, trained, monkeypatch, caplog):
    from transformers import PreTrainedModel
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    def kernelize(model, wanted, *_) -> None:
        for layer in model.modules():
            if wanted and isinstance(layer, LlamaRMSNorm):
                assert layer.training
                layer.forward = layer.forward

    plain = trained("plain", kind)
    monkeypatch.setattr(LlamaRMSNorm, "kernel_layer_name", "RMSNorm", raising=False)
    monkeypatch.setattr(PreTrainedModel, "set_use_kernels", kernelize)
    caplog.set_level("INFO")
    same(plain, trained("kernels", kind, kernels=True))
    assert "5 layers use kernels from the Hub" in caplog.text  # two in each layer, and the last one


def test_model_without_a_single_kernel_is_refused(trained, monkeypatch):
    from transformers import PreTrainedModel

    monkeypatch.setattr(PreTrainedModel, "set_use_kernels", lambda *_: None)
    with pytest.raises(BadInput, match="train:kernels=1: transformers found no kernel .*Set train:kernels=0"):
        trained("none", "sft", kernels=True)


# --- a base in 4 bits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "products"), [("mixed", "bfloat16"), ("float32", "float32")])
def test_base_in_four_bits_is_loaded_as_qlora_keeps_it(precision, products, model_folder, monkeypatch):
    asked = {}

    def load(start, **given):
        asked.update(given)
        raise InterruptedError

    monkeypatch.setattr(fitting.AutoModelForCausalLM, "from_pretrained", load)
    for lora in (FOUR_BIT, LORA, None):
        with pytest.raises(InterruptedError):
            fitting.start_model({"run": "two", "precision": precision, "lora": lora}, model_folder)
        packed = asked["quantization_config"]
        assert (packed is not None) == (lora is FOUR_BIT)
        if packed:
            assert packed.load_in_4bit and packed.bnb_4bit_use_double_quant and packed.bnb_4bit_quant_type == "nf4"
            assert packed.bnb_4bit_compute_dtype == getattr(torch, products)


def test_base_in_four_bits_is_not_shared_by_gpus(model_folder, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(BadInput, match="run two: lora.four_bit: true: .*Set train:parallel=ddp"):
        fitting.start_model({"run": "two", "precision": "bfloat16", "lora": FOUR_BIT}, model_folder)


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize(("kind", "precision"), [("sft", "mixed"), ("dpo", "bfloat16")])
def test_adapter_on_four_bits_learns_and_its_base_stays_packed(kind, precision, trained, monkeypatch):
    models, load = [], fitting.start_model
    monkeypatch.setattr(fitting, "start_model", lambda *given: models.append(load(*given)) or models[0])
    changes = {"lora": FOUR_BIT, "precision": precision, "learning_rate": 1e-2, "max_steps": 12, "order": "random"}
    losses = [step["loss"] for step in trained("packed", kind, changes=changes)["losses"]]
    types = {name: weight.dtype for name, weight in models[0].named_parameters()}
    assert types["model.layers.0.mlp.up_proj.base_layer.weight"] == torch.uint8
    assert types["model.embed_tokens.weight"] == (torch.float32 if precision == "mixed" else torch.bfloat16)
    assert sum(losses[-4:]) < sum(losses[:4])


# --- rows joined without padding --------------------------------------------------------------------------------------

ALL_TOKENS = {"loss_on": "all"}
BLOCKS = {"packing": True, "max_tokens": 32}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *[("sft", {}), ("sft", {"method": "cft"}), ("sft", ALL_TOKENS), ("sft", BLOCKS), ("sft", {"loss": "dft"})],
        *[("dpo", {}), ("dpo", {"method": "spin"}), ("dpo", {"loss": "simpo"}), ("dpo", {"loss": "ipo"})],
        ("precomputed", {}),
    ],
    ids=str,
)
def test_joined_rows_have_the_losses_of_padded_ones(kind, changes, trained):
    changes = {**changes, "global_batch": 8}
    padded = trained("padded", kind, changes=changes)
    same(padded, trained("joined", kind, changes=changes, padding_free=True))
    same(padded, trained("in two passes", kind, changes=changes, padding_free=True, micro_batch=4))


def two_rows(kind: str, tokenizer) -> list[dict]:
    """Two rows of different length, as token ids."""
    given = [
        {key: row[key] for key in row if key != ("completion" if kind == "dpo" else "chosen")}
        for row in (rows_of_both_kinds()[0], rows_of_both_kinds()[10])
    ]
    return tokenised(given, tokenizer, {**RECIPE, **KINDS[kind]})[0]


def padded_and_joined(kind: str, rows: list[dict]) -> tuple[dict, dict]:
    """The same rows as the batch of each way."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from scripts.lib.training.preference import joined_pairs

    if kind == "dpo":
        return DataCollatorForPreference(pad_token_id=0)(rows), joined_pairs(rows)
    return tuple(DataCollatorForLanguageModeling(pad_token_id=0, padding_free=joined)(rows) for joined in (False, True))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_each_joined_row_has_the_loss_of_the_padded_one(kind, attention, model_folder, tokenizer):
    from scripts.lib.training.preference import answer_log_probs

    model = fitting.start_model({"precision": "float32"}, model_folder, attention).eval()
    padded, joined = padded_and_joined(kind, two_rows(kind, tokenizer))
    assert len(joined["input_ids"]) == 1 and joined["input_ids"].numel() == padded["attention_mask"].sum()
    for batch in (padded, joined):
        if kind == "sft":
            batch["completion_mask"] = (batch["labels"] != -100).long()
    with torch.no_grad():
        apart, together = answer_log_probs(model, padded), answer_log_probs(model, joined)
    assert len(set(apart.tolist())) == len(together) == (4 if kind == "dpo" else 2)
    assert together.tolist() == pytest.approx(apart.tolist(), abs=1e-4)


def test_joined_pairs_have_the_same_losses_by_the_head_for_gpus(trained, monkeypatch):
    from scripts.lib.training import preference

    padded = trained("padded", "dpo")
    monkeypatch.setattr(preference, "answer_log_probs", preference.fused_log_probs)
    same(padded, trained("joined", "dpo", padding_free=True))


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_fewer_tokens_are_computed_where_rows_are_joined(kind, trained, monkeypatch):
    from scripts.lib.training import trainers

    computed, step = [], trainers.ChecksJoinedRows.training_step

    def counted(self, model, inputs, *rest):
        computed[-1] += inputs["input_ids"].numel()
        return step(self, model, inputs, *rest)

    monkeypatch.setattr(trainers.ChecksJoinedRows, "training_step", counted)
    for settings in ({}, {"padding_free": True}):
        computed.append(0)
        trained(f"{settings}", kind, **settings)
    assert 0 < computed[1] < computed[0]


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_most_rows_that_fit_are_found_with_joined_rows_too(kind, trained, monkeypatch):
    monkeypatch.setattr(fitting, "can_try", lambda: True)
    assert trained("found", kind, micro_batch=None, padding_free=True)["micro_batch"] == 8


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_attention_that_would_mix_joined_rows_is_refused(kind, trained):
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    AttentionInterface.register("maskless", sdpa_attention_forward)  # transformers makes no mask for it
    with pytest.raises(BadInput, match="padding_free: this model, .*Set train:padding_free=0"):
        trained("mixed", kind, attention="maskless", padding_free=True)


def saved(folder: Path) -> list[str]:
    """The names of what a training saved."""
    from safetensors.torch import load_file

    return list(load_file(next(folder.glob("candidates/*/*.safetensors"))))


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_frozen_base_under_mixed_precision_is_kept_in_bfloat16(kind, trained, model_folder, monkeypatch):
    mixed = {"precision": "mixed", "lora": LORA}
    halve, types = machine.halve_frozen, {}

    def noted(model) -> None:
        halve(model)
        types.update((name, weight.dtype) for name, weight in model.named_parameters())

    monkeypatch.setattr(machine, "halve_frozen", noted)
    frozen = trained("frozen", kind, changes=mixed)
    base = "base_model.model.model."
    assert types[f"{base}layers.0.mlp.up_proj.base_layer.weight"] == torch.bfloat16
    assert types[f"{base}layers.0.mlp.up_proj.lora_A.default.weight"] == torch.float32
    assert types[f"{base}embed_tokens.weight"] == types[f"{base}norm.weight"] == torch.float32
    monkeypatch.setattr(machine, "halve_frozen", lambda model: None)
    same(trained("float32", kind, changes=mixed), frozen, within=1e-6)


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_frozen_base_goes_to_the_device_in_bfloat16(kind, trained, monkeypatch):
    from transformers import Trainer

    moved, move = {}, Trainer._move_model_to_device

    def noted(self, model, device):
        moved.update((name, weight.dtype) for name, weight in model.named_parameters() if "base_layer" in name)
        move(self, model, device)

    monkeypatch.setattr(Trainer, "_move_model_to_device", noted)
    trained("mixed", kind, changes={"precision": "mixed", "lora": LORA})
    assert set(moved.values()) == {torch.bfloat16}


# --- several processes ------------------------------------------------------------------------------------------------


@pytest.mark.slow("starts two processes that import torch, twice")
def test_processes_whose_memory_runs_out_begin_again_with_half(model_folder, write_lines, tmp_path):
    recipe = {**RECIPE, **KINDS["sft"], "max_steps": 6}
    rows = write_lines("rows.jsonl", rows_of_both_kinds())
    [launcher] = launch(recipe, rows, model_folder, tmp_path / "two", "ddp", 1, "tests.smoke.small_memory")
    assert launcher.wait(timeout=300) == 0, (tmp_path / "two" / "log").read_text()[-3000:]
    two = json.loads((tmp_path / "two" / "train.json").read_text())
    assert (two["micro_batch"], two["accumulation"], two["processes"]) == (1, 2, 2)
    assert "memory ran out with 2 rows in a pass" in (tmp_path / "two" / "log").read_text()
    from scripts import train

    assert train.main(train.parse_args(flags(recipe, rows, model_folder, tmp_path / "one", 1))) == 0
    one = json.loads((tmp_path / "one" / "train.json").read_text())
    for first, second in zip(one["losses"], two["losses"], strict=True):
        assert second == pytest.approx(first, abs=1e-4)
