"""`stop:` of a benchmark, of responses and of a local teacher reaches the jobs that generate, and only those."""

import json
from types import SimpleNamespace

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study.settings import Study, limits, program_versions

LOCAL = (
    "teachers: {own: {kind: transformers, model: base}}\ncritiques: {sums-own: {responses: sums-self, teacher: own}}"
)
SPIN = """
runs:
  spin:
    method: spin
    start: base
    recipe: short
    prompt: ask.j2
    last_iteration: 0
    data: {dataset: sums}
"""
STOP = '["Question:", 151645]'
PLACES = {
    "benchmark": ("benchmarks: {gcd: {stop: %s}}", "suite_settings", {"suite": "numbers"}),
    "validation": ("benchmarks: {gcd: {stop: %s}}\nruns: {cft: {select: gcd}}", "validation_settings", {"run": "cft"}),
    "responses": ("responses: {sums-self: {stop: %s}}", "sampling_settings", {"responses": "sums-self"}),
    "spin": (f"{SPIN}    sampling: {{stop: %s}}", "sampling_settings", {"responses": "spin.t0"}),
    "teacher": (LOCAL.replace("model: base", "model: base, stop: %s"), "critique_settings", {"critiques": "sums-own"}),
}


def settings(small, changes: str, method: str, wildcards: dict) -> dict:
    study = Study(small.resolve(changes), program_versions(ROOT / "scripts"))
    return json.loads(getattr(study, method)(SimpleNamespace(**wildcards)))


def holding(values, found: list) -> list:
    """Every value under a key `stop`, at any depth."""
    for key, value in values.items() if isinstance(values, dict) else ():
        found += [value] if key == "stop" else []
        holding(value, found)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_stop_reaches_the_job_and_leaves_no_trace_where_there_is_none(small, place) -> None:
    changes, method, wildcards = PLACES[place]
    with_stop = settings(small, changes % STOP, method, wildcards)
    assert holding(with_stop, []) == [["Question:", 151645]]
    without = changes.replace("sampling: {stop: %s}", "sampling: {}").replace(", stop: %s", "").replace("stop: %s", "")
    assert holding(settings(small, without, method, wildcards), []) == []


def test_stop_of_a_teacher_decides_its_texts() -> None:
    assert "stop" not in limits({"kind": "transformers", "stop": ["x"], "engine": None})


@pytest.mark.parametrize("value", ['["Question:", 1.5]', '[""]', "[-1]", "Question"])
def test_stop_that_is_no_list_of_texts_and_token_ids_is_told(small, value) -> None:
    assert "benchmarks.gcd.stop" in small.mistake(f"benchmarks: {{gcd: {{stop: {value}}}}}")


def test_rows_that_are_packed_are_not_left_out_by_their_length(small) -> None:
    run = "recipes: {short: {too_long: drop, packing: %s}}"
    assert settings(small, run % "false", "train_set_settings", {"run": "sft"}) != (
        packed := settings(small, run % "true", "train_set_settings", {"run": "sft"})
    )
    assert "max_tokens" not in json.dumps(packed)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            "recipes: {short: {schedule_epochs: 1, epochs: 2}}",
            "recipes.short.schedule_epochs = 1.0: the training runs",
        ),
        (
            "runs: {cft: {overrides: {schedule_epochs: 0.5}}}",
            "runs.cft.overrides.schedule_epochs = 0.5: the training runs",
        ),
        (
            SPIN + "    overrides: {packing: true}",
            "packing = True: a spin run trains on pairs: only sft, cft and cgd read it",
        ),
        (SPIN + "    overrides: {loss_on: all}", "loss_on = 'all': a spin run trains on pairs"),
        (
            SPIN + "    overrides: {loss: dft}",
            "loss = 'dft': a spin run has the losses logistic, hinge, ipo, simpo, orpo",
        ),
        (
            "runs: {cft: {overrides: {loss: hinge}}}",
            "runs.cft.overrides.loss = 'hinge': a cft run has the losses logistic",
        ),
        (SPIN + "    overrides: {loss: orpo, precompute_reference: true}", "precompute_reference = True: orpo has no"),
    ],
)
def test_recipe_at_odds_with_itself_or_its_method_is_told(small, changes, told) -> None:
    assert told in small.mistake(changes)
