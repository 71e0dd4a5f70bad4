"""Cards of checkpoints and data sets, and their upload to a stand-in of the hub's API."""

from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from scripts import publish
from scripts.lib.jsonl import BadInput, read_json, write_text
from tests.hub_server import TOKEN, HubServer, serving
from tests.synthetic_study import Made


@pytest.fixture
def results(tmp_path) -> Path:
    """The results of a made-up study, with a checkpoint that holds small files."""
    folder = Made(tmp_path, extra="a|b <i>").write()
    for name, text in {"config.json": "{}", "model.safetensors": "weights", ".snakemake_timestamp": ""}.items():
        write_text(folder / "checkpoints" / "cft" / "model" / name, text)
    return folder


@pytest.fixture
def hub(monkeypatch):
    """A hub that takes one token, which the environment holds."""
    hub = HubServer()
    with serving(hub) as url:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def call(results: Path, *arguments: str) -> int:
    return publish.main(publish.parse_args([*arguments, "--results", str(results)]))


def test_a_models_card_has_the_scores_of_the_summary(results):
    publish.write_all(publish.Results(results))
    card = ModelCard.load(results / "checkpoints" / "cft" / "README.md")
    scores = read_json(results / "scores" / "cft" / "numbers.json")["benchmarks"]
    found = {result.dataset_type: result.metric_value for result in card.data.eval_results}
    assert found == {name: round(100 * score["accuracy"], 2) for name, score in scores.items()}
    assert card.data.tags == ["redpen", "cft"]
    assert "16 rows, 8 steps" in card.text


def test_flags_stand_under_the_scores(results):
    publish.write_all(publish.Results(results))
    text = (results / "checkpoints" / "sft" / "README.md").read_text()
    assert "the graders' accuracies differ" in text


def test_a_data_sets_card_shows_its_columns_and_no_html(results):
    publish.write_all(publish.Results(results))
    card = DatasetCard.load(results / "critiques" / "sums-verifier" / "README.md")
    assert "24 rows" in card.text
    assert "| `critique` | Step 2 is right. a\\|b &lt;i>" in card.text


def test_without_push_nothing_is_sent(results, hub, capsys):
    assert call(results, "cft", "--repo", "me/cft") == 0
    assert "Nothing was sent" in capsys.readouterr().out
    assert not hub.repos


def test_push_sends_the_checkpoint_and_its_card_in_one_commit(results, hub):
    assert call(results, "cft", "--repo", "me/cft", "--push") == 0
    assert hub.repos == {("model", "me/cft"): True}
    assert hub.commits == 1
    assert set(hub.files) == {"config.json", "model.safetensors", "README.md"}
    assert hub.files["README.md"] == (results / "checkpoints" / "cft" / "README.md").read_bytes()


def test_push_of_critiques_makes_a_data_set(results, hub):
    assert call(results, "--data", "critiques/sums-verifier", "--repo", "me/critiques", "--push", "--public") == 0
    assert hub.repos == {("dataset", "me/critiques"): False}
    assert set(hub.files) == {"data.jsonl", "summary.json", "README.md"}


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (("cft", "--repo", "me/cft"), "wrong", "401"),
        (("cft", "--repo", "someone/cft"), TOKEN, "403"),
        (("sft", "--repo", "me/sft"), TOKEN, "there is no checkpoint"),
        (("nobody", "--repo", "me/x"), TOKEN, "there is no such run"),
        (("--data", "critiques/nobody", "--repo", "me/x"), TOKEN, "sums-verifier"),
        (("cft", "--repo", "me/a/b"), TOKEN, "--repo me/a/b"),
    ],
)
def test_what_cannot_be_pushed_is_said(results, hub, monkeypatch, arguments, token, said):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(BadInput, match=said):
        call(results, *arguments, "--push")
    assert not hub.commits
