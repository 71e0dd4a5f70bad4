"""Training rows: which are left out and counted, what has the loss, and how the log shows a row."""

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.generation.chat import answer_ids, load_tokenizer, prompt_ids
from scripts.lib.jsonl import BadInput
from scripts.lib.training.pools import rendered
from tests.trainings import KINDS as METHODS
from tests.trainings import RECIPE, fit, flags, rows_of_both_kinds, tokenised

rows = pytest.importorskip("scripts.lib.training.rows")

RULES = {"max_tokens": 512, "too_long": "error", "end_inside": "error", "loss_on": "answer", "packing": False}
END = "<|im_end|>"


def row(name: str, completion: str, question: str = "2 + 2?") -> dict:
    return {"id": name, "messages": [{"role": "user", "content": question}], "completion": completion}


def pair(name: str, chosen: str, rejected: str) -> dict:
    return {"id": name, "messages": [{"role": "user", "content": "2 + 2?"}], "chosen": chosen, "rejected": rejected}


# --- an end token inside an answer ------------------------------------------------------------------------------------

SFT = [row("a", "4"), row("b", f"4{END} 5"), row("c", f"{END}", f"What is {END}?"), row("d", "no")]
DPO = [pair("a", "4", "5"), pair("b", f"4{END}", "5"), pair("c", "4", f"{END}{END}6"), pair("d", "1", "2")]
KINDS = pytest.mark.parametrize("given", [SFT, DPO], ids=["rows", "pairs"])


@KINDS
def test_rows_with_the_end_token_inside_are_named(given, tokenizer) -> None:
    told = r"2 of 4 rows hold the end token <\|im_end\|> inside an answer.*: b, c. Fix them, or set end_inside: drop"
    with pytest.raises(BadInput, match=told):
        tokenised(given, tokenizer, RULES)


@KINDS
def test_rows_with_the_end_token_inside_are_dropped_and_counted(given, tokenizer) -> None:
    made, counts = tokenised(given, tokenizer, RULES | {"end_inside": "drop"})
    assert made == tokenised([given[0], given[3]], tokenizer, RULES)[0]
    assert (counts["rows_in"], counts["rows_trained"], counts["rows_dropped_end_inside"]) == (4, 2, 2)
    with pytest.raises(BadInput, match="no row is left to train on: 1 of 1 hold the end token"):
        tokenised(given[1:2], tokenizer, RULES | {"end_inside": "drop"})


def test_end_tokens_are_deleted_from_all_texts_of_a_row_and_such_rows_counted(tokenizer) -> None:
    made, counts = tokenised(SFT, tokenizer, RULES | {"end_inside": "delete"})
    clean = [row("a", "4"), row("b", "4 5"), row("c", "", "What is ?"), row("d", "no")]
    assert made == tokenised(clean, tokenizer, RULES)[0]
    assert (counts["rows_trained"], counts["rows_with_ends_deleted"], counts["rows_dropped_end_inside"]) == (4, 2, 0)
    made, counts = tokenised(DPO, tokenizer, RULES | {"end_inside": "delete"})
    clean = [pair("a", "4", "5"), pair("b", "4", "5"), pair("c", "4", "6"), pair("d", "1", "2")]
    assert made == tokenised(clean, tokenizer, RULES)[0] and counts["rows_with_ends_deleted"] == 2


# --- rows of CGD ------------------------------------------------------------------------------------------------------


def test_loss_of_cgd_is_on_the_refined_answer_alone(tokenizer) -> None:
    source = {"id": "a", "question": "2 + 2?", "response": "5", "critique": "It is 4.", "solution": "2 + 2 = 4"}
    part = {"method": "cgd", "kind": "critiques", "refined": "solution", "prompt": str(ROOT / "prompts" / "refine.j2")}
    ([made], counts) = tokenised([rendered(source, part)], tokenizer, RULES)
    assert [label for label in made["labels"] if label != -100] == answer_ids(tokenizer, "2 + 2 = 4")
    assert counts["completion_tokens"] == len("2 + 2 = 4") + 1
    read, learnt = rows.as_read(made, tokenizer).split("⟦")
    assert "Solution:\n5\n\nCritique:\nIt is 4." in read and learnt == f"2 + 2 = 4{END}⟧"


# --- the model's positions --------------------------------------------------------------------------------------------


def test_rows_longer_than_the_models_positions_are_told_or_dropped(tokenizer) -> None:
    given = [row("a", "4"), row("b", "4" * 40)]
    assert len(tokenised(given, tokenizer, RULES)[0]) == 2
    with pytest.raises(
        BadInput, match=r"1 of 2 rows are longer than the start model's 60 positions: b \(\d+\). Set too"
    ):
        tokenised(given, tokenizer, RULES, positions=60)
    made, counts = tokenised(given, tokenizer, RULES | {"too_long": "drop"}, positions=60)
    assert len(made) == 1 and counts["rows_dropped_too_long"] == 1


# --- loss on all tokens, packing --------------------------------------------------------------------------------------


def test_loss_on_all_is_the_conversation_as_the_template_renders_it(model_folder) -> None:
    zephyr = load_tokenizer(model_folder, ROOT / "prompts" / "templates" / "zephyr.jinja")
    [made], counts = tokenised([row("a", "It is 4.")], zephyr, RULES | {"loss_on": "all"})
    assert zephyr.decode(made["input_ids"]) == (
        f"<|system|>\n{END}\n<|user|>\n2 + 2?{END}\n<|assistant|>\nIt is 4.{END}\n"
    )
    assert made["labels"] == made["input_ids"]


@pytest.mark.parametrize("loss_on", ["answer", "all"])
def test_packed_rows_are_the_rows_end_to_end_in_blocks(loss_on, tokenizer) -> None:
    given = [row(str(number), f"{number}" * (1 + number % 60)) for number in range(2500)]
    rules = RULES | {"loss_on": loss_on, "max_tokens": 300}
    alone, plain = tokenised(given, tokenizer, rules)
    blocks, counts = tokenised(given, tokenizer, rules | {"packing": True})
    for key in ("input_ids", "labels"):
        assert [token for block in blocks for token in block[key]] == [token for one in alone for token in one[key]]
        assert {len(block[key]) for block in blocks[:-1]} == {300} and len(blocks[-1][key]) <= 300
    assert counts == plain | {"blocks": len(blocks)} and counts["rows_trained"] == 2500


def test_row_longer_than_a_block_is_cut_over_several_and_not_refused(tokenizer) -> None:
    blocks, counts = tokenised([row("a", "4" * 100)], tokenizer, RULES | {"packing": True, "max_tokens": 50})
    assert [len(block["input_ids"]) for block in blocks][:-1] == [50] * (len(blocks) - 1) and len(blocks) > 2
    assert counts["rows_dropped_too_long"] == 0 and counts["rows_trained"] == 1


# --- prepared once, mapped by all -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rows", "pairs"])
def test_rows_are_the_same_however_many_processes_prepare_them(kind, tokenizer) -> None:
    make = row if kind == "rows" else lambda name, text: pair(name, text, f"not {text}")
    given = [make(str(number), f"{number}" * (1 + number % 40)) for number in range(2100)]
    rules = RULES | {"max_tokens": 180, "too_long": "drop"}
    made, counts = tokenised(given, tokenizer, rules)
    assert (made, counts) == tokenised(given, tokenizer, rules, workers=2)
    prompt, text = prompt_ids(tokenizer, given[0]["messages"]), given[0]["completion" if kind == "rows" else "chosen"]
    kept = [one for one in given if len(prompt) + len(one.get("completion", one.get("rejected"))) < 180]
    assert 0 < counts["rows_dropped_too_long"] == 2100 - len(kept) and len(made) == len(kept)
    first = made[0]["input_ids"] if kind == "rows" else made[0]["prompt_ids"] + made[0]["chosen_ids"]
    assert first == prompt + answer_ids(tokenizer, text)


def test_rows_lie_in_mapped_files_of_small_integers(tokenizer, write_lines, tmp_path) -> None:
    data = write_lines("rows.jsonl", SFT[:1])
    rows.prepare(data, tmp_path / "made", tokenizer, RULES | {"method": "sft"})
    made, counts = rows.load(tmp_path / "made")
    assert made.cache_files and {str(made.features[name].feature.dtype) for name in made.column_names} == {"int32"}
    assert list(rows.lengths(made)) == [len(made[0]["input_ids"])] and rows.tokens_of(made) == rows.lengths(made).sum()
    assert counts["prompt_tokens"] + counts["completion_tokens"] == rows.tokens_of(made)
    assert {path.suffix for path in (tmp_path / "made").iterdir()} <= {".arrow", ".json"}, "only what is needed is kept"


def test_tokens_of_pairs_are_those_of_both_answers_with_their_prompts(tokenizer, write_lines, tmp_path) -> None:
    rows.prepare(write_lines("p.jsonl", [DPO[0], DPO[3]]), tmp_path / "made", tokenizer, RULES | {"method": "dpo"})
    made, counts = rows.load(tmp_path / "made")
    assert rows.tokens_of(made) == counts["prompt_tokens"] + counts["completion_tokens"] == 2 * made[0]["length"] * 2


def test_repeated_ids_and_torn_lines_are_told_by_their_lines(tokenizer, write_lines, tmp_path) -> None:
    recipe = RULES | {"method": "sft"}
    data = write_lines("rows.jsonl", [SFT[0], SFT[3], SFT[0]])
    with pytest.raises(BadInput, match="rows.jsonl, line 3: id 'a' is also on line 1. Give each row its own id."):
        rows.prepare(data, tmp_path / "made", tokenizer, recipe)
    data.write_text('{"id": "a", "messages": []}\n')
    with pytest.raises(BadInput, match="rows.jsonl, line 1: no completion"):
        rows.prepare(data, tmp_path / "made", tokenizer, recipe)
    data.write_text("\n")
    with pytest.raises(BadInput, match="it has no rows"):
        rows.prepare(data, tmp_path / "made", tokenizer, recipe)
    assert not rows.is_prepared(tmp_path / "made") and not list(tmp_path.glob(".made*"))


# --- what the log shows -----------------------------------------------------------------------------------------------


def test_row_is_shown_as_the_model_reads_it_with_the_loss_marked(tokenizer) -> None:
    [made], _ = tokenised([row("a", "It is 4.")], tokenizer, RULES)
    assert rows.as_read(made, tokenizer) == (
        "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n⟦It is 4.<|im_end|>⟧"
    )
    [made], _ = tokenised([pair("a", "4", "5")], tokenizer, RULES)
    assert rows.as_read(made, tokenizer) == (
        "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n⟦4<|im_end|>⟧ (chosen)\n⟦5<|im_end|>⟧ (rejected)"
    )


def test_middle_of_a_long_part_is_left_out_of_what_is_shown(tokenizer) -> None:
    prompt, answer = prompt_ids(tokenizer, row("a", "")["messages"]), answer_ids(tokenizer, "x" * 5000)
    shown = rows.as_read({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}, tokenizer)
    assert "2 + 2?" in shown and "… 3,510 characters …" in shown and shown.endswith("xxx<|im_end|>⟧")
    assert len(shown) < 2000


def test_what_became_of_the_rows_is_a_line_of_the_log(tokenizer) -> None:
    given = [*DPO, pair("e", "same", "same")]
    counts = tokenised(given, tokenizer, RULES | {"end_inside": "drop"})[1]
    told = "training on 2 of 5 rows; 2 left out, the end token inside an answer; 1 left out, two equal answers"
    assert rows.trained_on(counts) == told
    counts = tokenised(SFT, tokenizer, RULES | {"end_inside": "delete", "packing": True})[1]
    assert rows.trained_on(counts) == "training on 4 of 4 rows; end tokens deleted from 2; packed into 1 blocks"


def test_training_log_starts_with_a_row(model_folder, write_lines, tmp_path, caplog) -> None:
    import logging

    from scripts import train

    data = write_lines("rows.jsonl", rows_of_both_kinds())
    recipe = {**RECIPE, **METHODS["sft"], "max_steps": 1, "warmup": 0.0}
    with caplog.at_level(logging.INFO):
        assert train.main(train.parse_args(flags(recipe, data, model_folder, tmp_path, 1))) == 0
    said = [record.getMessage() for record in caplog.records]
    shown = "<|im_start|>user\n0 + 0 = <|im_end|>\n<|im_start|>assistant\n⟦0 plus 0 makes 0<|im_end|>⟧"
    assert "training on 40 of 40 rows" in said
    place = next(number for number, line in enumerate(said) if line.endswith(shown))
    assert place < next(number for number, line in enumerate(said) if line.startswith("trained 1 of 1"))


def test_packed_training_steps_over_blocks(model_folder, write_lines, tokenizer, tmp_path) -> None:
    import json
    import math

    from scripts import train

    data = write_lines("rows.jsonl", rows_of_both_kinds())
    recipe = {**RECIPE, **METHODS["sft"], "max_steps": None, "packing": True, "loss_on": "all"}
    assert train.main(train.parse_args(flags(recipe, data, model_folder, tmp_path, 1))) == 0
    made = json.loads((tmp_path / "train.json").read_text())
    blocks = made["counts"]["blocks"]
    assert made["rows"] == 40 and 1 < blocks < 40 and made["steps"] == math.ceil(blocks / recipe["global_batch"])
    plain, _ = tokenised(rows_of_both_kinds(), tokenizer, RULES | {"loss_on": "all"})
    assert blocks == math.ceil(sum(len(row["input_ids"]) for row in plain) / recipe["max_tokens"])


# --- a schedule that is longer than the training ---------------------------------------------------------------------


def learning_rates(model_folder, tokenizer, folder, **changes) -> list[float]:
    """The learning rate of each step, as the trainer logs it."""
    import json

    from tests.unit.test_health import as_completions

    recipe = {**RECIPE, **METHODS["sft"], "max_steps": None, "warmup": 0.1, "save_steps": 1, "order": "sequential"}
    fit(recipe | changes, as_completions(20), model_folder, tokenizer, folder, micro_batch=4)
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    return [entry["learning_rate"] for entry in history if "learning_rate" in entry]


def test_training_may_end_before_its_schedule_does(model_folder, tokenizer, tmp_path) -> None:
    whole = learning_rates(model_folder, tokenizer, tmp_path / "whole", epochs=6)
    part = learning_rates(model_folder, tokenizer, tmp_path / "part", epochs=2, schedule_epochs=6)
    assert len(whole) == 30 and len(part) == 10
    assert part == pytest.approx(whole[:10])
    own = learning_rates(model_folder, tokenizer, tmp_path / "own", epochs=2)
    assert own[-1] < 0.2 * part[-1]
