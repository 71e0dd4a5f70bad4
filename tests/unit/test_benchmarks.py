"""The benchmarks of the papers: pinned, complete, and each prompt in the form that its protocol has."""

import re
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.generation.prompts import render
from scripts.lib.study.resolve import resolve

# Sizes of papers/cft.yaml (benchmark_sizes) and papers/thinkpo.yaml (benchmarks).
SIZES = {"math": 5000, "math500": 500, "minerva-math": 272, "gsm8k": 1319, "aime24": 30, "aime25": 30, "amc23": 40} | {
    "theoremqa": 800,
    "gpqa-diamond": 198,
}


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory) -> dict[str, dict]:
    """The resolved entries of config/benchmarks.yaml."""
    study = tmp_path_factory.mktemp("study") / "study.yaml"
    study.write_text(f"study: papers\ninclude: [{ROOT / 'config' / 'benchmarks.yaml'}]\n", encoding="utf-8")
    return resolve([study])["benchmarks"]


def test_every_set_is_pinned_and_has_the_papers_number_of_questions(benchmarks) -> None:
    for slug, entry in benchmarks.items():
        source = entry["questions"]
        assert re.fullmatch("[0-9a-f]{40}", source["revision"]), slug
        name = slug.partition(".")[0]
        assert source["expect_rows"] == SIZES.get(name, source["expect_rows"]), slug
    assert {slug.partition(".")[0] for slug in benchmarks} == {*SIZES, "olympiadbench", "mmlu-pro"}


def test_protocols_differ_in_prompt_and_decoding_only(benchmarks) -> None:
    by_set: dict[str, list[dict]] = {}
    for slug, entry in benchmarks.items():
        by_set.setdefault(slug.partition(".")[0], []).append(entry)
    for entries in by_set.values():
        assert all(entry["questions"] == entries[0]["questions"] for entry in entries)
        assert all(entry["kind"] == entries[0]["kind"] for entry in entries)


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("math500.qwen-cot", (0.0, 1.0, 1, 2048)),
        ("math.deepseek", (0.0, 1.0, 1, 2048)),
        ("math500.skythought", (0.7, 1.0, 1, 32768)),
        ("amc23.avg32", (0.6, 0.95, 32, 2048)),
        ("math.self-critique-two-stage-t03", (0.3, 1.0, 1, 2048)),
    ],
)
def test_decoding_is_the_papers(benchmarks, slug: str, expected: tuple) -> None:
    entry = benchmarks[slug]
    assert (entry["temperature"], entry["top_p"], entry["samples"], entry["max_tokens"]) == expected


def rendered(entry: dict, **row) -> list[dict]:
    return render(ROOT / entry["prompt"], question="What is 3 + 4?", **row)


def test_request_for_a_box_stands_where_the_protocol_has_it(benchmarks) -> None:
    system, user = rendered(benchmarks["math.qwen-cot"])
    assert system["role"] == "system" and "\\boxed{}" in system["content"] and user["content"] == "What is 3 + 4?"
    (only,) = rendered(benchmarks["math.deepseek"])
    assert only["content"].startswith("What is 3 + 4?\n") and only["content"].endswith("within \\boxed{}.")
    for slug in ("math500.skythought", "math500.skythought-short"):
        assert "\\boxed{}.\n\nWhat is 3 + 4?" in rendered(benchmarks[slug])[-1]["content"]
    system, user = rendered(benchmarks["gsm8k.skythought"])
    assert "<|begin_of_thought|>" in system["content"] and "The final answer is" in user["content"]


# How each protocol formats its options: the form of one, and the separator.
CHOICES = {
    "gpqa-diamond.qwen-cot": ("({}) option {}", " "),
    "mmlu-pro.qwen-cot": ("{}. option {}", "\n"),
    "gpqa-diamond.skythought": ("{}) option {}", ", "),
    "gpqa-diamond.skythought-short": ("{}) option {}", ", "),
}


@pytest.mark.parametrize("slug", CHOICES)
def test_options_are_lettered_as_the_authors_letter_them(benchmarks, slug: str) -> None:
    form, between = CHOICES[slug]
    for count in (2, 10):
        text = rendered(benchmarks[slug], choices=[f"option {n}" for n in range(count)])[-1]["content"]
        assert between.join(form.format("ABCDEFGHIJ"[n], n) for n in range(count)) in text


def test_gpqa_is_asked_without_a_request_and_theoremqa_with_a_hint(benchmarks) -> None:
    assert [message["role"] for message in rendered(benchmarks["gpqa-diamond.qwen-cot"], choices=["a", "b"])] == [
        "user"
    ]
    assert rendered(benchmarks["theoremqa.qwen-cot"], hint="(Yes or No)")[-1]["content"].endswith("? (Yes or No)")
    assert rendered(benchmarks["theoremqa.qwen-cot"])[-1]["content"].endswith("?")


def test_deepseek_template_is_user_and_assistant(benchmarks, model_folder: Path) -> None:
    from scripts.lib.generation.chat import load_tokenizer

    tokenizer = load_tokenizer(model_folder, ROOT / benchmarks["math.deepseek"]["template"])
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "3 + 4?"}], tokenize=False, add_generation_prompt=True
    )
    assert asked.removeprefix(tokenizer.bos_token or "") == "User: 3 + 4?\n\nAssistant:"


def test_choice_without_options_is_told(small) -> None:
    said = small.mistake("benchmarks: {gcd: {kind: choice}}")
    assert "config.yaml: benchmarks.gcd.kind: choice, but the questions have no options" in said


def test_self_critique_of_greedy_answers_is_told(small) -> None:
    said = small.mistake("benchmarks: {gcd: {self_critique: {prompt: ask.j2}}}")
    assert "benchmarks.gcd.temperature = 0: greedy answers are the same each time" in said
    assert small.resolve("benchmarks: {gcd: {self_critique: {prompt: ask.j2}, temperature: 0.3}}")


def test_self_critique_names_a_prompt_that_exists(small) -> None:
    said = small.mistake("benchmarks: {gcd: {self_critique: {prompt: gone.j2}, temperature: 0.3}}")
    assert "benchmarks.gcd.self_critique.prompt = 'gone.j2': there is no such file" in said


SEEDS = """
runs:
  cft-s$seed:
    for_each: {seed: [1, 2]}
    extends: cft
    seed: $seed
seeds: {cft-mean: cft-s$seed}
"""


def test_seeds_are_a_checkpoint_of_tables(small) -> None:
    rows = "tables: {main: {rows: [{name: CFT, of: cft-mean}, {name: d, difference: cft-mean, best_of: [base]}]}}"
    study = small.resolve(SEEDS + rows)
    assert study["seeds"] == {"cft-mean": ["cft-s1", "cft-s2"]}
    assert [row.get("of", row.get("difference")) for row in study["tables"]["main"]["rows"]] == ["cft-mean"] * 2


def test_seeds_may_be_a_list_of_runs_and_families(small) -> None:
    study = small.resolve(SEEDS.replace("cft-mean: cft-s$seed", "cft-mean: [cft, cft-s$seed]"))
    assert study["seeds"] == {"cft-mean": ["cft", "cft-s1", "cft-s2"]}


def test_glob_of_runs_does_not_stand_for_their_mean(small) -> None:
    study = small.resolve(SEEDS + "tables: {main: {rows: [{name: $of, of: cft-*}]}}")
    assert [row["of"] for row in study["tables"]["main"]["rows"]] == ["cft-s1", "cft-s2"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("seeds: {mean: sf*}", "seeds.mean = 'sf*': a mean of seeds needs two or more runs, this names sft"),
        ("seeds: {cft: '*ft'}", "seeds.cft: a model or run has this name too"),
        (
            "seeds: {mean: '*ft'}\n"
            "figures: {f: {kind: training, quantity: loss, title: F, rows: [{name: M, of: mean}]}}",
            "mean is not a run",
        ),
        (
            "seeds: {mean: '*ft'}\nruns: {dpo: {extends: sft, start: mean}}",
            "runs.dpo.start = 'mean': not under models or runs",
        ),
    ],
)
def test_mistake_in_seeds_is_told(small, changes: str, told: str) -> None:
    assert told in small.mistake(changes)


def test_math_verify_is_no_grader_of_choices(small) -> None:
    assert small.resolve("tables: {main: {verdict: math-verify}}")["tables"]["main"]["verdict"] == "math-verify"
    Path("q.jsonl").write_text('{"id": "a", "question": "?", "answer": "A", "choices": ["x", "y"]}\n', encoding="utf-8")
    letters = """
benchmarks:
  letters:
    kind: choice
    prompt: ask.j2
    questions: {source: jsonl, path: q.jsonl, fields: {question: question, answer: answer, choices: choices}}
suites: {numbers: [gcd, letters]}
tables: {main: {verdict: math-verify}}
"""
    assert "tables.main.verdict = 'math-verify': it reads formulas only, and letters is no" in small.mistake(letters)
