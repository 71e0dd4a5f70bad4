"""Snakemake plans exactly what a change concerns. One finished tiny study is shared; every test edits a copy of it."""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.jobs import dag
from tests.project import copied
from tests.workflow.conftest import COSTLY, TARGET, TINY, Jobs, Tree


def checkpoints_of_rows(rows: list[dict]) -> set[str]:
    return {name for row in rows for name in ([row["of"]] if "of" in row else [row["difference"], *row["best_of"]])}


def starts_of(study: dict, checkpoint: str) -> set[str]:
    """The checkpoint and all that it starts from."""
    found = set()
    while checkpoint:
        found.add(checkpoint)
        checkpoint = study["runs"].get(checkpoint, {}).get("start")
    return found


def answers_of(study: dict, checkpoint: str, suites: set[str] | list[str]) -> Jobs:
    """The generate and score jobs of one checkpoint for suites."""
    return {(rule, f"checkpoint={checkpoint}, suite={suite}") for suite in suites for rule in ("generate", "score")}


# --- what a dry run and the linters say -------------------------------------------------------------------------------


def test_lint_is_clean(project: Tree) -> None:
    project.make("--lint")


@pytest.mark.parametrize(
    "command",
    [
        ["snakefmt", "--check", "Snakefile", "workflow", "rules"],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
    ],
    ids=" ".join,
)
def test_formatter_and_linter_are_content(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_study_page_is_the_cause_of_no_job(tmp_path: Path) -> None:
    tree = Tree(copied(tmp_path / "tree"))
    assert tree.planned("study_page") == set()
    tree.tiny("--", "study_page")
    page = (tree.folder / "results" / "laptop-tiny" / "study.html").read_text(encoding="utf-8")
    assert page.count(">not run<") > 50  # cells, each with the command that makes what it lacks
    assert "snakemake --configfile config/scale/tiny.yaml -- results/laptop-tiny/scores/cft/arithmetic.json" in page
    assert "Nothing to be done" in tree.tiny("-n", "--", "study_page")


def test_the_study_page_is_made_after_what_the_same_call_asks_for(tree: Tree) -> None:
    (tree.folder / "results" / tree.resolved()["study"] / "tables" / f"{TARGET}.md").unlink()
    said = tree.tiny("-j", "2", "--", "study_page", TARGET)
    order = re.findall(r"^\[\d+/\d+\] (\w+)", said, re.MULTILINE)
    assert order.index("make_table") < order.index("study_page"), said
    assert "| CFT " in said and said.rstrip().splitlines()  # the table's text, and where the page is
    assert f"results/{tree.resolved()['study']}/study.html shows them." in said


def test_rules_are_listed_with_what_they_do(project: Tree) -> None:
    said = project.make("--list-rules")
    for rule in COSTLY | {
        "score",
        "select_checkpoint",
        "make_table",
        "all_tables",
        "cft_table2",
        "claims",
        "plan",
        "study_page",
    }:
        assert re.search(rf"^{rule}\b", said, re.MULTILINE), said
    assert "Fine-tune one run's start checkpoint" in said


@pytest.mark.parametrize("scale", [[], ["--configfile", TINY]], ids=["laptop", "tiny"])
@pytest.mark.parametrize("target", ["all_tables", "cft_table2"])
def test_target_is_planned_from_nothing(project: Tree, target: str, scale: list[str]) -> None:
    said = project.make("-n", *scale, "--", target)
    for rule in ("fetch_model", "sample_responses", "critique_responses", "train", "generate", "make_table"):
        assert re.search(rf"^(local)?rule {rule}:", said, re.MULTILINE), said
    assert ("results/laptop-tiny/" in said) == bool(scale)


@pytest.mark.parametrize("target", ["cft_table2", "all_tables"])
def test_plan_counts_the_jobs_of_a_dry_run(project: Tree, target: str) -> None:
    said = project.make("--config", f"plan={{targets: [{target}]}}", "--quiet", "rules", "--", "plan")
    counted = dict(re.findall(r"^(\w+) +(\d+) +0 +[\d.]+ +[\d.]+$", said, re.MULTILINE))
    stats = project.make("-n", "--quiet", "rules", "--", target).split("total")[0]
    targets = {"all_tables", "cft_table2"}
    planned = {rule: jobs for rule, jobs in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE) if rule not in targets}
    assert planned and {rule: jobs for rule, jobs in counted.items() if rule in planned} == planned
    assert int(counted["all"]) == sum(map(int, planned.values()))


def test_plan_of_a_finished_study_has_nothing_to_run(finished: Tree) -> None:
    said = finished.tiny("--config", f"plan={{targets: {TARGET}}}", "--quiet", "rules", "--", "plan")
    found = re.search(r"^all +(\d+) +(\d+) +0.00 +0.00$", said, re.MULTILINE)
    assert found and found[1] == "0" and int(found[2]) > 20, said
    assert "longest chain" not in said


def test_wrong_config_stops_before_any_job_with_every_mistake(project: Tree, tmp_path: Path) -> None:
    wrong = Tree(copied(tmp_path / "tree"))

    def change(config: dict) -> None:
        config["runs"]["cft"]["start"] = "no-such-model"
        config["runs"]["sft"]["sed"] = 3
        next(iter(config["recipes"].values()))["learning_rate"] = "high"

    wrong.edit(change)
    said = wrong.make("all_tables", status=1)
    assert "mistakes in the config" in said
    assert "config.yaml: runs.cft.start = 'no-such-model': not under models or runs" in said
    assert "config.yaml: runs.sft.sed: there is no such key" in said and "Did you mean seed?" in said
    assert "learning_rate = 'high': text, but it must be a number." in said
    assert "Traceback" not in said
    assert [file.name for file in (wrong.folder / "results").iterdir()] == ["README.md"], "something was made"


def test_merge_key_and_key_that_stands_twice_stop_with_their_lines(project: Tree, tmp_path: Path) -> None:
    """Snakemake reads the file before the config is resolved, and would merge and take the last value."""
    file = tmp_path / "twice.yaml"
    lines = (
        f"base: {project.folder}/config.yaml",
        "runs:",
        "  a: &a {extends: cft}",
        "  b: {<<: *a}",
        "  a: {extends: cft}",
    )
    file.write_text("\n".join(lines), encoding="utf-8")
    said = project.make("-n", "--configfile", str(file), "--", TARGET, status=1).rstrip().splitlines()
    assert said[-3] == "2 mistakes in the config:"
    assert said[-2].startswith(f"  - {file}: line 4: a merge key (<<). Name the entries under extends")
    assert said[-1] == f"  - {file}: line 5: a occurs twice in one mapping (first on line 3). Remove one."


def test_one_off_on_the_command_line_changes_one_run(project: Tree, monkeypatch) -> None:
    monkeypatch.chdir(project.folder)
    graph = dag.graph([TARGET], overrides={"runs": {"cft": {"overrides": {"epochs": "7"}}}})
    trained = [SimpleNamespace(run=job.wildcards["run"]) for job in graph.jobs if job.rule == "train"]
    epochs = {wildcards.run: json.loads(graph.study.recipe(wildcards))["epochs"] for wildcards in trained}
    assert epochs.pop("cft") == 7.0 and 7.0 not in epochs.values()


def test_command_is_one_line_and_its_settings_are_files_beside_its_log(finished: Tree) -> None:
    said = finished.tiny("-n", "-p", "--forcerun", "train", "--", TARGET)
    (command,) = {line for line in said.splitlines() if "scripts.train" in line and "/cft/" in line}
    assert len(command) < 600 and "{" not in command, command
    file = re.search(r"--recipe (\S+)", command)[1]
    assert file == "logs/laptop-tiny/train/cft.log.recipe.json"
    assert json.loads((finished.folder / file).read_text())["run"] == "cft"


def test_mistake_in_a_one_off_names_the_command_line(project: Tree) -> None:
    said = project.make("-n", "--config", "runs={cft: {seed: x}}", "--", "cft_table2", status=1)
    assert "command line: runs.cft.seed = 'x'" in said


def test_table_with_the_name_of_a_rule_is_refused(project: Tree, tmp_path: Path) -> None:
    wrong = Tree(copied(tmp_path / "tree"))
    wrong.edit(lambda config: config["tables"].update(train=config["tables"][TARGET]))
    said = wrong.make("-n", "all_tables", status=1)
    assert "train: a rule has this name already. Rename the table" in said


# --- what runs again --------------------------------------------------------------------------------------------------


def test_finished_study_has_nothing_to_be_done(finished: Tree) -> None:
    assert finished.planned() == set()


def test_results_hold_the_table_in_four_forms(finished: Tree) -> None:
    folder = finished.folder / "results" / finished.resolved()["study"] / "tables"
    assert {file.suffix for file in folder.glob(f"{TARGET}.*")} >= {".md", ".tex", ".csv", ".json"}
    cells = json.loads((folder / f"{TARGET}.json").read_text())
    assert all(set(cell) >= {"row", "column", "value", "se", "n", "paper"} for cell in cells)


def test_another_interpreter_asks_for_nothing(finished: Tree) -> None:
    said = finished.by("/another/python").tiny("-n", "--", TARGET)
    assert "Nothing to be done" in said


def test_another_tracker_or_number_of_cores_asks_for_nothing(finished: Tree) -> None:
    assert "Nothing to be done" in finished.tiny("-n", "--config", "tracker=wandb", "threads=3", "--", TARGET)


def test_vllm_runs_in_its_own_environment_and_its_memory_share_is_no_setting(project: Tree, monkeypatch) -> None:
    monkeypatch.setenv("REDPEN_PYTHON_VLLM", "/with/vllm/python")
    said = project.make("-n", "-p", "--config", "engine=vllm", "--", TARGET)
    commands = re.findall(r"(\S+) -m scripts\.(\w+) ", said)
    assert {script for python, script in commands if python == "/with/vllm/python"} == {"sample_responses", "generate"}
    monkeypatch.chdir(project.folder)
    study = dag.graph([TARGET], overrides={"engine": "vllm"}).study
    settings = study.suite_settings(SimpleNamespace(suite="arithmetic"))
    assert json.loads(settings)["engine"]["kind"] == "vllm" and "memory_share" not in settings
    assert set(json.loads(study.machine(None, gpus=1))) == {"memory_share", "gpus"}


@pytest.mark.parametrize("run", ["sft-verified", "cft"])
def test_learning_rate_of_a_run_concerns_that_run_and_its_tables(tree: Tree, run: str) -> None:
    study = tree.resolved()
    tree.edit(lambda config: config["runs"][run].setdefault("overrides", {}).update(learning_rate=0.5))
    changed = {
        name for name, entry in tree.resolved()["runs"].items() if entry["overrides"].get("learning_rate") == 0.5
    }
    rows = study["tables"][TARGET]["rows"]
    needed = {name for checkpoint in checkpoints_of_rows(rows) for name in starts_of(study, checkpoint)}
    expected: Jobs = {("make_table", f"table={TARGET}")}
    for name in needed & set(study["runs"]):
        if not changed & starts_of(study, name):
            continue
        expected |= {("train", f"run={name}"), ("select_checkpoint", f"run={name}")}
        if study["runs"][name]["select"] != "last":
            expected.add(("validate", f"run={name}"))
        if name in checkpoints_of_rows(rows):
            expected |= answers_of(study, name, study["tables"][TARGET]["suites"])
    assert ("train", f"run={run}") in expected
    assert tree.planned() == expected


@pytest.mark.slow("four calls of Snakemake")
def test_output_of_an_earlier_run_outlives_a_job_that_fails_and_is_not_taken_for_its(tree: Tree) -> None:
    folder = tree.folder / "results" / tree.resolved()["study"]
    files = ["checkpoints/cft/train.json", "checkpoints/cft/model/model.safetensors", f"tables/{TARGET}.md"]
    before = {name: (folder / name).read_bytes() for name in files}
    change = ["--config", "runs={cft: {overrides: {learning_rate: 0.5}}}"]
    said = tree.by("/bin/false").make("--configfile", TINY, *change, "--", TARGET, status=1)
    assert "Put back as it was before its job failed: " in said and "train cft failed" in said.splitlines()[-1]
    assert {name: (folder / name).read_bytes() for name in files} == before
    assert not (folder / ".before").exists()
    assert "Nothing to be done" in tree.tiny("-n", "--", TARGET)  # with the settings that made it
    assert re.search(r"^rule train:", tree.tiny("-n", *change, "--", TARGET), re.MULTILINE)


def test_decoding_of_a_benchmark_concerns_the_answers_to_its_suites(tree: Tree) -> None:
    study = tree.resolved()
    table = study["tables"][TARGET]
    benchmark = study["suites"][table["suites"][0]][0]
    tree.edit(lambda config: config["benchmarks"][benchmark].update(max_tokens=5))
    changed = {slug for slug, entry in tree.resolved()["benchmarks"].items() if entry["max_tokens"] == 5}
    suites = {suite for suite in table["suites"] if changed & set(study["suites"][suite])}
    expected: Jobs = {("make_table", f"table={TARGET}")}
    for name in checkpoints_of_rows(table["rows"]):
        expected |= answers_of(study, name, suites)
    assert not any(run["select"] in changed for run in study["runs"].values()), "then validate runs again too"
    assert tree.planned() == expected


def test_partial_table_shows_what_there_is_and_runs_nothing(tree: Tree) -> None:
    study = tree.resolved()
    folder, score = tree.folder / "results" / study["study"], "scores/sft-verified/arithmetic.json"
    (folder / score).unlink()
    tree.edit(lambda config: config["runs"]["cft"].update(seed=77))
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.make_table", "--partial", TARGET, "--configfile", TINY],
        cwd=tree.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    made = {file for file in folder.rglob("*") if file.is_file() and before.get(file) != file.stat().st_mtime_ns}
    endings = ("md", "tex", "csv", "json", "html")
    assert made == {folder / "tables" / f"{TARGET}.partial.{ending}" for ending in endings}
    cells = json.loads((folder / "tables" / f"{TARGET}.partial.json").read_text())
    states = {(cell["row"], cell["column"]): cell.get("state") for cell in cells}
    assert states["Base", "Average"] is None and states["SFT-verified", "Rows"] is None
    assert states["SFT-verified", "Average"] == "not run" and states["CFT", "Average"] == "outdated"
    commands = {cell["gap"].split("`")[1] for cell in cells if cell.get("state") == "not run"}
    assert f"snakemake --configfile {TINY} -- results/{study['study']}/{score}" in commands
    for command in commands:  # each runs unchanged
        tree.make("-n", *shlex.split(command)[1:])


def test_claims_are_judged_by_what_there_is(tree: Tree) -> None:
    command = [sys.executable, "-m", "scripts.check_claims", "--partial", "--configfile", TINY]
    done = subprocess.run(command, cwd=tree.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = tree.folder / "results" / tree.resolved()["study"]
    found = {row["claim"]: row for row in json.loads((folder / "claims.partial.json").read_text())}
    assert found["cft_beats_verified"]["low"] is not None
    assert found["spin_improves"]["verdict"] == "inconclusive" and "not run" in found["spin_improves"]["why"]
    assert not (folder / "claims.json").exists()
    tree.make("-n", *shlex.split(found["spin_improves"]["why"].split("`")[1])[1:])


def test_title_of_a_table_concerns_that_table_only(tree: Tree) -> None:
    tree.edit(lambda config: config["tables"][TARGET].update(title="Another title"))
    assert tree.planned() == {("make_table", f"table={TARGET}")}


def test_comments_in_code_and_shell_texts_cost_no_generation_or_training(tree: Tree) -> None:
    for file in (tree.folder / "scripts").rglob("*.py"):
        file.write_text(file.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    edited = 0
    for file in (tree.folder / "rules").glob("*.smk"):
        text, count = re.subn(r'> \{log:q\} 2>&1"', '> {log:q} 2>&1  # a comment"', file.read_text(encoding="utf-8"))
        file.write_text(text + "\n# a comment\n", encoding="utf-8")
        edited += count
    assert edited >= len(COSTLY)
    planned = {rule for rule, _ in tree.planned()}
    assert not planned & COSTLY
    assert planned == {"check_overlap", "score", "make_table"}  # whose scripts are inputs


def test_score_runs_again_after_a_change_of_any_module_that_grades(finished: Tree) -> None:
    """Every module that score imports and that can change a verdict is an input of the rule."""
    reached, pending = set(), ["scripts/score.py"]
    while pending:
        file = pending.pop()
        if file in reached:
            continue
        reached.add(file)
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scripts"):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
                paths = [name.replace(".", "/") + ".py" for name in names]
                pending += [path for path in paths if (ROOT / path).is_file()]
    plumbing = {"scripts/lib/cli.py", "scripts/lib/jsonl.py"}
    with_score = finished.make("-n", "-p", "--forcerun", "score", "--configfile", TINY, "--", TARGET)
    inputs = re.search(r"^rule score:\n {4}input: (.*)$", with_score, re.MULTILINE)
    assert inputs and set(inputs[1].split(", ")) >= reached - plumbing


def test_benchmark_that_joins_a_suite_generates_only_its_own_rows(tree: Tree) -> None:
    study = tree.resolved()
    suite = study["tables"][TARGET]["suites"][0]
    rows = 5
    questions = {"source": "reasoning-gym", "tasks": {"lcm": {}}, "rows": rows, "seed": 77}

    def change(config: dict) -> None:
        first = study["suites"][suite][0]
        config["benchmarks"]["joined"] = {
            "kind": "math",
            "prompt": study["benchmarks"][first]["prompt"],
            "questions": questions,
        }
        config["suites"][suite].append("joined")

    tree.edit(change)
    model = study["tables"][TARGET]["rows"][0]["of"]
    planned = tree.planned()
    assert ("prepare_benchmark", "benchmark=joined") in planned
    assert ("generate", f"checkpoint={model}, suite={suite}") in planned
    assert not {rule for rule, _ in planned} & (COSTLY - {"prepare_benchmark", "generate"})

    journal = tree.folder / "state" / study["study"] / "generate" / model / suite / "chunks.jsonl"
    before = journal.read_bytes()
    generations = f"results/{study['study']}/generations/{model}/{suite}.jsonl"
    old = (tree.folder / generations).read_text().splitlines()
    tree.tiny("--", generations)
    assert journal.read_bytes().startswith(before)
    added = [json.loads(line) for line in journal.read_bytes()[len(before) :].splitlines()]
    assert sum(len(record["value"]) for record in added) == rows
    new = (tree.folder / generations).read_text().splitlines()
    assert set(new) > set(old) and len(new) == len(old) + rows


def test_redpen_lists_what_is_made_and_what_is_missing(finished: Tree) -> None:
    command = [sys.executable, "-m", "scripts.front", "status", "-c", TINY]
    said = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True, check=True).stdout
    lines = said.splitlines()
    assert any(line.split()[:2] == ["made", TARGET] and line.endswith(f"/tables/{TARGET}.md)") for line in lines), said
    assert any(line.split()[:2] == ["missing", "spin_table4"] and "jobs to run" in line for line in lines), said
    assert lines[-1].startswith("next: redpen make ") and TARGET + " " not in lines[-1].split("(")[0], said
