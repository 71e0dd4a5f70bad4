"""The examples of docs/extending.md and the sweeps: what they plan, and that nothing upstream is planned again."""

import json
import math
import os
import re
from pathlib import Path

import pytest
import yaml

from scripts.lib.cli import ROOT
from scripts.lib.jobs import dag
from scripts.lib.study.resolve import SECTIONS, resolve
from tests.project import copied
from tests.warm import Warm
from tests.workflow.conftest import TARGET, TINY, Tree

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLES = {
    file: (table, text)
    for text, file, table in re.findall(
        r"^```yaml\n(# snakemake --configfile (\S+) -- (\w+)\n.*?)^```", PAGE, re.M | re.S
    )
}
SWEEPS = sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "config" / "sweeps").glob("*.yaml"))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the project with the files of the page."""
    tree = Tree(copied(tmp_path_factory.mktemp("examples") / "tree"))
    questions = re.search(r"^```json\n(.*?)^```", PAGE, re.M | re.S)[1]
    (tree.folder / "my-questions.jsonl").write_text(questions, encoding="utf-8")
    for file, (_, text) in EXAMPLES.items():
        (tree.folder / file).write_text(text, encoding="utf-8")
    return tree


def test_page_has_an_example_of_each() -> None:
    assert set(EXAMPLES) == {f"my-{what}.yaml" for what in ("model", "dataset", "benchmark", "run", "sweep")}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("my-model.yaml", {("fetch_model", "model=my-model"), ("generate", "checkpoint=my-model, suite=arithmetic")}),
        ("my-dataset.yaml", {("prepare_dataset", "dataset=my-questions"), ("train", "run=sft-mine")}),
        ("my-benchmark.yaml", {("prepare_benchmark", "benchmark=my-test"), ("generate", "checkpoint=cft, suite=mine")}),
        ("my-run.yaml", {("train", "run=cft"), ("train", "run=sft-after-cft")}),
        ("my-sweep.yaml", {("train", "run=cft-0.0001"), ("train", "run=cft-0.001"), ("train", "run=cft")}),
    ],
)
def test_example_of_the_page_plans_its_entry(examples: Tree, file: str, expected: set) -> None:
    jobs = examples.planned(EXAMPLES[file][0], file)
    assert jobs >= expected
    trained = {wildcards for rule, wildcards in jobs if rule == "train"}
    assert trained == {wildcards for rule, wildcards in expected if rule == "train"} | (
        {"run=cft"} if file == "my-benchmark.yaml" else set()
    )


def test_training_of_the_page_has_a_step_at_a_rate_above_0(examples: Tree, monkeypatch) -> None:
    monkeypatch.chdir(examples.folder)
    run = resolve(["my-dataset.yaml"])["runs"]["sft-mine"]
    recipe, rows = run["hyperparameters"], len(Path("my-questions.jsonl").read_text().splitlines())
    steps = math.ceil(rows / recipe["global_batch"]) * recipe["epochs"]
    assert steps - math.ceil(recipe["warmup"] * steps) > 1


@pytest.mark.slow("makes the tables of all examples at tiny scale")
def test_examples_of_the_page_run_and_do_something(examples: Tree, warm: Warm, tmp_path: Path) -> None:
    tree = examples.copy(tmp_path / "tree").by(warm.program)
    files = [file for file in EXAMPLES if file != "my-sweep.yaml"]  # whose points train as my-run's
    tables = [EXAMPLES[file][0] for file in files]
    rows = [
        {
            "number": f"a{n}",
            "problem": f"What is {n} + 25?",
            "result": str(n + 25),
            "worked": f"The answer is {n + 25}.",
        }
        for n in range(8)  # as many as the tiny scale asks for
    ]
    (tree.folder / "my-questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tree.make("--configfile", *files, TINY, "--", *tables)
    folder = tree.folder / "results" / "laptop-tiny"
    assert all((folder / "tables" / f"{table}.md").exists() for table in tables)
    weights = [folder / "models/smollm2-135m", *(folder / "checkpoints" / run / "model" for run in ("sft-mine", "cft"))]
    assert len({(place / "model.safetensors").read_bytes() for place in weights}) == 3


def test_claim_of_the_page_is_judged(examples: Tree) -> None:
    jobs = examples.planned("claims", "my-run.yaml")
    assert {("check_claims", ""), ("make_table", "table=my_run")} <= jobs


def test_example_of_the_page_makes_nothing_again(finished: Tree, tmp_path: Path) -> None:
    """On a study whose table is made, a sweep plans its own runs and no job above them."""
    (tmp_path / "my-sweep.yaml").write_text(
        EXAMPLES["my-sweep.yaml"][1].replace("base: config.yaml", f"base: {finished.folder}/config.yaml")
    )
    jobs = finished.planned("my_sweep", str(tmp_path / "my-sweep.yaml"), TINY)
    points = {"cft-0.0001", "cft-0.001"}
    rules = ("build_train_set", "train", "select_checkpoint")
    expected = {(rule, f"run={point}") for rule in rules for point in points}
    expected |= {(rule, f"checkpoint={point}, suite=arithmetic") for rule in ("generate", "score") for point in points}
    assert jobs == expected | {("make_table", "table=my_sweep"), ("check_overlap", "table=my_sweep")}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweep_is_short_and_says_how_to_call_it(sweep: str) -> None:
    text = (ROOT / sweep).read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    command = re.search(r"snakemake --configfile (\S+) -- (\w+)$", head[-1])
    assert command and command[1] == sweep and list(yaml.safe_load(text)["tables"]) == [command[2]]
    assert 3 <= len(text.splitlines()) - len(head) <= 12
    assert f"| `{sweep}` |" in PAGE


@pytest.mark.parametrize("sweep", SWEEPS)
def test_sweep_plans_its_own_entries_and_what_the_study_plans_anyway(project: Tree, sweep: str, monkeypatch) -> None:
    """Nothing is made or paid for twice: every other job of the sweep is a job of its base's tables."""
    monkeypatch.chdir(project.folder)
    values = yaml.safe_load((ROOT / sweep).read_text(encoding="utf-8"))
    (table,) = values["tables"]
    base = os.path.normpath((ROOT / sweep).parent / values["base"])
    study, mine = (dag.graph([target], [file]) for target, file in (("all_tables", base), (table, ROOT / sweep)))
    there = {(job.rule, *job.wildcards.values()) for job in study.jobs}
    added = {name for section in SECTIONS for name in mine.study[section].keys() - study.study[section].keys()}
    new = {(job.rule, *job.wildcards.values()) for job in mine.jobs} - there - {(table,)}
    assert mine.study["study"] == study.study["study"] and new
    others = {(rule, name, *rest) for rule, name, *rest in new if name not in added}
    # A model that the study only trains from may be evaluated as well.
    assert {rule for rule, *_ in others} <= {"generate", "score"}, others
    assert {("train", run) for run in added & mine.study["runs"].keys()} <= new


def test_laptop_sweep_shares_what_the_study_has_made(finished: Tree) -> None:
    """TARGET is made: the sweep adds the start of DPO, the study's own DPO and four points, and samples nothing."""
    assert TARGET == "cft_table2"
    jobs = finished.planned("sweep_laptop", "config/sweeps/laptop.yaml", TINY)
    trained = {wildcards for rule, wildcards in jobs if rule == "train"}
    points = {f"run=dpo-{rate}-{beta}" for rate in ("0.0001", "0.001") for beta in ("0.03", "0.3")}
    assert trained == points | {"run=dpo", "run=sft-teacher"}
    assert not {rule for rule, _ in jobs} & {"sample_responses", "grade_responses", "prepare_dataset", "fetch_model"}
