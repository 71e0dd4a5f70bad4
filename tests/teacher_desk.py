"""critique_responses at work against the fault server, for the tests of teachers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import critique_responses
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import read_rows, write_rows
from tests.fault_server import FaultServer

KEY = "sk-planted-5f2e9c-do-not-print"
TEACHER = {
    "kind": "openai",
    "model": "m-1",
    "temperature": 0.3,
    "top_p": 0.95,
    "max_tokens": 100,
    "token_parameter": "max_tokens",
    "extra_body": {},
    "with_thoughts": False,
    "critique_prompt": str(ROOT / "prompts" / "teacher-critique.j2"),
}
LIMITS = {
    "teacher": "t",
    "max_errors": 0.0,
    "base_url": None,
    "base_url_env": None,
    "api_key_env": "REDPEN_TEST_KEY",
    "mode": "live",
    "concurrency": 64,
    "requests_per_minute": None,
    "tokens_per_minute": None,
    "timeout": 20,
    "expected_tokens": 20,
    "poll_seconds": 0.01,
    "batch_size": 50_000,
    "budget": 100.0,
    "price": {"input": 2.5, "output": 10.0, "date": "2026-05", "batch_factor": 0.5},
}


def graded(count: int) -> list[dict]:
    return [
        {
            "id": f"q-{number:05d}#0",
            "question_id": f"q-{number:05d}",
            "question": f"What is {number} + 1?",
            "answer": str(number + 1),
            "response": f"It is {number + 1 + number % 2}.",
            "correct": number % 2 == 0,
            "extracted": str(number + 1 + number % 2),
        }
        for number in range(count)
    ]


class Desk:
    """Runs critique_responses on graded rows against a server, in a folder of its own."""

    def __init__(self, folder: Path, rows: int = 20) -> None:
        self.folder = folder
        self.set_rows(graded(rows))

    def set_rows(self, rows: list[dict]) -> None:
        write_rows(self.folder / "graded.jsonl", rows)

    def arguments(self, server: FaultServer, shard=(0, 1), teacher=None, name="t", **limits) -> list[str]:
        settings = {"rows": None, "teacher": {**TEACHER, **(teacher or {})}}
        limits = {**LIMITS, "teacher": name, "base_url": server.url, **limits}
        named = {
            "--settings": json.dumps(settings),
            "--limits": json.dumps(limits),
            "--graded": self.folder / "graded.jsonl",
            "--shard": shard[0],
            "--shards": shard[1],
            "--state": self.folder / "state" / "teachers",
            "--critiques": self.folder / f"shard-{shard[0]}.jsonl",
            "--summary": self.folder / f"shard-{shard[0]}.json",
        }
        return [str(word) for pair in named.items() for word in pair]

    def run(self, server: FaultServer, **options) -> list[dict]:
        """The rows written."""
        arguments = self.arguments(server, **options)
        assert critique_responses.main(critique_responses.parse_args(arguments)) == 0
        return read_rows(self.folder / f"shard-{options.get('shard', (0, 1))[0]}.jsonl")

    def start(self, server: FaultServer, before: Callable[[], None] | None = None, **options) -> subprocess.Popen:
        """The same as a process of its own, in which `before` is called first."""
        command = [sys.executable, "-m", "scripts.critique_responses", *self.arguments(server, **options)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=ROOT, stderr=pipe, stdout=pipe, text=True, preexec_fn=before)

    def journal(self, teacher: str = "t") -> list[dict]:
        file = self.folder / "state" / "teachers" / teacher / "answers.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]
