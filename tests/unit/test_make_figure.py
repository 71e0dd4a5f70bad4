"""Figures: both files are drawn, the same bytes each time, and a run without the quantity is told."""

import argparse

import pytest

from scripts import make_figure
from scripts.lib.jsonl import BadInput, write_json


def args(tmp_path, kind: str, files, **settings) -> argparse.Namespace:
    """The parsed command line of one figure of two checkpoints."""
    rows = [{"name": "First", "of": "a"}, {"name": "Second", "of": "b"}]
    return argparse.Namespace(
        settings={"kind": kind, "title": "Title", "rows": rows, "columns": {"gcd": "GCD"}, **settings},
        files=[str(file) for file in files],
        out=str(tmp_path / "figure"),
    )


@pytest.fixture
def logs(tmp_path):
    """Training summaries of two runs; only the first has margins."""
    for run in "ab":
        margin = {"margin": 0.1} if run == "a" else {}
        losses = [{"step": step, "loss": 1 / step, **margin} for step in (1, 2, 3)]
        write_json(tmp_path / run / "train.json", {"losses": losses})
    return [tmp_path / run / "train.json" for run in "ab"]


def test_loss_curve_is_drawn_and_drawn_the_same_again(tmp_path, logs):
    made = args(tmp_path, "training", logs, quantity="loss")
    make_figure.main(made)
    first = (tmp_path / "figure.svg").read_bytes()
    make_figure.main(made)
    assert (tmp_path / "figure.svg").read_bytes() == first and b"Second" in first or b"<path" in first
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("run, sides", [(0, 2), (1, 1)])
def test_curves_of_a_run_are_its_loss_and_its_margin_where_it_has_one(tmp_path, logs, run, sides, monkeypatch):
    from matplotlib.axes import Axes

    plotted = []
    monkeypatch.setattr(Axes, "plot", lambda self, x, y, **style: plotted.append((tuple(y), style["label"])))
    monkeypatch.setattr("matplotlib.figure.Figure.legend", lambda self, **place: None)
    make_figure.main(args(tmp_path, "run", [logs[run]]))
    assert plotted == [((1, 1 / 2, 1 / 3), "loss"), ((0.1, 0.1, 0.1), "reward margin")][:sides]


def test_run_without_the_quantity_is_named(tmp_path, logs):
    with pytest.raises(BadInput, match="run b has no margin"):
        make_figure.main(args(tmp_path, "training", logs, quantity="margin"))


def test_lengths_of_more_checkpoints_than_there_are_colours_are_drawn(tmp_path, write_lines):
    names = [f"c{number}" for number in range(len(make_figure.COLOURS) + 1)]
    for name in names:
        write_lines(f"{name}/suite.jsonl", [{"id": "0", "tokens": 5, "finished": True}])
    made = args(tmp_path, "lengths", [tmp_path / name / "suite.json" for name in names])
    made.settings["rows"] = [{"name": name, "of": name} for name in names]
    make_figure.main(made)
    assert (tmp_path / "figure.png").is_file()


def test_accuracy_and_lengths_are_drawn_from_scores(tmp_path, write_lines):
    files = []
    for checkpoint in "ab":
        summary = {"benchmarks": {"gcd": {"accuracy": 0.5, "standard_error": 0.1}}}
        write_json(tmp_path / checkpoint / "suite.json", summary)
        rows = [{"id": str(n), "tokens": 5 + n, "finished": n < 3} for n in range(4)]
        write_lines(f"{checkpoint}/suite.jsonl", rows)
        files.append(tmp_path / checkpoint / "suite.json")
    for kind in ("accuracy", "lengths"):
        make_figure.main(args(tmp_path, kind, files))
        assert (tmp_path / "figure.png").stat().st_size > 5000


def test_figure_of_a_run_whose_name_holds_a_dot_keeps_its_name(tmp_path, logs):
    made = args(tmp_path, "training", logs, quantity="loss")
    made.out = str(tmp_path / "cft.s2")
    make_figure.main(made)
    assert {file.name for file in tmp_path.glob("cft*")} == {"cft.s2.svg", "cft.s2.png"}
