"""Which rows a run trains on, and how they read."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts import build_train_set
from scripts.build_train_set import choose
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_json
from scripts.lib.training import lengths, stored
from scripts.lib.training.pools import Limit

PART = {"method": "sft", "kind": "responses", "keep": "all", "weight": 1, "files": 1}


def response(question: int, sample: int, correct: bool | None = True, verdict: str = "right", **more) -> dict:
    name = f"q{question}#{sample}"
    text = {"response": f" It is {name}.\n", "critique": f"Step 1 of {name} holds. Conclusion: {verdict} [END]"}
    row = {"id": name, "question_id": f"q{question}", "question": f"Question {question}?", **text}
    return {**row, "correct": correct, "verdict": verdict, **more}


ALL = Limit(PART, lengths.Ruler(None, None))  # every row fits
LINES = [("a", "true"), ("b", "null"), ("c", "false")]
POOL = [
    response(q, s, correct=(q + s) % 2 == 0, verdict="right" if s == 0 else "wrong") for q in range(6) for s in range(3)
]


@pytest.fixture
def build(tmp_path: Path, write_lines):
    """A function that builds a training set and returns its rows and its summary."""
    (tmp_path / "p.j2").write_text(
        "{% block user %}{{ question }}{% if response is defined %} | {{ response }}{% endif %}{% endblock %}"
    )

    def run(
        pool: list[dict],
        rows: int | None = None,
        when_short: str = "fail",
        slack: float = 0.0,
        datasets: tuple = (),
        **part,
    ) -> tuple[list[dict], dict]:
        part = {**PART, "prompt": str(tmp_path / "p.j2"), **part}
        out, summary = tmp_path / "t.jsonl", tmp_path / "t.json"
        words = ["--settings", "{}", "--data", str(write_lines("data.jsonl", pool)), "--datasets", *map(str, datasets)]
        args = build_train_set.parse_args([*words, "--train-set", str(out), "--summary", str(summary)])
        args.settings = {"run": "sft", "seed": 1, "rows": rows, "when_short": when_short, "parts": [part]}
        args.settings["slack"] = slack
        assert build_train_set.main(args) == 0
        made = read_json(summary)
        return read_rows(out), {**made["parts"][0], "whole": made}

    return run


def test_sft_row_asks_the_question_and_answers_with_the_response(build) -> None:
    rows, _ = build([response(1, 0)])
    assert rows == [
        {"id": "q1#0", "messages": [{"role": "user", "content": "Question 1?"}], "completion": "It is q1#0."}
    ]


def test_sft_row_of_a_dataset_answers_with_the_solution(build) -> None:
    rows, summary = build(
        [{"id": "a", "question": "2 + 2?", "solution": "2 + 2 = 4"}, {"id": "b", "question": "?"}], kind="dataset"
    )
    assert [(row["id"], row["completion"]) for row in rows] == [("a", "2 + 2 = 4")]
    assert (summary["rows_in"], summary["usable"], summary["rows"]) == (2, 1, 1)


def test_cft_row_shows_the_response_and_answers_with_the_critique(build) -> None:
    rows, _ = build([response(1, 0)], method="cft", kind="critiques")
    assert rows[0]["messages"][0]["content"] == "Question 1? |  It is q1#0."
    assert rows[0]["completion"] == "Step 1 of q1#0 holds. Conclusion: right [END]"


def test_sft_on_critiques_answers_with_the_judged_response(build) -> None:
    rows, _ = build([response(1, 0)], kind="critiques", keep="judged-right")
    assert rows[0]["completion"] == "It is q1#0."


@pytest.mark.parametrize(
    ("keep", "passes"),
    [
        ("all", lambda row: True),
        ("correct", lambda row: row["correct"]),
        ("judged-right", lambda row: row["verdict"] == "right"),
        ("judged-wrong", lambda row: row["verdict"] == "wrong"),
        ("agreeing", lambda row: row["correct"] and row["verdict"] == "right"),
    ],
)
def test_filter_keeps_what_it_says(build, keep: str, passes) -> None:
    rows, summary = build(POOL, kind="critiques", keep=keep)
    expected = [row["id"] for row in POOL if passes(row)]
    assert [row["id"] for row in rows] == sorted(expected)
    assert summary["in_pool"] == summary["rows"] == len(expected) and summary["rows_in"] == len(POOL)


def test_row_without_a_verdict_is_never_correct(build) -> None:
    rows, _ = build([response(1, 0), response(2, 0, correct=None)], keep="correct")
    assert [row["id"] for row in rows] == ["q1#0"]


def test_rows_with_an_error_or_without_text_are_left_out(build) -> None:
    rows, summary = build([response(1, 0), response(2, 0, error="deadline"), response(3, 0, response=" \n")])
    assert [row["id"] for row in rows] == ["q1#0"] and summary["usable"] == 1


def test_choice_takes_one_row_of_each_question_before_a_second(build) -> None:
    rows, summary = build(POOL, rows=8)
    questions = [row["id"].split("#")[0] for row in rows]
    assert len(set(questions)) == 6 == summary["questions"]
    assert sorted(questions.count(name) for name in set(questions)) == [1, 1, 1, 1, 2, 2]


def test_rows_of_a_dataset_with_one_question_are_rows_of_one_question(build) -> None:
    pool = [{"id": f"{q}-{n}", "question": f"{q}?", "solution": f"{n}"} for q in range(3) for n in range(20)]
    rows, summary = build(pool, rows=3, kind="dataset")
    assert {row["messages"][0]["content"] for row in rows} == {"0?", "1?", "2?"} and summary["questions"] == 3


def test_choice_does_not_depend_on_the_order_of_the_rows() -> None:
    ids = [row["id"] for row in choose(POOL, 5, 1, ALL)]
    assert [row["id"] for row in choose(POOL[::-1], 5, 1, ALL)] == ids
    assert [row["id"] for row in choose(POOL, 5, 2, ALL)] != ids


def test_more_rows_keep_the_ones_chosen_before() -> None:
    few, many = (choose(POOL, count, 1, ALL) for count in (5, 11))
    assert many[:5] == few


def test_rows_are_written_by_id(build) -> None:
    ids = [row["id"] for row in build(POOL, rows=9)[0]]
    assert ids == sorted(ids)


def test_too_small_a_pool_is_told_with_a_size_that_would_do(build) -> None:
    rows = [response(q, 0, correct=q < 2) for q in range(8)]
    with pytest.raises(BadInput) as caught:
        build(rows, keep="correct", rows=5)
    found = str(caught.value)
    assert found.startswith("run sft: 5 rows requested, but the 8 rows in")
    assert "give 2 under keep: correct (about 20 would do" in found and "lower runs.sft.data.rows" in found


def test_few_lacking_rows_will_do_within_the_slack_and_are_told(build, caplog) -> None:
    pool = [response(q, 0) if q else response(q, 0, error="no verdict") for q in range(20)]
    rows, summary = build(pool, rows=20, slack=0.05)
    assert len(rows) == summary["whole"]["rows"] == 19 and summary["whole"]["rows_asked"] == 20
    assert summary["whole"]["left_out"] == {"error": 1}
    assert "run sft: 19 of the 20 rows requested" in caplog.text and "left out: 1 error" in caplog.text
    with pytest.raises(BadInput, match="20 rows requested, but the 20 rows"):
        build(pool, rows=20, slack=0.04)


def test_rows_are_a_ceiling_where_the_config_says_so(build) -> None:
    rows, summary = build([response(q, 0) for q in range(3)], rows=5, when_short="take-all")
    assert len(rows) == 3 and summary["rows_asked"] == 5 and summary["filter_loosened"] is False
    with pytest.raises(BadInput, match="none passes"):
        build([response(1, 0, correct=False)], keep="correct", rows=5, when_short="take-all")


def test_what_the_dataset_has_left_out_is_in_the_summary_and_in_the_error(build, tmp_path: Path) -> None:
    write_json(tmp_path / "mine.json", {"rows": 3, "rows_asked": None, "left_out": {"repeated_row": 1797, "other": 0}})
    _, summary = build([response(1, 0)], datasets=(tmp_path / "mine.json",))
    mine = {"rows": 3, "rows_asked": None, "left_out": {"repeated_row": 1797}}
    assert summary["whole"]["datasets"] == {"mine": mine}
    told = r"Of dataset mine, 1797 rows were left out earlier \(\{'repeated_row': 1797\}\)"
    with pytest.raises(BadInput, match=told):
        build([response(1, 0)], rows=50, datasets=(tmp_path / "mine.json",))


def test_a_filter_that_is_asked_for_is_no_loss(build) -> None:
    _, summary = build(POOL, keep="correct")
    assert summary["whole"]["left_out"] == {} and summary["left_out"]["filtered_out"] == 9


def test_empty_pool_is_told(build) -> None:
    with pytest.raises(BadInput, match="none passes, so more rows may not help"):
        build([response(1, 0, correct=False)], keep="correct")


def test_tiny_scale_loosens_the_filter_and_says_so(build) -> None:
    rows, summary = build(
        [response(q, 0, correct=False) for q in range(4)], keep="correct", rows=3, when_short="take-unfiltered"
    )
    assert len(rows) == 3 and summary["filter_loosened"] is True


def test_filter_that_leaves_enough_is_not_loosened(build) -> None:
    _, summary = build(POOL, keep="correct", rows=3, when_short="take-unfiltered")
    assert summary["filter_loosened"] is False


@pytest.mark.parametrize("weights", [[1], [1, 2], [1, 1, 1], [0.3, 0.7]])
def test_shares_of_the_parts_add_up(weights: list[float]) -> None:
    for rows in (1, 7, 100):
        shares = build_train_set.split(rows, weights)
        assert sum(shares) == rows
        assert all(abs(share - rows * weight / sum(weights)) < 1 for share, weight in zip(shares, weights, strict=True))
    assert build_train_set.split(None, weights) == [None] * len(weights)


def test_parts_are_mixed_in_their_shares(tmp_path: Path, write_lines) -> None:
    (tmp_path / "p.j2").write_text("{% block user %}{{ question }}{% endblock %}")
    parts = [
        {**PART, "prompt": str(tmp_path / "p.j2"), "weight": 1},
        {**PART, "prompt": str(tmp_path / "p.j2"), "weight": 2, "kind": "critiques", "keep": "judged-right"},
    ]
    files = [str(write_lines(f"{name}.jsonl", POOL)) for name in ("a", "b")]
    words = ["--settings", "{}", "--data", *files, "--train-set", str(tmp_path / "t"), "--summary", str(tmp_path / "s")]
    args = build_train_set.parse_args(words)
    args.settings = {"run": "mixed", "seed": 1, "rows": 6, "when_short": "fail", "parts": parts}
    assert build_train_set.main(args) == 0
    ids = [row["id"] for row in read_rows(tmp_path / "t")]
    assert [name[:2] for name in ids] == ["0:", "0:", "1:", "1:", "1:", "1:"]
    assert all(name.endswith("#0") for name in ids[2:])


def test_released_rows_give_critiques_and_verified_answers(build) -> None:
    row = {"id": "a", "question": "2 + 2?", "solution": "4", "response": "4", "critique": "Yes.", "verdict": "right"}
    wrong = {**row, "id": "b", "question": "2 + 3?", "verdict": "wrong"}
    rows, _ = build([row, wrong], method="cft", kind="dataset")
    assert [(made["id"], made["completion"]) for made in rows] == [("a", "Yes."), ("b", "Yes.")]
    assert rows[0]["messages"][0]["content"] == "2 + 2? | 4"
    rows, _ = build([row, wrong], kind="dataset", keep="judged-right")
    assert [(made["id"], made["completion"]) for made in rows] == [("a", "4")]


def words(texts: Iterable[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_rows_of_like_length_follow_the_lengths_of_another_set() -> None:
    pool = [{"id": f"p{n:02}", "critique": "word " * n} for n in range(1, 41)]
    like = [{"completion": "word " * n} for n in (2, 2, 3, 30)]
    chosen = lengths.of_like_length(pool, "critique", like, 4, words)
    # Each row once: the second of length 2 takes the nearest that is left.
    assert sorted(words(row["critique"] for row in chosen)) == [1, 2, 3, 30]
    assert len(lengths.of_like_length(pool, "critique", like, 99, words)) == 40


def test_mean_gap_of_pairs_chosen_by_length_is_told() -> None:
    pool = [{"id": f"p{n}", "chosen": "word " * (n + 1), "rejected": "word"} for n in range(10)]
    kept = lengths.by_gap(pool, "long", 2, words)
    assert [row["id"] for row in kept] == ["p8", "p9"] and lengths.mean_gap(kept, words) == 8.5


def test_texts_are_read_where_they_lie(tmp_path: Path) -> None:
    long = "ö" * 100
    file = tmp_path / "rows.jsonl"
    texts = [f'{{"id": "{name}", "question": "{long}{name}", "correct": {word}}}' for name, word in LINES]
    file.write_text("\ufeff" + "\n\n".join(texts) + "\r\n", encoding="utf-8")
    rows = stored.read(file, required=("id", "question"))
    assert [dict(row) for row in rows] == read_rows(file)
    assert not any(long in str(row.unread(key)) for row in rows for key in row)
    pair = stored.Row({"id": "ab", "chosen": rows[0].unread("question")}) | {"correct": False}
    assert pair == {"id": "ab", "chosen": f"{long}a", "correct": False}


def test_rows_of_a_gzipped_file_are_the_same(tmp_path: Path, write_lines) -> None:
    plain = write_lines("rows.jsonl", POOL)
    zipped = tmp_path / "rows.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert stored.read(zipped) == stored.read(plain) == POOL


def test_two_rows_of_one_id_are_refused(write_lines) -> None:
    with pytest.raises(BadInput, match="line 2: id 'q1#0' is also on line 1"):
        stored.read(write_lines("rows.jsonl", [response(1, 0), response(1, 0)]))
