"""Config entries of kinds harness, ifeval and judge: defaults, mistakes, the tiny scale, the papers' own entries."""

import pytest
import yaml

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import write_rows

HARNESS = "{kind: harness, task: arc_challenge, metric: acc}"
JUDGE = "{kind: judge, prompt: ask.j2, teacher: rater, questions: {source: jsonl, path: talk.jsonl, fields: FIELDS}}"
TURNS = "{question: question, turns: turns}"
RATER = "{kind: openai, model: m-1, max_tokens: 500}"


@pytest.fixture(autouse=True)
def talk(small) -> None:
    write_rows("talk.jsonl", [{"question": "Hi?", "turns": ["Hi?"]}])


def test_entries_get_their_defaults(small) -> None:
    study = small.resolve(
        f"teachers: {{rater: {RATER}}}\n"
        f"benchmarks: {{arc: {HARNESS}, talk: {JUDGE.replace('FIELDS', TURNS)}}}\nsuites: {{numbers: [gcd, arc, talk]}}"
    )
    assert study["benchmarks"]["arc"]["filter"] == "none" and study["benchmarks"]["arc"]["shots"] is None
    assert study["benchmarks"]["talk"]["judge_prompt"] == "prompts/judge.j2"
    assert "samples" not in study["benchmarks"]["talk"] and study["benchmarks"]["gcd"]["samples"] == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ("benchmarks: {arc: {kind: harness, task: arc_challenge}}", "benchmarks.arc: metric is missing"),
        ("benchmarks: {arc: {kind: harnes, task: a, metric: acc}}", "one of math, choice, ifeval, judge, harness"),
        (
            "benchmarks: {arc: {kind: harness, task: a, metric: acc, task_path: nowhere}}",
            "benchmarks.arc.task_path = 'nowhere': there is no such folder",
        ),
        (f"benchmarks: {{arc: {HARNESS}}}\nsuites: {{arc: [gcd]}}", "suites.arc: the benchmark of this name"),
        (f"benchmarks: {{arc: {HARNESS}}}\nruns: {{sft: {{select: arc}}}}", "Name a benchmark of kind math or choice"),
        (
            f"benchmarks: {{arc: {HARNESS}}}\nsuites: {{numbers: [gcd, arc]}}\n"
            "tables: {main: {layout: benchmarks-as-rows}}",
            "tables.main.layout: it shows the lengths of answers, which lm-eval does not tell (arc)",
        ),
        (
            f"benchmarks: {{arc: {HARNESS}}}\nsuites: {{numbers: [gcd, arc]}}\n"
            "figures: {f: {kind: lengths, title: F, suites: [numbers], rows: [{name: Base, of: base}]}}",
            "figures.f.kind: it shows the lengths of answers",
        ),
        (
            f"teachers: {{rater: {RATER}}}\nbenchmarks: {{talk: {JUDGE.replace('FIELDS', '{question: question}')}}}",
            "benchmarks.talk.questions.fields: turns is missing, which kind judge needs",
        ),
        (
            f"teachers: {{rater: {{kind: verifier}}}}\nbenchmarks: {{talk: {JUDGE.replace('FIELDS', TURNS)}}}",
            "benchmarks.talk.teacher = 'rater': it gives no ratings",
        ),
        (
            f"benchmarks: {{talk: {JUDGE.replace('FIELDS', TURNS)}}}",
            "benchmarks.talk.teacher = 'rater': not under teachers",
        ),
        (
            "benchmarks: {follow: {kind: ifeval, prompt: ask.j2, questions: {source: jsonl, path: talk.jsonl}}}",
            "instruction_id_list, kwargs is missing, which kind ifeval needs",
        ),
    ],
)
def test_mistake_is_told_with_the_way_out(small, changes: str, says: str) -> None:
    assert says in small.mistake(changes)


def test_tiny_scale_shrinks_every_kind(small) -> None:
    tiny = (ROOT / "config" / "scale" / "tiny.yaml").read_text(encoding="utf-8")
    study = small.resolve(
        f"teachers: {{rater: {RATER}}}\nbenchmarks: {{arc: {HARNESS}, talk: {JUDGE.replace('FIELDS', TURNS)}}}", tiny
    )
    scale = yaml.safe_load(tiny)["scale"]
    assert study["benchmarks"]["arc"]["limit"] == study["benchmarks"]["talk"]["questions"]["rows"] == scale["rows"]
    assert study["benchmarks"]["talk"]["max_tokens"] == scale["max_tokens"]
    assert study["benchmarks"]["talk"]["max_errors"] == 1.0  # a random model's answers may get no rating


def test_papers_entries_have_the_settings_that_spin_printed() -> None:
    entries = yaml.safe_load((ROOT / "config" / "harness.yaml").read_text(encoding="utf-8"))["benchmarks"]
    paper = yaml.safe_load((ROOT / "papers" / "spin.yaml").read_text(encoding="utf-8"))
    (printed,) = (table for table in paper["tables"] if table["id"] == "spin_table1_eval_settings")
    ours = {entry["title"]: entry for slug, entry in entries.items() if slug.endswith(".leaderboard")}
    assert {row["name"]: row["shots"] for row in printed["rows"]} == {t: entry["shots"] for t, entry in ours.items()}
    named_otherwise = {"TruthfulQA": "acc", "GSM8k": "exact_match"}  # lm-eval's names of mc2 and acc in these tasks
    for row in printed["rows"]:
        assert ours[row["name"]]["metric"] == named_otherwise.get(row["name"], row["metric"])
