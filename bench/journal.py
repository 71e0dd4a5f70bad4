"""Opening a teacher's journal: places in a dict after reading every line, against the index file beside it.

Writes a journal of so many answers (about 1 GB a million) into a temporary folder, and opens it in processes of their
own: with a dict, as it was done before; for the first time, when the index file is made; and again. Each then looks up
the answers of one shard of a thousand.

    python -m bench.journal --records 1000000
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.lib.jsonl import content_key
from scripts.lib.teachers.ledger import Ledger
from scripts.lib.teachers.teaching import journals

PRICE = {"input": 2.5, "output": 10.0, "batch_factor": 0.5}
WORDS = ("so", "the", "sum", "of", "both", "sides", "is", "wrong", "because", "twelve", "times", "four", "gives")
SHARDS = 1000


def main() -> None:
    """Writes the journal, opens it in each way, and prints what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the journal is written (default: the system's temporary folder)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(opened(WAYS[args.way], Path(args.folder), args.records)))
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "teacher" / "answers.jsonl"
        write(file, args.records)
        print(f"{args.records:,} answers, {file.stat().st_size / 1e9:.1f} GB")
        for name, way in (("dict", "dict"), ("index, first time", "index"), ("index", "index")):
            show(name, measured(way, folder, args.records))


def write(file: Path, records: int) -> None:
    """Writes a journal of answers of about 150 words."""
    file.parent.mkdir()
    texts = [" ".join(random.Random(seed).choices(WORDS, k=150)) for seed in range(97)]
    with file.open("w", encoding="utf-8") as out:
        for number in range(records):
            value = {"asked": "m", "text": texts[number % 97], "thoughts": None, "refusal": None, "finish": "stop"}
            value |= {"model": "m", "prompt_tokens": 400, "completion_tokens": 200, "prompt_characters": 1600}
            out.write(json.dumps({"key": content_key(number), "value": {**value, "seconds": 2.5}}) + "\n")


def measured(way: str, folder: str, records: int) -> dict:
    """What `opened` gives, in a process of its own."""
    command = [sys.executable, "-m", "bench.journal", "--way", way, "--folder", folder, "--records", str(records)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def show(name: str, result: dict) -> None:
    """Prints one way's figures; the memory is what opening added to that of a process with the same imports."""
    print(
        f"{name:18} {result['seconds']:7.2f} s ({result['cpu']:.2f} s of CPU), {result['mb']:6.0f} MB, "
        f"{SHARDS}th part looked up in {result['lookup']:.2f} s, ${result['spent']:,.2f} spent"
    )


def opened(way, folder: Path, records: int) -> dict:
    """Seconds and memory of opening the journal in one way, and of looking up one shard."""
    keys = [content_key(number) for number in range(0, records, SHARDS)]
    before, start, cpu = peak_mb(), time.perf_counter(), time.process_time()
    with way(folder / "teacher") as (journal, ledger):
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        if not all(key in journal and journal[key]["asked"] == "m" for key in keys):
            raise SystemExit("an answer is missing")
    lookup = time.perf_counter() - start - seconds
    return {"seconds": seconds, "cpu": cpu, "mb": peak_mb() - before, "lookup": lookup, "spent": ledger.spent}


def peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


class WithIndex:
    """The journal as the teachers' programs open it to write."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(PRICE, None)
        self._journal = journals(folder, self.ledger, "m")

    def __enter__(self) -> tuple:
        return self._journal.__enter__(), self.ledger

    def __exit__(self, *error) -> None:
        self._journal.__exit__(*error)


class WithDict:
    """The journal as it was opened before: every line is read, its place goes into a dict."""

    def __init__(self, folder: Path) -> None:
        self.file, self.ledger, self.places = folder / "answers.jsonl", Ledger(PRICE, None), {}

    def __enter__(self) -> tuple:
        self.lines = self.file.open("rb")
        end = 0
        for line in self.lines:
            record = json.loads(line)
            self.places[int(record["key"], 16)] = end
            self.add(record["value"])
            end += len(line)
        return self, self.ledger

    def add(self, value: dict) -> None:
        """Takes in what an answer has cost and teaches, as the ledger did it before."""
        tokens, ledger = (value["prompt_tokens"], value["completion_tokens"]), self.ledger
        ledger.spent += ledger.cost(*tokens, value.get("batch", False))
        measures = (value["prompt_characters"], 1, 1)
        for name, above, below in zip(("p", "c", "s"), (*tokens, value["seconds"]), measures, strict=True):
            count, *sums = ledger.known.get(name, (0, 0.0, 0.0))
            ledger.known[name] = (count + 1, sums[0] + above, sums[1] + below)

    def __contains__(self, key: str) -> bool:
        return int(key, 16) in self.places

    def __getitem__(self, key: str) -> dict:
        self.lines.seek(self.places[int(key, 16)])
        return json.loads(self.lines.readline())["value"]

    def __exit__(self, *error) -> None:
        self.lines.close()


WAYS = {"dict": WithDict, "index": WithIndex}

if __name__ == "__main__":
    main()
