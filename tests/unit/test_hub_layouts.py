"""The studies' hub datasets, read from small folders in their layouts; a layout that is another one is told."""

import json
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput
from scripts.lib.questions import sources
from scripts.lib.study.resolve import resolve
from tests import hub_layouts
from tests.study_snapshots import resolved

FILES = [
    ROOT / "config" / name for name in ("cft.yaml", "one_shot.yaml", "spin.yaml", "thinkpo.yaml", "scale/tiny.yaml")
]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> dict:
    """The papers' study, tiny, with local folders in place of the hub."""
    return resolve(FILES, {"scale": {"hub": str(hub_layouts.write(tmp_path_factory.mktemp("hub")))}})


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def hub_datasets() -> list[str]:
    return sorted(name for name, entry in resolved("papers-tiny")["datasets"].items() if entry["source"] == "hub")


@pytest.mark.parametrize("name", hub_datasets())
def test_training_data_are_read_from_their_layout(study: dict, name: str) -> None:
    entry = study["datasets"][name]
    rows, _ = sources.prepare(entry)
    assert len(rows) == study["scale"]["rows"]
    for field in entry["fields"]:
        assert all(str(row[field]).strip() for row in rows), field
    assert all(row["question"].startswith("What is ") and row["question"].endswith("?") for row in rows)
    if "critique" in entry["fields"]:
        assert {row["verdict"] for row in rows} == {"right", "wrong"}
        assert all(row["response"].endswith("}") for row in rows)


def hub_benchmarks() -> list[str]:
    """One benchmark of each data set on the hub."""
    by_repo = {}
    for name, entry in resolved("papers-tiny")["benchmarks"].items():
        if entry.get("questions", {}).get("source") == "hub":
            by_repo.setdefault(entry["questions"]["repo"], name)
    return sorted(by_repo.values())


@pytest.mark.parametrize("name", hub_benchmarks())
def test_benchmarks_are_read_from_their_layout(study: dict, name: str) -> None:
    entry = study["benchmarks"][name]
    rows, _ = sources.prepare(entry["questions"])
    assert len(rows) == study["scale"]["rows"] and all(row["question"].startswith("What is ") for row in rows)
    if entry["kind"] in ("math", "choice"):
        assert all(row["answer"] for row in rows)
    if entry["kind"] == "choice":
        assert all(row["answer"] in "ABCD" and len(row["choices"]) > 1 for row in rows)
    if entry["kind"] == "judge":
        assert all(len(row["turns"]) == 2 for row in rows)
    if entry["kind"] == "ifeval":
        assert all(row["instruction_id_list"] == ["punctuation:no_comma"] for row in rows)


def test_no_two_sets_share_a_question_but_those_that_do_on_the_hub(study: dict) -> None:
    # Else check_overlap would stop the tiny study; SPIN's pairs ask UltraChat's questions.
    starts = [start for _, _, start, _ in hub_layouts.LAYOUTS.values()]
    assert len(set(starts)) == len(starts) - 4


def test_shuffled_rows_are_the_same_each_time_and_a_larger_draw_holds_a_smaller_one(study: dict) -> None:
    small = sources.prepare({**study["datasets"]["webinstruct-50k"], "rows": 4})[0]
    large = sources.prepare({**study["datasets"]["webinstruct-90k"], "rows": 9})[0]
    assert [row["question"] for row in large[:4]] == [row["question"] for row in small]
    plain = sources.prepare({**study["datasets"]["webinstruct-50k"], "rows": 4, "shuffle": None})[0]
    assert [row["question"] for row in plain] != [row["question"] for row in small]


@pytest.mark.parametrize(
    "name", ["webinstruct-cft-50k", "ultrachat-50k", "bespoke-stratos", "spin-iter0", "metamathqa-50k"]
)
def test_another_layout_is_told_with_the_columns_found_and_wanted(study: dict, name: str, tmp_path: Path) -> None:
    entry = study["datasets"][name]
    config = entry["config"] or "default"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "data.jsonl").write_text(json.dumps({"text": "x", "label": 1}) + "\n", encoding="utf-8")
    files = f"  data_files:\n  - split: {entry['split']}\n    path: data.jsonl\n"
    card = f"---\nconfigs:\n- config_name: {config}\n{files}---\n"
    (tmp_path / "other" / "README.md").write_text(card, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        sources.prepare({**entry, "repo": str(tmp_path / "other")})
    wanted = [place if isinstance(place, str) else place["column"] for place in entry["fields"].values()]
    assert "no column" in str(caught.value) and all(place in str(caught.value) for place in wanted)
    assert "(there are: label, text)" in str(caught.value) and "fields" in str(caught.value)


def test_text_without_its_marks_is_told(study: dict, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"input": "What?", "output": "Right."}) + "\n", encoding="utf-8")
    entry = {**study["datasets"]["webinstruct-cft-50k"], "source": "jsonl", "path": str(file)}
    with pytest.raises(BadInput, match="input with 'Question:' in it"):
        sources.prepare(entry)


def test_unpinned_data_set_is_read_at_the_commit_that_is_newest(monkeypatch) -> None:
    class Api:
        def dataset_info(self, repo: str):
            return type("Info", (), {"sha": f"newest of {repo}"})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert sources.commit_of({"repo": "a/b", "revision": "unpinned"}) == "newest of a/b"
    assert sources.commit_of({"repo": "a/b", "revision": "f" * 40}) == "f" * 40
    assert sources.commit_of({"path": "file.jsonl"}) is None


def test_the_system_message_in_place_of_the_question_is_told(study: dict) -> None:
    entry = study["datasets"]["bespoke-dpo"]
    rows, _ = sources.prepare({**entry, "rows": None})
    assert {row["system"] for row in rows} == {hub_layouts.THINK["content"]}
    wrong = {**entry, "rows": None, "fields": {**entry["fields"], "question": "chosen[0].content"}}
    with pytest.raises(BadInput, match=r"12 of 12 rows have the same question.*correct fields\.question"):
        sources.prepare(wrong)


def test_a_question_that_holds_the_word_solution_is_read_whole(study: dict, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    text = "Question:\nWhat does Solution: mean?\n\nSolution:\nAn answer."
    file.write_text(json.dumps({"input": text, "output": "Conclusion: right [END]"}) + "\n", encoding="utf-8")
    entry = {**study["datasets"]["webinstruct-cft-50k"], "source": "jsonl", "path": str(file), "rows": None}
    (row,) = sources.prepare(entry)[0]
    assert (row["question"], row["response"]) == ("What does Solution: mean?", "An answer.")


@pytest.mark.parametrize(
    ("answer", "hint"), [("True", "(True or False)"), ("no", "(Yes or No)"), ("3", None), (None, None)]
)
def test_a_question_with_a_word_for_an_answer_has_a_hint(tmp_path: Path, answer: str, hint: str | None) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"question": "Is it?", "answer": answer}) + "\n", encoding="utf-8")
    source = {
        "source": "jsonl",
        "path": str(file),
        "rows": None,
        "fields": {"question": "question", "answer": "answer"},
    }
    assert sources.prepare({**source, "hint_words": True})[0][0].get("hint") == hint
    assert "hint" not in sources.prepare(source)[0][0]
