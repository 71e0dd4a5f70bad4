"""The real benchmark files: each loads, renders, is answered by a real model through Snakemake, and is graded."""

from pathlib import Path

import pytest
import yaml

from scripts.lib.cli import ROOT
from scripts.lib.generation.prompts import render
from scripts.lib.grading import GRADER_VERSION, Item, authors, graders
from scripts.lib.grading.instructions import check_generations
from scripts.lib.grading.scoring import accuracy_of, shares_of
from scripts.lib.jsonl import read_json, read_rows
from scripts.lib.questions import sources
from scripts.lib.questions.fingerprints import fingerprint
from scripts.lib.teachers.verifier import write_critique
from tests import shared_data
from tests.project import Project, copied
from tests.warm import Warm

# File: its number of rows (README of the data) and the protocol of config/benchmarks.yaml whose prompt is used.
MATH = {
    "gsm8k/test.jsonl": (1319, "gsm8k.qwen-cot"),
    "math/test.jsonl.gz": (5000, "math.deepseek"),
    "math500/test.jsonl": (500, "math500.skythought"),
    "minerva_math/test.jsonl": (272, "minerva-math.qwen-cot"),
    "olympiadbench/test.jsonl": (675, "olympiadbench.qwen-cot"),
    "aime24/test.jsonl": (30, "aime24.qwen-cot"),
    "aime25/test.jsonl": (30, "aime25.qwen-cot"),
    "amc23/test.jsonl": (40, "amc23.avg32"),
    "theoremqa/test.jsonl": (800, "theoremqa.qwen-cot"),
    "svamp/test.jsonl": (1000, "gsm8k.qwen-cot"),
    "mawps/test.jsonl": (2065, "gsm8k.qwen-cot"),
}
CHOICE = {"mmlu_pro/test_sample2000.jsonl": (2000, "mmlu-pro.qwen-cot")}
EXTRA = {
    "olympiadbench/test.jsonl": {"answer_type": "answer_type", "error": "error", "unit": "unit"},
    "theoremqa/test.jsonl": {"answer_type": "answer_type"},
    **{name: {"choices": "choices", "subject": "subject"} for name in CHOICE},
}

IFEVAL = {"id": "id", "question": "question", "instruction_id_list": "instruction_id_list", "kwargs": "kwargs"}


@pytest.fixture(scope="module")
def protocols(tmp_path_factory) -> dict[str, dict]:
    """The resolved entries of config/benchmarks.yaml."""
    from scripts.lib.study.resolve import resolve

    study = tmp_path_factory.mktemp("protocols") / "study.yaml"
    study.write_text(f"study: papers\ninclude: [{ROOT / 'config' / 'benchmarks.yaml'}]\n", encoding="utf-8")
    return resolve([study])["benchmarks"]


def source_of(name: str, rows: int | None = None) -> dict:
    """The `questions` of a benchmark whose file is beside the checkout."""
    fields = {"id": "id", "question": "question", "answer": "answer", **EXTRA.get(name, {})}
    expected, _ = {**MATH, **CHOICE}[name]
    path = str(shared_data.path(name))
    return {"source": "jsonl", "path": path, "fields": fields, "rows": rows, "expect_rows": expected}


@pytest.mark.parametrize("name", [*MATH, *CHOICE])
def test_every_question_is_loaded_and_rendered(name: str, protocols) -> None:
    rows, left_out = sources.prepare(source_of(name))
    assert not any(left_out.values())
    prompt = ROOT / protocols[({**MATH, **CHOICE})[name][1]]["prompt"]
    for row in rows:
        shown = {key: row[key] for key in ("question", "choices") if key in row}
        assert row["question"].strip() in render(prompt, **shown)[-1]["content"]


@pytest.mark.parametrize("name", MATH)
def test_gold_is_right_by_its_own_grader_on_all_rows(name: str) -> None:
    rows, _ = sources.prepare(source_of(name))
    wrong = []
    for row in rows:
        for answer, right in ((row["answer"], True), ("777123.5", False)):
            text = f"Therefore the final answer is $\\boxed{{{answer}}}$."
            item = Item(prediction=text, gold=row["answer"], options=row.get("grading", {}))
            if graders.ours(graders.extract(item), item) is not right:
                wrong.append((row["id"], row["answer"], graders.extract(item)))
    assert not wrong, f"{len(wrong)} of {len(rows)}: {wrong[:10]}"


@pytest.mark.parametrize("name", CHOICE)
def test_every_way_to_name_the_right_choice_is_right(name: str) -> None:
    rows, _ = sources.prepare(source_of(name))
    wrong = []
    for row in rows:
        letter, choices = row["answer"], tuple(row["choices"])
        for text in (letter, f"({letter})", f"The answer is ({letter}).", f"So \\boxed{{{letter}}}."):
            item = Item(prediction=text, gold=letter, kind="choice", choices=choices)
            if not graders.ours(graders.extract(item), item) or not authors.verdict(
                authors.CFT, text, letter, "choice", "mmlu-pro"
            ):
                wrong.append((row["id"], text))
        other = next((mark for mark in "ABCDEFGHIJ"[: len(choices)] if mark != letter), None)
        if other:
            item = Item(prediction=f"The answer is ({other}).", gold=letter, kind="choice", choices=choices)
            assert not graders.ours(graders.extract(item), item)
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"


def test_all_of_math500_is_in_math() -> None:
    """So its questions are found again in MATH where a checkpoint was selected by it."""
    large = [fingerprint(row["question"]) for row in shared_data.rows("math/test.jsonl.gz")]
    small = {fingerprint(row["question"]) for row in shared_data.rows("math500/test.jsonl")}
    assert len(small) == 500 and small <= set(large)
    assert sum(mark not in small for mark in large) == 4500


def test_box_at_the_end_of_a_solution_is_its_answer() -> None:
    """`answer_from: box`, as the hub's copy of MATH needs it."""
    source = source_of("math/test.jsonl.gz")
    source |= {"fields": {"id": "id", "question": "question", "answer": "solution"}, "answer_from": "box"}
    # One solution closes its sentence within the box.
    gold = {row["id"]: row["answer"].strip().removesuffix(".") for row in shared_data.rows("math/test.jsonl.gz")}
    assert {row["id"]: row["answer"] for row in sources.prepare(source)[0]} == gold


def test_only_the_three_false_equations_of_gsm8k_test_are_flagged() -> None:
    # 364 / 4 = 273, 3.65 divided by .05 equals 69, and $32 - $20 = $300 occur in the reference solutions.
    flagged = {
        row["id"]
        for row in shared_data.rows("gsm8k/test.jsonl")
        if write_critique(row["solution"], correct=True, extracted=row["answer"], answer=row["answer"]).reason
    }
    assert flagged == {"gsm8k-test-501", "gsm8k-test-598", "gsm8k-test-1024"}


def test_every_real_prompt_is_prepared_and_checked_twice_alike(punkt: Path) -> None:
    source = {"source": "jsonl", "path": str(shared_data.path("ifeval/prompts.jsonl")), "fields": IFEVAL, "rows": None}
    questions = {row["id"]: row for row in sources.prepare(source)[0]}
    assert len(questions) == 541
    texts = ("Sure. Here is my answer, in two paragraphs.\n\n***\n\nIt ends here.", '{"title": "<<A title>>"}')
    rows = [
        {"id": f"{key}#0", "question_id": key, "response": texts[number % 2]} for number, key in enumerate(questions)
    ]
    made = check_generations(rows, questions, "instruction-loose", punkt, workers=2)
    assert not [row["error"] for row in made if "error" in row]
    assert sum(len(row["followed_strict"]) for row in made) == 834  # instructions in the 541 prompts
    assert 0 < accuracy_of(shares_of(made))["accuracy"] < 1
    assert check_generations(rows, questions, "instruction-loose", punkt, workers=1) == made


# --- through Snakemake ------------------------------------------------------------------------------------------------

ROWS = 2  # of each file


class Answered(Project):
    """The study of these files, in a copy of the project."""

    study = "shared"
    options = ("--cores", "2", "--")


@pytest.fixture(scope="module")
def answered(tmp_path_factory, protocols, warm: Warm) -> Answered:
    """A project folder in which SmolLM2 has answered some questions of each file; a second suite waits."""
    project = Answered(copied(tmp_path_factory.mktemp("answered") / "redpen"))
    benchmarks = {}
    for name, (_, protocol) in {**MATH, **CHOICE}.items():
        entry = {key: value for key, value in protocols[protocol].items() if key != "title"}
        entry |= {"questions": source_of(name, ROWS), "max_tokens": 16, "samples": min(entry["samples"], 2)}
        # SmolLM2 speaks ChatML and knows no other form.
        benchmarks[name.partition("/")[0].replace("_", "-")] = {**entry, "template": None}
    judged = {**benchmarks["math500"], "temperature": 0.7}
    judged["self_critique"] = {"prompt": "prompts/critique.j2", "regenerations": 1, "max_tokens": 8}
    waiting = {"kind": "math", "prompt": "prompts/boxed.j2", "questions": source_of("svamp/test.jsonl", 1)}
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    row = {"name": "Base", "of": "smollm2-135m"}
    study = {
        "study": "shared",
        "engine": "cpu",
        "engines": {"cpu": {"kind": "transformers", "chunk_rows": 8}},
        "models": {"smollm2-135m": config["models"]["smollm2-135m"]},
        "benchmarks": {**benchmarks, "judged": judged, "waiting": waiting},
        "suites": {"files": [*benchmarks, "judged"], "later": ["waiting"]},
        "tables": {
            name: {"title": name, "suites": [suite], "rows": [row]}
            for name, suite in (("now", "files"), ("not_yet", "later"))
        },
    }
    (project.folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    Answered(project.folder, warm.program).make("now")
    return project


def test_each_file_is_answered_and_graded_with_three_verdicts(answered: Answered) -> None:
    scores = answered.results / "scores/smollm2-135m"
    summary = read_json(scores / "files.json")["benchmarks"]
    assert set(summary) == {name.partition("/")[0].replace("_", "-") for name in {**MATH, **CHOICE}} | {"judged"}
    rows = read_rows(scores / "files.jsonl")
    for slug, found in summary.items():
        mine = [row for row in rows if row["benchmark"] == slug]
        assert found["questions"] == ROWS and found["errors"] == 0
        assert len(mine) == found["responses"] == ROWS * (2 if slug == "amc23" else 1)
        assert (scores / "files.disagreements" / f"{slug}.jsonl").is_file()
        for row in mine:
            assert row["response"].strip() and row["correct"] in (True, False) and row["authors_cft"] in (True, False)
            assert (row["math_verify"] is None) == (slug == "mmlu-pro")
            assert row["grader_version"] == GRADER_VERSION
    assert all(len(row["critique_verdicts"]) == 1 for row in rows if row["benchmark"] == "judged")


def test_table_makes_only_the_suites_that_it_names(answered: Answered) -> None:
    results = answered.results
    assert [file.stem for file in results.glob("generations/*/*.jsonl")] == ["files"]
    assert not (results / "benchmarks/waiting.jsonl").exists() and not (results / "tables/not_yet.md").exists()


def test_grading_again_generates_nothing(answered: Answered) -> None:
    results = answered.results
    generations = results / "generations/smollm2-135m/files.jsonl"
    journal = answered.state / "generate/smollm2-135m/files/chunks.jsonl"
    before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in (generations, journal)]
    graded = (results / "scores/smollm2-135m/files.jsonl").read_bytes()
    with (answered.folder / "scripts/lib/grading/compare.py").open("a", encoding="utf-8") as grader:
        grader.write("# The grader has changed.\n")
    said = answered.make("now")
    assert "] score " in said and "] make_table " in said and "] generate " not in said
    assert [(file.stat().st_mtime_ns, file.read_bytes()) for file in (generations, journal)] == before
    assert (results / "scores/smollm2-135m/files.jsonl").read_bytes() == graded
