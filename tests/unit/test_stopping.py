"""Early stopping: which rows are held out, when a training ends, what it keeps, and that it survives a kill."""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.console.outcome import outcome
from scripts.lib.jsonl import BadInput, read_json, write_json
from scripts.lib.study.settings import Study, program_versions
from scripts.lib.tables import facts, flags
from scripts.lib.training.held_out import drawn
from tests.trainings import KINDS, LORA, RECIPE, launch, rows_of_both_kinds
from tests.trainings import flags as command

stopping = pytest.importorskip("scripts.lib.training.stopping")
rows = pytest.importorskip("scripts.lib.training.rows")
training = pytest.importorskip("scripts.lib.training.trainers")

EARLY = {"rows": 8, "every": 2, "patience": 2, "min_delta": 0.0}
STOPS = {**RECIPE, **KINDS["sft"], "learning_rate": 2e-2, "max_steps": 40, "save_steps": 3, "early_stopping": EARLY}


# --- the decision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "expected"),
    [
        ([2.0], 1, 0.0, (10, 2.0, False)),
        ([2.0, 1.5, 1.6], 2, 0.0, (20, 1.5, False)),
        ([2.0, 1.5, 1.6, 1.7], 2, 0.0, (20, 1.5, True)),
        ([2.0, 2.0], 1, 0.0, (10, 2.0, True)),  # the earliest of equals
        ([2.0, 2.1, 1.9, 2.1], 2, 0.0, (30, 1.9, False)),  # an improvement starts the count anew
        ([2.0, 1.95, 1.93], 2, 0.1, (30, 1.93, True)),  # lower, but not by enough: the lowest is kept all the same
        ([2.0, 2.1, 2.2, 1.0], 2, 0.0, (10, 2.0, True)),  # it has ended before
    ],
)
def test_training_ends_when_the_loss_has_stopped_falling(losses, patience, min_delta, expected) -> None:
    found = [(10 * number, loss) for number, loss in enumerate(losses, 1)]
    assert stopping.judged(found, patience, min_delta) == expected


def test_decision_is_that_of_transformers() -> None:
    from transformers import EarlyStoppingCallback, TrainerControl, TrainerState

    draw = random.Random(3)
    for _ in range(300):
        patience, threshold = draw.randint(1, 4), draw.choice([0.0, 0.1, 0.3])
        losses = [round(draw.uniform(1, 2), 1) for _ in range(12)]
        theirs, state, control = EarlyStoppingCallback(patience, threshold), TrainerState(), TrainerControl()
        args = SimpleNamespace(metric_for_best_model="eval_loss", greater_is_better=False)
        for number, loss in enumerate(losses, 1):
            theirs.on_evaluate(args, state, control, {"eval_loss": loss})
            if state.best_metric is None or loss < state.best_metric:  # as Trainer does, after the callback
                state.best_metric, state.best_global_step = loss, number
            ours = stopping.judged(list(enumerate(losses[:number], 1)), patience, threshold)
            assert ours == (state.best_global_step, state.best_metric, control.should_training_stop), (losses, number)
            if ours.stop:
                break


# --- the rows that are held out ---------------------------------------------------------------------------------------


def test_held_out_rows_follow_from_seed_and_ids_alone() -> None:
    names = [f"q{number}" for number in range(50)]
    chosen = {names[place] for place in drawn(names, 10, seed=1)}
    mixed = random.Random(0).sample(names, 50)
    assert {mixed[place] for place in drawn(mixed, 10, seed=1)} == chosen
    assert {names[place] for place in drawn(names, 10, seed=2)} != chosen and len(chosen) == 10


@pytest.mark.parametrize("packing", [False, True], ids=["rows", "blocks"])
def test_held_out_rows_are_not_trained_on_and_counted(packing, tokenizer, write_lines, tmp_path) -> None:
    recipe = {**RECIPE, **KINDS["sft"], "packing": packing}
    data = write_lines("rows.jsonl", rows_of_both_kinds())
    rows.prepare(data, tmp_path / "all", tokenizer, recipe)
    rows.prepare(data, tmp_path / "some", tokenizer, {**recipe, "early_stopping": EARLY})
    (whole, before), (rest, counts) = rows.load(tmp_path / "all"), rows.load(tmp_path / "some")
    apart = rows.load_held_out(tmp_path / "some")
    assert not (tmp_path / "all" / rows.HELD_OUT).exists() and "rows_held_out" not in before
    assert (counts["rows_in"], counts["rows_trained"], counts["rows_held_out"]) == (40, 32, 8)
    tokens = [sum(map(len, part["input_ids"])) for part in (whole, rest, apart)]
    assert tokens[0] == tokens[1] + tokens[2]
    assert counts["prompt_tokens"] + counts["completion_tokens"] == tokens[1]
    if not packing:
        texts = [set(map(tuple, part["input_ids"])) for part in (whole, rest, apart)]
        assert texts[1] | texts[2] == texts[0] and not texts[1] & texts[2] and len(apart) == 8
    assert "; 8 held out for validation" in rows.trained_on(counts)


def test_no_row_left_to_train_on_is_told(tokenizer, write_lines, tmp_path) -> None:
    recipe = {**RECIPE, **KINDS["sft"], "early_stopping": {**EARLY, "rows": 40}}
    data = write_lines("rows.jsonl", rows_of_both_kinds())
    with pytest.raises(BadInput, match="holds out 40 rows, and there are 40, so none is left to train on. Lower its"):
        rows.prepare(data, tmp_path / "made", tokenizer, recipe)


# --- trainings --------------------------------------------------------------------------------------------------------


def rows_apart() -> list[dict]:
    """Rows of which those that are held out have other answers, so that their loss falls at first, and rises then."""
    made = rows_of_both_kinds()
    apart = drawn([json.dumps(row["id"]) for row in made], EARLY["rows"], STOPS["seed"])
    return [{**row, "completion": "OTHER WORDS" if place in apart else "4"} for place, row in enumerate(made)]


def trained(recipe: dict, data: Path, start: Path, folder: Path) -> dict:
    """The summary of a training."""
    from scripts import train

    assert train.main(train.parse_args(command(recipe, data, start, folder, 1))) == 0
    return read_json(folder / "train.json")


def candidates(folder: Path) -> dict[str, bytes]:
    """The weights of each candidate."""
    return {file.parent.name: file.read_bytes() for file in (folder / "weights").rglob("*.safetensors")}


@pytest.mark.slow("trains a tiny model whole, until it is killed, and to its end")
@pytest.mark.parametrize(
    ("killed_at", "lora"),
    [("best", None), ("late", {**LORA, "dropout": 0.2}), ("save", None), ("export", None)],
)
def test_killed_training_stops_early_at_the_same_step_with_the_same_bytes(
    lora, killed_at, model_folder, write_lines, tmp_path, monkeypatch
) -> None:
    recipe, data = {**STOPS, "lora": lora}, write_lines("rows.jsonl", rows_apart())
    whole = trained(recipe, data, model_folder, tmp_path / "whole")
    early = whole["early_stopping"]
    assert early["stopped"] and early["planned_steps"] == 40 and whole["steps"] < 40
    assert early["best_step"] == whole["steps"] - EARLY["patience"] * EARLY["every"]
    found = {entry["step"]: entry["validation_loss"] for entry in whole["losses"] if "validation_loss" in entry}
    assert list(found) == [*range(2, whole["steps"] + 1, 2)] and min(found.values()) == early["best_loss"]
    assert list(candidates(tmp_path / "whole")) == [f"step-{early['best_step']:06d}"] == list(whole["candidates"])

    with monkeypatch.context() as killed:
        last = {"best": early["best_step"] + 1, "late": whole["steps"] - 1}.get(killed_at, whole["steps"])

        def die(self, args, state, control, **kwargs):
            if state.global_step == last:
                raise KeyboardInterrupt

        def die_at_once(*args, **kwargs):
            raise KeyboardInterrupt

        if killed_at == "save":  # the last checkpoint is written, and candidates that it does not need are still there
            killed.setattr(stopping.KeepBest, "on_save", die)
        elif killed_at == "export":
            killed.setattr(training, "export", die_at_once)
        else:
            killed.setattr(stopping.KeepBest, "on_step_end", die)
        with pytest.raises(KeyboardInterrupt):
            trained(recipe, data, model_folder, tmp_path / "killed")
    again = trained(recipe, data, model_folder, tmp_path / "killed")
    assert again["losses"] == whole["losses"] and again["early_stopping"] == early
    assert candidates(tmp_path / "killed") == candidates(tmp_path / "whole")


def test_evaluation_changes_nothing_of_the_training_and_a_pass_nothing_of_the_evaluation(
    model_folder, tokenizer, write_lines, tmp_path
) -> None:
    from scripts.lib.training import fitting
    from scripts.lib.training.machine import Machine

    data, losses = write_lines("rows.jsonl", rows_of_both_kinds()), {}
    long = {**RECIPE, **KINDS["sft"], "max_steps": 6, "early_stopping": {**EARLY, "every": 4, "patience": 9}}
    for name, every, micro in (("often", 1, 4), ("rarely", 4, 4), ("alone", 1, 1)):
        recipe, state = {**long, "early_stopping": {**long["early_stopping"], "every": every}}, tmp_path / name
        rows.prepare(data, state / "rows", tokenizer, recipe)
        losses[name] = fitting.fit(recipe, model_folder, tokenizer, state, Machine(micro))["losses"]
    often, rarely, alone = losses.values()
    assert [entry["loss"] for entry in often] == [entry["loss"] for entry in rarely]
    evaluated = [entry["step"] for entry in rarely if "validation_loss" in entry]
    assert evaluated == [4, 6], "the last step is evaluated too"
    assert rarely[3]["validation_loss"] == often[3]["validation_loss"]
    assert [entry["validation_loss"] for entry in alone] == pytest.approx(
        [entry["validation_loss"] for entry in often], rel=1e-5
    )


@pytest.mark.parametrize("loss", ["logistic", "dft"])
def test_validation_loss_is_the_mean_over_the_tokens_of_the_held_out_rows(
    loss, model_folder, tokenizer, write_lines, tmp_path
) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    from scripts.lib.training import fitting
    from scripts.lib.training.machine import Machine

    recipe = {**RECIPE, **KINDS["sft"], "loss": loss, "max_steps": 1, "warmup": 0.0, "early_stopping": EARLY}
    rows.prepare(write_lines("rows.jsonl", rows_of_both_kinds()), tmp_path / "rows", tokenizer, recipe)
    made = fitting.fit(recipe, model_folder, tokenizer, tmp_path, Machine(2))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "candidates" / "step-000001")
    total, count = 0.0, 0
    for row in Dataset.load_from_disk(tmp_path / "rows" / rows.HELD_OUT):
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([row["input_ids"]])).logits[0].double().log_softmax(-1)
        found = [scores[place, label] for place, label in enumerate(row["labels"][1:]) if label != -100]
        total -= sum(value * (value.exp() if loss == "dft" else 1) for value in found)
        count += len(found)
    assert made["early_stopping"]["best_loss"] == pytest.approx(float(total) / count, rel=1e-5)
    assert made["early_stopping"]["stopped"] is False and made["steps"] == 1


def test_signal_at_the_step_that_stops_early_ends_the_training_as_complete(
    model_folder, write_lines, tmp_path, monkeypatch
) -> None:
    data = write_lines("rows.jsonl", rows_apart())
    last = trained(STOPS, data, model_folder, tmp_path / "whole")["steps"]
    asked = training.StopOnSignal.on_step_end

    def told(self, args, state, control, **kwargs):
        self.signal = 15 if state.global_step == last else 0
        asked(self, args, state, control, **kwargs)

    monkeypatch.setattr(training.StopOnSignal, "on_step_end", told)
    assert trained(STOPS, data, model_folder, tmp_path / "told")["steps"] == last
    assert candidates(tmp_path / "told") == candidates(tmp_path / "whole")


def test_validation_loss_that_is_no_number_ends_the_training(tmp_path) -> None:
    keep = stopping.KeepBest(tmp_path, {"run": "sft", "early_stopping": EARLY})
    with pytest.raises(BadInput, match="run sft, step 4: the loss on the held-out rows is nan. Lower learning_rate"):
        keep.on_evaluate(None, SimpleNamespace(global_step=4), None, {"eval_loss": float("nan")})


@pytest.mark.slow("starts two processes that import torch")
def test_two_processes_have_the_validation_losses_of_one(model_folder, write_lines, tmp_path) -> None:
    # An odd number: one process has a row less. Eight steps end before the last batch of an epoch, which is not full.
    recipe = {**STOPS, "max_steps": 8, "early_stopping": {**EARLY, "rows": 7, "patience": 9}}
    data = write_lines("rows.jsonl", rows_apart())
    one = trained(recipe, data, model_folder, tmp_path / "one")
    [launcher] = launch(recipe, data, model_folder, tmp_path / "two", "ddp", 1)
    assert launcher.wait(timeout=200) == 0, (tmp_path / "two" / "log").read_text()[-4000:]
    two = read_json(tmp_path / "two" / "train.json")
    assert two["early_stopping"] == pytest.approx(one["early_stopping"], abs=1e-3)
    assert list(candidates(tmp_path / "two")) == list(candidates(tmp_path / "one"))


# --- settings and what is said ----------------------------------------------------------------------------------------

STOPPED = "runs: {sft: {overrides: {candidate_steps: [], early_stopping: {rows: 2, every: 4}}}}"


def settings_of(study: dict) -> str:
    return Study(study, program_versions(ROOT / "scripts")).recipe(SimpleNamespace(run="sft"))


def test_null_is_as_if_the_key_were_absent(small) -> None:
    absent = settings_of(small.resolve())
    assert "early_stopping" not in absent
    assert settings_of(small.resolve("runs: {sft: {overrides: {early_stopping: null}}}")) == absent
    early = json.loads(settings_of(small.resolve(STOPPED)))["early_stopping"]
    assert early == {"rows": 2, "every": 4, "patience": 3, "min_delta": 0.0}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            "rows: 2, every: 4}, candidate_steps: [3]",
            "early_stopping keeps the best evaluated step as the only",
        ),
        ("rows: 900, every: 4}, candidate_steps: []", "early_stopping.rows = 900: run sft has"),
        ("rows: 2}, candidate_steps: []", "every"),
    ],
)
def test_recipe_that_contradicts_itself_is_refused(changes, says, small) -> None:
    assert says in small.mistake(f"runs: {{sft: {{overrides: {{early_stopping: {{{changes}}}}}}}")


def test_pairs_and_selected_runs_do_not_stop_early(small) -> None:
    pairs = "{method: dpo, start: sft, recipe: short, prompt: ask.j2, data: {responses: sums-self}, overrides: %s}"
    overrides = "{candidate_steps: [], early_stopping: {rows: 2, every: 4}}"
    assert "a dpo run trains on pairs: only sft, cft and cgd read it" in small.mistake(
        f"runs: {{d: {pairs % overrides}}}"
    )
    selected = f"runs: {{sft: {{select: gcd, overrides: {overrides}}}}}"
    assert "the checkpoint of run sft is selected on gcd already" in small.mistake(selected)


SUMMARY = {
    **{"steps": 40, "train_seconds": 60.0, "processes": 1},
    "losses": [{"step": 1, "loss": 2.73}, {"step": 40, "loss": 1.4}],
    "recipe": {"epochs": 4, "max_steps": None, "global_batch": 4, "learning_rate": 1e-3, "beta": 0.1},
    "counts": {"rows_in": 80, "rows_trained": 64, "rows_held_out": 16, "prompt_tokens": 600, "completion_tokens": 300},
    "early_stopping": {"stopped": True, "planned_steps": 64, "best_step": 32, "best_loss": 1.307},
}


@pytest.mark.parametrize(
    ("stopped", "steps", "says"),
    [
        (True, 40, "stopped at step 40 of 64, loss 2.73 → 1.40, best step 32, validation loss 1.31"),
        (False, 64, "64 steps, loss 2.73 → 1.40, best step 32, validation loss 1.31"),
    ],
)
def test_line_of_a_finished_training_says_where_it_stopped(stopped, steps, says, tmp_path) -> None:
    early = {**SUMMARY["early_stopping"], "stopped": stopped}
    write_json(tmp_path / "train.json", {**SUMMARY, "steps": steps, "early_stopping": early})
    assert outcome("train", [str(tmp_path / "candidates"), str(tmp_path / "train.json")]) == says


def test_table_shows_the_steps_and_rows_behind_the_checkpoint_and_says_how_it_was_chosen(tmp_path) -> None:
    write_json(tmp_path / "cft" / "train.json", SUMMARY)
    shown = facts.read_facts([str(tmp_path / "cft" / "train.json")])
    assert [shown[name, "cft"] for name in ("rows", "steps", "epochs")] == [64, 32, 2.0]
    note = flags.note_of_stops({"sft": {"steps": 64}, "cft": SUMMARY})
    assert note.endswith("do not count (cft step 32, 40 of 64 steps trained, 16 rows held out).")
    assert flags.note_of_stops({"sft": {"steps": 64}}) == ""
    assert flags.of_training(SUMMARY) == {}, "rows that are held out are not left out"
