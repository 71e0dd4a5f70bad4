"""Outputs of earlier runs, kept until a new run of their job has succeeded.

Snakemake removes a job's outputs before the job starts. If the job then fails, a checkpoint of many hours is gone,
although going back to the settings that made it would ask for it again. So outputs that are to be made anew are also
kept as hard links, which take no space and no time, with Snakemake's records of them (their settings and inputs). After
a failure both are put back: the same call runs the job again, and the earlier settings find their output up to date.

Snakemake's own `update()` does not do that. It puts the old file back beside the record of the failed job, so the next
call takes the old file for the new one (9.27).
"""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.lib.jsonl import sync_folder, write_text

log = logging.getLogger(__name__)
RECORDS = "records.json"


class Before:
    """The kept outputs of a study: below `results/<study>/.before`, as hard links need one disk.

    Args:
        results: the study's folder.
        persistence: gives Snakemake's records, which are not there before its graph is.
    """

    def __init__(self, results: Path, persistence: Callable[[], Any]) -> None:
        self.results, self.folder, self.persistence = results, results / ".before", persistence
        self.jobs: list[Any] = []

    def keep(self, job: Any, whole: bool) -> None:
        """Keeps the outputs of a job that is about to run.

        Args:
            job: Snakemake's job.
            whole: whether they are what their records describe. Those of a killed job are not: what was kept when it
                started is still here, and stays.
        """
        if not job.output or not Path(job.output[0]).is_relative_to(self.results):
            return
        self.jobs.append(job)
        records = [self.persistence().metadata(output) for output in job.output]
        if not whole or not all(records) or not any(map(os.path.lexists, job.output)):
            return
        self.drop(job.output[0])
        place = self._place(job.output[0])
        place.mkdir(parents=True)
        try:
            for number, output in enumerate(job.output):
                linked(output, place / str(number))
            write_text(place / RECORDS, json.dumps([record.model_dump() for record in records]))
        except OSError as error:
            log.warning("%s: a failure will lose it, as it cannot be linked: %s", job.output[0], error.strerror)
            self.drop(job.output[0])

    def drop(self, output: str) -> None:
        """Removes what is kept of the job that has this first output."""
        if Path(output).is_relative_to(self.results):
            shutil.rmtree(self._place(output), ignore_errors=True)

    def settle(self, finished: Callable[[Any], bool]) -> list[str]:
        """At the end of a call: puts back what failed jobs had made before, and returns it; drops the rest.

        Args:
            finished: whether a job has succeeded.
        """
        found: list[str] = []
        for job in self.jobs:
            if not finished(job) and not any(map(os.path.lexists, job.output)):
                found += self._restored(job)
            self.drop(job.output[0])
        self.jobs.clear()
        for folder, _, _ in os.walk(self.folder, topdown=False):
            if not os.listdir(folder):
                os.rmdir(folder)
        return found

    def _restored(self, job: Any) -> list[str]:
        """Puts the outputs of a job back. Their times are as they were: what changed above since then still counts.

        The records are first: killed between the two, the outputs are missing, and not taken for those of the failure.
        """
        place = self._place(job.output[0])
        if not (place / RECORDS).is_file():
            return []
        notes = self.persistence()
        for output, values in zip(job.output, json.loads((place / RECORDS).read_text(encoding="utf-8")), strict=True):
            notes._write_record(notes._get_key(output), type(notes.metadata(output))(**values))
        found = [(place / str(number), output) for number, output in enumerate(job.output)]
        found = [(kept, output) for kept, output in found if os.path.lexists(kept)]
        for kept, output in found:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            os.rename(kept, output)
            sync_folder(Path(output).parent)
        return [str(output) for _, output in found]

    def _place(self, output: str) -> Path:
        return self.folder / Path(output).relative_to(self.results)


def linked(path: str, place: Path) -> None:
    """Makes `place` a hard link to a file, or a folder of such links; empty if the path is missing."""
    if os.path.isdir(path):
        shutil.copytree(path, place, symlinks=True, copy_function=os.link)
    elif os.path.lexists(path):
        os.link(path, place, follow_symlinks=False)
