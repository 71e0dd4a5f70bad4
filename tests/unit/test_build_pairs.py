"""Training sets of pairs and mixed ones: what is built, counted and refused, run by run."""

import argparse
import json
import shutil

import pytest

from scripts import build_train_set
from scripts.lib.generation.chat import load_tokenizer
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_json
from scripts.lib.training import lengths
from tests import shared_data

PART = {"prompt": "prompts/answer.j2", "weight": 1.0, "keep": "all", "files": 1}


@pytest.fixture
def build(tmp_path, write_lines):
    """A function that builds the training set of one run from parts and their rows."""

    def run(parts: list[dict], tables: list[list[dict]], rows: int | None = None, when_short: str = "fail", **more):
        files = [str(write_lines(f"in{number}.jsonl", table)) for number, table in enumerate(tables)]
        tokenizer, workers = more.pop("tokenizer", None), more.pop("workers", 1)
        settings = {"run": "mine", "seed": 1, "rows": rows, "when_short": when_short, **more}
        build_train_set.main(
            argparse.Namespace(
                settings={**settings, "parts": [{**PART, **part} for part in parts]},
                data=files,
                datasets=[],
                tokenizer=tokenizer and str(tokenizer),
                workers=workers,
                train_set=str(tmp_path / "out.jsonl"),
                summary=str(tmp_path / "out.json"),
            )
        )
        return read_rows(tmp_path / "out.jsonl"), read_json(tmp_path / "out.json")

    return run


def response(question: str, sample: int, text: str, correct: bool, **more) -> dict:
    return {
        **{"id": f"{question}#{sample}", "question_id": question, "question": f"{question}?"},
        **{"response": text, "correct": correct, **more},
    }


def test_dpo_rows_hold_a_right_and_a_wrong_answer(build):
    part = {"method": "dpo", "kind": "responses", "pairs_per_question": 1}
    made, summary = build([part], [[response("a", 0, "right", True), response("a", 1, "wrong", False)]])
    assert [(row["chosen"], row["rejected"]) for row in made] == [("right", "wrong")]
    assert made[0]["messages"] == [{"role": "user", "content": "a?"}]
    assert summary["parts"][0]["left_out"] == {"equal_texts": 0, "questions_without_contrast": 0}


def test_pairs_without_contrast_are_refused_naming_run_and_key(build):
    part = {"method": "dpo", "kind": "responses", "pairs_per_question": 1}
    with pytest.raises(BadInput, match=r"run mine: 4 pairs requested.*give 0.*runs\.mine\.data\.keep.*rows"):
        build([part], [[response("a", 0, "right", True)]], rows=4)


def test_labelled_set_without_its_columns_is_refused(build):
    with pytest.raises(BadInput, match=r"row 'x': no chosen and rejected. Name them in the entry's fields"):
        build([{"method": "dpo", "kind": "dataset"}], [[{"id": "x", "question": "?"}]])


def test_spin_mixes_the_pairs_of_two_iterations(build):
    tables = [
        [response("a", 0, "mine now", False, solution="theirs")],
        [response("a", 0, "mine before", False, solution="theirs")],
    ]
    made, summary = build([{"method": "spin", "iterations": [1, 0], "files": 2}], tables)
    assert sorted(row["rejected"] for row in made) == ["mine before", "mine now"]
    assert {row["chosen"] for row in made} == {"theirs"}
    assert set(summary["parts"][0]["left_out"]) == {"t0", "t1"}


def test_thinkpo_prefers_the_long_answer(build):
    part = {"method": "thinkpo", "keep": "both-right", "format_only": 0, "length_gap": None, "files": 2}
    rows = [
        {"id": "a", "question": "2 + 2?", "answer": "4", "solution": "2 + 2 = 4\nThe answer is 4.", "terse": "It is 4."}
    ]
    sides = [{"field": "solution"}, {"field": "terse"}]
    made, _ = build([{**part, "sides": sides}], [rows, rows])
    assert made[0]["chosen"].startswith("2 + 2") and made[0]["rejected"] == "It is 4."


def test_length_gap_is_measured_with_the_tokenizer(build, model_folder):
    rows = [
        {"id": str(n), "question": f"{n}?", "answer": "4", "solution": "long " * n, "terse": "short"}
        for n in range(1, 8)
    ]
    part = {"method": "thinkpo", "format_only": 0, "length_gap": "long", "gap_rows": 2, "files": 2}
    part["sides"] = [{"field": "solution"}, {"field": "terse"}]
    made, _ = build([part], [rows, rows], tokenizer=model_folder)
    assert [row["id"] for row in made] == ["6", "7"]


def test_mixed_parts_share_the_rows_by_weight(build):
    questions = [{"id": str(n), "question": f"{n}?", "solution": f"answer {n}"} for n in range(9)]
    critiques = [response(f"q{n}", 0, "hm", False, critique=f"wrong {n}", verdict="wrong") for n in range(9)]
    parts = [
        {"method": "sft", "kind": "dataset", "weight": 2.0},
        {"method": "cft", "kind": "critiques", "weight": 1.0, "prompt": "prompts/critique.j2"},
    ]
    made, summary = build(parts, [questions, critiques], rows=9)
    assert [part["rows"] for part in summary["parts"]] == [6, 3]
    assert len({row["id"] for row in made}) == 9
    assert sum(row["completion"].startswith("wrong") for row in made) == 3


def test_shares_add_up():
    assert build_train_set.split(10, [1, 2]) == [3, 7] and build_train_set.split(None, [1, 2]) == [None, None]
    assert sum(build_train_set.split(100, [1, 1, 1])) == 100


def test_same_bytes_on_a_second_run(build, tmp_path):
    part = {"method": "sft", "kind": "dataset"}
    questions = [{"id": str(n), "question": f"{n}?", "solution": f"answer {n}"} for n in range(9)]
    build([part], [questions], rows=5)
    first = (tmp_path / "out.jsonl").read_text()
    build([part], [list(reversed(questions))], rows=5)
    assert (tmp_path / "out.jsonl").read_text() == first and json.loads(first.splitlines()[0])["completion"]


# --- rows over the recipe's limit leave before a quota is filled ------------------------------------------------------


def limit(tokens: int | None, **rules) -> dict:
    return {"max_tokens": tokens, "template": None, "end_inside": "error", "loss_on": "answer", **rules}


def trained(made: list[dict], tokenizer, max_tokens: int | None, positions: int | None = None, **rules) -> dict:
    """What the trainer says of the rows."""
    from tests.trainings import tokenised

    recipe = {"too_long": "drop", "packing": False, **limit(max_tokens or 9999, **rules)}
    made = [{**row, "id": str(number)} for number, row in enumerate(made)]  # of several sets
    return tokenised(made, load_tokenizer(tokenizer), recipe, positions)[1]


@pytest.fixture
def with_positions(model_folder, tmp_path):
    """A function that gives the model folder with another number of positions."""

    def folder(positions: int):
        made = shutil.copytree(model_folder, tmp_path / "placed")
        config = {**read_json(made / "config.json"), "max_position_embeddings": positions}
        write_json(made / "config.json", config)
        return made

    return folder


END = "<|im_end|>"
ODD_ROWS = [
    {"id": f"{n:02}", "question": f"{n:02}?", "solution": f"{END * (n % 3 == 0)}{'x' * n}"} for n in range(1, 90)
]


@pytest.mark.parametrize(
    ("tokens", "rules"),
    [
        (100, {}),
        (100, {"loss_on": "all"}),
        (100, {"end_inside": "drop"}),
        (100, {"end_inside": "delete"}),
        (None, {"end_inside": "drop"}),
    ],
)
def test_what_is_left_out_before_is_what_the_trainer_would_leave_out(build, model_folder, tokens, rules):
    rows = ODD_ROWS if "end_inside" in rules else [row for row in ODD_ROWS if END not in row["solution"]]
    part = {"method": "sft", "kind": "dataset"}
    everything, _ = build([part], [rows])
    made, summary = build([part], [rows], limit=limit(tokens, **rules), tokenizer=model_folder)
    before, after = (trained(found, model_folder, tokens, **rules) for found in (everything, made))
    assert after["rows_trained"] == after["rows_in"] == before["rows_trained"] < before["rows_in"]
    told = {"over_max_tokens": before["rows_dropped_too_long"], "end_inside": before["rows_dropped_end_inside"]}
    assert summary["left_out"] == {reason: count for reason, count in told.items() if count}


def test_fewer_positions_than_max_tokens_are_the_limit(build, with_positions):
    rows = [{"id": f"{n:02}", "question": f"{n:02}?", "solution": "x" * n} for n in range(1, 90)]
    folder = with_positions(90)
    made, _ = build([{"method": "sft", "kind": "dataset"}], [rows], limit=limit(4096), tokenizer=folder)
    assert 0 < len(made) < 89 and trained(made, folder, 4096, positions=90)["rows_dropped_too_long"] == 0


def test_pairs_that_are_equal_once_they_are_tokens_leave_before_the_choice(build, model_folder):
    pairs = [
        {"id": "a", "question": "?", "chosen": f"yes{END}", "rejected": "yes"},
        {"id": "b", "question": "!", "chosen": "yes", "rejected": "no"},
    ]
    part, rules = {"method": "dpo", "kind": "dataset"}, {"end_inside": "delete"}
    made, summary = build([part], [pairs], rows=1, limit=limit(100, **rules), tokenizer=model_folder)
    assert [row["id"] for row in made] == ["b"]
    _, summary = build([part], [pairs], limit=limit(100, **rules), tokenizer=model_folder)
    assert summary["left_out"] == {"equal_tokens": 1}


def test_quota_is_filled_with_rows_that_are_not_too_long(build, model_folder):
    rows = [{"id": f"{n:02}", "question": f"{n:02}?", "solution": "x" * (10 * n)} for n in range(20)]
    part = {"method": "sft", "kind": "dataset"}
    made, summary = build([part], [rows[1:]], rows=8, limit=limit(160), tokenizer=model_folder)
    counts = trained(made, model_folder, 160)
    assert (counts["rows_trained"], counts["rows_dropped_too_long"]) == (8, 0)
    assert summary["rows"] == summary["rows_asked"] == 8 and summary["left_out"]["over_max_tokens"] >= 1
    all_rows, summary = build([part], [rows[1:]], limit=limit(160), tokenizer=model_folder)
    assert summary["left_out"] == {"over_max_tokens": 19 - len(all_rows)}
    longest = max(int(row["id"]) for row in all_rows)
    assert trained([{**all_rows[0], "completion": "x" * 10 * (longest + 1)}, all_rows[0]], model_folder, 160) != counts
    one_more = build([part], [rows[1 : longest + 2]], limit=limit(160), tokenizer=model_folder)[1]
    assert one_more["left_out"] == {"over_max_tokens": 1}, "the limit is the trainer's to the token"


MANY = [response(f"q{n % 7}", n, "x" * (n * 37 % 300) + END * (n % 11 == 0), n % 3 > 0) for n in range(60)]


@pytest.mark.parametrize("rows", [None, 9, 20])
@pytest.mark.parametrize(
    "part",
    [
        {"method": "sft", "kind": "responses"},
        {"method": "dpo", "kind": "responses", "pairs_per_question": 2},
        {"method": "sft", "kind": "responses", "keep": "correct"},
    ],
    ids=str,
)
def test_rows_measured_together_give_the_set_of_rows_measured_one_by_one(build, model_folder, monkeypatch, part, rows):
    given = {"rows": rows, "when_short": "take-all", "limit": limit(160, end_inside="drop"), "tokenizer": model_folder}
    together, told = build([part], [MANY], workers=3, **given)
    monkeypatch.setattr(lengths, "BATCH", 1)
    one_by_one, told_of_one = build([part], [MANY], **given)
    assert together == one_by_one
    assert told["left_out"] == told_of_one["left_out"] != {}


def test_rows_are_measured_many_at_a_time_and_not_all_where_few_are_wanted(build, model_folder, monkeypatch):
    measured, plain = [], lengths.Ruler.ids
    monkeypatch.setattr(lengths.Ruler, "ids", lambda self, texts: measured.append(len(texts)) or plain(self, texts))
    pool = [response(f"q{n}", 0, "x", True) for n in range(60)]
    build([{"method": "sft", "kind": "responses"}], [pool], rows=20, limit=limit(160), tokenizer=model_folder)
    assert measured == [40]  # a prompt and an answer of each row


def test_limit_that_leaves_too_few_rows_is_named(build, model_folder):
    rows = [{"id": f"{n}", "question": f"{n}?", "solution": "x" * 400} for n in range(4)]
    with pytest.raises(BadInput, match="'over_max_tokens': 4.*raise max_tokens in its recipe"):
        build([{"method": "sft", "kind": "dataset"}], [rows], rows=2, limit=limit(160), tokenizer=model_folder)


def test_limit_without_a_tokenizer_is_told(build):
    with pytest.raises(BadInput, match="counting tokens needs a tokenizer. Name a model folder"):
        build([{"method": "sft", "kind": "dataset"}], [[{"id": "a", "question": "?", "solution": "x"}]], limit=limit(9))


def test_question_with_one_answer_too_long_gives_its_other_one(build, model_folder):
    rows = [response(f"q{n}", s, "x" * (200 if s == n % 2 else 9), True) for n in range(6) for s in range(2)]
    part = {"method": "sft", "kind": "responses"}
    made, _ = build([part], [rows], rows=6, limit=limit(120), tokenizer=model_folder)
    assert len({row["id"].partition("#")[0] for row in made}) == 6
    assert trained(made, model_folder, 120)["rows_dropped_too_long"] == 0


def test_pairs_are_chosen_by_gap_among_those_that_fit(build, model_folder):
    rows = [
        {"id": f"{n:02}", "question": f"{n:02}?", "answer": "4", "solution": "x" * (10 * n), "terse": "short"}
        for n in range(1, 21)
    ]
    part = {"method": "thinkpo", "format_only": 0, "length_gap": "long", "gap_rows": 5, "files": 2}
    part["sides"] = [{"field": "solution"}, {"field": "terse"}]
    made, summary = build([part], [rows, rows], limit=limit(160), tokenizer=model_folder)
    assert trained(made, model_folder, 160)["rows_trained"] == len(made) == 5
    gaps = [len(row["chosen"]) - len(row["rejected"]) for row in made]
    assert summary["parts"][0]["mean_gap"] == sum(gaps) / 5 < 160
    assert summary["left_out"]["over_max_tokens"] >= 5


def test_mean_gap_is_that_of_the_pairs_that_are_trained_on(build, model_folder):
    rows = [{"id": str(n), "question": f"{n}?", "chosen": "x" * (10 * n), "rejected": "y"} for n in range(1, 9)]
    part = {"method": "thinkpo", "kind": "dataset", "length_gap": "long", "gap_rows": 6}
    made, summary = build([part], [rows], rows=3, tokenizer=model_folder)
    assert summary["parts"][0]["mean_gap"] == sum(len(row["chosen"]) - 1 for row in made) / 3


def test_real_pairs_that_are_picked_are_all_trained_on(build, with_positions):
    folder = with_positions(100_000)
    rows = shared_data.rows("longshort_skyt1/pairs.jsonl.gz")[:60]
    pairs = [
        {**{key: row[key] for key in ("id", "question")}, "chosen": row["response"], "rejected": short["response"]}
        for row in rows
        for short in row["short_responses"][:1]
    ]
    part = {"method": "thinkpo", "kind": "dataset", "length_gap": "middle", "gap_rows": 10}
    made, summary = build([part], [pairs], limit=limit(6000), tokenizer=folder)
    counts = trained(made, folder, 6000)
    assert (counts["rows_trained"], counts["rows_dropped_too_long"]) == (10, 0)
    assert summary["left_out"]["over_max_tokens"] > 0


def test_dpo_pairs_are_made_of_responses_that_fit(build, model_folder):
    rows = [response("a", 0, "x" * 300, True), response("a", 1, "right", True), response("a", 2, "wrong", False)]
    part = {"method": "dpo", "kind": "responses", "pairs_per_question": 1}
    made, summary = build([part], [rows], limit=limit(120), tokenizer=model_folder)
    assert [(row["chosen"], row["rejected"]) for row in made] == [("right", "wrong")]
    assert summary["left_out"] == {"over_max_tokens": 1}


def test_gap_rows_are_a_quota(build, model_folder):
    rows = [{"id": str(n), "question": f"{n}?", "chosen": "x" * n, "rejected": "y"} for n in range(2, 6)]
    part = {"method": "thinkpo", "kind": "dataset", "length_gap": "long", "gap_rows": 6}
    with pytest.raises(BadInput, match="6 pairs requested, but the 4 rows"):
        build([part], [rows], tokenizer=model_folder)
    assert build([part], [rows], when_short="take-all", tokenizer=model_folder)[1]["rows_asked"] == 6


def test_spin_takes_as_many_pairs_of_each_iteration(build):
    tables = [[response(f"q{n}", 0, f"mine {t}", False, solution="theirs") for n in range(9)] for t in (1, 0)]
    part = {"method": "spin", "iterations": [1, 0], "files": 2}
    made, summary = build([part], tables, rows=8)
    assert sorted(row["id"].partition(":")[0] for row in made) == ["t0"] * 4 + ["t1"] * 4
    assert summary["rows_asked"] == 8
