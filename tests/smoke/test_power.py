"""What programs left is on the disk: found by copies of a disk, taken while they run or soon after they ended."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import read_json, write_rows
from tests.disk_image import Disk, mount, small_disk, why_not
from tests.fault_server import FaultServer
from tests.project import Project, copied
from tests.teacher_desk import Desk

MOMENTS_S = (0.0, 0.5, 1.0, 5.0)  # after a program ended: ext4 writes by itself after five seconds at the earliest
RECIPE = {
    **{"end_inside": "error", "loss_on": "answer", "packing": False, "schedule_epochs": None},
    **{"run": "lost", "template": None, "seed": 1, "learning_rate": 1e-3, "epochs": 1, "max_steps": 24},
    **{"global_batch": 4, "max_tokens": 128, "too_long": "error", "scheduler": "linear", "warmup": 0.1},
    **{"weight_decay": 0.0, "max_grad_norm": 1.0, "optimizer": "adamw_torch", "precision": "float32"},
    **{"save_steps": 3, "candidate_steps": [12], "activation_checkpointing": False},
    **{"method": "dpo", "order": "random", "beta": 0.1, "gamma": 0.5, "loss": "logistic", "lora": None},
    **{"precompute_reference": True},
}


@pytest.fixture
def disk(tmp_path: Path):
    """A disk of its own."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Disk(tmp_path / "disk") as made:
        yield made


def files_in(folder: Path) -> dict[str, bytes]:
    """The bytes of all files, by path; temporary ones have no final name."""
    found = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    return {name: file.read_bytes() for name, file in found.items() if not name.endswith(".tmp")}


def start(script: str, stderr: int | None = None, **options: object) -> subprocess.Popen:
    """A script in a process group of its own."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", f"scripts.{script}", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr, text=True, start_new_session=True)


def run(script: str, **options: object) -> None:
    """The same, to its end."""
    assert start(script, **options).wait(timeout=300) == 0


def test_outputs_are_whole_however_soon_the_power_goes_after_a_program_ended(disk: Disk, model_folder):
    results = disk.path / "results" / "mine"
    run(
        "fetch_model",
        settings=json.dumps({"source": "folder", "path": str(model_folder), "family": "llama"}),
        model=results / "models" / "base",
    )
    files = {f"datasets/{n}/{kind}.json" for n in range(3) for kind in "ab"}
    program = (
        "import sys; from pathlib import Path; from scripts.lib.jsonl import write_json\n"
        f"for name in {sorted(files)!r}: write_json(Path(sys.argv[1]) / name, {{'file': name}})"
    )
    subprocess.run([sys.executable, "-c", program, str(results)], cwd=ROOT, check=True)
    end, copies = time.monotonic(), {}
    for moment in MOMENTS_S:
        time.sleep(max(0.0, end + moment - time.monotonic()))
        copies[moment] = disk.copied()
    whole = files_in(disk.path)
    assert files <= {name.removeprefix("results/mine/") for name in whole} and all(whole.values())
    for moment, copy in copies.items():
        with disk.after_power_loss(copy) as found:
            assert files_in(found) == whole, f"{moment} s after the end"


def test_paid_answers_are_on_the_disk_half_a_second_after_they_came(disk: Disk, tmp_path, monkeypatch):
    monkeypatch.setenv("REDPEN_TEST_KEY", "none")
    desk = Desk(disk.path, rows=400)
    with FaultServer(latency=0.2) as server:
        arguments = desk.arguments(server, concurrency=8)
        command = [sys.executable, "-m", "scripts.critique_responses", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        copies = []
        for delivered in (40, 120, 200):
            while sum(server.delivered.values()) < delivered:
                assert process.poll() is None
                time.sleep(0.01)
            due = sum(server.delivered.values())
            time.sleep(0.5)
            copies.append((due, disk.copied(process.pid)))
        assert process.wait(timeout=120) == 0
    assert len(desk.journal()) == 400
    for due, copy in copies:
        with disk.after_power_loss(copy) as found:
            kept = (found / "state").rglob("answers.jsonl")
            assert sum(file.read_bytes().count(b"\n") for file in kept) >= due


def test_batch_is_written_down_on_the_disk_before_its_request_goes_out(disk: Disk, monkeypatch):
    monkeypatch.setenv("REDPEN_TEST_KEY", "none")
    desk, copies = Desk(disk.path), []
    with FaultServer(after_batch=lambda: copies.append(disk.copied())) as server:
        desk.run(server, mode="batch")
        (batch,) = server.batches.values()
    with disk.after_power_loss(copies[0]) as found:
        (events,) = (found / "state").rglob("events.jsonl")
        states = [json.loads(line) for line in events.read_text().splitlines()]
        assert states[-1]["state"] == "submitting" and states[-1]["file"] == batch["input_file_id"]


@pytest.mark.parametrize("status", [0, 1])
def test_notes_of_snakemake_are_on_the_disk_when_it_ends(disk: Disk, status: int) -> None:
    project = Project(copied(disk.path / "project"))
    targets = [f"results/laptop/benchmarks/{name}.jsonl" for name in ("gcd", "equations")]
    targets += ["results/laptop/models/smollm2-135m"] if status else []
    no_such_version = "models={smollm2-135m: {version: none}}"
    project.make("--keep-going", "--config", no_such_version, "--", *targets, status=status)
    notes = files_in(project.folder / ".snakemake" / "metadata")
    assert len(notes) >= 4 and all(notes.values())
    with disk.after_power_loss() as left:
        assert files_in(left / "project" / ".snakemake" / "metadata") == notes


def test_training_goes_on_from_what_is_on_the_disk_and_ends_with_the_same_weights(disk: Disk, tmp_path, model_folder):
    rows = [
        {"id": f"{n:02}", "messages": [{"role": "user", "content": f"{n}?"}], "chosen": f"{n}.", "rejected": f"no{n}"}
        for n in range(48)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    options = {"recipe": json.dumps(RECIPE), "data": tmp_path / "rows.jsonl", "start": model_folder, "micro-batch": 4}

    def places(folder: Path) -> dict[str, Path]:
        return {"state": folder / "state", "weights": folder / "weights", "summary": folder / "train.json"}

    process = start("train", **options, **places(disk.path))
    copies = []
    for step in (3, 15):
        while not list(disk.path.glob(f"state/*/checkpoint-{step}/trainer_state.json")):
            assert process.poll() is None, f"it ended before step {step}"
            time.sleep(0.005)
        copies.append(disk.copied(process.pid))
    assert process.wait(timeout=300) == 0
    copies.append(disk.copied())
    expected = files_in(disk.path / "weights")
    for number, copy in enumerate(copies):
        with disk.after_power_loss(copy) as found:
            assert all(data for name, data in files_in(found / "state").items() if "/candidates/" in name)
            if number < len(copies) - 1:
                run("train", **options, **places(found))
            assert files_in(found / "weights") == expected, f"copy {number}"


def test_training_that_ended_after_its_last_step_makes_no_further_one(tmp_path: Path, model_folder) -> None:
    """Ten steps of twelve in an epoch; what it notes at the end is gone, as if it had been killed before."""
    rows = [{"id": f"{n:02}", "messages": [{"role": "user", "content": f"{n}?"}]} for n in range(48)]
    write_rows(tmp_path / "rows.jsonl", [{**row, "chosen": "yes", "rejected": "no"} for row in rows])
    recipe = {**RECIPE, "max_steps": 10, "candidate_steps": []}
    options = {"recipe": json.dumps(recipe), "data": tmp_path / "rows.jsonl", "start": model_folder, "micro-batch": 4}
    places = {"state": tmp_path / "state", "weights": tmp_path / "weights", "summary": tmp_path / "train.json"}
    run("train", **options, **places)
    weights, summary = files_in(tmp_path / "weights"), read_json(tmp_path / "train.json")
    for facts in (tmp_path / "state").glob("*/facts.json"):
        facts.unlink()
    run("train", **options, **places)
    again = read_json(tmp_path / "train.json")
    assert files_in(tmp_path / "weights") == weights
    assert {key: again[key] for key in ("steps", "losses")} == {key: summary[key] for key in ("steps", "losses")}


def test_training_on_a_full_disk_ends_with_one_line_and_goes_on_where_there_is_room(disk, tmp_path, model_folder):
    rows = [
        {"id": f"{n:02}", "messages": [{"role": "user", "content": f"{n}?"}], "chosen": f"{n}.", "rejected": f"no{n}"}
        for n in range(48)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    options = {"recipe": json.dumps(RECIPE), "data": tmp_path / "rows.jsonl", "start": model_folder, "micro-batch": 4}
    with small_disk(tmp_path / "small", "900k") as folder:
        places = {"state": folder / "state", "weights": folder / "weights", "summary": folder / "train.json"}
        process = start("train", stderr=subprocess.PIPE, **options, **places)
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 1 and "Traceback" not in said
        assert "state" in said.splitlines()[-1] and "it cannot be written: the disk is full" in said.splitlines()[-1]
        mount("-o", "remount,size=64m", folder)
        process = start("train", stderr=subprocess.PIPE, **options, **places)
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0 and "resuming from" in said, said


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace here")
def test_each_file_is_synced_before_its_name_counts_and_its_folder_afterwards(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from scripts.lib.jsonl import *\n"
        "folder = Path(sys.argv[1])\n"
        "write_rows(folder / 'new' / 'rows.jsonl', [{'id': 1}])\n"
        "with replacing_folder(folder / 'model') as made:\n"
        "    made.mkdir(); (made / 'weights').write_text('w')\n"
        "from scripts.lib.journal import Journal\n"
        "with Journal(folder / 'chunks.jsonl') as journal: journal.add('a', 1); journal.add('b', 2)\n"
    )
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", calls, sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not look at processes here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    seen = [
        (call, place.replace(str(tmp_path), "").replace(socket.gethostname(), "HOST"))
        for call, place in re.findall(r"(fsync|rename)\w*\((?:\d+<|\")(.*?)[>\"]", trace.read_text())
        if str(tmp_path) in place
    ]
    order = [f"{call} {re.sub(r'[.][0-9]+@HOST', '', place)}" for call, place in seen]
    assert order == [
        *("fsync ", "fsync /new/.rows.jsonl.tmp", "rename /new/.rows.jsonl.tmp", "fsync /new"),
        *("fsync /.model.tmp/weights", "fsync /.model.tmp", "rename /.model.tmp", "fsync "),
        *("fsync ", "fsync /chunks.jsonl", "fsync /chunks.jsonl"),
    ]
