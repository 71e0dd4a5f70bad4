"""A training is shown by a tracker, and learns the same."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.jsonl import BadInput
from scripts.lib.training import tracking

# What transformers calls of Trackio; it writes what it is given.
TRACKIO = """
import contextvars, json, types
__version__ = "0"
names = ("current_space_id", "current_run", "current_project")
context_vars = types.SimpleNamespace(**{{name: contextvars.ContextVar(name, default=None) for name in names}})
class config(dict):
    def update(self, values, allow_val_change): pass
config = config()
def write(entry):
    with open({file!r}, "a") as file:
        file.write(json.dumps(entry) + "\\n")
def init(project, name, **_): write({{"project": project, "name": name}})
def log(values): write(values)
def finish(): write({{"finished": True}})
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file in which a stand-in for Trackio records its input."""
    file = tmp_path / "told.jsonl"
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "trackio.py").write_text(TRACKIO.format(file=str(file)))
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr(tracking.os, "environ", dict(tracking.os.environ))
    yield file
    sys.modules.pop("trackio", None)


def test_tracker_gets_each_step_and_the_weights_are_the_same(told, model_folder, write_lines, tmp_path) -> None:
    from scripts import train
    from tests.trainings import KINDS, RECIPE, flags, rows_of_both_kinds

    data = write_lines("rows.jsonl", rows_of_both_kinds())
    recipe = {**RECIPE, **KINDS["dpo"], "max_steps": 2}
    for tracker in ("none", "trackio"):
        arguments = flags(recipe, data, model_folder, tmp_path / tracker, 1)
        assert train.main(train.parse_args([*arguments, "--tracker", tracker, "--project", "laptop"])) == 0
    without, tracked = (next((tmp_path / name / "weights").glob("step-*")) for name in ("none", "trackio"))
    for file in without.iterdir():
        assert file.read_bytes() == (tracked / file.name).read_bytes(), file.name
    began, *steps = map(json.loads, told.read_text().splitlines())
    assert began == {"project": "redpen-laptop", "name": "two"} and steps[-1] == {"finished": True}
    summary = json.loads((tmp_path / "trackio" / "train.json").read_text())
    for entry, step in zip(summary["losses"], steps):
        names = {"loss": "loss", "learning_rate": "learning_rate", "gradient_norm": "grad_norm"}
        names |= {"chosen_log_probability": "logps/chosen", "rejected_log_probability": "logps/rejected"}
        assert {name: entry[name] for name in names} == {name: step[f"train/{key}"] for name, key in names.items()}


def test_tracker_that_is_not_installed_is_told_with_what_installs_it(monkeypatch) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"wandb is not installed. Install it \(`.*python.* -m pip install wandb`\), or"):
        tracking.begin("wandb", "laptop", "cft")


def test_files_of_trackers_lie_under_logs_unless_the_environment_says_otherwise(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(tracking.os, "environ", {"WANDB_PROJECT": "mine"})
    assert tracking.begin("wandb", "laptop", "cft")["report_to"] == "wandb"
    assert tracking.os.environ["WANDB_PROJECT"] == "mine"
    assert tracking.os.environ["TENSORBOARD_LOGGING_DIR"] == "logs/laptop/wandb/cft"
    assert (tmp_path / tracking.os.environ["WANDB_DIR"]).is_dir()
