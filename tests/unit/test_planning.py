"""Estimates of hours, money and disk from a study's settings, against figures worked out by hand."""

import json
from pathlib import Path

import pytest

from scripts import plan
from scripts.lib.cli import ROOT
from scripts.lib.jobs.dag import Job
from scripts.lib.jobs.planning import Cost, Estimator, longest_chain
from scripts.lib.jsonl import BadInput, write_json, write_rows
from scripts.lib.study.resolve import resolve

STUDY = """
study: planned
engine: cpu
engines: {cpu: {kind: transformers}}
machines: {gpu: {training: 3600, generation: 7200, gpus: 2}}
plan: {machine: gpu, answer_share: 0.5, row_share: 0.25, question_tokens: 100}
models:
  small-7b: {source: folder, path: small, family: llama}
  sized: {source: folder, path: sized, family: llama, billions: 2}
  unsized: {source: folder, path: unsized, family: llama}
datasets:
  sums: {source: reasoning-gym, tasks: {chain_sum: {}}, rows: 1000, seed: 1}
responses:
  sums-self: {dataset: sums, model: small-7b, prompt: prompts/answer.j2, samples: 4, max_tokens: 200, shards: 2}
teachers:
  paid: {kind: openai, model: m, expected_tokens: 400, price: {input: 1.0, output: 10.0, date: "2026-05"}}
critiques:
  sums-paid: {responses: sums-self, teacher: paid, rows: 3000, shards: 3}
refinements: {sums-refined: {critiques: sums-paid, teacher: paid, rows: 2000, shards: 2}}
recipes:
  full: {learning_rate: 1.0e-5, global_batch: 10, max_tokens: 800, epochs: 2, candidate_steps: [10, 20]}
runs:
  sft: {method: sft, start: sized, recipe: full, prompt: prompts/answer.j2, data: {responses: sums-self, rows: 720}}
  all: {extends: sft, data: {rows: null}}
  dpo: {extends: sft, method: dpo, start: sft, select: gcd, data: {rows: 72}}
  cgd: {extends: all, method: cgd, data: {responses: null, refinements: sums-refined}}
benchmarks:
  gcd:
    kind: math
    prompt: prompts/answer.j2
    samples: 3
    max_tokens: 100
    questions: {source: reasoning-gym, tasks: {gcd: {}}, rows: 60, seed: 2}
  arc: {kind: harness, task: arc_challenge, shots: 24, metric: acc_norm}
  talk:
    kind: judge
    teacher: paid
    prompt: prompts/answer.j2
    max_tokens: 200
    questions: {source: hub, repo: o/n, revision: unpinned, split: train, fields: {question: q, turns: t}, rows: 80}
  judging:
    kind: critique
    prompt: prompts/critique.j2
    questions: {source: responses, responses: sums-self}
  sampled: {extends: gcd, temperature: 0.5, best_of_n: {prompt: prompts/critique.j2, max_tokens: 40}}
suites: {numbers: [gcd], mixed: [gcd, arc, talk], sampled: [gcd, sampled]}
"""


@pytest.fixture
def estimator(tmp_path, monkeypatch) -> Estimator:
    """Of the study above, in a folder without results."""
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "prompts").symlink_to(ROOT / "prompts")
    monkeypatch.chdir(tmp_path)
    return Estimator(resolve(["study.yaml"]))


def job(rule: str, needs: tuple[Job, ...] = (), pending: bool = True, gpu: bool = False, **wildcards: str) -> Job:
    return Job(rule, wildcards, (f"{rule}-{wildcards}",), pending, gpu, list(needs))


def test_training_is_rows_times_epochs_times_length(estimator: Estimator) -> None:
    # 720 rows × 2 epochs × a quarter of 800 tokens × 2 billion parameters / 3600 / 3600
    assert estimator.cost(job("train", run="sft")).gpu_hours == pytest.approx(720 * 2 * 200 * 2 / 3600 / 3600)


def test_pair_counts_for_both_answers_and_the_reference(estimator: Estimator) -> None:
    one, pair = (estimator.cost(job("train", run=run)).gpu_hours for run in ("sft", "dpo"))
    assert pair == pytest.approx(one * 72 / 720 * 2 * 4 / 3)


def test_run_without_a_number_of_rows_trains_on_all_there_are(estimator: Estimator) -> None:
    assert estimator.rows_of("runs", "all") == 4000


def test_shard_is_its_part_of_the_samples(estimator: Estimator) -> None:
    found = estimator.cost(job("sample_responses", responses="sums-self", shard="0")).gpu_hours
    assert found == pytest.approx(1000 * 4 * 100 * 7 / 7200 / 3600 / 2)


def test_answers_to_a_suite_and_to_a_validation_set(estimator: Estimator) -> None:
    answers = 60 * 3 * 50 * 2 / 7200 / 3600
    assert estimator.cost(job("generate", checkpoint="sft", suite="numbers")).gpu_hours == pytest.approx(answers)
    assert estimator.cost(job("validate", run="dpo")).gpu_hours == pytest.approx(3 * answers)  # two and the last


def test_own_critiques_are_one_of_each_sample_and_judged_responses_are_those_that_there_are(estimator) -> None:
    found = estimator.cost(job("critique_answers", checkpoint="sft", suite="sampled")).gpu_hours
    assert found == pytest.approx(60 * 3 * 20 * 2 / 7200 / 3600)
    assert estimator.rows_of("benchmarks", "judging") == 4000


def test_benchmarks_that_are_jobs_of_their_own_are_not_in_their_suite(estimator: Estimator) -> None:
    assert estimator.suite_tokens("mixed") == estimator.suite_tokens("numbers")
    estimator.study["plan"]["rows"] = {"arc": 1172}
    found = estimator.cost(job("evaluate_harness", checkpoint="sft", benchmark="arc")).gpu_hours
    assert found == pytest.approx(1172 * 4 * 25 * 100 * 2 / 3600 / 3600 / 3)  # reading is a third of training
    turns = estimator.cost(job("generate_turns", checkpoint="sft", benchmark="talk")).gpu_hours
    assert turns == pytest.approx(80 * 2 * 100 * 2 / 7200 / 3600)
    # 160 judgements: 100 + 1.5 × 100 tokens in at 1 USD, 400 out at 10 USD a million
    paid = estimator.cost(job("judge_turns", checkpoint="sft", benchmark="talk")).dollars
    assert paid == pytest.approx(160 * (250 * 1 + 400 * 10) / 1e6)


def test_questions_that_are_prepared_are_counted(estimator: Estimator, tmp_path) -> None:
    prepared = tmp_path / "results" / "planned" / "benchmarks" / "gcd.json"
    prepared.parent.mkdir(parents=True)
    prepared.write_text(json.dumps({"rows": 30}))
    assert estimator.benchmark_tokens("gcd") == 30 * 3 * 50


def test_set_that_is_taken_whole_has_the_rows_of_the_plan_or_is_told(estimator: Estimator) -> None:
    for name in ("told", "untold"):
        estimator.study["datasets"][name] = {"source": "hub", "rows": None}
    estimator.study["plan"]["rows"] = {"told": 17000}
    assert (estimator.rows_of("datasets", "told"), estimator.rows_of("datasets", "untold")) == (17000, 1000)
    assert list(estimator.unknown) == ["datasets.untold: its rows are not known, counted as 1,000: add it to plan.rows"]


def test_teacher_costs_what_it_reads_and_writes(estimator: Estimator) -> None:
    # 3,000 critiques in 3 shards; 100 + 100 tokens in at 1 USD, 400 out at 10 USD a million.
    found = estimator.cost(job("critique_by_api", critiques="sums-paid", shard="0")).dollars
    assert found == pytest.approx((3000 * 200 * 1 + 3000 * 400 * 10) / 1e6 / 3)


def test_refined_answers_cost_what_is_read_of_response_and_critique(estimator: Estimator) -> None:
    # 2,000 answers in 2 shards; 100 + 100 + 400 tokens in at 1 USD, 400 out at 10 USD a million.
    found = estimator.cost(job("refine_responses", refinements="sums-refined", shard="0")).dollars
    assert found == pytest.approx((2000 * 600 * 1 + 2000 * 400 * 10) / 1e6 / 2)
    assert estimator.rows_of("runs", "cgd") == 2000
    tokens = 2000 * 2 * 200  # rows × epochs × a quarter of 800, as of any answers
    assert estimator.training_tokens("cgd") == tokens


def test_teacher_with_responses_at_hand_costs_what_the_estimate_says(estimator: Estimator, write_lines) -> None:
    rows = [{"id": str(n), "question": "q" * 40, "response": "r" * n, "verdict": None} for n in range(1, 11)]
    write_lines("results/planned/responses/sums-self/graded.jsonl", rows)
    found = estimator.dollars("critiques", "sums-paid")
    assert 10 * 400 * 10 / 1e6 < found < 10 * (400 * 10 + 400) / 1e6


def test_size_is_read_from_the_name_or_told_to_be_unknown(estimator: Estimator) -> None:
    assert (estimator.billions("small-7b"), estimator.billions("dpo")) == (7.0, 2.0)
    assert estimator.billions("unsized") is None
    assert list(estimator.unknown) == ["models.unsized: its size is not in its name: add billions"]


@pytest.mark.parametrize("kept", [False, True])
def test_disk_holds_candidates_of_one_run_or_of_all(estimator: Estimator, kept: bool) -> None:
    estimator.study["keep_candidates"] = kept
    jobs = [job("fetch_model", model="sized"), *(job("train", run=run) for run in ("sft", "dpo"))]
    found = estimator.disk([*jobs, job("select_checkpoint", run="sft")])
    assert found == {"models": 4, "checkpoints": 4, "candidates": 3 * 4 * (2 if kept else 1), "training": 32}


def test_rule_with_a_gpu_that_nobody_estimates_is_told(estimator: Estimator) -> None:
    assert estimator.cost(job("judge", gpu=True)) == Cost()
    assert "jobs of rule judge are not estimated" in estimator.unknown


def test_longest_chain_goes_by_time() -> None:
    first = job("a")
    short = [job("b", (first,))]
    for name in "cde":
        short.append(job(name, (short[-1],)))
    long = job("slow", (first,))
    last = job("end", (short[-1], long))
    hours = {"slow": 5.0}.get
    chain = longest_chain([last, *short, long, first], lambda item: hours(item.rule, 1.0))
    assert [item.rule for item in chain] == ["a", "slow", "end"]
    done = longest_chain([last, *short, first], lambda item: hours(item.rule, 1.0))
    assert [item.rule for item in done] == ["a", "b", "c", "d", "e", "end"]


def test_report_counts_shared_jobs_once_and_done_ones_apart(estimator: Estimator) -> None:
    train = job("train", run="sft")
    score = job("score", (train, job("fetch_model", pending=False, model="sized")), checkpoint="sft")
    tables = [job("make_table", (score,), table=name) for name in ("one", "two")]
    said = plan.report(estimator.study, [train, score, *score.needs[1:], *tables], ["all_tables"])
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    hours = f"{720 * 2 * 200 * 2 / 3600 / 3600:.2f}"
    assert lines["all"] == ["4", "1", hours, "0.00"]
    assert lines["one"] == lines["two"] == ["3", "1", hours, "0.00"]
    assert "longest chain: 3 jobs, 1 min 20 s\n  train sft → score sft → make_table" in said  # on two GPUs


def test_machines_of_the_page_are_those_of_the_config() -> None:
    page = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
    machines = resolve([ROOT / "config.yaml"])["machines"]
    assert "| `two-cores` | 28 trained, 28 generated |" in page
    assert machines["two-cores"] == {"training": 28, "generation": 28, "gpus": 1}
    assert f"| `h100` | {machines['h100']['training']:,.0f} trained |" in page
    assert f"| `h100` | {machines['h100']['generation']:,.0f} generated |" in page


# --- measured speeds --------------------------------------------------------------------------------------------------


def test_finished_study_prints_the_speeds_of_its_machine(estimator, tmp_path) -> None:
    import yaml

    from scripts.lib.jobs import measured

    with pytest.raises(BadInput, match="study planned: 0 trainings and 0 jobs that generate are done here"):
        measured.entry(estimator.study)
    made_by = {"device": "a card"}
    summaries = {
        "sft": {"tokens_per_s": 400.0, "train_seconds": 10.0, "processes": 2, "made_by": made_by},
        "dpo": {"tokens_per_s": 300.0, "train_seconds": 30.0, "processes": 1, "made_by": made_by},
    }
    for run, summary in summaries.items():
        write_json(estimator.results / "checkpoints" / run / "train.json", summary)
    write_rows(estimator.results / "generations" / "sft" / "numbers.jsonl", [{"tokens": 500}, {"tokens": 700}])
    write_rows(Path("timings/planned/generate/sft/numbers.jsonl"), [{"s": 60}])
    write_rows(estimator.results / "responses" / "sums-self" / "shard-1.jsonl", [{"tokens": 1000}])
    write_rows(Path("timings/planned/sample_responses/sums-self/1.jsonl"), [{"s": 40.0}])
    said = measured.entry(estimator.study)
    assert said.startswith("# Measured in study planned: 2 trainings, 2 jobs that generate, on a card.\n")
    # 2 billion parameters: 200 tokens/s of one GPU for 10 s, and 300 for 30 s with a third of a pass more.
    training = (2 * 200 * 10 + 2 * 300 * 30 * 4 / 3) / 40
    speeds = {"training": float(f"{training:.3g}"), "generation": (2 * 1200 + 7 * 1000) / 100, "gpus": 2}
    assert yaml.safe_load(said) == {"machines": {"measured": speeds}}
    assert resolve([tmp_path / "study.yaml"], {**yaml.safe_load(said), "plan": {"machine": "measured"}})
