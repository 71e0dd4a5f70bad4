"""Trainings of the `train` script, of LLaMA-Factory and of TRL, in turns, on the same rows: speed, start, memory, loss.

    python -m bench.peers --model results/laptop/models/smollm2-135m --peer .venv-llamafactory/bin/python

Each training is a process of its own with one thread. Speed is that of the steps after the first, in real tokens (no
padding); by the CPU's seconds too, since the clock's count what else the machine does. The start lasts to the end of
the first step. The best of the rounds counts.

The rows have messages and completion, as `scripts.train` reads them; if no file of them is named, they are word
problems of reasoning-gym (gsm_symbolic) with worked solutions.
"""

import argparse
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from datasets import disable_progress_bars, load_from_disk

from bench.peers import ways
from bench.peers.watching import Mark, watched
from bench.training import RECIPE, tokenised
from scripts.lib import cli
from scripts.lib.generation.chat import load_tokenizer
from scripts.lib.jsonl import BadInput, read_rows

NAMES = 38  # width of a column
VERSIONS = """
import sys
from importlib.metadata import version
print(*[f"{name} {version(name)}" for name in sys.argv[1:]], sep=", ")
"""


@dataclass(frozen=True)
class Found:
    """What a training took: the start, then the other steps."""

    start_s: float
    start_cpu_s: float
    tokens_per_s: float
    tokens_per_cpu_s: float
    peak_mb: float


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True, help="the Python of LLaMA-Factory's environment")
    parser.add_argument("--rows", help="JSON Lines of messages and completion (word problems of reasoning-gym)")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=[*ways.WAYS, *ways.EXACT], default=list(ways.WAYS))
    return parser.parse_args(argv)


def main() -> None:
    """Runs all ways in turns and prints the table and the losses."""
    args = parse_args()
    cli.quiet()
    disable_progress_bars()
    tokenizer = load_tokenizer(args.model)
    count = args.steps * args.batch
    given = list(read_rows(args.rows))[:count] if args.rows else word_problems(count)
    if len(given) < count:
        raise BadInput(f"{args.rows}: {len(given)} rows, fewer than --steps times --batch ({count}). Set fewer steps.")
    made = tokenised(given, tokenizer, RECIPE)
    with tempfile.TemporaryDirectory() as folder:
        job = ways.Job(Path(folder), args.model.resolve(), args.steps, args.batch, args.peer.absolute())
        ways.write_inputs(job, given, made, tokenizer)
        lengths = [len(row["input_ids"]) for row in made]
        print(described(lengths, args.batch, job.peer), flush=True)
        found, losses = measured(job, args.ways, args.rounds, sum(lengths[args.batch :]))
        if any("LLaMA" in name for name in args.ways):
            refuse_other_tokens(made, read_back(job))
            print(f"LLaMA-Factory's tokens and labels: the same in all {len(made)} rows")
    print(table(found, losses))
    print(side_by_side(losses))


def word_problems(count: int) -> list[dict]:
    """Rows of about GSM8K's length."""
    import reasoning_gym

    return [
        {
            "id": f"gsm-{number}",
            "messages": [{"role": "user", "content": row["question"]}],
            "completion": row["metadata"]["answer_cot"],
        }
        for number, row in enumerate(reasoning_gym.create_dataset("gsm_symbolic", size=count, seed=1))
    ]


def described(lengths: list[int], batch: int, peer: Path) -> str:
    """The work and the machine; what the ways install."""
    padded = sum(max(lengths[at : at + batch]) * batch for at in range(0, len(lengths), batch))
    packages = ("torch", "transformers", "peft", "trl")
    here = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    command = [str(peer), "-c", VERSIONS, "llamafactory", *packages]
    there = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return (
        f"{len(lengths)} rows, {sum(lengths)} tokens ({padded} with padding), batch {batch}, one thread, "
        f"{cli.device_name()}\nhere: {here}\nthere: {there}"
    )


def measured(job: ways.Job, names: list[str], rounds: int, tokens: int) -> tuple[dict, dict]:
    """(the best of each way, its losses), from trainings in turns.

    Args:
        job: what they share.
        names: the ways.
        rounds: how often each is run.
        tokens: of the steps after the first.
    """
    found: dict[str, list[Found]] = {name: [] for name in names}
    losses: dict[str, list[float]] = {}
    for turn in range(rounds):
        for name in names:
            out, way = job.folder / name.replace(" ", "-"), {**ways.WAYS, **ways.EXACT}[name]
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            command = way.command(job, out)
            first, last = watched(command, out, job.steps, lambda way=way, out=out: way.done(out), environment())
            found[name].append(between(first, last, tokens))
            losses[name] = way.losses(out)
            print(f"round {turn + 1}, {name}: {found[name][-1]}", flush=True)
    return {name: best(runs) for name, runs in found.items()}, losses


def environment() -> dict[str, str]:
    """One thread, nothing from the network, output at once."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**threads, "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def between(first: Mark, last: Mark, tokens: int) -> Found:
    """The start, and the speed from the first step to the last."""
    return Found(
        start_s=first.seconds,
        start_cpu_s=first.cpu_seconds,
        tokens_per_s=tokens / (last.seconds - first.seconds),
        tokens_per_cpu_s=tokens / (last.cpu_seconds - first.cpu_seconds),
        peak_mb=last.peak_mb,
    )


def best(runs: list[Found]) -> Found:
    """Of each figure the best."""
    return Found(
        start_s=min(run.start_s for run in runs),
        start_cpu_s=min(run.start_cpu_s for run in runs),
        tokens_per_s=max(run.tokens_per_s for run in runs),
        tokens_per_cpu_s=max(run.tokens_per_cpu_s for run in runs),
        peak_mb=min(run.peak_mb for run in runs),
    )


def read_back(job: ways.Job) -> list[dict]:
    """The rows as LLaMA-Factory tokenised them."""
    folder = next(job.folder.glob("LLaMA*/tokenised"))
    return load_from_disk(str(folder))["train"].to_list()


def refuse_other_tokens(made: list[dict], theirs: list[dict]) -> None:
    """Raises BadInput where a row of theirs is another one than ours."""
    if len(made) != len(theirs):
        raise BadInput(f"LLaMA-Factory trains on {len(theirs)} rows, not {len(made)}. See its training.log.")
    for place, (mine, other) in enumerate(zip(made, theirs, strict=True)):
        for key in ("input_ids", "labels"):
            if mine[key] != other[key]:
                raise BadInput(
                    f"row {place}: LLaMA-Factory's {key} are {other[key]}, not {mine[key]}. See write_inputs."
                )


def largest_gap(losses: list[float], others: list[float]) -> float:
    """Between the losses of a step in two trainings."""
    return max(abs(float(mine) - float(other)) for mine, other in zip(losses, others, strict=True))


def table(found: dict[str, Found], losses: dict[str, list[float]]) -> str:
    """A line for each way: its figures, and ratios to LLaMA-Factory where that ran."""
    peer = next((name for name in (ways.PEER, ways.EXACT_PEER) if name in found), None)
    lines = [f"{'':{NAMES}} tokens/s  /CPU s  ratio  start s  CPU s  peak MB  loss gap"]
    for name, own in found.items():
        line = f"{name:{NAMES}} {own.tokens_per_s:8.0f} {own.tokens_per_cpu_s:7.0f}  "
        line += f"{own.tokens_per_cpu_s / found[peer].tokens_per_cpu_s:5.2f}" if peer else "    -"
        line += f" {own.start_s:8.1f} {own.start_cpu_s:6.1f} {own.peak_mb:8.0f} "
        line += f"{largest_gap(losses[name], losses[peer]):9.4f}" if peer else "        -"
        lines.append(line)
    if peer:
        lines.append(f"ratio: tokens per CPU second, to {peer}; loss gap: the largest of a step, to the same")
    return "\n".join(lines)


def side_by_side(losses: dict[str, list[float]]) -> str:
    """The loss of each step in each way."""
    head = [f"{number}: {name}" for number, name in enumerate(losses, 1)]
    steps = zip(*losses.values(), strict=True)
    rows = [f"{step:4} " + " ".join(f"{float(loss):8.4f}" for loss in of_step) for step, of_step in enumerate(steps, 1)]
    return "\n".join([*head, "step " + " ".join(f"{number:8}" for number in range(1, len(losses) + 1)), *rows])


if __name__ == "__main__":
    main()
