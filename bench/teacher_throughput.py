"""How fast a teacher is asked, and how much memory that takes, against a loopback server of fixed latency.

    python -m bench.teacher_throughput            # 2,000 requests at concurrency 64, 0.5 s latency; and the old way
    python -m bench.teacher_throughput --memory   # 100,000 rows through critique_responses: growth of memory

The ideal is requests ÷ concurrency × latency. The server runs in a process of its own. Beside it stands the way of the
CFT authors' script, 20 processes that each ask one request after the other and pause 0.1 s: measured on a part of the
requests and extended to all.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing import Pool
from pathlib import Path

from scripts import critique_responses
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import write_rows
from scripts.lib.teachers import live  # noqa: F401   so that no time and no growth below is that of its import
from tests.teacher_desk import LIMITS, TEACHER

PROCESSES = 20
PAUSE_S = 0.1


def rows(count: int, filler: int):
    """Graded rows, each padded with `filler` characters to a realistic length."""
    for number in range(count):
        yield {
            **{"id": f"q-{number:06d}#0", "question_id": f"q-{number:06d}", "question": f"What is {number} + 1?"},
            **{"answer": str(number + 1), "response": f"It is {number + 1}. " + "x" * filler},
            **{"correct": True, "extracted": str(number + 1)},
        }


def arguments(folder: Path, url: str, concurrency: int) -> list[str]:
    """The command line of critique_responses."""
    limits = {**LIMITS, "base_url": url, "concurrency": concurrency, "api_key_env": None}
    named = {
        "--settings": json.dumps({"rows": None, "teacher": TEACHER}),
        "--limits": json.dumps(limits),
        "--graded": folder / "graded.jsonl",
        "--state": folder / "teachers",
        "--critiques": folder / "c.jsonl",
        "--summary": folder / "c.json",
    }
    return [str(word) for pair in named.items() for word in pair]


def resident_mb() -> float:
    """The current resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ask_slowly(work: tuple[str, int, int]) -> None:
    """One of the synchronous processes: a request, a pause, the next request."""
    import openai

    url, start, count = work
    client = openai.OpenAI(api_key="none", base_url=url)
    for number in range(start, start + count):
        message = {"role": "user", "content": f"slow {number}"}
        client.chat.completions.create(model="m", messages=[message])
        time.sleep(PAUSE_S)


def main() -> int:
    """Measures one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    parser.add_argument("--requests", type=int, default=None, help="default 2,000; 100,000 for memory")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds until the server answers")
    parser.add_argument("--part", type=int, default=200, help="requests that the old way is measured on")
    args = parser.parse_args()
    count = args.requests or (100_000 if args.memory else 2_000)
    latency = 0.0 if args.memory else args.latency
    command = [sys.executable, "-m", "tests.fault_server", "--port", "0", "--latency", str(latency)]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as name,
    ):
        try:
            url, folder = server.stdout.readline().strip(), Path(name)
            write_rows(folder / "graded.jsonl", rows(count, 1500 if args.memory else 0))
            words = critique_responses.parse_args(arguments(folder, url, args.concurrency))
            return memory(words, count) if args.memory else speed(words, count, args, url)
        finally:
            server.terminate()


def speed(words: argparse.Namespace, count: int, args: argparse.Namespace, url: str) -> int:
    """Prints seconds of both ways and the ratio to the ideal."""
    start = time.perf_counter()
    critique_responses.main(words)
    took = time.perf_counter() - start
    ideal = count / args.concurrency * args.latency
    print(f"{count} requests, concurrency {args.concurrency}, latency {args.latency} s, {os.cpu_count()} cores")
    print(f"ideal {ideal:.2f} s, critique_responses {took:.2f} s: {took / ideal:.3f} × ideal")
    each = args.part // PROCESSES
    with Pool(PROCESSES) as pool:
        pool.map(ask_slowly, [(url, 10**6 + number, 1) for number in range(PROCESSES)], chunksize=1)  # imports
        start = time.perf_counter()
        pool.map(ask_slowly, [(url, number * each, each) for number in range(PROCESSES)], chunksize=1)
        old = (time.perf_counter() - start) * count / (each * PROCESSES)
    print(f"20 synchronous processes with a pause of 0.1 s: {old:.1f} s ({each * PROCESSES} measured, extended to all)")
    print(f"that is {old / took:.1f} × as long")
    return 0 if took <= 1.15 * ideal else 1


def memory(words: argparse.Namespace, count: int) -> int:
    """Prints the growth of resident memory while rows stream through."""
    before, highest, done = resident_mb(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.2):
            highest = max(highest, resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    critique_responses.main(words)
    done.set()
    watcher.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    took = time.perf_counter() - start
    print(f"{count:,} rows in {took:.0f} s: resident {before:.0f} MB before, {highest:.0f} MB at most")
    print(f"growth {highest - before:.0f} MB (peak of the process {peak:.0f} MB)")
    return 0 if highest - before < 200 else 1


if __name__ == "__main__":
    sys.exit(main())
