"""Repeats what docs/reliability.md promises: jobs killed, the power taken, disks filled, and what was left compared.

    python -m bench.campaign                 # 20 minutes
    python -m bench.campaign --minutes 5 --seed 7

The small study of the smoke tests is made once. Then jobs of it are killed with SIGKILL at random moments and finished
by the next call; trainings of many recipes are killed between and within their steps; copies of a disk are taken while
it is made, as a loss of power would leave it; jobs of it run on disks that are too small; a teacher's jobs are killed,
or lose their power, while it answers; and it answers as endpoints do on a bad day. Each part goes on until its time is
up, and what was found is printed as the table of docs/reliability.md. Disks need the right to mount.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import read_json
from tests.disk_image import Disk, mount, small_disk, why_not
from tests.fault_server import FAULTS, FaultServer
from tests.smoke.conftest import Study, finished_in
from tests.teacher_desk import Desk
from tests.warm import Warm

# Rule: the output below results/<study> that is rebuilt. `{…}` are names of the study.
JOBS = {
    "prepare_dataset": "datasets/{dataset}.jsonl",
    "prepare_benchmark": "benchmarks/{benchmark}.jsonl",
    "sample_responses": "responses/{responses}/shard-0.jsonl",
    "grade_responses": "responses/{responses}/graded.jsonl",
    "critique_responses": "critiques/{critiques}.jsonl",
    "build_train_set": "train_sets/cft.jsonl",
    "train": "checkpoints/cft/model",
    "generate": "generations/cft/{suite}.jsonl",
    "score": "scores/cft/{suite}.jsonl",
    "make_table": "tables/cft_table2.json",
}
SHARES = {"kills": 0.3, "trainings": 0.15, "power": 0.2, "disks": 0.13}
SHARES |= {"teacher": 0.07, "teacher_power": 0.06, "endpoint": 0.09}
MOUNTING = ("power", "disks", "teacher_power")  # the parts that mount disks
# Bodies of unusable answers, each of which becomes its row's error.
ODD_BODIES = (
    *(b'{"choices": [null]}', b'{"choices": []}', b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    *(
        b'{"choices": [{"finish_reason": "stop", "message": {"content": %s}}], "usage": "12"}' % content
        for content in (b'"half a pair: \\ud800"', b'[{"type": "text", "text": "a part"}]', b"7")
    ),
)
# Outputs of a run that depend on the machine and the time; the rest must have the same bytes.
OF_THE_HOUR = ("wall_s", "train_seconds", "tokens_per_s", "seconds", "git_commit", "device", "s")
# Trainings that are killed: the run whose rows and recipe they use, changes to the recipe, and rows per pass.
DROPOUT = {"lora": {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"}}
FULL = {"lora": None, "precision": "float32"}
EPOCHS = {"max_steps": None, "epochs": 3.0}
TRAININGS = {
    "sft, as in the study": ("sft", {"save_steps": 1}, 4),  # LoRA, bfloat16, group_by_length, several epochs
    "sft, dropout, random order": ("sft", {**DROPOUT, **EPOCHS, "order": "random", "save_steps": 5}, 4),
    "sft, dropout, accumulation": ("sft", {**DROPOUT, "max_steps": 16, "save_steps": 3}, 1),
    "sft, dft, candidates": ("sft", {"loss": "dft", "candidate_steps": [3, 7], "save_steps": 7, "max_steps": 16}, 2),
    "sft, mixed precision": ("sft", {**DROPOUT, **EPOCHS, "precision": "mixed", "save_steps": 2}, 4),
    "cft, full": ("cft", {**FULL, **EPOCHS, "scheduler": "cosine", "warmup": 0.3, "save_steps": 4}, 4),
    "cft, bfloat16": ("cft", {"lora": None, "max_steps": 14, "save_steps": 4, "activation_checkpointing": True}, 2),
    "cft, packing": ("cft", {**FULL, "packing": True, "max_steps": 14, "weight_decay": 0.1, "save_steps": 3}, 4),
    "cft, in order": ("cft", {**DROPOUT, "order": "sequential", "max_grad_norm": 0.0, "max_steps": 14}, 1),
    "dpo, LoRA": ("dpo", {**DROPOUT, **EPOCHS, "save_steps": 4}, 2),
    "dpo, precomputed": ("dpo", {**FULL, **EPOCHS, "precompute_reference": True, "save_steps": 5}, 4),
    "spin, reference model": ("spin.t0", {**FULL, **EPOCHS, "order": "random", "save_steps": 4}, 4),
    "thinkpo, simpo": ("thinkpo", {**DROPOUT, **EPOCHS, "loss": "simpo", "schedule_epochs": 6.0, "save_steps": 2}, 4),
}
# States of a training's state folder at which it is killed; other kills are at random times.
SIGNS = ("rows/counts.json", "checkpoint-*", "checkpoint-*/optimizer.pt", "checkpoint-*/rng_state.pth")
SIGNS += ("checkpoint-*/trainer_state.json", "candidates/*.tmp", "candidates/step-*[0-9]", "facts.json")


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="for all parts, after the study is made")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--study", type=Path, help="folder of the finished study: made where it is missing, and kept")
    parser.add_argument("--parts", nargs="+", choices=list(SHARES), default=list(SHARES))
    return parser.parse_args()


class Found:
    """The number of trials of each promise, and the failures."""

    def __init__(self) -> None:
        self.tried: Counter = Counter()
        self.how: dict[str, str] = {}
        self.broken: dict[str, list[str]] = {}
        self.largest: Counter = Counter()

    def check(self, promise: str, how: str, kept: bool, what: str = "") -> None:
        """Records one trial."""
        self.how[promise] = how
        self.tried[promise] += 1
        if not kept:
            self.broken.setdefault(promise, []).append(what)
            print(f"BROKEN: {promise}: {what}", flush=True)

    def most(self, name: str, number: int) -> int:
        """Records the largest number under a name, and returns it."""
        self.largest[name] = max(number, self.largest[name])
        return self.largest[name]

    def table(self) -> str:
        """The table of docs/reliability.md."""
        lines = ["| promise | how it was tried | how often | result |", "| --- | --- | ---: | --- |"]
        for promise, count in self.tried.items():
            broken = len(self.broken.get(promise, ()))
            lines.append(
                f"| {promise} | {self.how[promise]} | {count} | {f'broken {broken} times' if broken else 'kept'} |"
            )
        return "\n".join(lines)


def main() -> int:
    """Makes the study, tries each part for its share of the time, prints the table."""
    args = parse_args()
    random.seed(args.seed)
    os.environ["OMP_NUM_THREADS"] = "1"
    found, weights = Found(), {part: SHARES[part] for part in args.parts}
    reason = why_not() if set(MOUNTING) & weights.keys() else None
    with tempfile.TemporaryDirectory(prefix="campaign") as name, Warm(Path(name), HF_HOME=name) as warm:
        folder = Path(name)
        place = (args.study or folder / "finished").resolve()
        study = Study(place) if place.exists() else finished_in(place, warm.program)
        for part, share in weights.items():
            if reason and part in MOUNTING:
                print(f"{part}: left out: {reason}", flush=True)
                continue
            end = time.monotonic() + 60 * args.minutes * share / sum(weights.values())
            PARTS[part](study, folder / part, warm, lambda end=end: time.monotonic() < end, found)
    print(found.table())
    return 1 if found.broken else 0


# --- kills ------------------------------------------------------------------------------------------------------------


def kills(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Kills a job, its snakemake, or both at a random moment; the next call must end with the same bytes."""
    names, seconds = names_of(finished), {}
    while on():
        rule = random.choice(list(JOBS))
        output = JOBS[rule].format(**names)
        study = copied(finished, folder / "study")
        take_away(study, rule, output)
        if rule not in seconds:
            start = time.monotonic()
            study.make(f"{study.results.relative_to(study.folder)}/{output}")
            seconds[rule] = time.monotonic() - start
            take_away(study, rule, output)
        victim = random.choice(["script", "snakemake", "both"])
        moment = random.uniform(0.3, 1.0) * seconds[rule]
        killed = kill_at(study, rule, output, victim, moment)
        half = broken_names(study.results / output, finished.results / output)
        found.check(
            "no partial output after kill -9", f"{len(JOBS)} rules at random moments", not half, f"{rule}: {half}"
        )
        study.unlock()
        study.by(warm.program).make(f"{study.results.relative_to(study.folder)}/{output}")
        same = same_bytes(study.results / output, finished.results / output)
        told = f"{rule}, {killed} after {moment:.1f} s"
        found.check("the next call ends with the same bytes", "after each of these kills", same, told)


def names_of(study: Study) -> dict[str, str]:
    """The names of the entries that JOBS needs."""
    import yaml

    resolved = yaml.safe_load((study.results / "study.yaml").read_text(encoding="utf-8"))
    critiques = resolved["runs"]["cft"]["data"]["critiques"]
    responses = resolved["critiques"][critiques]["responses"]
    benchmark = sorted(path.stem for path in (study.results / "benchmarks").glob("*.jsonl"))[0]
    suite = sorted(path.stem for path in (study.results / "generations" / "cft").glob("*.jsonl"))[0]
    dataset = resolved["responses"][responses]["dataset"]
    return {
        **{"critiques": critiques, "responses": responses, "suite": suite},
        **{"dataset": dataset, "benchmark": benchmark},
    }


def copied(study: Study, folder: Path) -> Study:
    """A copy of a study, which replaces an earlier copy."""
    shutil.rmtree(folder, ignore_errors=True)
    return study.copy(folder)


def take_away(study: Study, rule: str, output: str) -> None:
    """Removes one output and the progress of its rule."""
    path = study.results / output
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for beside in (path.with_suffix(".json"), path.parent / "selection.json"):
        beside.unlink(missing_ok=True)
    shutil.rmtree(study.state / rule, ignore_errors=True)


def kill_at(study: Study, rule: str, output: str, victim: str, moment: float) -> str:
    """Starts a job, kills it (or snakemake, or both) at a moment, waits for both, and returns what was killed."""
    process = study.start(f"{study.results.relative_to(study.folder)}/{output}")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=moment)
    if process.poll() is not None:
        return "nothing (it had ended)"
    scripts = [child for child in psutil.Process(process.pid).children(recursive=True) if is_script(child)]
    if victim == "both":
        os.killpg(process.pid, signal.SIGKILL)
    elif victim == "script" and scripts:
        scripts[0].kill()
    else:
        process.kill()
    process.wait(timeout=300)
    psutil.wait_procs(scripts, timeout=300)  # a script may outlive its snakemake
    return victim


def is_script(process: psutil.Process) -> bool:
    """Whether a process runs one of the project's scripts."""
    with contextlib.suppress(psutil.Error):
        return any(word.startswith("scripts.") for word in process.cmdline())
    return False


def broken_names(made: Path, expected: Path) -> list[str]:
    """Files under their final names whose content is not the expected one."""
    if not made.exists():
        return []
    pairs = [(made, expected)] if made.is_file() else [(f, expected / f.relative_to(made)) for f in made.rglob("*")]
    return [str(file) for file, whole in pairs if file.is_file() and final(file) and not same_bytes(file, whole)]


def final(file: Path) -> bool:
    """Whether a file has its final name and is not a marker of snakemake."""
    return not any(part.endswith(".tmp") for part in file.parts) and not file.name.startswith(".snakemake")


def same_bytes(made: Path, expected: Path) -> bool:
    """Whether files, or all files of folders, are equal apart from times and machine facts."""
    if expected.is_dir():
        wanted = [file for file in expected.rglob("*") if file.is_file() and final(file)]
        return all(same_bytes(made / file.relative_to(expected), file) for file in wanted)
    if not made.is_file():
        return False
    if expected.suffix == ".json":
        return timeless(read_json(made)) == timeless(read_json(expected))
    return made.read_bytes() == expected.read_bytes()


def timeless(value):
    """A JSON value without times and machine facts."""
    if isinstance(value, dict):
        return {name: timeless(item) for name, item in value.items() if name not in OF_THE_HOUR}
    return [timeless(item) for item in value] if isinstance(value, list) else value


# --- trainings --------------------------------------------------------------------------------------------------------


def trainings(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Kills trainings of many recipes, once or twice each; their results must equal those of uninterrupted ones."""
    for number, name in enumerate(itertools.cycle(TRAININGS)):
        if not on():
            return
        whole, killed = folder / f"whole-{number % len(TRAININGS)}", folder / "killed"
        if not whole.exists():
            assert training(finished, whole, name, warm).wait() == 0, f"{name}: {log_of(whole)}"
        shutil.rmtree(killed, ignore_errors=True)
        told = [killed_training(finished, killed, name, warm) for _ in range(random.choice([1, 1, 2]))]
        ended = training(finished, killed, name, warm).wait() == 0
        same = ended and same_bytes(killed / "weights", whole / "weights")
        same = same and same_bytes(killed / "train.json", whole / "train.json")
        promise = "a killed training ends with the weights, losses and counts of an uninterrupted one"
        how = (
            f"{len(TRAININGS)} recipes: kill -9 at chosen and random moments, also after SIGTERM and SIGINT, and twice"
        )
        found.check(promise, how, same, f"{name}: {', then '.join(told)}: {'' if ended else log_of(killed)}")
        print(f"{name}: {', then '.join(told)}: {'the same' if same else 'OTHER BYTES'}", flush=True)


def training(finished: Study, folder: Path, name: str, warm: Warm) -> subprocess.Popen:
    """Starts or resumes a training that writes everything below `folder`."""
    run, changes, rows = TRAININGS[name]
    recipe = read_json(finished.folder / "logs" / finished.study / "train" / f"{run}.log.recipe.json") | changes
    start = next((finished.results / "models").iterdir())
    values = {
        **{"recipe": json.dumps(recipe), "data": finished.results / "train_sets" / f"{run}.jsonl", "start": start},
        **{"micro-batch": rows, "state": folder / "state", "weights": folder / "weights"},
        "summary": folder / "train.json",
    }
    folder.mkdir(parents=True, exist_ok=True)
    words = [word for option, value in values.items() for word in (f"--{option}", str(value))]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen([warm.program, "-m", "scripts.train", *words], cwd=ROOT, stdout=log, stderr=log)


def killed_training(finished: Study, folder: Path, name: str, warm: Warm) -> str:
    """Starts a training, kills it, and returns when."""
    process = training(finished, folder, name, warm)
    sign, number, pause = random.choice(SIGNS), random.randint(1, 12), random.choice([0.0, random.uniform(0, 0.5)])
    seen: set[str] = set()
    while len(seen) < (number if "checkpoint" in sign else 1) and process.poll() is None:
        seen |= {str(path) for path in folder.glob(f"state/*/{sign}")}
        time.sleep(0.002)
    time.sleep(pause)
    before = random.choice([None, None, signal.SIGTERM, signal.SIGINT])
    jobs = psutil.Process(warm.process.pid).children()
    if process.poll() is not None or not jobs:
        return "nothing (it had ended)"
    for job in jobs:
        with contextlib.suppress(psutil.Error):
            if before:
                job.send_signal(before)
                time.sleep(random.uniform(0, 0.3))
            job.kill()
    process.wait()
    step = max((int(path.name[11:]) for path in folder.glob("state/*/checkpoint-*")), default=0)
    return f"{before.name + ' and ' if before else ''}kill -9 {pause:.2f} s after {sign}, at checkpoint {step}"


def log_of(folder: Path) -> str:
    """The end of a training's log."""
    return (folder / "log").read_text(encoding="utf-8")[-1500:]


# --- power ------------------------------------------------------------------------------------------------------------


def power(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Makes the study on its own disk, and checks copies of the disk: their files, and whether the run resumes."""
    while on():
        with Disk(folder / "while", "768M") as disk:
            study = emptied(finished, disk.path / "study")
            process = study.by(warm.program).start("cft_table2")
            copies = []
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=random.uniform(3, 20))
                if process.poll() is None:
                    copies.append(("while it ran", stopped_copy(disk, process.pid, warm)))
            end = time.monotonic()
            for moment in (0.0, 0.5, 1.0, 5.0):
                time.sleep(max(0.0, end + moment - time.monotonic()))
                copies.append((f"{moment} s after its end", disk.copied()))
            random.shuffle(copies)
            for number, (when, copy) in enumerate(copies):
                with disk.after_power_loss(copy) as left:
                    look_at(Study(left / "study"), finished, when, found)
                    if number < 4 and on():
                        go_on(Study(left / "study"), finished, warm, found)
        shutil.rmtree(folder / "while")


def emptied(finished: Study, folder: Path) -> Study:
    """A copy of the project without results."""
    study = copied(finished, folder)
    for made in (
        study.folder / "results",
        study.folder / "state",
        study.folder / "timings",
        study.folder / ".snakemake",
    ):
        shutil.rmtree(made, ignore_errors=True)
    return study


def stopped_copy(disk: Disk, group: int, warm: Warm) -> Path:
    """A copy of the disk while nothing writes: the jobs are children of the warm process."""
    jobs = psutil.Process(warm.process.pid).children(recursive=True)
    for job in jobs:
        with contextlib.suppress(psutil.Error):
            job.suspend()
    try:
        return disk.copied(group)
    finally:
        for job in jobs:
            with contextlib.suppress(psutil.Error):
                job.resume()


def look_at(study: Study, finished: Study, when: str, found: Found) -> None:
    """Compares each existing output with the expected one."""
    bad = []
    for file in study.results.rglob("*"):
        whole = finished.results / file.relative_to(study.results)
        if file.is_file() and final(file) and whole.is_file() and "study.yaml" not in file.name:
            with contextlib.suppress(ValueError):  # another time in a file of text
                if file.stat().st_size == 0 or (file.suffix == ".jsonl" and not same_bytes(file, whole)):
                    bad.append(str(file.relative_to(study.results)))
    how = "disk images, taken while the study was made and 0, 0.5, 1 and 5 s after its end"
    found.check("no output is empty or partial after a power failure", how, not bad, f"{when}: {bad[:5]}")


def go_on(study: Study, finished: Study, warm: Warm, found: Found) -> None:
    """Finishes the study on a disk in the state after a power loss."""
    study.unlock()
    status = study.by(warm.program).start("cft_table2").wait(timeout=1200)
    said = (study.folder / "snakemake.out").read_text(errors="replace")[-1500:] if status else ""
    kinds = (
        "generations/**/*.jsonl",
        "checkpoints/*/model/*.safetensors",
        "scores/**/*.jsonl",
        "tables/cft_table2.json",
    )
    files = [file for kind in kinds for file in study.results.glob(kind)]
    same = all(same_bytes(file, finished.results / file.relative_to(study.results)) for file in files)
    whole = status == 0 and same and (study.results / "tables" / "cft_table2.json").exists()
    found.check("after a power failure the next call ends with the same bytes", "on images of the disk", whole, said)


# --- disks ------------------------------------------------------------------------------------------------------------


def disks(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Runs a job on a disk that is too small, and doubles the disk at each further call."""
    names = names_of(finished)
    while on():
        rule = random.choice(list(JOBS))
        output = JOBS[rule].format(**names)
        study = copied(finished, folder / "study").by(warm.program)
        take_away(study, rule, output)
        shutil.rmtree(study.folder / "logs")
        with small_disk(folder / "small", "1g") as small:
            for place in ((study.results / output).parent, study.state):
                shutil.move(place, small / place.name)
                place.symlink_to(small / place.name)
            room, failures = random.uniform(4, 64), -1
            status = 1
            while status and failures < 16:
                resize(small, room)
                status = study.start(f"{study.results.relative_to(study.folder)}/{output}").wait(timeout=1200)
                failures += 1
                if status:
                    judge_messages(study, found)
                room *= 2
            same = status == 0 and same_bytes(study.results / output, finished.results / output)
            if failures:
                how = "jobs on a disk in memory, enlarged after each failure"
                told = f"{rule}, {failures} failures"
                found.check("after a full disk the next call ends with the same bytes", how, same, told)
            print(f"{rule}: {failures} failures, then {'the same' if same else 'OTHER BYTES'}", flush=True)


def resize(disk: Path, room: float) -> None:
    """Resizes a disk in memory to leave `room` kilobytes free."""
    mount("-o", f"remount,size={shutil.disk_usage(disk).used // 1024 + int(room)}k", disk)


def judge_messages(study: Study, found: Found) -> None:
    """Checks the logs of the jobs that a full disk ended, and removes them."""
    logs = [file.read_text() for file in (study.folder / "logs").rglob("*.log")]
    said = any("it cannot be written" in text for text in logs)
    traced = [text[-800:] for text in logs if "Traceback" in text]
    snakemake = (study.folder / "snakemake.out").read_text()[-800:]
    told = traced[0] if traced else f"no job said it: {snakemake}"
    how = "jobs on a disk in memory, enlarged after each failure"
    found.check("a full disk ends a job with one line that says so", how, said and not traced, told)
    shutil.rmtree(study.folder / "logs")


# --- teachers ---------------------------------------------------------------------------------------------------------


def teacher(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Kills jobs of a teacher while it answers, and counts what the server delivered twice."""
    os.environ["REDPEN_TEST_KEY"] = "none"
    while on():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        desk = Desk(folder, rows=200)
        with FaultServer(latency=0.1) as server:
            process = desk.start(server, concurrency=16)
            delivered = random.randint(1, 180)
            while sum(server.delivered.values()) < delivered and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            process.communicate()
            kept = {line["key"] for line in desk.journal()}
            desk.run(server, concurrency=16)
            twice = sum(server.delivered.values()) - 200
        keys = [line["key"] for line in desk.journal()]
        whole = len(keys) == len(set(keys)) == 200 and kept <= set(keys)
        how = "kill -9 of a teacher's job at random moments, 16 requests at a time"
        found.check("no saved answer is requested again", how, whole, f"{len(keys)} records")
        how = f"the same; at most {found.most('twice', twice)} of 200"
        found.check("a kill costs at most the requests in flight", how, twice <= 16, f"{twice} twice")


def teacher_power(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Simulates a power loss while a teacher answers, and counts the answers that are paid for again."""
    os.environ["REDPEN_TEST_KEY"] = "none"
    rows = 300
    while on():
        with Disk(folder, "64M") as disk, FaultServer(latency=0.1) as server:
            process = Desk(disk.path, rows=rows).start(server, before=os.setsid, concurrency=16)
            delivered = random.randint(1, 220)
            while sum(server.delivered.values()) < delivered and process.poll() is None:
                time.sleep(0.002)
            due = set(server.delivered)
            time.sleep(0.5)
            copy = disk.copied(process.pid)
            process.kill()
            process.communicate()
            with disk.after_power_loss(copy) as left:
                answered = Desk(left, rows=rows).run(server, concurrency=16)
            again = [content for content in due if server.delivered[content] > 1]
        how = "disk images, taken while a teacher answers 16 requests at a time"
        promise = "no answer older than half a second is paid for again after a power failure"
        found.check(promise, how, not again and len(answered) == rows, f"{len(again)} of {len(due)} again")
        shutil.rmtree(folder)


def endpoint(finished: Study, folder: Path, warm: Warm, on: Callable[[], bool], found: Found) -> None:
    """Calls a server that fails often and answers oddly: each row gets an answer or an error, and is paid for once."""
    os.environ["REDPEN_TEST_KEY"] = "none"
    while on():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        faults, share, odd = (*FAULTS, "drip", "huge"), random.uniform(0.1, 0.5), random.sample(range(60), 6)
        bodies = {f"What is {row} ": random.choice(ODD_BODIES) for row in odd}

        def odd_body(asked: dict, bodies: dict[str, bytes] = bodies) -> bytes | None:
            text = asked["messages"][-1]["content"]
            return next((body for question, body in bodies.items() if question in text), None)

        with FaultServer(latency=0.02, share=share, faults=faults, raw=odd_body) as server:
            desk = Desk(folder, rows=60)
            # Another temperature gives another body, which meets other faults.
            sampling = {"temperature": round(random.uniform(0.1, 1.0), 6)}
            process = desk.start(server, teacher=sampling, max_errors=1.0, timeout=1, concurrency=16)
            said = process.communicate(timeout=600)[1]
            once = max(server.delivered.values(), default=0) <= 1
            # A row that met only faults is requested again; answered rows are not, readable or not.
            desk.run(server, teacher=sampling, max_errors=1.0, timeout=1, concurrency=16)
            never_again = max(server.delivered.values(), default=0) <= 1
        told = f"share {share:.2f}: {said[-600:]}"
        how = f"{len(faults)} faults of endpoints and {len(ODD_BODIES)} odd answers, in 60 rows each"
        clean = process.returncode == 0 and "Traceback" not in said
        found.check("an endpoint's fault ends no job, and is recorded as the error of its row", how, clean, told)
        found.check("no answer is paid for twice, not even an unreadable one", how, once and never_again, told)


PARTS = {
    **{"kills": kills, "trainings": trainings, "power": power, "disks": disks},
    **{"teacher": teacher, "teacher_power": teacher_power, "endpoint": endpoint},
}


if __name__ == "__main__":
    sys.exit(main())
