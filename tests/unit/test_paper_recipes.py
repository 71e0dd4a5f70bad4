"""Every setting of the papers' study is the paper's (a place in papers/*.yaml), or a listed choice with its reason."""

import fnmatch

import pytest
import yaml

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import file_hash
from scripts.lib.study import papers
from scripts.lib.study.resolve import resolve
from scripts.lib.study.runs import parts, sources
from tests.study_snapshots import resolved

STUDY = resolved("papers")
LISTED = yaml.safe_load((ROOT / "tests" / "unit" / "paper_recipes.yaml").read_text(encoding="utf-8"))
# How requests are made, and what is not a setting of the method: nothing of an answer depends on it.
PLUMBING = {
    *(
        "base_url",
        "base_url_env",
        "api_key_env",
        "mode",
        "concurrency",
        "requests_per_minute",
        "batch_size",
        "tokens_per_minute",
    ),
    *("timeout", "expected_tokens", "poll_seconds", "budget", "price", "token_parameter", "title", "max_errors"),
}


def of_run(run: dict) -> dict:
    """The settings of a run, flat; of the keys of its data those that its method reads."""
    found = {key: run[key] for key in ("method", "start", "prompt", "template", "seed", "select")}
    found |= run["hyperparameters"]
    data = run["data"]
    if "mix" in data:
        found["data.mix"] = data["mix"]
    found["data.sources"] = [slug for part in parts(run) for _, _, slug in sources(part)]
    read = {"rows", "slack", "when_short", "keep", "like"} | ({"like_rows"} if "like" in data else set())
    read |= {"thinkpo": {"format_only", "length_gap", "gap_rows"}}.get(run["method"], set())
    return found | {f"data.{key}": data[key] for key in read & set(data)}


def of_entry(entry: dict) -> dict:
    """The settings of a benchmark or teacher, flat; of its questions their number, since the source is pinned."""
    found = {key: value for key, value in entry.items() if key not in PLUMBING | {"questions", "self_critique"}}
    found |= {f"self_critique.{key}": value for key, value in entry.get("self_critique", {}).items()}
    if "expect_rows" in entry.get("questions", {}):
        found["questions.expect_rows"] = entry["questions"]["expect_rows"]
    return found


def of_dataset(entry: dict) -> dict:
    """Which rows of a dataset are read, and from where in them."""
    keys = ("source", "repo", "config", "split", "fields", "where", "shuffle", "rows", "when_short")
    return {key: entry[key] for key in keys if key in entry}


def of_response(entry: dict) -> dict:
    """How responses are drawn; of a dataset's own, the field that holds them."""
    return {key: value for key, value in entry.items() if key not in PLUMBING | {"shards", "slack"}}


def of_table(table: dict) -> dict:
    """Whose verdicts a table counts, and what becomes of the questions of the validation set."""
    return {key: table[key] for key in ("verdict", "validation_questions")}


def prompt_files() -> list[str]:
    """The prompt files that the study asks or trains with."""
    found, waiting = set(), [STUDY[section] for section in ("runs", "responses", "benchmarks", "teachers")]
    while waiting:
        value = waiting.pop()
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        found |= {value} if isinstance(value, str) and value.endswith(".j2") else set()
    return sorted(found)


SETTINGS = {
    **{("datasets", name): of_dataset(entry) for name, entry in STUDY["datasets"].items()},
    **{("responses", name): of_response(entry) for name, entry in STUDY["responses"].items()},
    **{("tables", name): of_table(table) for name, table in STUDY["tables"].items()},
    **{("prompts", name): {"sha256": file_hash(ROOT / name)} for name in prompt_files()},
    **{("runs", name): of_run(run) for name, run in STUDY["runs"].items()},
    **{("benchmarks", name): of_entry(entry) for name, entry in STUDY["benchmarks"].items()},
    **{("teachers", name): of_entry(entry) for name, entry in STUDY["teachers"].items()},
}


def printed(place: str):
    """The value at `cft:setup.training.epochs` (numbers index lists)."""
    name, _, path = place.partition(":")
    value = papers.paper(name)
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def printed_at(place: str):
    """The same where a key itself holds a dot (model names)."""
    try:
        return printed(place)
    except KeyError:
        name, _, path = place.partition(":")
        value, rest = papers.paper(name), path
        while rest:
            key = max((key for key in value if rest == key or rest.startswith(f"{key}.")), key=len)
            value, rest = value[key], rest[len(key) + 1 :]
        return value


def entry_for(section: str, name: str, key: str) -> tuple[int, object]:
    """The first entry of the list that names the thing and has the key: (its number, what it says)."""
    for number, entry in enumerate(LISTED[section]):
        if key in entry and any(fnmatch.fnmatch(name, pattern) for pattern in entry["names"]):
            return number, entry[key]
    pytest.fail(f"{section}.{name}: {key} is neither the paper's nor a listed choice (tests/unit/paper_recipes.yaml)")


@pytest.mark.parametrize(("section", "name"), SETTINGS, ids=lambda value: value)
def test_each_setting_is_the_papers_or_a_listed_choice(section: str, name: str) -> None:
    for key, value in SETTINGS[section, name].items():
        _, says = entry_for(section, name, key)
        if isinstance(says, str):
            assert value == printed_at(says), f"{name}: {key} = {value!r}, but {says} = {printed_at(says)!r}"
            continue
        assert "why" in says or "at" in says, (name, key)
        if "is" in says:
            assert value == says["is"], f"{name}: {key} = {value!r}, listed as {says['is']!r}"
        if "says" in says:
            assert str(says["says"]) in str(printed_at(says["at"])), f"{name}: {key}: {says['at']} does not say so"


def test_every_line_of_the_list_is_used() -> None:
    used = {
        (section, entry_for(section, name, key)[0], key)
        for (section, name), settings in SETTINGS.items()
        for key in settings
    }
    listed = {
        (section, number, key)
        for section, entries in LISTED.items()
        for number, entry in enumerate(entries)
        for key in entry
        if key != "names"
    }
    assert listed == used, sorted(listed - used)


@pytest.mark.parametrize(("inputs", "temperature"), [({}, 0.0), ({"spin-sampling": "sampled"}, 1.0)])
def test_answers_of_spin_are_greedy_unless_the_switch_says_otherwise(inputs, temperature) -> None:
    study = resolve([ROOT / "config" / "spin.yaml"], {"inputs": inputs})
    assert [study["responses"][f"spin.t{t}"]["temperature"] for t in range(4)] == [temperature] * 4


def test_every_table_and_figure_of_the_papers_has_its_target() -> None:
    assert {name: table.get("paper") for name, table in STUDY["tables"].items()} == {
        name: name for name in papers.known_tables()
    }
    assert len(STUDY["tables"]) == 33
