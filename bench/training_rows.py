"""What a training holds of its rows, and what it waits for them: Arrow files that are mapped, against Python lists.

Both start from the same JSON Lines file of made-up text and end with what the trainer is given, in a fresh process
each. Python lists are what each process of a training made for itself before: the rows read whole, tokenised in a loop
and put into a Dataset. Of Arrow files the first figures are those of the one process that prepares them, with its
workers; the last ones those of every process that trains, which also reads 2,000 rows in random order.
Memory is the peak of the largest process: resident, and what is its own (pages of mapped files are the system's, which
drops them when it must), beyond what its imports take. CPU seconds are those of all processes: divided by the cores,
they are what an idle machine takes at least.

    python -m bench.training_rows --tokenizer results/laptop/models/smollm2-135m --rows 50000 --tokens 1550
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

RECIPE = {
    **{"method": "sft", "max_tokens": 100_000, "too_long": "error", "end_inside": "error", "loss_on": "answer"},
    "packing": False,
}
WORDS = 30_000


def main() -> None:
    """Prints seconds and memory of each way, and the ratios; with --way, it runs as the measured process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a model folder")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--tokens", type=int, default=1550, help="mean tokens of a row, about")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without-lists", action="store_true", help="Arrow files alone: lists may be beyond memory")
    parser.add_argument("--way", choices=WAYS, default=None)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measured(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "rows.jsonl", args.rows, args.tokens)
        size = (Path(folder) / "rows.jsonl").stat().st_size
        print(f"{args.rows:,} rows, {size / 1e6:,.0f} MB of text, {args.workers} workers", flush=True)
        found = {}
        for way in list(WAYS)[args.without_lists :]:
            command = [sys.executable, "-m", "bench.training_rows", "--way", way, "--folder", folder]
            command += ["--tokenizer", args.tokenizer, "--workers", str(args.workers)]
            answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[way] = json.loads(answer.stdout.splitlines()[-1])
            print(f"{way:12}" + "".join(f"  {name} {value:10,.1f}" for name, value in found[way].items()), flush=True)
    if args.without_lists:
        return
    old, made, mapped = (found[way] for way in WAYS)
    print(
        f"until every process has its rows: {old['seconds'] / (made['seconds'] + mapped['seconds']):.1f} × as fast; "
        f"memory of a process that trains: {old['own MB'] / mapped['own MB']:.1f} × less"
    )


def write(path: Path, rows: int, tokens: int) -> None:
    """A training set of made-up words, with rows of various lengths."""
    made = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(made.choices(letters, k=made.randint(2, 9))) for _ in range(WORDS)]
    # With the frequencies of words in a language.
    weights = list(itertools.accumulate(1 / rank for rank in range(1, WORDS + 1)))
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            count = int(tokens / 3.6 * made.uniform(0.5, 1.5))
            text = made.choices(words, cum_weights=weights, k=count)
            messages = [{"role": "user", "content": " ".join(text[: count // 4])}]
            row = {"id": f"r{number}", "messages": messages, "completion": " ".join(text[count // 4 :])}
            out.write(json.dumps(row) + "\n")


def measured(args: argparse.Namespace) -> dict[str, float]:
    """Seconds of one way, its peak memory, and tokens."""
    from datasets import disable_progress_bars

    from scripts.lib.generation.chat import load_tokenizer
    from scripts.lib.training import rows  # noqa: F401 its imports do not count as memory of the rows

    disable_progress_bars()
    tokenizer = load_tokenizer(args.tokenizer)
    peak = Peak()
    tokens = WAYS[args.way](Path(args.folder), tokenizer, args.workers)
    return peak.end() | {"million tokens": tokens / 1e6}


class Peak(threading.Thread):
    """The time that this process takes from now on, and the most memory that it, or a process of its own, has."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.process, self.ended = psutil.Process(os.getpid()), threading.Event()
        self.began, self.cpu = time.perf_counter(), cpu_seconds()
        self.first, _ = memory(self.process)
        self.own = self.resident = 0
        self.start()

    def look(self) -> None:
        """Takes in how much memory is in use now."""
        for process in (self.process, *self.process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a worker that has just ended
                own, resident = memory(process)
                self.own, self.resident = max(self.own, own), max(self.resident, resident)

    def run(self) -> None:
        while not self.ended.wait(0.05):
            self.look()

    def end(self) -> dict[str, float]:
        """Seconds, and memory in MB."""
        seconds, cpu = time.perf_counter() - self.began, cpu_seconds() - self.cpu
        self.look()
        self.ended.set()
        own, resident = (self.own - self.first) / 1e6, self.resident / 1e6
        return {"seconds": seconds, "CPU seconds": cpu, "own MB": own, "resident MB": resident}


def memory(process: psutil.Process) -> tuple[int, int]:
    """(bytes of memory that are a process's own, bytes that are resident)."""
    used = process.memory_info()
    return used.rss - used.shared, used.rss


def cpu_seconds() -> float:
    """What this process and those of its children that have ended have taken."""
    return sum(os.times()[:4])


def python_lists(folder: Path, tokenizer, workers: int) -> int:
    """Each process makes Python lists, as in earlier versions."""
    from datasets import Dataset

    from scripts.lib.generation.chat import answer_ids, prompt_ids
    from scripts.lib.jsonl import read_rows

    made = []
    for row in read_rows(folder / "rows.jsonl"):
        prompt, answer = prompt_ids(tokenizer, row["messages"]), answer_ids(tokenizer, row["completion"])
        made.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    Dataset.from_list(made).save_to_disk(folder / "old")
    return sum(len(row["input_ids"]) for row in made)


def prepared(folder: Path, tokenizer, workers: int) -> int:
    """Prepares the files, as the first process does."""
    from scripts.lib.training import rows

    rows.prepare(folder / "rows.jsonl", folder / "new", tokenizer, RECIPE, None, workers)
    return rows.tokens_of(rows.load(folder / "new")[0])


def mapped(folder: Path, tokenizer, workers: int) -> int:
    """Maps the files, as every training process does."""
    from scripts.lib.training import rows

    made, _ = rows.load(folder / "new")
    places = random.Random(1).sample(range(len(made)), min(2000, len(made)))
    assert all(made[place]["input_ids"] for place in places)
    assert len(rows.lengths(made)) == len(made)
    return rows.tokens_of(made)


WAYS = {"Python lists": python_lists, "preparing": prepared, "mapped": mapped}


if __name__ == "__main__":
    main()
