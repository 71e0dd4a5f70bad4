"""bench.peers: how the trainings' logs are read and compared, on a stand-in for a training."""

import json
import sys
from pathlib import Path

import pytest

from bench.peers import __main__ as peers
from bench.peers import ways
from bench.peers.watching import Mark, llamafactory_losses, our_steps, trl_steps, watched
from scripts.lib.jsonl import BadInput, read_json

# Goes on after each step when that step has been seen, and marked.
TRAINER = """
import sys, time
from pathlib import Path
for step in (1, 2, 3):
    print(f"trained {step} of 3 steps, 310 tokens/s, 0 s left, loss 1.2", flush=True)
    while not Path(sys.argv[1], f"marked-{step}").exists():
        time.sleep(0.01)
"""


def steps_in(folder: Path) -> int:
    steps = our_steps(ways.text_of(folder / "training.log"))
    seen = folder / f"seen-{steps}"
    if seen.exists():  # this is the call after the mark
        (folder / f"marked-{steps}").touch()
    seen.touch()
    return steps


def watch(folder: Path, steps: int, code: str = TRAINER) -> tuple[Mark, Mark]:
    return watched([sys.executable, "-c", code, str(folder)], folder, steps, lambda: steps_in(folder), {})


def test_first_and_last_step_are_marked(tmp_path: Path) -> None:
    first, last = watch(tmp_path, 3)
    assert 0 < first.seconds < last.seconds
    assert 0 < first.cpu_seconds <= last.cpu_seconds and last.peak_mb >= first.peak_mb > 1


def test_a_training_that_fails_is_told_with_the_end_of_its_output(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"status 1, steps seen: \[1, 2, 3\](.|\n)*out of luck"):
        watch(tmp_path, 3, TRAINER + "raise SystemExit('out of luck')")


def test_a_training_with_too_few_steps_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not 1 to 4"):
        watch(tmp_path, 4)


def test_llamafactorys_log_has_a_loss_a_step_and_a_last_line_without() -> None:
    entries = [{"current_steps": 1, "total_steps": 2, "loss": 1.25, "lr": 0.001}]
    entries += [{"current_steps": 2, "total_steps": 2, "loss": 1.5}, {"current_steps": 2, "percentage": 100.0}]
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    assert llamafactory_losses(text) == [1.25, 1.5]
    assert llamafactory_losses(text[:-60]) == [1.25]  # the second line is still being written
    assert llamafactory_losses("") == []


def test_trls_last_line_is_no_step() -> None:
    log = "Loading\n{'loss': '1.3', 'epoch': '0.5'}\n{'loss': '1.2'}\n{'train_runtime': '9', 'train_loss': '1.25'}\n"
    assert trl_steps(log) == 2


def test_the_start_is_left_out_of_the_speed_and_ratios_are_to_the_faster_peer() -> None:
    run = peers.between(Mark(10.0, 5.0, 900.0), Mark(20.0, 9.0, 1000.0), 400)
    assert (run.start_s, run.tokens_per_s, run.tokens_per_cpu_s, run.peak_mb) == (10.0, 40.0, 100.0, 1000.0)
    slower = peers.between(Mark(8.0, 6.0, 800.0), Mark(28.0, 14.0, 1100.0), 400)
    assert peers.best([run, slower]) == peers.Found(8.0, 5.0, 40.0, 100.0, 1000.0)
    losses = {"train script, mixed": [1.5, 1.25], ways.PEER: [1.5, 1.26]}
    lines = peers.table({"train script, mixed": run, ways.PEER: slower}, losses).splitlines()
    assert lines[1].split()[-6:] == ["100", "2.00", "10.0", "5.0", "1000", "0.0100"]


def test_other_tokens_are_refused() -> None:
    made = [{"input_ids": [1, 2, 3], "labels": [-100, 2, 3], "id": "a"}]
    peers.refuse_other_tokens(made, [{"input_ids": [1, 2, 3], "labels": [-100, 2, 3], "attention_mask": [1, 1, 1]}])
    with pytest.raises(BadInput, match=r"row 0: LLaMA-Factory's labels are \[1, 2, 3\]"):
        peers.refuse_other_tokens(made, [{"input_ids": [1, 2, 3], "labels": [1, 2, 3]}])
    with pytest.raises(BadInput, match="trains on 0 rows, not 1"):
        peers.refuse_other_tokens(made, [])


def test_both_are_given_one_recipe(tmp_path: Path) -> None:
    job = ways.Job(tmp_path, tmp_path / "model", 20, 4, Path("python"))
    theirs = ways.llamafactory_command(job, tmp_path, recompute=False, float32=False)
    settings = read_json(theirs[-1])
    ours = ways.our_command(job, tmp_path, "mixed", 1)
    recipe = json.loads(ours[ours.index("--recipe") + 1])
    assert settings["learning_rate"] == recipe["learning_rate"] and settings["max_steps"] == recipe["max_steps"] == 20
    assert settings["per_device_train_batch_size"] == recipe["global_batch"] == 4
    assert settings["warmup_steps"] == 2 and recipe["warmup"] == 0.1
    assert settings["lora_rank"] == recipe["lora"]["rank"] and settings["lora_target"] == "all"
    assert settings["disable_shuffling"] and recipe["order"] == "sequential"


def test_in_float32_llamafactory_gets_a_model_folder_that_says_so(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"dtype": "bfloat16", "hidden_size": 64}')
    (model / "tokenizer.json").write_text("{}")
    (tmp_path / "out").mkdir()
    command = ways.llamafactory_command(ways.Job(tmp_path, model, 20, 4, Path("python")), tmp_path / "out", False, True)
    settings = read_json(command[-1])
    folder = Path(settings["model_name_or_path"])
    assert settings["bf16"] is False and sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "tokenizer.json",
    ]
    assert read_json(folder / "config.json") == {"dtype": "float32", "hidden_size": 64}
    assert read_json(model / "config.json")["dtype"] == "bfloat16"
