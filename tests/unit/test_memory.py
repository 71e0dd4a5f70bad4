"""GPU memory of trainings, against figures worked out by hand, and how the plan tells it."""

import pytest

from scripts import describe_memory, plan
from scripts.lib.cli import ROOT
from scripts.lib.jobs import memory
from tests.study_snapshots import resolved

GB = 2**30


def run(method: str = "sft", **recipe) -> dict:
    common = {"precision": "bfloat16", "lora": None, "optimizer": "adamw_torch", "precompute_reference": False}
    common |= {"activation_checkpointing": True, "max_tokens": 1000, "global_batch": 24, "loss": "logistic"}
    return {"method": method, "hyperparameters": {**common, **recipe}}


@pytest.mark.parametrize(
    ("settings", "bytes_a_weight"),
    [
        ({}, 8),  # weight, gradient and two moments, two bytes each
        ({"precision": "mixed"}, 18),  # the same in four bytes, and autocast's copy
        ({"precision": "float32"}, 16),
        ({"optimizer": "rmsprop"}, 6),
        ({"method": "dpo"}, 10),  # the reference beside it
        ({"method": "dpo", "precision": "mixed"}, 24),
        ({"method": "dpo", "precompute_reference": True}, 8),
        ({"method": "dpo", "loss": "simpo"}, 8),  # has no reference
    ],
)
def test_what_is_held_for_each_weight(settings: dict, bytes_a_weight: int) -> None:
    found = memory.need(run(**settings), 2.0)
    assert found.fixed == pytest.approx(2e9 * bytes_a_weight / GB + memory.CONTEXT)


def test_lora_holds_frozen_weights_and_a_small_adapter() -> None:
    lora = {"rank": 16}
    found = memory.need(run(lora=lora), 7.6)
    assert found.fixed == pytest.approx((2 * 7.6e9 + 16 * 40.2e6) / GB + memory.CONTEXT, rel=1e-3)
    # The adapter that is switched off is the reference.
    assert memory.need(run("dpo", lora=lora), 7.6).fixed == found.fixed
    for billions, million in ((0.135, 4.9), (1.54, 18.5), (7.6, 40.4)):  # counted in SmolLM2 and Qwen2.5
        assert memory.adapter(16, billions) == pytest.approx(million * 1e6, rel=0.1)


def test_lora_with_mixed_precision_keeps_its_base_in_bfloat16() -> None:
    lora = {"rank": 16}
    plain, mixed = (memory.need(run(lora=lora, precision=precision), 7.6).fixed for precision in ("bfloat16", "mixed"))
    embeddings = 152_000 * memory.shape(7.6)[1]
    assert mixed - plain == pytest.approx(2 * embeddings / GB)  # they stay in float32
    assert mixed < 1.1 * plain
    whole, shared = (memory.frozen("mixed", 7.6, gpus) for gpus in (1, 8))
    assert shared == 4 * 7.6e9 and whole == pytest.approx(2 * 7.6e9 + 2 * embeddings)
    assert memory.frozen("mixed", 0.05, 1) == 4 * 0.05e9  # nothing but embeddings, at this vocabulary


@pytest.mark.parametrize(("precision", "each"), [("bfloat16", 2), ("mixed", 4), ("float32", 4)])
def test_base_in_four_bits_keeps_embeddings_and_head(precision: str, each: int) -> None:
    both = 152_000 * memory.shape(7.6)[1]
    found = memory.need(run(lora={"rank": 16, "four_bit": True}, precision=precision), 7.6)
    held = 2 * both * each + (7.6e9 - 2 * both) * 0.516 + 16 * 40.2e6
    assert found.fixed == pytest.approx(held / GB + memory.CONTEXT, rel=1e-3)
    assert memory.frozen(precision, 0.05, 1, four_bit=True) == 0.05e9 * each


def test_row_has_activations_and_logits() -> None:
    layers, width = memory.shape(1.5)
    assert layers == 30 and width == pytest.approx(2041, abs=1)
    stored = memory.need(run(), 1.5).row * GB
    assert stored == pytest.approx(1000 * ((30 + 17) * width * 2 + 10 * 152_000))
    whole = memory.need(run(activation_checkpointing=False), 1.5).row * GB
    assert whole == pytest.approx(1000 * (30 * 17 * width * 2 + 10 * 152_000))
    assert memory.need(run(max_tokens=500), 1.5).row * GB == pytest.approx(stored / 2)
    assert memory.need(run("dpo"), 1.5).row * GB == pytest.approx(stored * 2)


def test_gpus_share_the_weights_and_each_has_rows_of_its_own() -> None:
    one, eight = memory.need(run(), 7.0), memory.need(run(), 7.0, gpus=8)
    assert eight.fixed - memory.CONTEXT == pytest.approx((one.fixed - memory.CONTEXT) / 8)
    assert eight.row == one.row


@pytest.mark.parametrize(("card", "rows"), [(11.4, 0), (12.9, 1), (13, 2), (14.5, 3), (17.4, 4), (19, 6), (400, 24)])
def test_rows_that_fit_divide_those_of_a_step(card: float, rows: int) -> None:
    assert memory.Need(fixed=10, row=1.5, share=24).rows_in(card) == rows


def test_gpus_share_the_rows_of_a_step() -> None:
    assert [memory.need(run(), 7.0, gpus).share for gpus in (1, 8, 32)] == [24, 3, 1]


def test_plan_tells_need_card_and_rows() -> None:
    found = memory.Need(fixed=12.2, row=3.3, share=8)
    assert plan.needed(found, {"gpus": 1, "memory": 24}) == "about 19 of 24 with 2 rows at once (12.2 and 3.3 a row)"
    assert plan.needed(found, {"gpus": 1}) == "about 16 with 1 row at once (12.2 and 3.3 a row)"
    assert plan.needed(found, {"gpus": 1, "memory": 12}).endswith("1 row at once (12.2 and 3.3 a row) TOO LARGE")


def test_evening_fits_its_card() -> None:
    study = resolved("one-gpu-7b")
    assert study["plan"]["targets"] == ["evening_7b"] and resolved("one-gpu")["plan"]["targets"] == ["evening"]
    card = study["machines"]["one-24gb"]["memory"]
    for name, entry in study["runs"].items():
        assert memory.need(entry, 7.0 if name.endswith("7b") else 1.5).rows_in(card) >= 2, name


# --- docs/memory.md ---------------------------------------------------------------------------------------------------


def test_page_of_memory_is_up_to_date() -> None:
    page = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")
    assert page == describe_memory.page(), "run python -m scripts.describe_memory --out docs/memory.md"


def test_page_of_memory_has_the_figures_of_the_plan() -> None:
    lines = [line.split(" | ") for line in describe_memory.page().splitlines() if line.startswith("| SFT, CFT | ")]
    cells = {tuple(line[1:3]): float(line[5]) for line in lines[:6]}  # one GPU, 7B
    row = memory.need(run(max_tokens=2048), 7.0).row
    assert cells["full", "`bfloat16`"] == round(8 * 7e9 / GB + 1 + row)
    assert cells["full", "`mixed`"] == round(18 * 7e9 / GB + 1 + row)
    assert cells["LoRA", "`bfloat16`"] < cells["LoRA", "`mixed`"] < 1.15 * cells["LoRA", "`bfloat16`"]
    assert cells["LoRA, `four_bit`", "`bfloat16`"] < 0.6 * cells["LoRA", "`bfloat16`"]
    assert float(lines[6][5]) == round(7e9 / GB + 1 + row)  # a share of eight
