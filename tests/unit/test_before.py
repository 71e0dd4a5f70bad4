"""Outputs of an earlier run: kept until the new ones are there, put back with their records after a failure."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.lib.jobs.before import Before


@dataclass
class Record:
    """What Snakemake notes of an output."""

    params: list[str] = field(default_factory=list)

    def model_dump(self) -> dict:
        return {"params": self.params}


class Notes(dict):
    """Snakemake's records, as far as they are used."""

    metadata = dict.get
    _write_record = dict.__setitem__
    _get_key = staticmethod(str)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Before, SimpleNamespace, Notes]:
    """A job whose folder and summary were made with the settings `old`; its third output was temporary."""
    monkeypatch.chdir(tmp_path)
    results = Path("results/study")
    job = SimpleNamespace(output=[f"{results}/run/{name}" for name in ("model", "run.json", "candidates")])
    Path(job.output[0]).mkdir(parents=True)
    Path(job.output[0], "weights").write_text("old")
    Path(job.output[1]).write_text("old")
    os.utime(job.output[1], (1, 1))
    notes = Notes({output: Record(["old"]) for output in job.output})
    return Before(results, lambda: notes), job, notes


def started(job: SimpleNamespace) -> None:
    """What Snakemake does before a job."""
    Path(job.output[0], "weights").unlink(missing_ok=True)
    Path(job.output[0]).rmdir()
    Path(job.output[1]).unlink()


def failed(notes: Notes) -> None:
    """What Snakemake does after a job that failed."""
    notes.update({output: Record(["new"]) for output in notes})


def never(job: SimpleNamespace) -> bool:
    return False


def test_failed_job_gets_its_earlier_outputs_back_with_their_times_and_records(made) -> None:
    before, job, notes = made
    before.keep(job, whole=True)
    started(job)
    failed(notes)
    assert before.settle(never) == job.output[:2]
    assert Path(job.output[0], "weights").read_text() == Path(job.output[1]).read_text() == "old"
    assert os.stat(job.output[1]).st_mtime == 1 and not Path(job.output[2]).exists()
    assert {record.params[0] for record in notes.values()} == {"old"}
    assert not before.folder.exists()


def test_new_outputs_stay_and_the_earlier_are_dropped_as_soon_as_the_job_has_finished(made) -> None:
    before, job, _ = made
    before.keep(job, whole=True)
    Path(job.output[1]).unlink()
    Path(job.output[1]).write_text("new")
    assert [file.name for file in before.folder.rglob("weights")] == ["weights"]
    before.drop(job.output[0])
    assert not list(before.folder.rglob("weights"))
    assert before.settle(lambda job: True) == [] and Path(job.output[1]).read_text() == "new"


def test_job_that_has_not_started_keeps_its_outputs(made) -> None:
    before, job, _ = made
    before.keep(job, whole=True)
    assert before.settle(never) == [] and Path(job.output[1]).read_text() == "old" and not before.folder.exists()


def test_finished_job_whose_outputs_were_all_temporary_gets_nothing_back(made) -> None:
    before, job, _ = made
    before.keep(job, whole=True)
    started(job)
    assert before.settle(lambda job: True) == [] and not Path(job.output[1]).exists()


def test_outputs_of_a_killed_job_do_not_replace_what_was_kept_before_it(made) -> None:
    before, job, notes = made
    before.keep(job, whole=True)
    started(job)
    Path(job.output[1]).write_text("new")  # and Snakemake is killed before it notes it
    again = Before(before.results, lambda: notes)
    again.keep(job, whole=False)
    Path(job.output[1]).unlink()
    failed(notes)
    again.settle(never)
    assert Path(job.output[1]).read_text() == "old" and notes[job.output[1]].params == ["old"]


def test_output_that_cannot_be_linked_is_said_and_not_kept(made, monkeypatch, caplog) -> None:
    before, job, _ = made

    def no_links(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    before.keep(job, whole=True)
    assert "a failure will lose it, as it cannot be linked" in caplog.text and not list(before.folder.rglob("weights"))
