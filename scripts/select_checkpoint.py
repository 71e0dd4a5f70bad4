"""Makes one candidate the run's checkpoint: the last one, or the best on validation (the earliest of equals).

    python -m scripts.select_checkpoint --candidates results/laptop/checkpoints/cft/candidates \\
        --curve results/laptop/checkpoints/cft/validation.json --model results/laptop/checkpoints/cft/model \\
        --selection results/laptop/checkpoints/cft/selection.json
"""

import argparse
import os
import shutil
from pathlib import Path

from scripts.lib import cli
from scripts.lib.journal import held
from scripts.lib.jsonl import BadInput, read_json, replacing_folder, write_json


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", required=True, help="folder of candidates (step-000045, …)")
    parser.add_argument("--curve", default=None, help="validation scores; without them the last candidate is taken")
    parser.add_argument("--train-state", default=None, help="progress of the training, removed at the end")
    parser.add_argument("--model", required=True, help="the model folder to write (hard links where possible)")
    parser.add_argument("--selection", required=True, help="JSON to write: which candidate, and its score")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Selects a candidate, links its files, and writes the selection."""
    candidates = sorted(path.name for path in Path(args.candidates).glob("step-*"))
    if not candidates:
        raise BadInput(f"{args.candidates}: there are no candidates. Run rule train again.")
    selection = {"rule": "last", "candidate": candidates[-1], "candidates": candidates}
    if args.curve:
        curve = [point for point in read_json(args.curve)["curve"] if point["accuracy"] is not None]
        if not curve:
            raise BadInput(
                f"{args.curve}: no candidate has an accuracy. Validate on a benchmark with reference answers."
            )
        best = max(curve, key=lambda point: (point["accuracy"], -point["step"]))
        selection |= {"rule": "best", "candidate": best["candidate"], "selected": best, "last": curve[-1]}
    model = Path(args.model)
    with replacing_folder(model) as temporary:
        shutil.copytree(Path(args.candidates) / selection["candidate"], temporary, copy_function=_link)
    write_json(args.selection, selection)
    if args.train_state:
        with held(args.train_state) as state:
            for progress in list(filter(Path.is_dir, state.iterdir())):
                # Renamed first, since a half-removed folder under its own name would look like a training to resume.
                shutil.rmtree(progress.rename(progress.with_name(f".{progress.name}.removed")))
    return 0


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a different disk, or a file system without links
        shutil.copyfile(source, target)


if __name__ == "__main__":
    cli.run(main, parse_args)
