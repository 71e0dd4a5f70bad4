"""What a run of Snakemake shows: one line for each job, the time left, and at its end what failed and why.

Snakemake's own handler prints a block for each job, and its errors with the stack of the process. The Snakefile
replaces it with this one (`install`). A dry run, --verbose, --printshellcmds, --debug-dag and a logger plugin show what
they always show; only errors are shorter. Snakemake's log under .snakemake/log/ has everything.
"""

import logging
import re
import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from scripts.lib.cli import duration
from scripts.lib.console import errors
from scripts.lib.console.outcome import outcome
from scripts.lib.console.pace import Pace

DEFAULT = "DefaultStreamHandler"  # the name of Snakemake's handler
LAST_LINES = 8  # lines shown of a failed job's log
SAID = re.compile(r"^\d\d:\d\d:\d\d [\w.]+: ")  # the prefix of cli.run's messages
# Messages of Snakemake without an event that are worth a line.
AT_REST = "Nothing to be done"
WORTH = ("Unlocking", "Trying to restart", "Removing output files of failed job")


@dataclass
class Running:
    """A started job.

    Attributes:
        rule: its rule.
        wildcards: name to value.
        outputs: the files it makes.
        log: its log file, if it has one.
        start: its start time (monotonic clock).
    """

    rule: str
    wildcards: Mapping[str, str]
    outputs: list[str] = field(default_factory=list)
    log: str | None = None
    start: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        return " ".join([self.rule, *map(str, self.wildcards.values())])


class Console(logging.Handler):
    """Prints the events of a run to a stream.

    Args:
        below: Snakemake's own handler.
        plain: whether that handler prints everything except errors.
        quiet: whether to print only errors and the message that there is nothing to do.
        verbose: whether to include Snakemake's messages about itself.
        command: how Snakemake was called, for messages that name the command to run again.
    """

    def __init__(self, below: logging.StreamHandler, plain: bool, quiet: bool, verbose: bool, command: str) -> None:
        super().__init__()
        self.below, self.plain, self.quiet, self.verbose, self.command = below, plain, quiet, verbose, command
        self.stream: TextIO = below.stream
        self.pace = Pace()
        self.running: dict[int, Running] = {}
        self.failed: list[Running] = []
        self.done = self.total = 0
        self.interrupted = False
        self.final = ""  # an error that the Snakefile found: printed instead of the exception
        self.at_rest: Callable[[], str] = str  # returns what is printed when there is nothing to do
        self.wrong_targets: Callable[[], list[str]] = list  # returns the errors in the requested targets
        self.replaced: Callable[[str], None] = lambda output: None  # called with the first output of each finished job
        self.line = ""  # the progress line on the terminal
        if self.stream.isatty() and not plain and not quiet:
            threading.Thread(target=self._keep_line, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record, as Snakemake does if this class has no format for it."""
        try:
            self._take(record)
        except (KeyboardInterrupt, SystemExit):
            raise
        except Exception:
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == "job_finished" and (job := self.running.get(record.job_id)) and job.outputs:
            self.replaced(job.outputs[0])
        if event == "error":
            self._error(record)
        elif record.msg and str(record.msg).startswith("Terminating processes on user request"):
            self.interrupted = True
            self._print("Ctrl-C: running jobs save their progress and end (a training after its current step).")
        elif self.plain:
            if event != "workflow_started" or self.verbose:
                self.below.handle(record)
            if event == "job_info":
                self._job_info(record)
            elif event == "job_error":
                self._note_failure(record)
        elif event is not None:
            getattr(self, f"_{event}", lambda record: None)(record)
        elif self._worth(record):
            self._print(self.below.format(record).rstrip())
            if str(record.msg).startswith(AT_REST):
                self._print(self.at_rest().rstrip())

    def _worth(self, record: logging.LogRecord) -> bool:
        """Whether a message without an event is shown: warnings, plugins' messages, and a few of Snakemake's."""
        if record.levelno > logging.INFO:
            return not str(record.msg).startswith("Exiting because a job execution failed")
        if str(record.msg).startswith(AT_REST):  # the whole result of such a call: only --quiet all hides it
            return bool(self.below.filter(record))
        of_plugin = "snakemake_" in record.pathname.rpartition("site-packages")[2].partition("/logging")[0]
        return not self.quiet and record.levelno == logging.INFO and (of_plugin or str(record.msg).startswith(WORTH))

    # --- events -------------------------------------------------------------------------------------------------------

    def begin(self, jobs: Iterable[tuple[str, Mapping[str, str], float]], timings: Path) -> None:
        """Announces the jobs to run.

        Args:
            jobs: rule, wildcards and planned seconds of each job that makes something.
            timings: the folder with the times of earlier runs.
        """
        jobs = list(jobs)
        self.total = len(jobs)
        self.pace.plan(jobs, timings)
        left = self.pace.left().replace(" left", "")
        counts = Counter(rule for rule, _, _ in jobs)
        if not self.quiet and jobs:
            listed = ", ".join(f"{count} {rule}" for rule, count in counts.items())
            self._print(f"{self.total} {'job' if self.total == 1 else 'jobs'}, {left}: {listed}")

    def _job_info(self, record: logging.LogRecord) -> None:
        log = record.log[0] if record.log else None
        self.running[record.jobid] = Running(record.rule_name, dict(record.wildcards), list(record.output), log)

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.running.pop(record.job_id, None)
        if job is None or not job.outputs:
            return
        self.done += 1
        self.failed = [other for other in self.failed if str(other) != str(job)]  # a retry that has not failed
        seconds = time.monotonic() - job.start
        self.pace.finished(job.rule, job.wildcards, seconds)
        if self.quiet:
            return
        result = outcome(job.rule, job.outputs)
        said = f"{job}: {result}, {duration(seconds)}" if result else f"{job}: {duration(seconds)}"
        left = self.pace.left(job.start for job in self.running.values())
        self._print(f"[{self.done}/{self.total or '?'}] {said}" + (f" · {left}" if left else ""))

    def _job_error(self, record: logging.LogRecord) -> None:
        job = self._note_failure(record)
        if not self.interrupted:
            reason = str(record.rule_msg or "").partition("For further error details")[0].strip()
            self._print(f"{job} failed" + (f": {reason}" if reason else "") + (f" (log: {job.log})" if job.log else ""))

    def _note_failure(self, record: logging.LogRecord) -> Running:
        """Records a failed job for the end of the run; without a log of its own, its log is the cluster's."""
        job = self.running.pop(record.jobid, None) or Running(record.rule_name, {})
        job.log = next((name for name in record.log if tail(name, 1)), job.log)
        if not self.interrupted:
            self.failed.append(job)
        return job

    def _group_error(self, record: logging.LogRecord) -> None:
        self._print(self.below.format(record))

    def _error(self, record: logging.LogRecord) -> None:
        """Prints an exception: what failed and why, or what it means."""
        text, kind = str(record.msg), getattr(record, "exception", "")
        if kind == "RuleException" and "CalledProcessError" in text:
            return  # a failed job, which is reported with its log
        if errors.JOBS_FAILED in text:
            text = errors.interrupted(self.command) if self.interrupted else self._failures()
        elif self.final:
            text = self.final
        else:
            wrong = self.wrong_targets() if errors.of_targets(kind, text) else []
            text = "\n".join(wrong) or errors.told(kind, text, self.command)
        self._print(text)

    def _failures(self) -> str:
        """The last lines of each failed job's log and, at the end, the command to run next."""
        if not self.failed:
            return f"A job did not complete (see above). Once that is fixed, run again: {self.command}"
        return "\n".join(failure(job, self.command) for job in self.failed)

    # --- the terminal -------------------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        if text:
            self.stream.write(f"{CLEAR if self.line else ''}{text}\n")
            self.line = ""
            self.stream.flush()

    def _keep_line(self) -> None:
        """Updates the progress of the running jobs on the terminal's last line."""
        while True:
            time.sleep(1)
            with self.lock:
                said = " | ".join(filter(None, map(progress_of, list(self.running.values()))))
                if said != self.line:
                    self.stream.write(f"{CLEAR}{said[: width()]}")
                    self.stream.flush()
                    self.line = said


CLEAR = "\r\033[K"


def width() -> int:
    """The number of columns of the terminal, minus one."""
    import shutil

    return shutil.get_terminal_size().columns - 1


def progress_of(job: Running) -> str:
    """A running job and its progress, from its log."""
    lines = [line for line in tail(job.log, 5) if " left" in line]
    said = lines[-1].partition(": ")[2] if lines else duration(time.monotonic() - job.start)
    return f"{job}: {said}" if job.outputs else ""


def failure(job: Running, command: str) -> str:
    """The end of a failed job's log; the last line says what failed, why, where the log is, and what to run."""
    lines = tail(job.log, LAST_LINES)
    cause = SAID.sub("", lines[-1]) if lines else "it wrote nothing"
    above = [f"The log of {job} ends:", *(f"    {line}" for line in lines)] if len(lines) > 1 else []
    where = f" (log: {job.log})" if job.log else ""
    return "\n".join([*above, f"{job} failed: {cause}{where} Once that is fixed, run again: {command}"])


def tail(file: str | None, count: int) -> list[str]:
    """The last non-empty lines of a log (none if there is no log)."""
    if file is None or not Path(file).is_file():
        return []
    with Path(file).open("rb") as log:
        log.seek(0, 2)
        log.seek(max(0, log.tell() - 16384))
        text = log.read().decode("utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]


def install(workflow: Any) -> Console | None:
    """Replaces Snakemake's handler with a console, except inside a job's own Snakemake or with a logger plugin."""
    from snakemake.logging import logger
    from snakemake.settings.enums import Quietness

    below = next((handler for handler in logger.handlers if handler.name == DEFAULT), None)
    if below is None or not workflow.is_main_process:
        return None
    shown = workflow.output_settings
    quiet = bool({Quietness.ALL, Quietness.PROGRESS} & set(shown.quiet or ()))
    plain = shown.dryrun or shown.verbose or shown.printshellcmds or shown.debug_dag
    console = Console(below, plain, quiet, shown.verbose, called(sys.argv))
    logger.removeHandler(below)
    logger.addHandler(console)
    return console


def stop(console: Console | None, text: str) -> None:
    """Ends this call of Snakemake with a final text."""
    from snakemake.exceptions import WorkflowError

    if console:
        console.final = text
    raise WorkflowError(text) from None


def called(words: list[str]) -> str:
    """The command line of this call of Snakemake, as a user would type it."""
    return shlex.join(["snakemake", *words[1:]])
