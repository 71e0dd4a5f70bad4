"""What runs train on, spin's iterations as ordinary entries, and what is refused before any job."""

import json
from types import SimpleNamespace

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study import runs
from scripts.lib.study.settings import Study, program_versions

SPIN = """
runs:
  spin:
    method: spin
    start: sft
    recipe: short
    prompt: ask.j2
    last_iteration: 2
    iterations: {1: {learning_rate: 5.0e-4}, 2: {beta: 5.0}}
    sampling: {max_tokens: 32, temperature: 0}
    data: {dataset: sums, rows: 10}
  after: {method: dpo, start: spin.t2, recipe: short, prompt: ask.j2, data: {responses: sums-self}}
tables: {main: {rows: [{name: $of, of: spin}]}}
"""


def test_spin_becomes_a_run_and_responses_for_each_iteration(small):
    study = small.resolve(SPIN)
    assert "spin" not in study["runs"]
    assert [study["runs"][f"spin.t{t}"]["start"] for t in range(3)] == ["sft", "spin.t0", "spin.t1"]
    assert [study["responses"][f"spin.t{t}"]["model"] for t in range(3)] == ["sft", "spin.t0", "spin.t1"]
    assert study["responses"]["spin.t0"]["temperature"] == 0 and study["responses"]["spin.t0"]["rows"] == 10
    seeds = {study["responses"][f"spin.t{t}"]["seed"] for t in range(3)}
    assert len(seeds) == 3, "each iteration draws anew"


def test_spin_mixes_in_the_pairs_of_the_iteration_before(small):
    made = small.resolve(SPIN)["runs"]
    mixed = [made[f"spin.t{t}"]["data"]["self_play"] for t in range(3)]
    assert mixed == [["spin.t0"], ["spin.t1", "spin.t0"], ["spin.t2", "spin.t1"]]


def test_spin_iterations_change_the_recipe_of_their_own_iteration(small):
    made = small.resolve(SPIN)["runs"]
    rates = [made[f"spin.t{t}"]["hyperparameters"]["learning_rate"] for t in range(3)]
    betas = [made[f"spin.t{t}"]["hyperparameters"]["beta"] for t in range(3)]
    assert rates == [1.0e-3, 5.0e-4, 1.0e-3] and betas == [0.1, 0.1, 5.0]


def test_table_row_that_names_a_spin_run_shows_its_iterations(small):
    rows = small.resolve(SPIN)["tables"]["main"]["rows"]
    assert [(row["name"], row["of"]) for row in rows] == [(name, name) for name in ("spin.t0", "spin.t1", "spin.t2")]


def test_spin_without_iterations_is_refused(small):
    message = small.mistake(
        SPIN.replace("    last_iteration: 2\n", "").replace("spin.t2", "sft").replace("of: spin}", "of: sft}")
    )
    assert "runs.spin" in message and "last_iteration is missing" in message and "Add last_iteration" in message


def test_spin_iteration_overrides_are_checked(small):
    message = small.mistake(SPIN.replace("{beta: 5.0}", "{betta: 5.0}"))
    assert "runs.spin.iterations.2.betta" in message and "Did you mean beta?" in message
    message = small.mistake(SPIN.replace("2: {beta", "7: {beta"))
    assert "7 is after last_iteration 2" in message


def test_spin_keys_are_refused_on_other_runs(small):
    message = small.mistake("runs: {sft: {last_iteration: 2}}")
    assert "runs.sft.last_iteration" in message and "only a spin run" in message


def test_missing_start_and_start_cycle_are_refused(small):
    found = small.mistakes("runs: {sft: {start: cft}, cft: {start: sft}, other: {extends: sft, start: nobody}}")
    assert any("runs.sft.start: a cycle (sft → cft → sft)" in message for message in found)
    assert any("runs.other.start = 'nobody': not under models or runs" in message for message in found)


def test_each_method_names_its_own_sources(small):
    start = "runs: {x: {method: %s, start: base, recipe: short, prompt: ask.j2, data: %s}}"
    message = small.mistake(start % ("thinkpo", "{dataset: sums}"))
    assert "runs.x.data.dataset = 'sums': it has no chosen and rejected, which a thinkpo run needs" in message
    message = small.mistake(start % ("thinkpo", "{critiques: sums-verifier}"))
    assert "runs.x.data: a thinkpo run trains on long and short or dataset, this names critiques" in message
    message = small.mistake(start % ("dpo", "{critiques: sums-verifier}"))
    assert "a dpo run trains on dataset or responses" in message
    message = small.mistake(start % ("dpo", "{responses: sums-self, keep: correct}"))
    assert "runs.x.data.keep = 'correct': a dpo run has all" in message
    message = small.mistake(start % ("thinkpo", "{long: {dataset: sums}, short: {field: terse}}"))
    assert "runs.x.data.short" in message and "one of dataset and responses" in message


CGD = "runs: {x: {method: cgd, start: base, recipe: short, prompt: ask.j2, data: {%s}}}"
PAID = """
teachers: {paid: {kind: openai, model: m, critique_prompt: ask.j2, refine_prompt: ask.j2, answer_prompt: ask.j2}}
refinements: {sums-refined: {critiques: sums-verifier, teacher: paid}}
"""


def test_cgd_trains_on_critiques_a_dataset_or_refinements(small, write_lines):
    write_lines("rows.jsonl", [{"q": "?"}])
    fields = "question: q, answer: a, response: r, critique: c, refined: better"
    mine = f"datasets: {{mine: {{source: jsonl, path: rows.jsonl, fields: {{{fields}}}}}}}"
    for data in ("critiques: sums-verifier", "refinements: sums-refined", "dataset: mine, refined: refined"):
        study = small.resolve(CGD % data, PAID, mine)
        (part,) = runs.parts(study["runs"]["x"])
        assert part["critique_shown"] == "own" and runs.dataset_behind(study, *runs.sources(part)[0][1:])
    message = small.mistake(CGD % "responses: sums-self")
    assert "a cgd run trains on critiques or dataset or refinements, this names responses" in message


def test_refined_answers_must_be_there(small, write_lines):
    write_lines("rows.jsonl", [{"q": "?"}])
    fields = "question: q, response: r, critique: c"
    mine = f"datasets: {{mine: {{source: jsonl, path: rows.jsonl, fields: {{{fields}}}}}}}"
    message = small.mistake(CGD % "dataset: mine", mine)
    assert (
        "runs.x.data.refined = 'solution': the rows hold no such text (they have: critique, question, resp" in message
    )
    message = small.mistake(
        CGD % "critiques: sums-verifier, refined: terse"
    )  # what is sampled takes over solutions only
    assert "runs.x.data.refined = 'terse': the rows hold no such text (they have: solution)" in message
    message = small.mistake(CGD % "dataset: mine, refined: critique, critique_shown: without-answer", mine)
    assert "runs.x.data.critique_shown = 'without-answer': dataset 'mine' has no reference answers" in message


def test_refinements_name_critiques_and_a_teacher_that_writes_answers(small):
    message = small.mistake("refinements: {x: {critiques: sums-verifier, teacher: verifier}}")
    assert "refinements.x.teacher = 'verifier': it writes critiques only. Name a teacher of kind openai." in message
    message = small.mistake("refinements: {x: {critiques: nothing, teacher: paid}}", PAID)
    assert "refinements.x.critiques = 'nothing'" in message


def test_mix_gives_each_part_its_method_prompt_and_weight(small):
    from scripts.lib.study import runs

    mixed = """
runs:
  mixed:
    method: sft
    start: sft
    recipe: short
    prompt: ask.j2
    data: {rows: 30, mix: [{dataset: sums, weight: 2}, {method: cft, critiques: sums-verifier}]}
"""
    parts = runs.parts(small.resolve(mixed)["runs"]["mixed"])
    assert [(part["method"], part["weight"], part["prompt"]) for part in parts] == [
        ("sft", 2.0, "ask.j2"),
        ("cft", 1.0, "ask.j2"),
    ]
    assert [runs.sources(part)[0][1:] for part in parts] == [
        ("datasets", "sums"),
        ("critiques", "sums-verifier"),
    ]


def test_answers_and_pairs_are_not_mixed(small):
    mixed = """
runs:
  x:
    {method: sft, start: base, recipe: short, prompt: ask.j2,
     data: {mix: [{dataset: sums}, {method: dpo, responses: sums-self}]}}
"""
    message = small.mistake(mixed)
    assert "runs.x.data.mix" in message and "cannot be mixed" in message


def test_preference_set_without_its_columns_is_refused(small, write_lines):
    write_lines("pairs.jsonl", [{"id": 1, "question": "?"}])
    pairs = """
datasets: {pairs: {source: jsonl, path: pairs.jsonl, fields: {question: question}}}
runs: {x: {method: dpo, start: base, recipe: short, prompt: ask.j2, data: {dataset: pairs}}}
"""
    message = small.mistake(pairs)
    assert "runs.x.data.dataset = 'pairs': it has no chosen and rejected" in message


RELEASED = """
datasets:
  pairs-$t: {source: jsonl, path: p.jsonl, for_each: {t: [0, 1]}, fields: {question: q, solution: s, response: r}}
runs:
  spin: {method: spin, start: base, recipe: short, prompt: ask.j2, last_iteration: 1, data: {pairs: [pairs-0, pairs-1]}}
"""


def test_spin_on_released_pairs_samples_nothing_and_mixes_two_rounds(small, write_lines):
    write_lines("p.jsonl", [{"q": "?", "s": "a", "r": "b"}])
    study = small.resolve(RELEASED)
    assert not [name for name in study["responses"] if name.startswith("spin")]
    data = study["runs"]["spin.t1"]["data"]
    assert runs.sources(runs.parts(study["runs"]["spin.t1"])[0]) == [
        (("self_play", 0), "datasets", "pairs-1"),
        (("self_play", 1), "datasets", "pairs-0"),
    ]
    assert data["rows"] is None and study["runs"]["spin.t1"]["start"] == "spin.t0"
    message = small.mistake(RELEASED.replace("[pairs-0, pairs-1]", "[pairs-0]"))
    assert "runs.spin.data.pairs: 1 datasets for 2 iterations" in message
    message = "\n".join(small.mistakes(RELEASED.replace("solution: s, response: r", "solution: s")))
    assert "it has no response, which a spin run needs" in message


def test_spin_can_take_the_answers_of_another_run(small):
    again = (
        "  again: {extends: spin, last_iteration: 0, iterations: null, data: {responses: spin.t0, rows: 9}}\ntables:"
    )
    study = small.resolve(SPIN.replace("tables:", again))
    data = study["runs"]["again.t0"]["data"]
    assert data["self_play"] == ["spin.t0"] and data["rows"] == 9 and "again.t0" not in study["responses"]


def test_rows_of_a_spin_run_on_released_pairs_hold_for_each_iteration(small, write_lines):
    write_lines("p.jsonl", [{"q": "?", "s": "!", "r": "."}])
    study = small.resolve(RELEASED.replace("data: {pairs", "data: {rows: 5, slack: 0.2, pairs"))
    data = [study["runs"][f"spin.t{t}"]["data"] for t in (0, 1)]
    assert [(made["rows"], made["slack"]) for made in data] == [(5, 0.2), (10, 0.2)]


def test_tokens_are_counted_by_the_model_that_the_starts_go_back_to(small):
    study = small.resolve(SPIN.replace("    start: sft", "    start: sft\n    template: null"))
    study["runs"]["sft"]["template"] = "mine.jinja"
    assert runs.tokenizer_behind(study, "spin.t2") == ("base", "mine.jinja")
    assert runs.tokenizer_behind(study, "cft") == ("base", None)


@pytest.mark.parametrize(
    ("recipe", "limit"),
    [
        ("{}", None),
        ("{too_long: drop, packing: true}", None),
        ("{too_long: drop}", {"max_tokens": 128, "end_inside": "error", "loss_on": "answer", "template": None}),
        ("{end_inside: drop}", {"max_tokens": None, "end_inside": "drop", "loss_on": "answer", "template": None}),
    ],
)
def test_training_set_knows_what_its_trainer_would_leave_out(small, recipe: str, limit: dict | None):
    study = Study(small.resolve(f"recipes: {{short: {recipe}}}"), program_versions(ROOT / "scripts"))
    wildcards = SimpleNamespace(run="cft")
    assert json.loads(study.train_set_settings(wildcards)).get("limit") == limit
    assert study.length_tokenizer(wildcards) == (["<results>/models/base"] if limit else [])
