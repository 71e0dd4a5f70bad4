"""What the job `build_train_set` takes where a recipe drops long rows: measured many at a time, against one by one.

Both start from the same file of made-up responses and choose half of them, of which about a sixth is too long for the
recipe. One by one is how rows were measured before: a call of the tokenizer for each text. Each way is a process of its
own and makes the same file. Memory is the peak of what is the process's own, beyond what its imports take.

    python -m bench.train_set --tokenizer results/laptop/models/smollm2-135m --rows 20000 --tokens 1550
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.training_rows import Peak, write
from scripts.lib.jsonl import each_row, file_hash, write_rows

PART = {"method": "sft", "kind": "responses", "keep": "all", "weight": 1.0, "files": 1, "prompt": "prompts/answer.j2"}
LIMIT = {"template": None, "end_inside": "drop", "loss_on": "answer"}
WAYS = ("one by one", "together")


def main() -> None:
    """Prints seconds and memory of each way, and the ratio; with --way it is the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, help="a model folder")
    parser.add_argument("--rows", type=int, default=20_000, help="responses to choose half of")
    parser.add_argument("--tokens", type=int, default=1550, help="mean tokens of a row, about")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--way", choices=WAYS, default=None)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measured(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        args.folder = Path(folder)
        write(args.folder / "made.jsonl", args.rows, args.tokens)
        write_rows(args.folder / "responses.jsonl", map(response, each_row(args.folder / "made.jsonl")))
        found = {way: of_process(args, way) for way in WAYS}
        assert len({file_hash(args.folder / f"{way}.jsonl") for way in WAYS}) == 1
    before, now = found.values()
    print(
        f"the same {now['rows']:,} rows of {args.rows:,}: {before['seconds'] / now['seconds']:.1f} × as fast, "
        f"{before['CPU seconds'] / now['CPU seconds']:.1f} × less of the CPU"
    )


def response(row: dict) -> dict:
    """A training row as the response that it is made of."""
    name = row["id"]
    return {"id": name, "question_id": name, "question": row["messages"][0]["content"], "response": row["completion"]}


def of_process(args: argparse.Namespace, way: str) -> dict[str, float]:
    """The figures of one way."""
    command = [sys.executable, "-m", "bench.train_set", "--way", way, "--folder", args.folder, "--rows", args.rows]
    command += ["--tokens", args.tokens, "--tokenizer", args.tokenizer, "--workers", args.workers]
    answer = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(answer.stdout.splitlines()[-1])
    print(f"{way:12}" + "".join(f"  {name} {value:10,.1f}" for name, value in found.items()), flush=True)
    return found


def measured(args: argparse.Namespace) -> dict[str, float]:
    """Seconds, memory and rows of one way."""
    from scripts import build_train_set
    from scripts.lib.generation import chat
    from scripts.lib.training import lengths

    chat.load_tokenizer(args.tokenizer)  # what it imports is no memory of the rows
    workers = args.workers
    if args.way == "one by one":
        workers, lengths.BATCH, chat.token_ids = 1, 1, one_by_one
    limit = {**LIMIT, "max_tokens": int(args.tokens * 4 / 3)}
    settings = {"run": "bench", "seed": 1, "rows": args.rows // 2, "when_short": "fail", "parts": [PART]}
    words = ["--settings", json.dumps({**settings, "limit": limit}), "--tokenizer", args.tokenizer]
    words += ["--data", f"{args.folder}/responses.jsonl", "--workers", str(workers)]
    words += ["--train-set", f"{args.folder}/{args.way}.jsonl", "--summary", f"{args.folder}/{args.way}.json"]
    peak = Peak()
    build_train_set.main(build_train_set.parse_args(words))
    found = peak.end()
    summary = json.loads(Path(f"{args.folder}/{args.way}.json").read_text())
    measured_rows = summary["rows"] + summary["left_out"]["over_max_tokens"]
    return {**found, "rows": summary["rows"], "measured rows/s": measured_rows / found["seconds"]}


def one_by_one(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, a call each."""
    return [tokenizer(text, add_special_tokens=False, return_attention_mask=False)["input_ids"] for text in texts]


if __name__ == "__main__":
    main()
