"""Which candidate becomes the checkpoint."""

from pathlib import Path

import pytest

from scripts import select_checkpoint
from scripts.lib.jsonl import BadInput, read_json, write_json


@pytest.fixture
def select(tmp_path: Path):
    """A function that selects among three candidates; it returns the step in the model folder and the selection."""
    for step in (2, 10, 25):
        folder = tmp_path / "candidates" / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "weights").write_text(str(step))

    def run(accuracies: list[float] | None = None) -> tuple[str, dict]:
        words = ["--candidates", "candidates", "--model", "model", "--selection", "selection.json"]
        words = [str(tmp_path / word) if not word.startswith("--") else word for word in words]
        if accuracies is not None:
            steps = zip((2, 10, 25), accuracies, strict=True)
            points = [{"step": step, "candidate": f"step-{step:06d}", "accuracy": share} for step, share in steps]
            write_json(tmp_path / "curve.json", {"curve": points})
            words += ["--curve", str(tmp_path / "curve.json")]
        assert select_checkpoint.main(select_checkpoint.parse_args(words)) == 0
        return (tmp_path / "model" / "weights").read_text(), read_json(tmp_path / "selection.json")

    return run


def test_last_candidate_without_a_curve(select) -> None:
    step, selection = select()
    assert step == "25" and (selection["rule"], selection["candidate"]) == ("last", "step-000025")


def test_best_candidate_on_the_curve(select) -> None:
    step, selection = select([0.1, 0.5, 0.3])
    assert step == "10" and selection["rule"] == "best"
    assert selection["selected"]["accuracy"] == 0.5 and selection["last"]["accuracy"] == 0.3


def test_earliest_of_equals(select) -> None:
    assert select([0.1, 0.5, 0.5])[0] == "10"


def test_new_selection_replaces_the_whole_folder(select, tmp_path: Path) -> None:
    select()
    (tmp_path / "model" / "left-over").write_text("x")
    assert select([0.9, 0.5, 0.5])[0] == "2"
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["weights"]


def test_checkpoint_outlives_its_candidate(select, tmp_path: Path) -> None:
    select()
    (tmp_path / "candidates" / "step-000025" / "weights").unlink()
    assert (tmp_path / "model" / "weights").read_text() == "25"


def test_kill_while_progress_is_removed_leaves_none_that_a_training_would_resume(select, tmp_path, monkeypatch) -> None:
    progress = tmp_path / "state" / "abc"
    (progress / "candidates").mkdir(parents=True)
    (progress / "facts.json").write_text("{}")
    words = [
        "--candidates",
        "candidates",
        "--model",
        "model",
        "--selection",
        "selection.json",
        "--train-state",
        "state",
    ]
    args = select_checkpoint.parse_args([w if w.startswith("--") else str(tmp_path / w) for w in words])
    remove = select_checkpoint.shutil.rmtree
    with monkeypatch.context() as killed:

        def end(folder, **options):
            if Path(folder).parent != progress.parent:
                return remove(folder, **options)
            (folder / "candidates").rmdir()
            raise KeyboardInterrupt

        killed.setattr(select_checkpoint.shutil, "rmtree", end)
        with pytest.raises(KeyboardInterrupt):
            select_checkpoint.main(args)
    assert not progress.exists()
    select_checkpoint.main(args)
    assert [path.name for path in (tmp_path / "state").iterdir() if path.is_dir()] == []


def test_folder_without_candidates_is_told(tmp_path: Path) -> None:
    words = ["--candidates", str(tmp_path), "--model", str(tmp_path / "m"), "--selection", str(tmp_path / "s")]
    with pytest.raises(BadInput, match="there are no candidates. Run rule train again."):
        select_checkpoint.main(select_checkpoint.parse_args(words))
