"""Config entries of kinds harness, ifeval and judge: defaults, mistakes, the tiny scale, the papers' own entries."""

import pytest
import yaml

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import write_rows

HARNESS = "{kind: harness, task: arc_challenge, metric: acc}"
JUDGE = "{kind: judge, prompt: ask.j2, teacher: rater, questions: {source: jsonl, path: talk.jsonl, fields: FIELDS}}"
TURNS = "{question: question, turns: turns}"
CRITIQUE = "{kind: critique, prompt: ask.j2, questions: {source: jsonl, path: talk.jsonl, fields: FIELDS}}"
OWN = "{kind: critique, prompt: ask.j2, questions: {source: responses, responses: RESPONSES}}"
SAMPLED = "{extends: gcd, samples: 4, temperature: 0.7, "
CELLS = "{title: T, suites: [many], columns: [COLUMN], rows: [{name: B, of: base}]}"
RATER = "{kind: openai, model: m-1, max_tokens: 500}"


def cells_of(benchmark: str, metric: str) -> str:
    """A table that shows one metric of one benchmark."""
    return CELLS.replace("COLUMN", f"{{name: A, benchmark: {benchmark}, metric: {metric}}}")


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
        (
            "benchmarks: {arc: {kind: harnes, task: a, metric: acc}}",
            "one of math, choice, critique, ifeval, judge, harness",
        ),
        (
            "benchmarks: {arc: {kind: harness, task: a, metric: acc, task_path: nowhere}}",
            "benchmarks.arc.task_path = 'nowhere': there is no such folder",
        ),
        (f"benchmarks: {{arc: {HARNESS}}}\nsuites: {{arc: [gcd]}}", "suites.arc: the benchmark of this name"),
        (f"benchmarks: {{arc: {HARNESS}}}\nruns: {{sft: {{select: arc}}}}", "Name a benchmark of kind math or choice"),
        (
            f"benchmarks: {{arc: {HARNESS}}}\nsuites: {{numbers: [gcd, arc]}}\n"
            "tables: {main: {layout: benchmarks-as-rows}}",
            "tables.main.layout: it shows the lengths of answers, which lm-eval does not report (arc)",
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
        (
            f"benchmarks: {{judging: {CRITIQUE.replace('FIELDS', '{question: question, label: l}')}}}",
            "benchmarks.judging.questions.fields: response is missing, which kind critique needs",
        ),
        (
            f"benchmarks: {{judging: {CRITIQUE.replace('FIELDS', '{question: question, response: r}')}}}",
            "Name the column of label or of first_wrong_step",
        ),
        (
            f"benchmarks: {{judging: {OWN.replace('RESPONSES', 'nobodys')}}}",
            "benchmarks.judging.questions.responses = 'nobodys': not under responses",
        ),
        (
            "benchmarks: {judging: {kind: math, prompt: ask.j2, questions: {source: responses, responses: sums-self}}}",
            "benchmarks.judging.questions.source = 'responses': graded responses are only judged",
        ),
        (
            f"benchmarks: {{judging: {OWN.replace('RESPONSES', 'sums-self')}}}\n"
            "datasets: {sums: {exclude: [judging]}}",
            "datasets.sums.exclude[0] = 'judging': its responses answer this dataset",
        ),
        (
            "datasets: {more: {source: responses, responses: sums-self}}",
            "datasets.more.source = 'responses': graded responses are judged by",
        ),
        (
            f"benchmarks: {{many: {SAMPLED} pass_at: [1, 8]}}}}",
            "benchmarks.many.pass_at = [1, 8]: 8 of 4 samples. Raise samples to 8, or take a smaller k",
        ),
        (f"benchmarks: {{many: {SAMPLED} majority_at: [5]}}}}", "benchmarks.many.majority_at = [5]: 5 of 4 samples"),
        (
            "benchmarks: {many: {extends: gcd, samples: 4, majority_at: [4]}}",
            "benchmarks.many.temperature = 0: greedy answers are the same each time, so majority_at would be "
            "meaningless",
        ),
        (
            "benchmarks: {many: {extends: gcd, temperature: 1.0, best_of_n: {prompt: ask.j2}}}",
            "benchmarks.many.samples = 1: best_of_n has nothing to choose from",
        ),
        (
            f"benchmarks: {{many: {SAMPLED} best_of_n: {{prompt: gone.j2}}}}}}",
            "benchmarks.many.best_of_n.prompt = 'gone.j2'",
        ),
        (
            f"benchmarks: {{many: {SAMPLED} pass_at: [4]}}}}\nsuites: {{many: [many]}}\n"
            f"tables: {{cells: {cells_of('many', 'pass_at_2')}}}",
            "metric = 'pass_at_2': 'many' does not report it. Correct it, or add 2 to benchmarks.many.pass_at",
        ),
        (
            f"suites: {{many: [gcd]}}\ntables: {{cells: {cells_of('gcd', 'best_of_n')}}}",
            "or add benchmarks.gcd.best_of_n",
        ),
        (
            f"suites: {{many: [gcd]}}\ntables: {{cells: {cells_of('gcd', 'f1_wrong')}}}",
            "metric = 'f1_wrong': only benchmarks of kind critique have it",
        ),
        (
            f"benchmarks: {{many: {SAMPLED} pass_at: [4]}}}}\nsuites: {{many: [many]}}\n"
            f"tables: {{cells: {cells_of('many', 'pass_at_4').replace('of: base', 'of: base, best_of: [base]')}}}",
            "metric = 'pass_at_4': a difference (best_of) is one of accuracies",
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


def test_tiny_scale_keeps_the_metrics_over_samples(small) -> None:
    tiny = (ROOT / "config" / "scale" / "tiny.yaml").read_text(encoding="utf-8")
    many = f"{SAMPLED.replace('4', '16')} pass_at: [1, 8], majority_at: [4], best_of_n: {{prompt: ask.j2}}}}"
    one = "{extends: gcd, samples: 4, temperature: 1.0, best_of_n: {prompt: ask.j2}}"
    own = OWN.replace("RESPONSES", "sums-self")
    study = small.resolve(f"benchmarks: {{many: {many}, one: {one}, judging: {own}}}", tiny)
    assert study["benchmarks"]["judging"]["questions"]["when_short"] == "take-all"
    scale = yaml.safe_load(tiny)["scale"]
    assert study["benchmarks"]["many"]["samples"] == 8 and study["benchmarks"]["many"]["pass_at"] == [1, 8]
    assert study["benchmarks"]["one"]["samples"] == max(scale["samples"], 2)
    assert study["benchmarks"]["one"]["best_of_n"]["max_tokens"] == scale["max_tokens"]
