"""What the rules ask the class Study: the settings and the paths of each job, without a dry run."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study.files import GENERATED
from scripts.lib.study.settings import Study, program_versions
from tests.study_snapshots import resolved

# Beside the small study's: an entry of each kind.
MORE = """
engines: {cpu: {chunk_rows: 4}, gpu: {kind: vllm, memory_share: 0.5}}
models: {near: {source: hub, repo: some/model, revision: 0123456789abcdef0123456789abcdef01234567, family: llama}}
datasets:
  file:
    source: jsonl
    path: rows.jsonl
    fields: {id: id, question: q, answer: a, response: r}
    exclude: [gcd]
    where: {k: 1}
responses: {own: {dataset: file, field: response}, shared: {extends: sums-self, shards: 2}}
teachers:
  api:
    kind: openai
    model: m
    critique_prompt: ask.j2
    refine_prompt: ask.j2
    answer_prompt: ask.j2
    price: {input: 1, output: 2, date: 2026-05}
  local: {kind: vllm, model: near, engine: gpu, critique_prompt: ask.j2}
critiques:
  sums-api: {responses: sums-self, teacher: api, shards: 2}
  sums-local: {responses: sums-self, teacher: local}
refinements: {sums-refined: {critiques: sums-api, teacher: api, shards: 2}}
answers: {sums-api: {dataset: sums, teacher: api}}
runs:
  picked:
    extends: sft
    start: cft
    select: gcd
    overrides: {too_long: drop}
    data: {responses: null, answers: sums-api, keep: all, rows: null}
  cgd: {extends: cft, method: cgd}
  stopped: {extends: cft, overrides: {candidate_steps: [], early_stopping: {rows: 2, every: 4}}}
  refined: {extends: cgd, data: {critiques: null, refinements: sums-refined}}
  dpo: {method: dpo, start: sft, recipe: short, prompt: ask.j2, data: {responses: sums-self, like: sft, like_rows: 9}}
  thinkpo:
    method: thinkpo
    start: cft
    recipe: short
    prompt: ask.j2
    data: {long: {dataset: file, field: r}, short: {dataset: file, field: a}}
  spin: {method: spin, start: base, recipe: short, prompt: ask.j2, last_iteration: 0, data: {dataset: sums, rows: 8}}
  cft-s$seed: {for_each: {seed: [1, 2]}, extends: cft, seed: $seed}
seeds: {cft-mean: cft-s$seed}
benchmarks:
  task: {kind: harness, task: arc, task_path: tasks, metric: acc, shots: 1, dtype: float32}
  follow:
    kind: ifeval
    metric: prompt-strict
    prompt: ask.j2
    questions: {source: jsonl, path: rows.jsonl, fields: {id: id, question: q, instruction_id_list: l, kwargs: k}}
  talk:
    kind: judge
    teacher: api
    prompt: ask.j2
    questions: {source: jsonl, path: rows.jsonl, fields: {id: id, question: q, turns: t}}
  other: {extends: gcd, questions: {seed: 9, exclude: [gcd]}}
  twice: {extends: gcd, self_critique: {prompt: ask.j2, regenerations: 1}, temperature: 0.5}
  judging: {kind: critique, prompt: ask.j2, questions: {source: responses, responses: sums-self}}
  sampled:
    extends: gcd
    samples: 4
    temperature: 0.5
    pass_at: [2]
    majority_at: [3]
    best_of_n: {prompt: ask.j2, temperature: 0.1}
suites: {all: [gcd, follow, task, talk], twice: [twice], judges: [judging], sampled: [sampled]}
tables:
  main: {rows: [{name: Base, of: base}, {name: CFT, of: cft}, {name: Seeds, of: cft-mean}]}
  whole: {title: Whole, suites: [all], rows: [{name: Picked, of: picked}]}
targets: {both: [whole, curve]}
figures:
  losses: {title: Losses, kind: training, quantity: loss, rows: [{name: CFT, of: cft}]}
  curve: {title: Curve, kind: validation, rows: [{name: Picked, of: picked}]}
  scores: {title: Scores, kind: accuracy, suites: [all], rows: [{name: CFT, of: cft}]}
claims:
  better:
    says: CFT wins
    section: "1"
    table: main
    column: gcd
    cells: {a: {row: CFT}, b: {row: Base}}
    value: a - b
    above: 0
"""


def study_of(values: dict, versions: dict[str, int]) -> Study:
    """The class on a resolved study, with names in place of the digests of files."""
    study = Study(values, versions)
    study.contents = SimpleNamespace(digest=lambda name: f"digest of {name}")
    return study


@pytest.fixture
def whole(small) -> Study:
    """The small study with an entry of each kind."""
    Path("rows.jsonl").touch()
    Path("tasks").mkdir()
    return study_of(small.resolve(MORE), program_versions(ROOT / "scripts"))


# --- settings: what each job reads ------------------------------------------------------------------------------------


def of_kind(*kinds: str):
    """The benchmarks of these kinds in a study."""
    return lambda study: [name for name, entry in study["benchmarks"].items() if entry["kind"] in kinds]


def sampled(study: Study) -> list[str]:
    return [name for name, entry in study["responses"].items() if "field" not in entry]


def choosing(study: Study) -> list[str]:
    return [name for name in study["suites"] if study.choosing_in(name)]


def selected(study: Study) -> list[str]:
    return [name for name, run in study["runs"].items() if run["select"] != "last"]


# Method: its wildcard, and the section, or a function for the slugs, that its rule is called for.
JOBS = {
    "model_settings": ("model", "models"),
    "dataset_settings": ("dataset", "datasets"),
    "benchmark_settings": ("benchmark", of_kind(*GENERATED, "judge")),
    "task_settings": ("benchmark", of_kind("harness")),
    "sampling_settings": ("responses", sampled),
    "response_grading": ("responses", "responses"),
    "critique_settings": ("critiques", "critiques"),
    "refinement_settings": ("refinements", "refinements"),
    "answer_settings": ("answers", "answers"),
    "train_set_settings": ("run", "runs"),
    "recipe": ("run", "runs"),
    "validation_settings": ("run", selected),
    "suite_settings": ("suite", "suites"),
    "grader_settings": ("suite", "suites"),
    "own_critique_settings": ("suite", choosing),
    "turns_settings": ("benchmark", of_kind("judge")),
    "judge_settings": ("benchmark", of_kind("judge")),
    "harness_settings": ("benchmark", of_kind("harness")),
    "table_settings": ("table", "tables"),
    "figure_settings": ("figure", "figures"),
}

GYM = "questions.source questions.tasks questions.rows questions.seed questions.exclude"
JSONL = "questions.source questions.path questions.fields questions.rows questions.shuffle questions.exclude"
JSONL += " questions.when_short questions.hint_words"
ENGINE = "kind dtype chunk_rows"
SAMPLING = "prompt template samples temperature top_p max_tokens seed"
ASKED = "kind model temperature top_p max_tokens token_parameter with_thoughts extra_body"
AGAIN = ("prompt", "regenerations", "max_tokens")
LOCAL = "kind engine critique_prompt template temperature top_p max_tokens seed with_thoughts"
BUILT = "method prompt seed data.keep data.rows data.slack data.when_short"
TRAINED = "method template seed " + " ".join(
    f"hyperparameters.{key}"
    for key in (
        *("learning_rate", "global_batch", "max_tokens", "candidate_steps", "epochs", "max_steps", "too_long"),
        *("scheduler", "warmup", "weight_decay", "max_grad_norm", "optimizer", "precision", "order", "save_steps"),
        *("activation_checkpointing", "beta", "gamma", "loss", "precompute_reference", "lora"),
        *("end_inside", "loss_on", "packing", "schedule_epochs"),
    )
)
TABLE = "title note rows columns suites layout with paper verdict validation_questions mark_best"
CFT_DATA = {"critiques.sums-verifier": "responses", "responses.sums-self": "dataset"}
# Job: the keys, by entry, whose change changes its settings. A name counts where settings follow it to another entry.
READS = {
    "model_settings base": {"models.base": "source path family"},
    "model_settings near": {"models.near": "source repo revision family"},
    "dataset_settings sums": {"datasets.sums": "source tasks rows seed exclude"},
    "dataset_settings file": {"datasets.file": "source path fields rows shuffle exclude when_short hint_words where"},
    **{f"benchmark_settings {name}": {f"benchmarks.{name}": GYM} for name in ("gcd", "other", "twice", "sampled")},
    "benchmark_settings judging": {
        "benchmarks.judging": "questions.source questions.responses questions.rows questions.shuffle"
        " questions.when_short questions.exclude"
    },
    **{f"benchmark_settings {name}": {f"benchmarks.{name}": JSONL} for name in ("follow", "talk")},
    "task_settings task": {"benchmarks.task": "task task_path limit"},
    **{
        f"sampling_settings {name}": {"engines.cpu": ENGINE, f"responses.{name}": f"{SAMPLING} rows"}
        for name in ("sums-self", "shared", "spin.t0")
    },
    "response_grading own": {"responses.own": "field"},
    "critique_settings sums-verifier": {"critiques.sums-verifier": "teacher rows", "teachers.verifier": "kind style"},
    "critique_settings sums-api": {"critiques.sums-api": "teacher rows", "teachers.api": f"{ASKED} critique_prompt"},
    "critique_settings sums-local": {
        **{"critiques.sums-local": "teacher rows", "teachers.local": LOCAL, "engines.gpu": f"{ENGINE} max_model_len"},
    },
    "refinement_settings sums-refined": {
        **{"refinements.sums-refined": "teacher rows", "teachers.api": f"{ASKED} refine_prompt"},
    },
    "answer_settings sums-api": {"answers.sums-api": "teacher rows samples", "teachers.api": f"{ASKED} answer_prompt"},
    **{f"train_set_settings {run}": {f"runs.{run}": BUILT} for run in ("sft", "cft", "cft-s1", "cft-s2")},
    "train_set_settings stopped": {"runs.stopped": BUILT},
    "recipe stopped": {"runs.stopped": f"{TRAINED} hyperparameters.early_stopping"},
    "train_set_settings cgd": {"runs.cgd": f"{BUILT} data.refined data.critique_shown"},
    "train_set_settings refined": {"runs.refined": f"{BUILT} data.critique_shown"},
    "train_set_settings dpo": {"runs.dpo": f"{BUILT} data.pairs_per_question data.like data.like_rows"},
    "train_set_settings thinkpo": {
        "runs.thinkpo": f"{BUILT} data.long.field data.short.field data.format_only data.length_gap data.gap_rows"
    },
    "train_set_settings spin.t0": {"runs.spin.t0": f"{BUILT} data.self_play"},
    # Its trainer drops long rows: the template and the limit decide which.
    "train_set_settings picked": {
        "runs.picked": f"{BUILT} template hyperparameters.too_long hyperparameters.max_tokens hyperparameters.packing"
        " hyperparameters.end_inside hyperparameters.loss_on",
        "runs.cft": "template",
    },
    **{
        f"recipe {run}": {f"runs.{run}": TRAINED}
        for run in ("sft", "cft", "cgd", "refined", "picked", "dpo", "thinkpo", "spin.t0", "cft-s1", "cft-s2")
    },
    "validation_settings picked": {
        **{"engines.cpu": ENGINE, "runs.picked": "select", "benchmarks.gcd": f"kind {SAMPLING}"},
    },
    "suite_settings numbers": {"engines.cpu": ENGINE, "benchmarks.gcd": f"kind {SAMPLING}"},
    "suite_settings all": {
        "engines.cpu": ENGINE,
        **{f"benchmarks.{name}": f"kind {SAMPLING}" for name in ("gcd", "follow")},
    },
    "suite_settings twice": {
        "engines.cpu": ENGINE,
        "benchmarks.twice": f"kind {SAMPLING} " + " ".join(f"self_critique.{key}" for key in AGAIN),
    },
    "suite_settings judges": {"engines.cpu": ENGINE, "benchmarks.judging": f"kind {SAMPLING}"},
    "suite_settings sampled": {"engines.cpu": ENGINE, "benchmarks.sampled": f"kind {SAMPLING}"},
    "own_critique_settings sampled": {
        "engines.cpu": ENGINE,
        "benchmarks.sampled": "kind template top_p seed best_of_n.prompt best_of_n.temperature best_of_n.max_tokens",
    },
    "grader_settings judges": {"benchmarks.judging": "kind"},
    "grader_settings sampled": {"benchmarks.sampled": "kind pass_at majority_at"},
    "grader_settings numbers": {"benchmarks.gcd": "kind"},
    "grader_settings all": {"benchmarks.gcd": "kind", "benchmarks.follow": "kind metric"},
    "grader_settings twice": {"benchmarks.twice": "kind"},
    "turns_settings talk": {
        "engines.cpu": ENGINE,
        "benchmarks.talk": "prompt template temperature temperature_by_subject top_p max_tokens seed",
    },
    "judge_settings talk": {"teachers.api": ASKED, "benchmarks.talk": "teacher judge_prompt reference_subjects"},
    "harness_settings task": {
        "benchmarks.task": "task task_path metric filter shots limit seed apply_chat_template template dtype"
    },
    "table_settings main": {
        "tables.main": TABLE,
        **{f"runs.{run}": "data.critiques" for run in ("cft", "cft-s1", "cft-s2")},
        **CFT_DATA,
    },
    "table_settings whole": {
        "tables.whole": TABLE,
        **{"runs.picked": "data.answers", "answers.sums-api": "dataset", "runs.cft": "data.critiques", **CFT_DATA},
    },
    "figure_settings losses": {"figures.losses": "title kind quantity rows"},
    "figure_settings curve": {"figures.curve": "title kind rows"},
    "figure_settings scores": {
        **{"figures.scores": "title kind rows suites", "suites.all": ""},
        **{f"benchmarks.{name}": "title" for name in ("gcd", "follow", "task", "talk")},
    },
    "claim_sources": {"claims.better": "table", "tables.main": "rows columns verdict validation_questions"},
}


def settings_of(study: Study, jobs: Study) -> dict[str, str | None]:
    """The settings by job ("recipe cft") of the jobs that another study has; none where a name leads nowhere."""
    calls = {
        f"{method} {slug}": (getattr(study, method), SimpleNamespace(**{wildcard: slug}))
        for method, (wildcard, where) in JOBS.items()
        for slug in (jobs[where] if isinstance(where, str) else where(jobs))
    }
    calls["claim_sources"] = (lambda wildcards: study.claim_sources(), None)
    return {job: text_of(method, wildcards) for job, (method, wildcards) in calls.items()}


def text_of(method, wildcards: SimpleNamespace | None) -> str | None:
    """The settings without the digests of files: their names are those of other keys (tests/unit/test_contents.py)."""
    try:
        values = json.loads(method(wildcards))
        return json.dumps({key: value for key, value in values.items() if key != "files"})
    except (KeyError, ValueError):
        return None


NESTED = {"hyperparameters", "data", "long", "short", "questions", "self_critique", "best_of_n"}


def values_in(entry: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of an entry with their keys; those of the mappings in NESTED one by one."""
    if not isinstance(entry, dict) or path and path[-1] not in NESTED:
        yield path, entry
        return
    for key, value in entry.items():
        yield from values_in(value, (*path, key))


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    kinds = {
        bool: lambda: not value,
        str: lambda: f"{value}x",
        list: lambda: value[:-1] or [*value, *value] or ["x"],
        dict: lambda: {**value, "x": next(iter(value.values()), "x")},
        type(None): lambda: "x",
    }
    return kinds.get(type(value), lambda: value + 1)()


def put(values: dict, path: tuple[str, ...], value: Any) -> dict:
    """The values with another one at a path."""
    key, *rest = path
    return {**values, key: put(values[key], tuple(rest), value) if rest else value}


def read_by_jobs(study: Study) -> dict[str, dict[str, set[str]]]:
    """What READS says, found by a change of each value."""
    before, found = settings_of(study, study), {}
    for section, entries in study.resolved.items():
        for slug, entry in entries.items() if isinstance(entries, dict) else ():
            for path, value in values_in(entry):
                other = put(study.resolved, (section, slug, *path), changed(value))
                now = settings_of(study_of(other, study.versions), study)
                for job in (job for job in before if now[job] != before[job]):
                    found.setdefault(job, {}).setdefault(f"{section}.{slug}", set()).add(".".join(path))
    return found


def flat(read: dict[str, dict[str, Iterable[str]]]) -> set[tuple[str, str, str]]:
    """(job, entry, key) of each key."""
    return {(job, entry, key) for job, entries in read.items() for entry, keys in entries.items() for key in keys}


def test_settings_hold_exactly_what_their_job_reads(whole: Study) -> None:
    found = flat(read_by_jobs(whole))
    expected = flat({job: {e: keys.split() or [""] for e, keys in read.items()} for job, read in READS.items()})
    assert found - expected == set(), "a job reads more than READS says"
    assert expected - found == set(), "a key that a job reads is not in its settings"


VERSIONS = {
    **{"fetch_model": {"model_settings"}, "prepare_dataset": {"dataset_settings", "benchmark_settings"}},
    **{"prepare_harness": {"task_settings"}, "sample_responses": {"sampling_settings"}},
    **{"grade_responses": {"response_grading"}, "critique_responses": {"critique_settings"}},
    **{"refine_responses": {"refinement_settings"}, "answer_questions": {"answer_settings"}},
    **{"build_train_set": {"train_set_settings"}, "train": {"recipe"}},
    **{
        "validate": {"validation_settings"},
        "generate": {"suite_settings"},
        "critique_answers": {"own_critique_settings"},
        "generate_turns": {"turns_settings"},
    },
    **{"judge_turns": {"judge_settings"}, "evaluate_harness": {"harness_settings"}},
    "grader": {"response_grading", "validation_settings"},  # score has its code among its inputs
}


def test_version_of_a_program_is_in_the_settings_of_its_jobs(whole: Study) -> None:
    assert whole.versions.keys() == VERSIONS.keys()
    before = settings_of(whole, whole)
    for program, methods in VERSIONS.items():
        newer = {**whole.versions, program: whole.versions[program] + 1}
        now = settings_of(study_of(whole.resolved, newer), whole)
        assert {job.split()[0] for job in now if now[job] != before[job]} == methods


# What says where and how fast a job runs and what it costs.
NO_SETTINGS = {
    *("memory_share", "gpus", "price", "budget", "base_url", "base_url_env", "api_key_env", "mode", "concurrency"),
    *("requests_per_minute", "tokens_per_minute", "timeout", "expected_tokens", "poll_seconds", "max_errors", "shards"),
}


@pytest.mark.parametrize("name", ["cluster", "laptop", "papers", "papers-released"])
def test_shipped_study_has_settings_for_each_job_without_machines_rates_and_prices(name: str) -> None:
    study = study_of(resolved(name), program_versions(ROOT / "scripts"))
    for job, text in settings_of(study, study).items():
        assert text is not None, job
        if not job.startswith("table_settings"):  # a benchmark whose settings it shows has a mode of its own
            assert set(re.findall(r'"(\w+)":', text)) & NO_SETTINGS == set(), job


def test_limits_hold_the_rest_of_a_teacher(whole: Study) -> None:
    teacher = {*ASKED.split(), "critique_prompt", "refine_prompt", "answer_prompt"}
    limits = whole["teachers"]["api"].keys() - teacher | {"teacher", "max_errors"}
    assert limits > NO_SETTINGS - {"memory_share", "gpus", "shards"}
    for method, wildcards in (
        ("critique", {"critiques": "sums-api"}),
        ("refinement", {"refinements": "sums-refined"}),
        ("answer", {"answers": "sums-api"}),
    ):
        text = getattr(whole, f"{method}_limits")(SimpleNamespace(**wildcards), output=None)
        assert json.loads(text).keys() == limits
    assert json.loads(whole.judge_limits(SimpleNamespace(benchmark="talk"), output=None)).keys() == limits


def test_estimate_reads_the_entries_of_paid_teachers(whole: Study) -> None:
    entries = {entry["name"]: entry for entry in json.loads(whole.priced())}
    assert {name: entry["file"] for name, entry in entries.items()} == {
        "critiques.sums-api": "results/small/responses/sums-self/graded.jsonl",
        "refinements.sums-refined": "results/small/critiques/sums-api.jsonl",
        "answers.sums-api": "results/small/datasets/sums.jsonl",
    }
    assert entries["critiques.sums-api"]["settings"]["teacher"].keys() == {*ASKED.split(), "critique_prompt"}
    assert entries["answers.sums-api"]["limits"]["price"]["output"] == 2.0


def test_machine_gets_what_settings_leave_out(whole: Study) -> None:
    assert json.loads(whole.machine("gpu", 2)) == {"memory_share": 0.5, "gpus": 2}
    assert json.loads(whole.machine(None, 2)) == {}


# --- paths ------------------------------------------------------------------------------------------------------------

GRADED = "responses/sums-self/graded.jsonl"
# (method, its wildcards, its result; <> means <results>/)
PATHS = [
    ("checkpoint_weights", "checkpoint=base", "<>models/base"),
    ("checkpoint_weights", "checkpoint=cft", "<>checkpoints/cft/model"),
    ("adapter_base", "model=base", []),
    ("benchmark_excludes", "benchmark=gcd", []),
    ("benchmark_excludes", "benchmark=other", ["<>benchmarks/gcd.jsonl"]),
    ("excluded_questions", "dataset=sums", []),
    ("excluded_questions", "dataset=file", ["<>benchmarks/gcd.jsonl"]),
    ("sampled_dataset", "responses=shared", "<>datasets/sums.jsonl"),
    ("sampled_weights", "responses=shared", "<>models/base"),
    ("response_shards", "responses=shared", [f"<>responses/shared/shard-{n}.jsonl" for n in (0, 1)]),
    ("response_shards", "responses=own", ["<>datasets/file.jsonl"]),
    ("response_shard_count", "responses=shared", 2),
    ("response_field", "responses=own", "--field response"),
    ("response_field", "responses=shared", ""),
    ("graded_responses", "critiques=sums-api", "<>responses/sums-self/graded.jsonl"),
    ("critique_shards", "critiques=sums-api", [f"<>critiques/sums-api/shard-{n}.jsonl" for n in (0, 1)]),
    ("critique_shard_count", "critiques=sums-api", 2),
    ("critic_weights", "critiques=sums-local", "<>models/near"),
    ("critic_engine", "critiques=sums-local", "gpu"),
    ("critic_env", "critiques=sums-local", "vllm-gpu"),
    ("refined_critiques", "refinements=sums-refined", "<>critiques/sums-api.jsonl"),
    ("refinement_shards", "refinements=sums-refined", [f"<>refinements/sums-refined/shard-{n}.jsonl" for n in (0, 1)]),
    ("refinement_shard_count", "refinements=sums-refined", 2),
    ("answered_dataset", "answers=sums-api", "<>datasets/sums.jsonl"),
    ("answer_shards", "answers=sums-api", ["<>answers/sums-api/shard-0.jsonl"]),
    ("answer_shard_count", "answers=sums-api", 1),
    ("train_sources", "run=sft", ["<>responses/sums-self/graded.jsonl"]),
    ("train_sources", "run=cft", ["<>critiques/sums-verifier.jsonl"]),
    ("train_sources", "run=cgd", ["<>critiques/sums-verifier.jsonl"]),
    ("train_sources", "run=refined", ["<>refinements/sums-refined.jsonl"]),
    ("train_datasets", "run=refined", ["<>datasets/sums.json"]),
    ("train_sources", "run=picked", ["<>answers/sums-api.jsonl"]),
    ("train_sources", "run=dpo", ["<>responses/sums-self/graded.jsonl", "<>train_sets/sft.jsonl"]),
    ("train_sources", "run=thinkpo", ["<>datasets/file.jsonl", "<>datasets/file.jsonl"]),
    ("train_sources", "run=spin.t0", ["<>responses/spin.t0/graded.jsonl"]),
    ("train_datasets", "run=cft", ["<>datasets/sums.json"]),
    ("train_datasets", "run=thinkpo", ["<>datasets/file.json"]),
    ("length_tokenizer", "run=sft", []),
    ("length_tokenizer", "run=dpo", ["<>models/base"]),
    ("length_tokenizer", "run=picked", ["<>models/base"]),
    ("start_weights", "run=sft", "<>models/base"),
    ("start_weights", "run=picked", "<>checkpoints/cft/model"),
    ("validation_questions", "run=picked", ["<>benchmarks/gcd.jsonl"]),
    ("curve", "run=sft", []),
    ("curve", "run=picked", ["<>checkpoints/picked/validation.json"]),
    ("suite_questions", "suite=all", ["<>benchmarks/gcd.jsonl", "<>benchmarks/follow.jsonl"]),
    ("judged_responses", "benchmark=gcd", []),
    ("judged_responses", "benchmark=judging", ["<>responses/sums-self/graded.jsonl"]),
    ("choosing_questions", "suite=sampled", ["<>benchmarks/sampled.jsonl"]),
    ("own_critiques", "checkpoint=cft suite=judges", []),
    ("own_critiques", "checkpoint=cft suite=sampled", ["<>own_critiques/cft/sampled.jsonl"]),
    ("selecting_questions", "checkpoint=cft", []),
    ("selecting_questions", "checkpoint=picked", ["<>benchmarks/gcd.jsonl"]),
    ("sentence_splitter", "suite=numbers", []),
    ("sentence_splitter", "suite=all", ["<>nltk_data"]),
    ("grading_env", "suite=numbers", "laptop"),
    ("grading_env", "suite=all", "harness"),
    ("seed_scores", "checkpoint=cft-mean suite=numbers", [f"<>scores/cft-s{n}/numbers.json" for n in (1, 2)]),
    ("seed_answers", "checkpoint=cft-mean suite=numbers", [f"<>scores/cft-s{n}/numbers.jsonl" for n in (1, 2)]),
    ("table_scores", "table=main", [f"<>scores/{name}/numbers.json" for name in ("base", "cft", "cft-mean")]),
    ("table_scores", "table=whole", [f"<>scores/picked/{name}.json" for name in ("all", "task", "talk")]),
    ("table_answers", "table=whole", [f"<>scores/picked/{name}.jsonl" for name in ("all", "task", "talk")]),
    ("table_facts", "table=main", [f"<>checkpoints/{name}/train.json" for name in ("cft", "cft-s1")]),
    ("table_trainings", "table=main", [f"<>checkpoints/{name}/train.json" for name in ("cft", "cft-s1", "cft-s2")]),
    ("table_train_sets", "table=main", [f"<>train_sets/{name}.json" for name in ("cft", "cft-s1", "cft-s2")]),
    ("table_questions", "table=whole", [f"<>benchmarks/{name}.jsonl" for name in ("gcd", "follow", "task", "talk")]),
    ("table_datasets", "table=whole", ["<>datasets/sums.jsonl"]),
    ("paper", "table=main", []),
    ("figure_files", "figure=losses", ["<>checkpoints/cft/train.json"]),
    ("figure_files", "figure=curve", ["<>checkpoints/picked/validation.json"]),
    ("figure_files", "figure=scores", [f"<>scores/cft/{name}.json" for name in ("all", "task", "talk")]),
    ("claim_tables", "", ["<>tables/main.json"]),
    ("claim_scores", "", [f"<>scores/{name}/numbers.json" for name in ("base", "cft", "cft-mean")]),
    ("claim_answers", "", [f"<>scores/{name}/numbers.jsonl" for name in ("base", "cft", "cft-mean")]),
    ("priced_files", "", ["<>datasets/sums.jsonl", f"<>{GRADED}"]),  # not critiques: writing them costs something
]


def test_each_rule_finds_the_files_of_its_wildcards(whole: Study) -> None:
    for method, words, expected in PATHS:
        wildcards = SimpleNamespace(**dict(word.split("=") for word in words.split()))
        output = [None] if method == "response_field" else []
        found = getattr(whole, method)(wildcards, *output)
        paths = json.loads(json.dumps(expected).replace("<>", "<results>/"))
        assert found == paths, f"{method} {words}"


@pytest.mark.parametrize(
    ("wildcards", "checkpoint"),
    [
        ({"run": "sft"}, "sft"),
        ({"checkpoint": "base", "suite": "all"}, "base"),
        ({"responses": "sums-self", "shard": "0"}, "base"),
        ({"critiques": "sums-local", "shard": "0"}, "near"),
    ],
)
def test_job_loads_the_weights_that_its_wildcards_name(whole: Study, wildcards: dict, checkpoint: str) -> None:
    assert whole.loaded_by(wildcards) == checkpoint


def test_table_of_a_paper_reads_the_papers_values() -> None:
    study = study_of(resolved("papers"), {})
    assert study.paper(SimpleNamespace(table="cft_table2_sft_vs_cft")) == ["papers/cft.yaml"]


def test_wildcards_are_the_slugs_of_their_kinds(whole: Study) -> None:
    assert whole.of_kind("math", "ifeval").split("|") == ["gcd", "follow", "other", "twice", "sampled"]
    assert re.fullmatch(whole.critiqued_by("openai"), "sums-api")
    assert not re.fullmatch(whole.critiqued_by("openai"), "sums-local")
    assert not re.match(whole.of_kind("none"), "")


def test_targets_are_the_tables_and_figures(whole: Study) -> None:
    assert whole.targets["whole"] == ["<results>/tables/whole.md"]
    assert whole.targets["curve"] == ["<results>/figures/curve.svg"]
    assert whole.targets["both"] == [*whole.targets["whole"], *whole.targets["curve"]]
    assert whole.path("<benchmarks>/train/cft.jsonl") == "timings/small/train/cft.jsonl"


def test_curves_are_drawn_of_every_run_that_a_table_or_a_figure_shows(whole: Study) -> None:
    shown = whole.runs_shown()
    assert len(shown) == len(set(shown)) and {"cft", "cft-s1", "cft-s2"} <= set(shown) <= set(whole["runs"])
    assert "base" not in shown


def test_what_a_call_asks_for_is_known_by_id_and_by_file(whole: Study) -> None:
    table, curve = "<results>/tables/whole.md", "<results>/figures/curve.svg"
    assert whole.asked_for({"study_page"}) == []
    assert whole.asked_for({"curve", "claims", "study_page"}) == [curve, "<results>/claims.md"]
    assert whole.asked_for({whole.path(table)}) == [table]
    assert {table, curve} <= set(whole.asked_for({"all_tables"}))


# Used by tests above under other names, or no methods of a job.
OTHERS = {"name", "resolved", "scale", "targets", "loaded_by", "machine", "engine_env", "of_kind", "critiqued_by"}
OTHERS |= {"critique_limits", "refinement_limits", "answer_limits", "judge_limits", "claim_sources", "priced"}
OTHERS |= {"asked_for", "runs_shown", "with_limit"}


def test_everything_that_the_rules_ask_the_study_is_tested_here() -> None:
    rules = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    asked = {name for file in rules for name in re.findall(r"\bSTUDY\.(\w+)", file.read_text(encoding="utf-8"))}
    assert asked == OTHERS | JOBS.keys() | {method for method, _, _ in PATHS}
