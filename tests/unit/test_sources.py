"""Questions of one schema from every source, without repeats and without a benchmark's questions."""

import json
from collections import Counter
from pathlib import Path

import pytest

from scripts import prepare_dataset
from scripts.lib.jsonl import BadInput, read_json
from scripts.lib.questions.fingerprints import fingerprint, fingerprints_in
from scripts.lib.questions.sources import Preparation, prepare
from tests import shared_data

FIELDS = {"id": "id", "question": "question", "answer": "answer"}
ADD = {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}}


@pytest.fixture
def source(tmp_path: Path):
    """A function that writes rows to a file and returns the entry that names it."""

    def entry(lines: list[dict], **more) -> dict:
        (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
        return {"source": "jsonl", "path": str(tmp_path / "q.jsonl"), "fields": FIELDS, "rows": None, **more}

    return entry


def question(number: int, **more) -> dict:
    return {"id": f"q{number}", "question": f"What is {number} + 1?", "answer": number + 1, **more}


def gym(**more) -> dict:
    return {"source": "reasoning-gym", "tasks": ADD, "rows": 20, "seed": 1, **more}


def refusal(entry: dict, excluded: set[str] = frozenset()) -> str:
    with pytest.raises(BadInput) as caught:
        prepare(entry, excluded)
    return str(caught.value)


def test_rows_have_our_names_and_answers_are_text(source) -> None:
    rows, _ = prepare(
        source([{"n": 7, "problem": "Why?", "gold": 3}], fields={"id": "n", "question": "problem", "answer": "gold"})
    )
    assert rows == [{"id": "7", "question": "Why?", "answer": "3"}]


def test_rows_without_an_id_are_numbered_and_without_an_answer_have_null(source) -> None:
    rows, _ = prepare(source([{"t": "a?"}, {"t": "b?"}], fields={"question": "t"}))
    assert rows == [
        {"id": "row-000001", "question": "a?", "answer": None},
        {"id": "row-000002", "question": "b?", "answer": None},
    ]


def test_missing_column_is_told_with_the_columns_there_are(source) -> None:
    found = refusal(source([{"id": "a", "q": "x"}]))
    assert "q.jsonl, row 1: no column answer, question (there are: id, q)" in found and "fields" in found


def test_repeated_questions_are_left_out_and_counted(source) -> None:
    rows, left_out = prepare(source([question(1), question(2), {**question(1), "id": "q9", "question": "what is 1+1"}]))
    assert [row["id"] for row in rows] == ["q1", "q2"]
    assert left_out == {"repeated_question": 1, "in_a_benchmark": 0}


def test_row_with_more_than_a_question_is_a_repeat_only_as_a_whole(source) -> None:
    fields = {**FIELDS, "response": "response", "critique": "critique"}
    texts = [("It is 2.", "Right."), ("It is 2.", "Quite right."), ("It is 3.", "Right."), ("It is  2.", "Right.")]
    lines = [question(1, id=f"r{n}", response=made, critique=said) for n, (made, said) in enumerate(texts)]
    rows, left_out = prepare(source(lines, fields=fields))
    assert [row["id"] for row in rows] == ["r0", "r1", "r2"]
    assert left_out == {"repeated_question": 0, "in_a_benchmark": 0, "repeated_row": 1}


@pytest.mark.parametrize("field", ["solution", "response", "chosen", "choices"])
def test_another_text_beside_the_question_makes_another_row(source, field: str) -> None:
    lines = [{**question(1, id=name), "answer": "A", field: [name, "none"]} for name in ("a", "b")]
    rows, _ = prepare(source(lines, fields={**FIELDS, field: field}))
    assert len(rows) == 2


def test_all_rows_of_a_released_set_of_critiques_are_kept() -> None:
    fields = {**FIELDS, "response": "response", "critique": "critique"}
    path = str(shared_data.path("cft_oneshot/dsr_cft.jsonl.gz"))
    rows, left_out = prepare({"source": "jsonl", "path": path, "fields": fields, "rows": None})
    assert len(rows) == 1800 and len({row["question"] for row in rows}) == 3 and not any(left_out.values())


def test_rows_are_chosen_by_the_values_of_columns_and_the_others_counted(source) -> None:
    lines = [question(n, seed=f"p{n % 2}", level=n) for n in range(1, 7)]
    entry = source(lines, where={"seed": "p1"})
    rows, left_out = prepare(entry)
    assert [row["id"] for row in rows] == ["q1", "q3", "q5"]
    assert left_out == {"repeated_question": 0, "in_a_benchmark": 0, "not_chosen": 3}
    assert [row["id"] for row in prepare({**entry, "where": {"seed": "p1", "level": 3}})[0]] == ["q3"]
    assert len(prepare({**entry, "expect_rows": 3})[0]) == 3
    rows, _ = prepare({**entry, "fields": {"question": "question"}})
    assert [row["id"] for row in rows] == ["row-000001", "row-000003", "row-000005"]  # numbered as in the file


def test_choice_that_no_row_meets_is_told_with_what_there_is(source) -> None:
    lines = [question(n, seed=f"p{n % 2}") for n in range(4)]
    found = refusal(source(lines, where={"seed": "p7"}))
    assert "no row has seed = 'p7' (other values are seed: 'p0', 'p1'). Correct the entry's where." in found
    found = refusal(source([question(1, seed="p0")], where={"seed": "p0", "id": "q7"}))
    assert "no row has seed = 'p0' and id = 'q7' (other values are id: 'q1')." in found
    found = refusal(source(lines, where={"problem": "p1"}))
    assert "row 1: no column problem (there are: answer, id, question, seed). Correct the entry's where." in found


def test_rows_of_one_seed_problem_are_chosen_from_a_released_set() -> None:
    fields = {**FIELDS, "response": "response", "critique": "critique"}
    path = str(shared_data.path("cft_oneshot/dsr_cft.jsonl.gz"))
    where = {"source": "One-Shot-CFT DSR-CFT-p1"}
    rows, left_out = prepare({"source": "jsonl", "path": path, "fields": fields, "rows": None, "where": where})
    assert len(rows) == 600 and len({row["question"] for row in rows}) == 1 and left_out["not_chosen"] == 1200
    # What papers/one_shot.yaml says of p1: nearly all of its critiques say right.
    assert Counter(row["verdict"] for row in rows) == {"right": 598, "wrong": 2}


def test_questions_of_a_benchmark_are_left_out_and_counted(source, write_lines) -> None:
    benchmark = write_lines("benchmark.jsonl", [question(2)])
    rows, left_out = prepare(source([question(1), question(2), question(3)]), fingerprints_in([benchmark]))
    assert [row["id"] for row in rows] == ["q1", "q3"]
    assert left_out == {"repeated_question": 0, "in_a_benchmark": 1}


def test_rows_limit_counts_what_is_kept(source) -> None:
    entry = source([question(1), question(2), question(3), question(4)], rows=2)
    rows, _ = prepare(entry, {fingerprint(question(1)["question"])})
    assert [row["id"] for row in rows] == ["q2", "q3"]


def test_too_few_rows_are_told_with_what_was_left_out(source) -> None:
    found = refusal(source([question(1), question(1, id="b")], rows=2))
    assert "1 rows can be used, 2 requested" in found and "'repeated_question': 1" in found and "Ask for" in found


def test_fewer_rows_than_asked_for_will_do_where_the_entry_says_so(source) -> None:
    rows, _ = prepare(source([question(1), question(2)], rows=5, when_short="take-all"))
    assert len(rows) == 2
    assert "say when_short: take-all" in refusal(source([question(1)], rows=5))


def run_program(entry: dict, folder: Path) -> None:
    """Runs prepare_dataset, which writes r.jsonl and s.json."""
    words = ["--settings", json.dumps(entry), "--rows", str(folder / "r.jsonl"), "--summary", str(folder / "s.json")]
    assert prepare_dataset.main(prepare_dataset.parse_args(words)) == 0


def test_what_is_left_out_is_logged_and_in_the_summary(source, tmp_path: Path, caplog) -> None:
    entry = source([question(1), question(2), question(2, id="again")], rows=5, when_short="take-all")
    run_program(entry, tmp_path)
    summary = read_json(tmp_path / "s.json")
    assert summary["left_out"] == {"repeated_question": 1, "in_a_benchmark": 0}
    assert (summary["rows"], summary["rows_asked"], summary["rows_read"]) == (2, 5, 3)
    assert "2 rows taken, 1 left out: 1 repeated question" in caplog.text
    assert "2 of the 5 rows requested" in caplog.text


def test_lone_surrogates_are_mended_and_counted(source, tmp_path: Path, caplog) -> None:
    entry = source([{**question(1), "question": "1 \ud800?"}, {**question(2), "question": "2 \udc00\udc00?"}])
    run_program(entry, tmp_path)
    assert "2 \ufffd\ufffd?" in (tmp_path / "r.jsonl").read_text(encoding="utf-8")
    assert read_json(tmp_path / "s.json")["mended"] == {"lone_surrogates": 3}
    assert "3 lone surrogates replaced by U+FFFD" in caplog.text


def test_empty_question_is_told(source) -> None:
    for text in ("  ", None, 3):
        assert "row 'q1': the question is empty" in refusal(source([{**question(1), "question": text}]))


def test_id_that_occurs_twice_is_told(source) -> None:
    assert "id 'q1' occurs twice" in refusal(source([question(1), {**question(2), "id": "q1"}]))


def test_file_without_rows_is_told(source) -> None:
    assert "no rows" in refusal(source([]))


def test_generated_rows_are_the_same_every_time_and_a_prefix_of_more() -> None:
    pytest.importorskip("reasoning_gym")
    rows, _ = prepare(gym())
    assert rows == prepare(gym())[0] and len(rows) == 20
    assert prepare(gym(rows=30))[0][:20] == rows
    assert prepare(gym(seed=2))[0] != rows
    assert set(rows[0]) >= {"id", "question", "answer", "subject", "solution"}


def test_tasks_take_turns() -> None:
    pytest.importorskip("reasoning_gym")
    rows, _ = prepare(gym(tasks={**ADD, "gcd": {}}, rows=6))
    assert [row["subject"] for row in rows] == ["chain_sum", "gcd"] * 3


def test_rows_with_a_wrong_reference_answer_are_left_out() -> None:
    pytest.importorskip("reasoning_gym")
    task = {"basic_arithmetic": {"min_terms": 5, "max_terms": 6}}
    rows, _ = prepare(gym(tasks=task, rows=400))
    numbers = [int(row["id"].removeprefix("basic_arithmetic-")) for row in rows]
    assert numbers != list(range(400)), "this seed must hold an expression that was divided with //"
    assert all(row["solution"].endswith(f"The answer is {row['answer']}.") for row in rows)
    made = Preparation(gym(tasks=task, rows=400))
    made.read()
    assert made.left_out["wrong_reference"] >= numbers[-1] + 1 - 400


def test_task_that_runs_out_of_questions_is_told() -> None:
    pytest.importorskip("reasoning_gym")
    few = {"chain_sum": {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}}
    found = refusal(gym(tasks=few, rows=210))
    assert "different questions after" in found and "210 requested" in found


@pytest.mark.parametrize(
    "tasks", [{"no_such_task": {}}, {"gcd": {"no_such_setting": 1}}, {"chain_sum": {"min_terms": 0}}]
)
def test_wrong_task_is_told(tasks: dict) -> None:
    pytest.importorskip("reasoning_gym")
    found = refusal(gym(tasks=tasks))
    assert f"reasoning-gym task {next(iter(tasks))!r}" in found and "Fix it in config" in found


def test_hub_layout_in_a_local_folder_is_read_with_our_names(tmp_path, write_lines) -> None:
    write_lines("set/data/train-00000.jsonl", [{"instruction": "1 + 1?", "input": "2", "output": "right"}])
    source = {"source": "hub", "repo": str(tmp_path / "set"), "revision": None, "config": None, "split": "train"}
    fields = {"question": "instruction", "answer": "input", "solution": "output"}
    rows, _ = prepare({**source, "fields": fields, "rows": None})
    assert rows == [{"id": "row-000001", "question": "1 + 1?", "answer": "2", "solution": "right"}]


def test_hub_layout_with_other_columns_or_splits_is_told(tmp_path, write_lines) -> None:
    write_lines("set/data/train-00000.jsonl", [{"instruction": "1 + 1?"}])
    source = {"source": "hub", "repo": str(tmp_path / "set"), "revision": None, "config": None, "rows": None}
    with pytest.raises(
        BadInput, match=r"row 1: no column problem \(there are: instruction\). Correct the entry's fields"
    ):
        prepare({**source, "split": "train", "fields": {"question": "problem"}})
    with pytest.raises(BadInput, match=r"\(nosplit\): could not be loaded.*Check repo, config, split and revision"):
        prepare({**source, "split": "nosplit", "fields": {"question": "instruction"}})


# --- benchmarks: number of rows, location of the answer, options ----------------------------------------------------


def test_expected_number_of_rows_is_checked_also_where_fewer_are_taken(source) -> None:
    lines = [question(number) for number in range(5)]
    rows, _ = prepare(source(lines, expect_rows=5, rows=2))
    assert [row["id"] for row in rows] == ["q0", "q1"]
    for taken in (None, 2):
        found = refusal(source(lines, expect_rows=6, rows=taken))
        assert "5 rows, but expect_rows says 6" in found and "revision" in found


def test_repeated_questions_count_where_a_number_is_expected(source) -> None:
    lines = [question(1), {**question(1), "id": "again"}]
    assert [row["id"] for row in prepare(source(lines, expect_rows=2))[0]] == ["q1", "again"]
    assert [row["id"] for row in prepare(source(lines))[0]] == ["q1"]


@pytest.mark.parametrize(
    ("how", "found", "answer"),
    [
        ("box", "So \\boxed{3}, no: $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("hashes", "5 * 200 = <<5*200=1000>>1000\n#### 1,000", "1000"),
        ("hashes", "so\n#### (1,2)", "(1,2)"),
        ("hashes", "so\n#### (1,200)", "(1,200)"),
        ("hashes", "so\n#### \\{1,200\\}", "\\{1,200\\}"),
        ("hashes", "so\n#### 1,2,3", "1,2,3"),
        ("hashes", "so\n#### -$12,345,678.50", "-$12345678.50"),
        ("hashes", "so\n#### ", None),
        ("box", "So \\boxed{12.}", "12"),
        ("box", "So \\boxed{0.5. }", "0.5"),
        ("box", "So \\boxed{1, 2, ...}", "1, 2, ..."),
        ("box", "So \\boxed{}", None),
        (None, "  ", None),
        (None, "", None),
        ("list", [], None),
        ("list", ["2", "3"], "2, 3"),
        ("list", "['\\\\frac{1}{2}']", "\\frac{1}{2}"),
    ],
)
def test_answer_is_taken_from_its_column(source, how: str, found: object, answer: str) -> None:
    (row,), _ = prepare(source([question(1) | {"answer": found}], answer_from=how))
    assert row["answer"] == answer


@pytest.mark.parametrize(
    "number", ["0.3", "0.30", "1.0", "1e5", "-7", "12345678901234567890.5", "0.1000000000000000055"]
)
def test_number_as_an_answer_is_written_as_the_file_has_it(tmp_path: Path, number: str) -> None:
    (tmp_path / "q.jsonl").write_text(f'{{"id": "a", "question": "?x", "answer": {number}, "all": [{number}, 2]}}')
    entry = {"source": "jsonl", "path": str(tmp_path / "q.jsonl"), "rows": None}
    assert prepare({**entry, "fields": FIELDS})[0][0]["answer"] == number
    listed = {**entry, "fields": {**FIELDS, "answer": "all"}, "answer_from": "list"}
    assert prepare(listed)[0][0]["answer"] == f"{number}, 2"


def test_numbers_as_options_are_written_as_the_file_has_them(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": "a", "question": "?x", "answer": "B", "choices": [0.30, 1e5, 7]}')
    entry = {"source": "jsonl", "path": str(tmp_path / "q.jsonl"), "rows": None}
    assert prepare({**entry, "fields": {**FIELDS, "choices": "choices"}})[0][0]["choices"] == ["0.30", "1e5", "7"]


def test_short_floats_of_a_hub_set_are_read_as_they_were_written(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "set").mkdir()
    columns = {"q": ["a?", "b?"], "answer": pyarrow.array([0.3, None], pyarrow.float32())}
    parquet.write_table(pyarrow.table(columns), tmp_path / "set" / "train.parquet")
    entry = {"source": "hub", "repo": str(tmp_path / "set"), "revision": None, "config": None, "split": "train"}
    rows, _ = prepare({**entry, "fields": {"question": "q", "answer": "answer"}, "rows": None})
    assert [row["answer"] for row in rows] == ["0.3", None]


@pytest.mark.parametrize("how", ["box", "hashes"])
def test_column_without_an_answer_is_told(source, how: str) -> None:
    assert "row 'q1': no " in refusal(source([question(1) | {"answer": "none here"}], answer_from=how))


def test_options_and_what_the_grader_needs_keep_their_names(source) -> None:
    fields = {**FIELDS, "choices": "options", "unit": "Unit", "error": "tol", "subject": "cat"}
    lines = [question(1, options=["x", "y"], Unit="m", tol=None, cat="physics") | {"answer": "B"}]
    (row,), _ = prepare(source(lines, fields=fields))
    assert row["choices"] == ["x", "y"] and row["subject"] == "physics" and row["grading"] == {"unit": "m"}


def test_optional_column_that_no_row_has_is_told(source) -> None:
    assert "no row has a column Unit" in refusal(source([question(1)], fields={**FIELDS, "unit": "Unit"}))


@pytest.mark.parametrize(
    ("options", "answer", "told"),
    [
        (["x", "y"], "C", "the answer is 'C', not a letter of its 2 options"),
        (["x", "y"], None, "the answer is None"),
        ([], "A", "1 to 10 options"),
        (list("abcdefghijk"), "A", "1 to 10 options"),
        ("x or y", "A", "1 to 10 options"),
    ],
)
def test_options_that_cannot_be_graded_are_told(source, options, answer, told: str) -> None:
    lines = [question(1, choices=options) | {"answer": answer}]
    assert told in refusal(source(lines, fields={**FIELDS, "choices": "choices"}))


def test_options_in_columns_are_shuffled_with_the_seed_and_the_letter_follows(source) -> None:
    lines = [{"q": f"Question {n}?", "right": f"yes {n} ", "w1": "a", "w2": "b", "w3": "c"} for n in range(40)]
    entry = source(lines, fields={"question": "q"}, choices_from={"columns": ["right", "w1", "w2", "w3"], "seed": 0})
    rows, _ = prepare(entry)
    for number, row in enumerate(rows):
        assert row["choices"]["ABCD".index(row["answer"])] == f"yes {number}"
        assert sorted(row["choices"]) == ["a", "b", "c", f"yes {number}"]
    assert {row["answer"] for row in rows} == set("ABCD")
    assert prepare(entry)[0] == rows
    assert prepare({**entry, "choices_from": {**entry["choices_from"], "seed": 1}})[0] != rows


def test_columns_that_are_not_asked_for_are_not_read_from_the_hub(tmp_path, write_lines) -> None:
    write_lines("set/test.jsonl", [{"Question": "a?", "Answer": 1, "Picture": "never decoded"}])
    entry = {"source": "hub", "repo": str(tmp_path / "set"), "revision": None, "config": None, "split": "test"}
    rows, _ = prepare({**entry, "rows": None, "fields": {"question": "Question", "answer": "Answer"}})
    assert rows == [{"id": "row-000001", "question": "a?", "answer": "1"}]


def test_question_whose_answer_is_a_whole_number_asks_for_its_result() -> None:
    assert all(row["grading"] == {"answer_type": "computed"} for row in prepare(gym())[0])
