"""lm-eval on local tasks of the same form as its own, with a tiny random model: no network."""

import json
from pathlib import Path

import pytest
import yaml

from scripts import evaluate_harness, prepare_harness
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_rows

# One multiple-choice task with worked examples (the form of ARC), one with generated answers and two filters (the
# form of GSM8K), and a group of both kinds of subject (the form of MMLU).
CHOICE = {
    "output_type": "multiple_choice",
    "test_split": "test",
    "fewshot_split": "train",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "{{choices.index(answer)}}",
    "metric_list": [
        {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
    ],
    "metadata": {"version": 1.5},
}
GENERATE = {
    "task": "local_generate",
    "output_type": "generate_until",
    "test_split": "test",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "num_fewshot": 0,
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    "filter_list": [
        {"name": "first", "filter": [{"function": "take_first"}]},
        {"name": "digits", "filter": [{"function": "regex", "regex_pattern": "(\\d+)"}, {"function": "take_first"}]},
    ],
    "metadata": {"version": 1.0},
}
ENTRY = {
    **{"task": "local_choice", "metric": "acc", "filter": "none", "shots": 2, "limit": None, "seed": 1234},
    **{"apply_chat_template": False, "template": None, "dtype": "float32"},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub
    import lm_eval.evaluator

    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    # They read the variables once, and another test may have loaded them before.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    # It asks pip and the machine for their versions, which takes longer than the tests' questions.
    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda results: None)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with the tasks and their data."""
    folder = tmp_path / "tasks"
    rows = {
        split: [
            {"question": f"What is {a} + {b}?", "choices": [str(a + b), str(a + b + 1), "no"], "answer": str(a + b)}
            for a in range(start, start + 4)
            for b in range(2)
        ]
        for split, start in (("train", 20), ("test", 1))
    }
    files = {split: str(folder / f"{split}.jsonl") for split in rows}
    for split, made in rows.items():
        write_rows(files[split], made)
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": files}}
    choice = {"task": "local_choice", **CHOICE, **data}
    parts = [{**choice, "task": f"local_part_{part}"} for part in ("a", "b")]
    group = {
        "group": "local_group",
        "task": [part["task"] for part in parts],
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
        "metadata": {"version": 1.0},
    }
    for number, task in enumerate((choice, {**GENERATE, **data}, *parts, group)):
        (folder / f"task{number}.yaml").write_text(yaml.safe_dump(task))
    return folder


@pytest.fixture
def run(tasks: Path, tmp_path: Path, model_folder: Path):
    """A function that prepares and evaluates an entry, and returns (summary, rows)."""

    def run(slug: str = "arc", **changes) -> tuple[dict, list[dict]]:
        settings = json.dumps({**ENTRY, "task_path": str(tasks), **changes})
        prepared, out = tmp_path / f"benchmarks/{slug}", tmp_path / f"scores/base/{slug}"
        arguments = ["--settings", settings, "--rows", f"{prepared}.jsonl", "--summary", f"{prepared}.json"]
        assert prepare_harness.main(prepare_harness.parse_args(arguments)) == 0
        arguments = ["--settings", settings, "--benchmark", f"{prepared}.jsonl", "--model", str(model_folder)]
        arguments += ["--state", str(tmp_path / "state" / slug)]
        arguments += ["--graded", f"{out}.jsonl", "--summary", f"{out}.json"]
        assert evaluate_harness.main(evaluate_harness.parse_args(arguments)) == 0
        return read_json(f"{out}.json"), read_rows(f"{out}.jsonl")

    return run


def test_task_gives_a_row_for_each_question_and_its_mean(run, tmp_path: Path) -> None:
    summary, rows = run()
    score = summary["benchmarks"]["arc"]
    assert len(rows) == score["questions"] == score["responses"] == 8
    assert score["accuracy"] == pytest.approx(sum(row["correct"] for row in rows) / 8)
    assert score["standard_error"] == pytest.approx((score["accuracy"] * (1 - score["accuracy"]) / 8) ** 0.5)
    assert summary["tasks"] == {"local_choice": {"version": 1.5, "shots": 2}}
    assert summary["made_by"]["versions"]["lm-eval"]
    questions = read_rows(tmp_path / "benchmarks" / "arc.jsonl")
    assert [row["id"] for row in questions] == [row["question_id"] for row in rows]
    assert questions[0]["question"] == "What is 1 + 0?"  # the prompt around it is left out


def test_group_pools_the_questions_of_its_tasks(run) -> None:
    summary, rows = run("mmlu", task="local_group", metric="acc")
    assert len(rows) == summary["benchmarks"]["mmlu"]["questions"] == 16
    assert (
        {row["question_id"].split("/")[0] for row in rows} == {"local_part_a", "local_part_b"} == set(summary["tasks"])
    )


def test_generated_answers_are_scored_through_the_filter_that_is_named(run) -> None:
    summary, rows = run("gsm8k", task="local_generate", metric="exact_match", filter="digits", shots=None, limit=3)
    assert len(rows) == 3 and summary["tasks"] == {"local_generate": {"version": 1.0, "shots": 0}}
    for row in rows:
        assert row["correct"] == float(row["responses"] == [row["target"]])


def test_killed_evaluation_asks_only_what_has_no_answer_yet(run, monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.models.huggingface import HFLM

    first = run()
    asked = []

    def count(self, requests, *arguments, **named):
        asked.extend(requests)
        return [(0.0, False)] * len(requests)

    monkeypatch.setattr(HFLM, "_loglikelihood_tokens", count)
    assert run()[1] == first[1] and not asked
    run(seed=4321)
    assert len(asked) == 24, "other settings are not answered from what these settings gave"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of sqlitedict's thread
def test_answers_so_far_that_lost_a_part_are_asked_for_again(run, tmp_path: Path, caplog) -> None:
    first = run()
    (kept,) = (file for file in tmp_path.rglob("*.db") if file.stat().st_size)
    kept.write_bytes(b"\0" * 4096 + kept.read_bytes()[4096:])
    assert run()[1] == first[1] and "the saved answers are damaged" in caplog.text
    caplog.clear()
    assert run()[1] == first[1] and "damaged" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric": "f1"}, r"no metric f1 with filter none \(metric,filter: acc,none acc_norm,none\)"),
        ({"task": "local_generate", "metric": "exact_match", "filter": "digits"}, "asked with 0 worked examples"),
        ({"task": "nothing"}, "has no task 'nothing'"),
    ],
)
def test_mistake_in_the_entry_says_what_there_is(run, changes: dict, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        run(**changes)


def test_data_that_cannot_be_had_names_the_rule_that_fetches_it(run, tasks: Path) -> None:
    task = yaml.safe_load((tasks / "task0.yaml").read_text())
    (tasks / "far.yaml").write_text(yaml.safe_dump({**task, "task": "far", "dataset_path": "nobody/nothing"}))
    with pytest.raises(BadInput, match="task far: its data cannot be loaded.*prepare_harness"):
        run(task="far")


def test_questions_that_changed_since_they_were_prepared_are_told(
    run, tasks: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(prepare_harness, "main", lambda args: write_rows(args.rows, [{"id": "other/0"}]) - 1)
    with pytest.raises(BadInput, match="not those of .*arc.jsonl. Delete that file"):
        run()
