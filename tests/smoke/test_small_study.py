"""The whole graph, for real: every table is made, a second run has nothing to do, and a killed job goes on."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml

# Rule: (what is removed, the target, a sign that the job is in its middle, what must be equal at the end).
# The paths are below results/<study> or state/<study>.
JOBS = {
    "sample_responses": (
        ["responses"],
        "responses/{responses}/shard-0.jsonl",
        "sample_responses/{responses}/shard-0/chunks.jsonl",
        "responses/{responses}/shard-0.jsonl",
    ),
    "critique_responses": (["critiques"], "critiques/{critiques}.jsonl", None, "critiques/{critiques}.jsonl"),
    "train": (
        ["checkpoints/cft"],
        "checkpoints/cft/model",
        "train/cft/*/checkpoint-4",
        "checkpoints/cft/model/model.safetensors",
    ),
    "generate": (
        ["generations/cft", "scores/cft"],
        "generations/cft/{suite}.jsonl",
        "generate/cft/{suite}/chunks.jsonl",
        "generations/cft/{suite}.jsonl",
    ),
}


@pytest.fixture(scope="session")
def slugs(finished) -> dict[str, str]:
    """The names of the entries that the jobs above belong to, from the resolved study."""
    resolved = yaml.safe_load((finished.results / "study.yaml").read_text())
    critiques = resolved["runs"]["cft"]["data"]["critiques"]
    return {
        "critiques": critiques,
        "responses": resolved["critiques"][critiques]["responses"],
        "suite": resolved["tables"]["cft_table2"]["suites"][0],
    }


def wait_for(pattern: Path, process, seconds: float = 120) -> None:
    """Waits until a path matches, which must come before the process ends."""
    end = time.monotonic() + seconds
    while not list(pattern.parent.parent.glob(f"{pattern.parent.name}/{pattern.name}")):
        assert process.poll() is None, f"the job ended before {pattern} was there"
        assert time.monotonic() < end, f"{pattern} is not there after {seconds} s"
        time.sleep(0.005)


def script_of(process, rule: str) -> int:
    """The pid of the Python process that runs the rule's script, below snakemake."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            group = os.getpgid(int(entry.name))
        except (OSError, ProcessLookupError):
            continue
        if group == process.pid and words[1:3] == ["-m", f"scripts.{rule}"]:
            return int(entry.name)
    raise AssertionError(f"no process of scripts.{rule}")


def wait_for_script(process, rule: str, seconds: float = 60) -> int:
    """The pid of the rule's script, as soon as it runs."""
    end = time.monotonic() + seconds
    while True:
        try:
            return script_of(process, rule)
        except AssertionError:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.002)


def test_second_run_has_nothing_to_do(study):
    assert "Nothing to be done" in study.make("all_tables")


def test_quick_look_asks_the_first_questions_and_changes_nothing_of_the_study(study, slugs):
    def files() -> dict[Path, tuple[int, bytes]]:
        every = [file for file in study.results.rglob("*") if file.is_file() and "first2" not in file.parts]
        return {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in every if file.name != "study.yaml"}

    before, suite = files(), slugs["suite"]
    said = study.make(f"results/{study.study}/first2/scores/cft/{suite}.json")
    for file in (study.results / "first2" / "benchmarks").glob("*.jsonl"):
        whole = (study.results / "benchmarks" / file.name).read_text().splitlines()
        assert file.read_text().splitlines() == whole[:2]
        assert f"cft, {file.stem}: " in said and f"(the first 2 of {len(whole)} questions)" in said
    scores = json.loads((study.results / "first2" / "scores" / "cft" / f"{suite}.json").read_text())["benchmarks"]
    assert scores and {score["questions"] for score in scores.values()} == {2}
    assert files() == before
    assert "Nothing to be done" in study.make("all_tables")
    assert "(the first 2 of " in study.make(f"results/{study.study}/first2/scores/cft/{suite}.json")


def test_table_is_a_list_of_cells(finished):
    cells = json.loads((finished.results / "tables" / "cft_table2.json").read_text())
    assert {"row", "column", "value", "se", "n", "paper"} <= set(cells[0])
    resolved = yaml.safe_load((finished.results / "study.yaml").read_text())
    rows = resolved["tables"]["cft_table2"]["rows"]
    trained = {row["name"] for row in rows if row.get("of") in resolved["runs"] and "best_of" not in row}
    assert {cell["row"] for cell in cells if cell["column"] == "Rows" and cell["value"]} == trained


def test_trained_rows_have_as_many_examples_and_steps(finished):
    summaries = [json.loads(file.read_text()) for file in finished.results.glob("checkpoints/*/train.json")]
    same = [summary for summary in summaries if summary["recipe"]["method"] in ("sft", "cft")]
    assert len(same) >= 4 and len({(summary["rows"], summary["steps"]) for summary in same}) == 1


def test_best_candidate_on_validation_becomes_the_checkpoint(finished):
    folder = finished.results / "checkpoints" / "picked"
    curve = json.loads((folder / "validation.json").read_text())["curve"]
    selection = json.loads((folder / "selection.json").read_text())
    assert [point["step"] for point in curve] == [8, 16, 24]
    best = max(curve, key=lambda point: (point["accuracy"], -point["step"]))
    assert selection["rule"] == "best" and selection["candidate"] == best["candidate"]
    assert selection["last"]["step"] == 24
    assert json.loads((folder / "model" / "redpen.json").read_text())["step"] == best["step"]


def test_score_tells_which_benchmark_the_checkpoint_was_selected_by(finished):
    resolved = yaml.safe_load((finished.results / "study.yaml").read_text())
    (file,) = (finished.results / "scores" / "picked").glob("*.json")
    told = {slug: found.get("selected_by", False) for slug, found in json.loads(file.read_text())["benchmarks"].items()}
    assert len(told) > 1 and told == {slug: slug == resolved["runs"]["picked"]["select"] for slug in told}


def test_each_spin_iteration_starts_from_the_one_before(finished):
    starts = [
        json.loads((finished.results / "checkpoints" / f"spin.t{t}" / "train.json").read_text()) for t in range(3)
    ]
    assert len({summary["start_weights"] for summary in starts}) == 3
    rows = [summary["rows"] for summary in starts]
    assert rows[1] > rows[0], "the pairs of the iteration before are mixed in"
    assert all(abs(summary["losses"][0]["loss"] - 0.6931) < 0.01 for summary in starts)


def test_losers_are_gone_and_state_is_cleared(finished):
    assert not list(finished.results.glob("checkpoints/*/candidates"))
    assert not [path for path in (finished.state / "train").glob("*/*") if path.is_dir()]


@pytest.mark.parametrize("victim", ["script", "snakemake", "group"])
@pytest.mark.parametrize("rule", JOBS)
def test_killed_job_ends_with_the_same_bytes(rule, victim, study, finished, slugs):
    removed, target, sign, compared = JOBS[rule]
    for name in removed:
        shutil.rmtree(study.results / name)
    shutil.rmtree(study.state / rule, ignore_errors=True)
    target = f"results/laptop-small/{target.format(**slugs)}"

    process = study.start(target)
    script = wait_for_script(process, rule)
    if sign:
        wait_for(study.state / sign.format(**slugs), process)
    if victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(script if victim == "script" else process.pid, signal.SIGKILL)
    process.wait(timeout=120)

    done_before = journalled(study, rule)
    study.unlock()
    study.make(target)

    compared = compared.format(**slugs)
    assert (study.results / compared).read_bytes() == (finished.results / compared).read_bytes()
    assert "Nothing to be done" in study.make(target)
    if rule == "train" and victim != "snakemake":  # a script that outlives snakemake may finish by itself
        assert "resuming from" in (study.folder / "logs" / "laptop-small" / "train" / "cft.log").read_text()
    if rule in ("sample_responses", "generate"):
        keys = journalled(study, rule)
        assert keys[: len(done_before)] == done_before, "finished chunks must stay where they are"
        assert len(keys) == len(set(keys)), "a finished chunk was generated again"


def journalled(study, rule: str) -> list[str]:
    """The keys in the rule's journals, in the order they were written; a torn last line does not count."""
    keys = []
    for file in sorted((study.state / rule).rglob("chunks.jsonl")):
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                keys.append(json.loads(line)["key"])
    return keys


def test_retrained_checkpoint_is_asked_anew(study, slugs):
    generations = study.results / "generations" / "cft" / f"{slugs['suite']}.jsonl"
    config = study.folder / "config.yaml"
    before, journal = generations.read_text(), journalled(study, "generate/cft")
    changed = yaml.safe_load(config.read_text())
    changed["runs"]["cft"]["overrides"] = {"learning_rate": 0.05}
    config.write_text(yaml.safe_dump(changed))
    study.make(f"results/laptop-small/generations/cft/{slugs['suite']}.jsonl")
    after = journalled(study, "generate/cft")
    assert len(after) == 2 * len(journal) and len(set(after)) == len(after)
    assert generations.read_text() != before


def test_claims_are_judged_by_graded_answers_and_printed(study) -> None:
    said = study.make("claims")
    assert "Scale small: random models and few questions. THE VERDICTS MEAN NOTHING." in said
    verdicts = {row["claim"]: row for row in json.loads((study.results / "claims.json").read_text())}
    beats = {"cft_beats_verified", "cft_beats_sft", "cft_beats_own_answers"}
    assert set(verdicts) == beats | {"spin_improves", "thinkpo_raises_length"}
    for name, row in verdicts.items():
        assert row["says"] in said and f"`{name}`" in said
        assert "not known" not in row["why"], "a cell was not found among the graded answers"
    assert verdicts["spin_improves"]["low"] <= verdicts["spin_improves"]["value"] <= verdicts["spin_improves"]["high"]
