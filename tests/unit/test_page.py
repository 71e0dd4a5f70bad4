"""The study page without a browser: what is packed, what stands without JavaScript, the libraries that it carries."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from scripts import make_page
from scripts.lib.generation.chat import answer_ids, load_tokenizer, prompt_ids
from scripts.lib.jsonl import BadInput, file_hash, read_json, read_rows, write_json, write_rows
from scripts.lib.page import answers, assemble, cost, finished, overview, provenance, training, vendored
from scripts.lib.page.packing import Parts, packed, unpacked, volumes
from scripts.lib.page.results import Results, state_of_results
from scripts.lib.page.tokens import Reader
from scripts.lib.study.resolve import resolve
from tests.browser import parsed
from tests.synthetic_study import Made

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The results of a made-up study."""
    return Made(tmp_path_factory.mktemp("study"), extra="<b>&</script>").write()


def made(results: Path, out: Path, *more: str) -> str:
    """The page's text."""
    assert make_page.main(make_page.parse_args(["--results", str(results), "--out", str(out), *more])) == 0
    return out.read_text(encoding="utf-8")


def part(page: str, name: str):
    """A packed part of a page."""
    scripts = parsed(page).all("script", data_part=name)
    return unpacked(next(scripts).text)


def test_the_same_files_give_the_same_bytes(results, tmp_path):
    assert made(results, tmp_path / "a" / "study.html") == made(results, tmp_path / "b" / "study.html")


def test_tables_flags_and_claims_stand_without_javascript(results, tmp_path):
    still = parsed(made(results, tmp_path / "study.html")).one("main", id="still")
    assert {"SFT", "CFT", "CFT − SFT"} <= {row.text for row in still.one("table", class_="scores").all("th")}
    assert "the graders' accuracies differ" in still.one("table", class_="flags").text
    assert "CFT beats SFT." in still.text
    assert "of a cell: the graders' accuracies differ" in still.one("section", data_page="claims").text
    assert len(list(still.one("svg").all("rect"))) == 3  # a difference for each benchmark, and the average
    assert "<b>&</script>" in still.text


def test_a_difference_leads_to_the_questions_that_it_loses(results, tmp_path):
    still = parsed(made(results, tmp_path / "study.html")).one("main", id="still")
    assert list(still.all("a", href="#/table/main/CFT/GCD?show=lost&against=sft"))


def test_all_answers_are_packed_with_their_verdicts(results, tmp_path):
    page = made(results, tmp_path / "study.html")
    rows = [row for row in read_rows(results / "scores" / "cft" / "numbers.jsonl") if row["benchmark"] == "gcd"]
    packed_rows, texts = part(page, "rows/cft/gcd"), part(page, "texts/cft/gcd")
    rest = part(page, "rest/cft/gcd")
    assert packed_rows["correct"] == [int(row["correct"]) for row in rows]
    assert [first if first is not None else second for first, second in zip(texts, rest)] == [
        r["response"] for r in rows
    ]
    ids = [question["id"] for question in part(page, "questions/gcd")]
    assert [ids[place] for place in packed_rows["q"]] == [row["question_id"] for row in rows]


def test_questions_that_selected_a_checkpoint_are_left_out_of_every_row(tmp_path):
    study = Made(tmp_path)
    results = study.write()
    file = results / "scores" / "sft" / "numbers.jsonl"
    rows = [{**row, "validation": True} if row["question_id"] == "q-000004" else row for row in read_rows(file)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    core = part(made(results, tmp_path / "study.html"), "core")
    assert core["tables"]["main"]["left_out"] == {"gcd": [4], "lcm": [4]}


def test_what_is_missing_is_shown_as_missing(tmp_path):
    results = Made(tmp_path).write()
    for name in ("tables/main.json", "claims.json", "critiques/sums-verifier.jsonl", "checkpoints/cft/train.json"):
        (results / name).unlink()
    still = parsed(made(results, tmp_path / "study.html")).one("main", id="still").text
    assert "snakemake main makes it" in still
    assert "not judged yet" in still


def without(*patterns: str):
    """A change that deletes files of the results."""

    def change(results: Path) -> None:
        for file in [file for pattern in patterns for file in results.glob(pattern)]:
            shutil.rmtree(file) if file.is_dir() else file.unlink()

    return change


def without_rows_of_gcd(results: Path) -> None:
    write_rows(results / "benchmarks" / "gcd.jsonl", [])
    for file in results.glob("scores/*/*.jsonl"):
        write_rows(file, [row for row in read_rows(file) if row["benchmark"] != "gcd"])


def without_any_row(results: Path) -> None:
    for file in results.rglob("*.jsonl"):
        write_rows(file, [])


def with_fields(pattern: str, **fields):
    """A change of the rows of some files."""

    def change(results: Path) -> None:
        for file in results.glob(pattern):
            write_rows(file, [{**row, **fields} for row in read_rows(file)])

    return change


def with_facts(**facts):
    """A change of what the training summary of a run says."""

    def change(results: Path) -> None:
        file = results / "checkpoints" / "sft" / "train.json"
        write_json(file, read_json(file) | facts)

    return change


HALF = {
    "no benchmarks": without("benchmarks"),
    "no scores": without("scores"),
    "no graded answers": without("scores/*/*.jsonl"),
    "no score summaries": without("scores/*/*.json"),
    "no generations": without("generations"),
    "no training sets": without("train_sets"),
    "no summaries of sets and critiques": without("train_sets/*.json", "critiques/*.json"),
    "no training state": without("checkpoints"),
    "nothing but the study": without(
        *("benchmarks", "scores", "generations", "train_sets", "critiques", "tables", "checkpoints", "claims.*")
    ),
    "no rows of a benchmark": without_rows_of_gcd,
    "no rows": without_any_row,
    "no losses": with_facts(losses=[]),
    "no time": with_facts(train_seconds=0),
    "no responses": with_fields("scores/*/*.jsonl", response=None),
    "failed critiques": with_fields("critiques/*.jsonl", critique=None, response=None, error="cut off"),
}


@pytest.mark.parametrize("name", HALF)
def test_a_page_is_made_of_what_is_there_in_part(tmp_path, name):
    results = Made(tmp_path, questions=8).write()
    HALF[name](results)
    assert parsed(made(results, tmp_path / "study.html")).one("main", id="still")


def test_jobs_whose_times_are_lost_are_counted(tmp_path):
    results = Made(tmp_path, questions=8).write()
    (tmp_path / "timings" / "made-up" / "train" / "cft.jsonl").touch()
    costs = parsed(made(results, tmp_path / "study.html")).one("section", data_page="cost").text
    assert "1 and 1 whose timings are lost" in costs


def test_a_study_that_knows_no_section_of_a_later_version_has_a_page(tmp_path):
    results = Made(tmp_path, questions=8).write()
    study = yaml.safe_load((results / "study.yaml").read_text(encoding="utf-8"))
    del study["refinements"], study["targets"]
    (results / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    assert "CFT" in made(results, tmp_path / "study.html")


def test_two_studies_side_by_side_have_a_page_each(tmp_path):
    first, second = (Made(tmp_path / name, questions=questions).write() for name, questions in (("a", 8), ("b", 9)))
    other = second.rename(first.parent / "other")
    pages = [made(results, results / "study.html") for results in (first, other)]
    assert [len(part(page, "questions/gcd")) for page in pages] == [8, 9]


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(BadInput, match="study.yaml: there is no such file. Make a table of the study first"):
        Results(tmp_path)


def test_texts_leave_the_page_by_rank_until_it_fits():
    parts = Parts()
    for name, rank in (("rows", 0), ("texts", 1), ("rest", 2)):
        parts.add(name, [str(number * 7919 % 1000) for number in range(500)], rank)
    size = len(parts.parts[0].text)
    names = [[[part.name for part in side] for side in parts.split(budget)] for budget in (3 * size, 2 * size, 0)]
    assert names == [[["rows", "texts", "rest"], []], [["rows", "texts"], ["rest"]], [["rows"], ["texts", "rest"]]]
    assert [len(group) for group in volumes(parts.parts, 2 * size)] == [2, 1]


def test_packing_keeps_any_text():
    value = ["</script>", "\u2028 \x00 é 🙂", None, 1.5]
    assert unpacked(packed(value)) == value
    assert "<" not in packed(value)


def test_rows_are_read_as_training_reads_them(model_folder):
    tokenizer, reader = load_tokenizer(model_folder), Reader(model_folder)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 3 + 1? é🙂"}]
    text = reader.prompt(messages)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == prompt_ids(tokenizer, messages)
    answer = "It is 4 é🙂."
    cuts = reader.cuts(answer)
    assert len(cuts) + 1 == len(answer_ids(tokenizer, answer))
    assert sum(cuts) == len(answer)


@pytest.mark.parametrize(
    "template", sorted((ROOT / "prompts" / "templates").glob("*.jinja")), ids=lambda file: file.stem
)
def test_shipped_templates_render_as_training_renders_them(model_folder, template):
    messages = [{"role": "user", "content": "What is 3 + 1?"}]
    tokenizer = load_tokenizer(model_folder, template)
    expected = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert Reader(model_folder, template).prompt(messages) == expected
    assert Reader(model_folder, template).end == tokenizer.eos_token


def test_provenance_leads_from_a_score_to_the_dataset(results):
    files = provenance.of(Results(results))
    path, chain = "results/made-up/scores/cft/numbers.json", []
    while path:
        chain.append(path.removeprefix("results/made-up/"))
        path = next(iter(files[path]["needs"]), None)
    assert chain[:4] == [
        "scores/cft/numbers.json",
        "generations/cft/numbers.jsonl",
        "checkpoints/cft/train.json",
        "train_sets/cft.jsonl",
    ]
    assert chain[4:] == ["critiques/sums-verifier.jsonl", "responses/sums-self/graded.jsonl", "datasets/sums.jsonl"]
    assert files["results/made-up/scores/cft/numbers.json"]["sha256"] == file_hash(results / "scores/cft/numbers.json")
    assert files["results/made-up/models/base/redpen.json"]["command"] == "snakemake -- results/made-up/models/base"


def test_the_state_of_results_changes_with_a_file(tmp_path, monkeypatch):
    study = Made(tmp_path)
    results = study.write()
    monkeypatch.chdir(tmp_path)
    before = state_of_results(study.study)
    assert state_of_results(study.study) == before
    (results / "study.html").write_text("page")
    assert state_of_results(study.study) == before
    (results / "claims.json").write_text("[]")
    assert state_of_results(study.study) != before


@pytest.mark.parametrize("span, step", [(0, 1), (3.5, 0.5), (10, 1), (40, 10), (0.04, 0.01)])
def test_ticks_are_round(span, step):
    assert overview.nice_step(span) == pytest.approx(step)


@pytest.mark.parametrize("name", vendored.libraries())
def test_libraries_are_the_files_that_are_listed(name):
    entry = vendored.libraries()[name]
    assert file_hash(vendored.FOLDER / entry["file"]) == entry["sha256"]
    assert (vendored.FOLDER / entry["notice"]).is_file()
    text = vendored.text(name)
    assert "</script" not in text.lower() and "<!--" not in text and "\r" not in text


def test_every_library_is_listed():
    listed = {entry[key] for entry in vendored.libraries().values() for key in ("file", "notice")}
    assert {file.name for file in vendored.FOLDER.iterdir()} == listed | {"libraries.yaml"}


def test_a_finished_run_ends_with_its_tables_and_the_page(tmp_path, monkeypatch):
    study = Made(tmp_path)
    study.write()
    monkeypatch.chdir(tmp_path)
    page = "snakemake study_page; results/made-up/study.html will show them.\n"
    assert "| CFT " in finished.said(study.study, {"main"})
    assert finished.said(study.study, {"main"}).endswith(page)
    assert "| CFT " not in finished.said(study.study, {"main"}, quiet=True)
    assert finished.said(study.study, set()).endswith(page)
    assert finished.said(study.study, {"plan"}) == ""


def test_cells_that_are_outdated_or_not_run_say_so(results):
    cells = read_json(results / "tables" / "main.json")
    place = next(place for place, cell in enumerate(cells) if cell.get("checkpoint") == "cft")
    cells[place] |= {"state": "outdated"}
    nothing = {"value": None, "se": None, "n": None, "unit": "number", "paper": None, "state": "not run"}
    cells[place + 1] = {key: cells[place + 1][key] for key in ("row", "column")} | nothing | {"gap": "not run, `x`"}
    page, _ = assemble.make(Results(results, {"main": cells}), 10**9)
    still = parsed(page).one("main", id="still")
    texts = [cell.text for cell in still.one("table", class_="scores").all("td")]
    assert sum(text.endswith("↻") for text in texts) == 1
    assert "not run" in texts
    assert "not run, or outdated" in still.one("table", class_="flags").text


def test_claims_that_are_judged_anew_stand_in_place_of_the_file(results):
    judged = [
        {**row, "verdict": "inconclusive", "why": "one cell is not run"} for row in read_json(results / "claims.json")
    ]
    page, _ = assemble.make(Results(results, {}, judged), 10**9)
    assert "inconclusive: one cell is not run" in parsed(page).one("section", data_page="claims").text


def test_addresses_in_the_readme_name_places_of_the_laptop_study():
    study = resolve([str(ROOT / "config.yaml")])
    addresses = re.findall(r"`#/([^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(addresses) == 4
    for address in addresses:
        path, _, query = address.partition("?")
        kind, *names = path.split("/")
        if kind == "table":
            table = study["tables"][names[0]]
            assert names[1] in [row["name"] for row in table["rows"]]
            assert names[2] in [column["name"] for column in table["columns"]]
            assert query.partition("against=")[2] in study["runs"]
        else:
            assert not names or names[0] in study[{"critiques": "critiques", "train": "runs"}[kind]]
            assert f'data-page="{kind}"' in (assemble.ASSETS / "page.html.j2").read_text(encoding="utf-8")


def test_cells_and_rows_of_the_html_table_lead_into_the_page(results, tmp_path):
    table = parsed((results / "tables" / "main.html").read_text(encoding="utf-8"))
    to = {anchor.attributes["href"] for anchor in table.all("a")}
    assert {"../study.html#/table/main/CFT/GCD", "../study.html#/train/cft"} <= to
    assert "../study.html#/table/main/CFT/GCD?show=lost&against=sft" in to
    still = parsed(made(results, tmp_path / "study.html")).one("main", id="still")
    assert {address.removeprefix("../study.html") for address in to} <= {a.attributes["href"] for a in still.all("a")}
    marked = [cell for cell in table.all("td") if cell.text.endswith("ᵍ")]
    assert marked and all("graders' accuracies differ" in cell.attributes["title"] for cell in marked)


def test_texts_of_flipped_questions_are_asked_for_first(tmp_path):
    results = Made(tmp_path, questions=60).write()
    page = made(results, tmp_path / "study.html")
    correct = {run: part(page, f"rows/{run}/gcd")["correct"] for run in ("base", "sft", "cft")}
    flips = [place for place in range(60) if correct["sft"][place] != correct["cft"][place]]
    assert any(place >= answers.FIRST for place in flips)
    for run in ("sft", "cft"):
        texts = part(page, f"texts/{run}/gcd")
        assert all(texts[place] is not None for place in flips)
        assert any(text is None for text in texts)


def test_what_teachers_took_stands_beside_the_estimate(tmp_path):
    rows = [{"id": "r", "question": "x" * 400, "response": "y" * 400, "correct": True}]
    write_rows(tmp_path / "results" / "s" / "responses" / "own" / "graded.jsonl", rows)
    teacher = {"critique_prompt": "prompts/teacher-critique.j2", "max_tokens": 900, "model": "m", "kind": "openai"}
    teacher |= {"temperature": 0.0, "top_p": 1.0, "token_parameter": "max_tokens", "extra_body": {}}
    price = {"input": 1.0, "output": 10.0, "batch_factor": 0.5, "date": "2026-11"}
    limits = {"price": price, "mode": "requests", "expected_tokens": 500, "concurrency": 1}
    limits |= {"requests_per_minute": None, "tokens_per_minute": None}
    entry = {"name": "critiques.own", "file": "<results>/responses/own/graded.jsonl", "limits": limits}
    entry |= {"settings": {"teacher": teacher, "rows": None}}
    paid = {"answers_used": 1, "prompt_tokens": 300, "completion_tokens": 400, "cost_usd": 0.0043}
    files = {("critiques", "own.json"): paid, ("scores", "cft", "talk.json"): paid}
    benchmarks = {"talk": {"kind": "judge"}, "gcd": {"kind": "math"}}
    results = SimpleNamespace(
        study=type("Study", (dict,), {"priced_entries": lambda self: [entry]})(benchmarks=benchmarks),
        checkpoints=["cft"],
        real=lambda file: tmp_path / file.replace("<results>", "results/s"),
        json=lambda *names: files.get(names),
    )
    mine, judged = cost.teachers(results)
    assert mine["spent"] == paid and 0.0050 < mine["estimated"] < 0.0060
    assert judged == {"entry": "benchmarks.talk, cft", "estimated": None, "spent": paid}
    files.clear()
    assert [row["spent"] for row in cost.teachers(results)] == [None]


def test_a_row_that_the_chat_template_refuses_is_shown_role_by_role(model_folder, tmp_path):
    template = tmp_path / "strict.jinja"
    template.write_text("{{ raise_exception('no system messages') }}")
    row = {"id": "r", "messages": [{"role": "system", "content": "Be brief."}], "completion": "4"}
    shown = training.shown(row, Reader(model_folder, template), {"max_tokens": 10})
    assert shown["prompt"] == "system:\nBe brief." and "no system messages" in shown["dropped"]


def test_a_claim_is_told_beside_what_the_paper_printed():
    claim = yaml.safe_load((ROOT / "config/claims/cft.yaml").read_text())["claims"]["cft_beats_sft_deepseek_math"]
    tables = {"cft_table2_sft_vs_cft": {"paper": "cft_table2_sft_vs_cft"}}
    results = SimpleNamespace(study={"tables": tables})
    assert overview.printed_value(results, claim) == pytest.approx(3.5, abs=0.05)  # as docs/claims.md has it
    tables["cft_table2_sft_vs_cft"]["paper"] = None
    assert overview.printed_value(results, claim) is None


def test_answers_that_nothing_was_extracted_from_differ_from_those_that_are_not_extracted():
    judged = {"question_id": "q", "correct": 0.7, "tokens": 3}
    graded = {**judged, "extracted": None, "finished": False}
    assert "extracted" not in answers.columns([judged], {"q": 0})
    assert answers.columns([graded], {"q": 0}) == {
        **{"q": [0], "correct": [0.7], "tokens": [3], "extracted": [None], "finished": [0]},
    }


def test_answers_to_a_judge_and_to_lm_eval_are_shown_too():
    turns = {"id": "81", "turns": ["Write a post.", "Make it shorter."], "subject": "writing"}
    assert answers.shown_question(turns)["question"] == "Write a post.\n\nMake it shorter."
    assert answers.text_of({"responses": ["(-53.75, False)", "(-64.5, False)"]}) == "(-53.75, False)\n(-64.5, False)"
    assert answers.shown_question({"answer": "5618", "id": "gsm8k/0"}) == {"id": "gsm8k/0", "answer": "5618"}
