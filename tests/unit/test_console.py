"""What a run shows: a line for each job, the time left, and errors with the way out as the last line."""

import io
import json
import logging
import os
import re
import time
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.console import errors, targets
from scripts.lib.console.handler import Console, Running, failure, tail
from scripts.lib.console.outcome import WORDS, outcome
from scripts.lib.console.pace import Pace


def record(message: str = "", level: int = logging.INFO, path: str = "snakemake/jobs.py", **extra) -> logging.LogRecord:
    made = logging.LogRecord("snakemake.logging", level, path, 1, message, None, None)
    made.__dict__.update(extra)
    return made


class Screen:
    """A console that writes to a text; `plain` and so on are the console's."""

    def __init__(self, plain: bool = False, quiet: bool = False) -> None:
        self.stream = io.StringIO()
        below = logging.StreamHandler(self.stream)
        self.console = Console(below, plain, quiet, verbose=False, command="snakemake my_table")

    def said(self, *records: logging.LogRecord) -> list[str]:
        for one in records:
            self.console.handle(one)
        return self.stream.getvalue().splitlines()


def started(folder: Path, jobid: int = 1) -> logging.LogRecord:
    log = folder / "cft.log"
    log.write_text("a warning\n10:00:00 __main__: the loss is nan. Lower learning_rate.\n", encoding="utf-8")
    summary = folder / "train.json"
    summary.write_text(json.dumps({"steps": 16, "losses": [{"loss": 2.731}, {"loss": 1.4}]}), encoding="utf-8")
    outputs = [str(folder / "candidates"), str(summary)]
    named = {"rule_name": "train", "wildcards": {"run": "cft"}, "output": outputs, "log": [str(log)]}
    return record(event="job_info", jobid=jobid, **named)


FAILED = {"exception": "WorkflowError", "event": "error"}


def test_finished_job_is_one_line_with_what_came_out(tmp_path: Path) -> None:
    screen = Screen()
    screen.console.begin([("train", {"run": "cft"}, 60.0), ("generate", {"checkpoint": "cft"}, 120.0)], tmp_path)
    said = screen.said(started(tmp_path), record("Finished", event="job_finished", job_id=1))
    assert said[0] == "2 jobs, about 3 min: 1 train, 1 generate"
    assert said[1].startswith("[1/2] train cft: 16 steps, loss 2.73 → 1.40, 0 s · ")


def test_what_snakemake_says_of_itself_is_not_shown_and_warnings_are(tmp_path: Path) -> None:
    noise = ["Building DAG of jobs...", "Using shell: /bin/bash", "Conda environments: ignored"]
    warning = record("Disk is almost full", logging.WARNING)
    plugin = record("SLURM run ID: 7", path="/x/site-packages/snakemake_executor_plugin_slurm/__init__.py")
    assert Screen().said(*map(record, noise), warning, plugin) == ["Disk is almost full", "SLURM run ID: 7"]


def test_dry_run_is_snakemakes_own() -> None:
    assert Screen(plain=True).said(record("Building DAG of jobs...")) == ["Building DAG of jobs..."]


def test_quiet_run_says_nothing_but_errors(tmp_path: Path) -> None:
    screen = Screen(quiet=True)
    screen.console.begin([("train", {"run": "cft"}, 60.0)], tmp_path)
    assert screen.said(started(tmp_path), record(event="job_finished", job_id=1)) == []


def test_failed_job_is_told_last_in_one_line_with_cause_log_and_what_to_call(tmp_path: Path) -> None:
    error = record(event="job_error", jobid=1, rule_name="train", rule_msg=None, log=[str(tmp_path / "cft.log")])
    raised = record("RuleException:\nCalledProcessError in …", event="error", exception="RuleException")
    said = Screen().said(started(tmp_path), error, raised, record(f"WorkflowError:\n{errors.JOBS_FAILED}.", **FAILED))
    assert said[-1] == (
        f"train cft failed: the loss is nan. Lower learning_rate. (log: {tmp_path}/cft.log) Once that is fixed, run "
        "again: snakemake my_table"
    )
    assert "CalledProcessError" not in "\n".join(said)


def test_job_that_a_retry_mended_has_not_failed(tmp_path: Path) -> None:
    screen = Screen()
    error = record(event="job_error", jobid=1, rule_name="train", rule_msg=None, log=[])
    screen.said(started(tmp_path), error, started(tmp_path), record(event="job_finished", job_id=1))
    assert screen.console.failed == []


def test_ctrl_c_is_two_lines_and_says_that_the_same_command_resumes(tmp_path: Path) -> None:
    error = record(event="job_error", jobid=1, rule_name="train", rule_msg=None, log=[], shellcmd="x" * 1200)
    end = record(f"WorkflowError:\n{errors.JOBS_FAILED}.", **FAILED)
    said = Screen().said(started(tmp_path), record("Terminating processes on user request, …"), error, end)
    assert len(said) == 2 and said[-1].endswith("The same command resumes: snakemake my_table")


def test_what_the_snakefile_says_stands_in_place_of_the_exception() -> None:
    screen = Screen()
    screen.console.final = "2 mistakes in the config:"
    assert screen.said(record("WorkflowError in file Snakefile, line 7", **FAILED)) == ["2 mistakes in the config:"]


def test_lock_says_who_works_here_or_that_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "snakemakes", lambda: [os.getpid(), os.getppid()])
    said = errors.told("LockException", "--unlock", "snakemake x")
    assert f"(pid {os.getppid()}: snakemake" in said and " since 20" in said and "--unlock" not in said
    monkeypatch.setattr(errors, "snakemakes", lambda: [os.getpid()])
    assert "`python -m scripts.clean_lock`, then run again: snakemake x" in errors.told(
        "LockException", "", "snakemake x"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("cft_tabel2", "Did you mean cft_table2?"),
        ("cft_table6_response_source", "config/cft.yaml: snakemake --configfile config/cft.yaml -- cft_table6_res"),
        ("cft_table6_response_sorce", "Did you mean cft_table6_response_source of config/cft.yaml?"),
        ("my.yaml", "snakemake --configfile my.yaml -- all_tables"),
        ("results/laptop/x.json", "no rule makes this file"),
        ("zzz", "(there are: all_tables, cft_table2). Name one."),
    ],
)
def test_wrong_target_says_what_is_meant_and_where_it_lives(asked: str, expected: str) -> None:
    said = targets.wrong_target(asked, ["all_tables", "cft_table2"], "laptop", ["results/laptop"])
    assert expected in said and said.startswith(asked) and "\n" not in said


def test_rest_of_a_run_follows_this_machine_and_is_shared_by_jobs_that_run_at_once(tmp_path: Path) -> None:
    pace = Pace()
    jobs = [("train", {"run": str(number)}, 100.0) for number in range(4)]
    pace.plan([*jobs, ("generate", {"checkpoint": "a"}, 200.0)], tmp_path)
    assert pace.left() == "about 10 min left"
    pace.start -= 200.0
    pace.finished("train", {"run": "0"}, 200.0)  # twice as long as in the plan
    pace.finished("train", {"run": "1"}, 200.0)  # and two at once
    assert pace.left() == "about 7 min left"  # (200 + 200 + 400) s / 2
    assert pace.left([time.monotonic() - 190.0]) == "about 5 min left"


def test_times_of_earlier_runs_count_where_this_run_has_none(tmp_path: Path) -> None:
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / "a.jsonl").write_text('{"s": 240.0}\n')
    (tmp_path / "score" / "torn.jsonl").write_text("")
    pace = Pace()
    pace.plan([("score", {"checkpoint": "b"}, 0.0)], tmp_path)
    assert pace.left() == "about 4 min left"


@pytest.mark.parametrize(
    ("rule", "summary", "expected"),
    [
        ("gather_critiques", {"rows": 1200, "errors": 0}, "1,200 critiques"),
        ("refine_responses", {"rows": 8, "errors": 1}, "8 answers, 1 failed"),
        ("judge_turns", {"benchmarks": {"mt-bench": {"accuracy": 0.625, "out_of": 10}}}, "rating 6.25"),
        ("average_seeds", {"benchmarks": {"gcd": {"accuracy": 0.5}}}, "gcd 50.0 %"),
        (
            "validate",
            {"curve": [{"step": 4, "accuracy": 0.5}, {"step": 8, "accuracy": 0.25}]},
            "best 50.0 % at step 4 of 8",
        ),
        ("check_overlap", {"near": {"gcd": 0}}, "no question was trained on"),
        ("check_overlap", {"near": {"gcd": 2}}, "no question was trained on, 2 questions near one that was"),
    ],
)
def test_outcome_is_what_the_summary_says(rule: str, summary: dict, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(summary))
    assert outcome(rule, [str(tmp_path / "a.json")]) == expected


def test_outcome_of_critiques_of_own_answers_is_their_number(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n{}\n")
    assert outcome("critique_answers", [str(tmp_path / "a.jsonl")]) == "2 critiques"


def test_each_rule_with_outputs_has_words() -> None:
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "rules").glob("*.smk"))
    named_rule = r"^(?:use rule \w+ as|rule) (\w+)(?: with)?:\n(?:(?:    .*)?\n)*?    output:"
    named = set(re.findall(named_rule, rules, re.MULTILINE))
    assert "train" in named and named - WORDS.keys() == set()


def test_outcome_of_a_job_whose_summary_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    assert outcome("train", [str(tmp_path / "a.json")]) == "" == outcome("nothing", [])


def test_log_without_a_line_or_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert tail(str(tmp_path / "none.log"), 3) == []
    assert failure(Running("train", {"run": "a"}), "snakemake").startswith("train a failed: it wrote nothing")
