"""How many rows a run can have is told before anything is made or paid for."""

import pytest

from scripts.lib.study import quotas

PAID = """
teachers:
  paid: {kind: openai, model: m, max_tokens: 64, critique_prompt: ask.j2, refine_prompt: ask.j2, answer_prompt: ask.j2}
critiques: {sums-paid: {responses: sums-self, teacher: paid, max_errors: 0.05}}
runs: {mine: {method: cft, start: base, recipe: short, prompt: ask.j2, data: {critiques: sums-paid, rows: 160}}}
"""


def test_more_rows_than_the_data_can_give_are_refused(small) -> None:
    message = small.mistake("runs: {sft: {data: {rows: 161}}}")
    assert message == (
        "config.yaml: runs.sft.data.rows = 161: its data can give 160 rows at most. Lower it, or name more data."
    )


def test_quota_that_no_row_may_leave_is_refused_where_a_teacher_is_paid(small) -> None:
    message = small.mistake(PAID)
    assert (
        "runs.mine.data.rows = 160: only 152 of the 160 rows of its data are left if max_errors is reached" in message
    )
    assert "slack: 0.05" in message and "when_short: take-all" in message


@pytest.mark.parametrize("change", ["rows: 160, slack: 0.05", "rows: 160, when_short: take-all", "rows: 152"])
def test_quota_with_the_slack_that_it_needs_is_fine(small, change: str) -> None:
    small.resolve(PAID.replace("rows: 160", change))


def test_errors_of_a_teacher_that_refines_count_beside_those_of_the_critic(small) -> None:
    refined = """
teachers: {other: {kind: openai, model: o, critique_prompt: ask.j2, refine_prompt: ask.j2, answer_prompt: ask.j2}}
refinements: {sums-refined: {critiques: sums-paid, teacher: other, max_errors: 0.5, rows: 100}}
runs: {refined: {method: cgd, start: base, recipe: short, prompt: ask.j2, data: {refinements: sums-refined, rows: 90}}}
"""
    message = small.mistake(refined, PAID.replace("rows: 160", "rows: 152"))
    assert "runs.refined.data.rows = 90: only 47 of the 100 rows of its data are left" in message
    small.resolve(refined.replace("rows: 90", "rows: 47"), PAID.replace("rows: 160", "rows: 152"))


def test_quota_as_large_as_the_data_is_refused_where_a_filter_or_the_trainer_takes_rows(small) -> None:
    message = small.mistake("runs: {sft: {data: {rows: 160}}}")
    assert "its data can give 160 rows at most, and keep: correct will remove some" in message
    run = "runs: {cft: {data: {rows: 160}}}"
    small.resolve(run)
    message = small.mistake(f"{run}\nrecipes: {{short: {{too_long: drop}}}}")
    assert "and the recipe's too_long: drop will remove some" in message


def test_parts_of_a_mix_have_their_shares(small) -> None:
    mix = "{mix: [{critiques: sums-verifier, weight: 1}, {critiques: sums-verifier, weight: 3}], rows: 200}"
    run = f"runs: {{mixed: {{method: cft, start: base, recipe: short, prompt: ask.j2, data: {mix}}}}}"
    study = small.resolve(run)
    found = [quota for quota, _ in quotas.quotas(study, study["runs"]["mixed"])]
    assert [(quota.asked, quota.most) for quota in found] == [(50, 160), (150, 160)]
    assert "its data can give 160 rows" in small.mistake(run.replace("rows: 200", "rows: 240"))


def test_pairs_of_a_dataset_and_rows_of_like_length_have_a_most(small) -> None:
    runs = """
runs:
  pairs: {method: dpo, start: base, recipe: short, prompt: ask.j2, data: {responses: sums-self, rows: 41}}
"""
    assert "its data can give 40 rows at most" in small.mistake(runs)
    small.resolve(runs.replace("rows: 41", "pairs_per_question: 2, rows: 80"))
    like = "runs: {cft: {data: {like: sft, like_rows: 200}}}"
    assert "runs.cft.data.like_rows = 200: its data can give 160 rows" in small.mistake(like)


def test_plan_says_how_large_the_pool_is_and_what_is_likely_to_pass(small) -> None:
    study = small.resolve("plan: {kept_share: 0.25}\nruns: {cft: {data: {rows: 100, slack: 0.1}}}")
    assert quotas.pools(study, ["sft", "cft"]) == [
        "sft: 20 rows of at most 160, of which about 40 pass keep: correct (25%)",
        "cft: 100 rows (90 will do) of at most 160",
    ]
    study = small.resolve("plan: {kept_share: 0.1}")
    (line,) = quotas.pools(study, ["sft"])
    assert line.endswith("about 16 pass keep: correct (10%): NOT ENOUGH")


def test_plan_names_the_entries_of_a_mixture_and_says_where_any_number_of_rows_will_do(small) -> None:
    mix = "[{critiques: sums-verifier}, {critiques: sums-verifier, keep: judged-wrong}]"
    data = f"{{mix: {mix}, rows: 40, when_short: take-all}}"
    study = small.resolve(f"runs: {{mixed: {{method: cft, start: base, recipe: short, prompt: ask.j2, data: {data}}}}}")
    told = "mixed (sums-verifier): 20 rows (fewer will do) of at most 160"
    assert quotas.pools(study, ["mixed"]) == [told, f"{told}, of which about 80 pass keep: judged-wrong (50%)"]
