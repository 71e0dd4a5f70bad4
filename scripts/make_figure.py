"""Draws one figure as SVG and PNG from training summaries or scores, safe for colour-blind eyes.

    python -m scripts.make_figure --settings '{"kind": "training", "quantity": "loss", "title": "Training loss", \\
        "rows": [{"name": "SFT", "of": "sft"}]}' --files results/laptop/checkpoints/sft/train.json \\
        --out results/laptop/figures/training_loss
"""

import argparse
import os
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, read_json, read_rows, replacing

# Okabe and Ito's palette, with a marker each, so that lines do not differ by colour alone.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
QUANTITIES = {"loss": "loss", "margin": "reward margin", "validation_loss": "loss on held-out rows"}


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=cli.json_argument, required=True, help="JSON: kind, title, rows")
    parser.add_argument(
        "--files", nargs="+", required=True, help="checkpoints/<run>/train.json or validation.json, or scores"
    )
    parser.add_argument("--out", required=True, help="path of the files to write, without an extension")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Draws the figure and writes both files."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    import matplotlib

    # No date and no random ids, so that the same figure has the same bytes.
    matplotlib.rcParams.update({"svg.hashsalt": "redpen", "font.size": 11, "axes.spines.top": False})
    matplotlib.rcParams.update({"axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.2), layout="constrained")
    KINDS[args.settings["kind"]](axes, args.settings, [Path(file) for file in args.files])
    axes.set_title(args.settings["title"], loc="left", fontsize=12)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    for ending in (".svg", ".png"):
        with replacing(f"{args.out}{ending}") as temporary:
            metadata = {"Date": None} if ending == ".svg" else {}
            figure.savefig(temporary, format=ending[1:], dpi=160, metadata=metadata)
    return 0


def style(number: int) -> dict:
    """Colour and marker of the line with this number."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}


def training(axes, settings: dict, files: list[Path]) -> None:
    """Draws a quantity of the training log (loss, margin) over steps, a line for each run."""
    logs = {file.parent.name: read_json(file)["losses"] for file in files}
    for number, row in enumerate(settings["rows"]):
        points = [
            (entry["step"], entry[settings["quantity"]]) for entry in logs[row["of"]] if settings["quantity"] in entry
        ]
        if not points:
            raise BadInput(f"run {row['of']} has no {settings['quantity']} in its log. Leave it out of the figure.")
        axes.plot(*zip(*points, strict=True), label=row["name"], **style(number))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(QUANTITIES[settings["quantity"]])


def run(axes, settings: dict, files: list[Path]) -> None:
    """Draws the training log of one run: its loss, and the reward margin if it has one."""
    log = read_json(files[0])["losses"]
    axes.set_xlabel("optimizer step")
    axes.xaxis.get_major_locator().set_params(integer=True)
    sides = {"loss": axes} | ({"margin": axes.twinx()} if any("margin" in entry for entry in log) else {})
    sides |= {"validation_loss": axes} if any("validation_loss" in entry for entry in log) else {}
    for number, (quantity, side) in enumerate(sides.items()):
        points = [(entry["step"], entry[quantity]) for entry in log if quantity in entry]
        side.plot(*(zip(*points, strict=True) if points else ((), ())), label=QUANTITIES[quantity], **style(number))
        side.set_ylabel("loss" if side is axes else QUANTITIES[quantity])
        side.spines["right"].set_visible(side is not axes)
        side.grid(side is axes)  # one grid


def validation(axes, settings: dict, files: list[Path]) -> None:
    """Draws the candidates' score on the validation benchmark over steps, a line for each run."""
    curves = {file.parent.name: read_json(file)["curve"] for file in files}
    for number, row in enumerate(settings["rows"]):
        points = [(p["step"], 100 * p["accuracy"]) for p in curves[row["of"]] if p["accuracy"] is not None]
        axes.plot(*(zip(*points, strict=True) if points else ((), ())), label=row["name"], **style(number))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("validation accuracy, %")
    axes.set_ylim(bottom=0)


def accuracy(axes, settings: dict, files: list[Path]) -> None:
    """Draws accuracy with standard errors by checkpoint: a marker for each benchmark and one for their average.

    Checkpoints are not ordered, so no line joins them.
    """
    from scripts.lib.tables.statistics import average_error

    scores: dict[str, dict] = {}
    for file in files:
        scores.setdefault(file.parent.name, {}).update(read_json(file)["benchmarks"])
    names = [row["name"] for row in settings["rows"]]
    mine = [scores[row["of"]] for row in settings["rows"]]
    for number, (slug, title) in enumerate(settings["columns"].items()):
        values = [100 * found[slug]["accuracy"] for found in mine]
        axes.plot(names, values, label=title, alpha=0.6, linestyle="none", **style(number + 1))
    averages = [sum(100 * item["accuracy"] for item in found.values()) / len(found) for found in mine]
    errors = [100 * average_error([item["standard_error"] for item in found.values()]) for found in mine]
    axes.errorbar(names, averages, errors, label="Average ± se", linestyle="none", elinewidth=2, capsize=4, **style(0))
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(bottom=0)


def lengths(axes, settings: dict, files: list[Path]) -> None:
    """Draws the share of complete answers up to each length, a line for each checkpoint."""
    tokens: dict[str, list[int]] = {}
    cut_off: dict[str, int] = {}
    for file in files:
        for row in read_rows(file.with_suffix(".jsonl"), required=("tokens", "finished")):
            tokens.setdefault(file.parent.name, [])
            if row["finished"]:
                tokens[file.parent.name].append(row["tokens"])
            else:
                cut_off[file.parent.name] = cut_off.get(file.parent.name, 0) + 1
    for number, row in enumerate(settings["rows"]):
        mine, cut = sorted(tokens[row["of"]]), cut_off.get(row["of"], 0)
        shares = [100 * (place + 1) / len(mine) for place in range(len(mine))]
        label = f"{row['name']} ({100 * cut / (cut + len(mine)):.0f} % cut off)"
        axes.step(
            mine,
            shares,
            where="post",
            label=label,
            color=style(number)["color"],
            linestyle=("-", "--", ":", "-.")[number % 4],
        )
    axes.set_xlabel("length of the answer, tokens")
    axes.set_ylabel("answers at most so long, %")


KINDS = {"training": training, "run": run, "validation": validation, "accuracy": accuracy, "lengths": lengths}


if __name__ == "__main__":
    cli.run(main, parse_args)
