"""The study page in a browser: from a cell to an answer, counts that agree with cells, hostile text, no request."""

import base64
import hashlib
import html
import re
import shutil
from pathlib import Path

import pytest

from scripts import make_page
from scripts.lib.jsonl import read_json, read_rows, write_json, write_rows
from scripts.lib.page import vendored
from scripts.lib.tables.statistics import _two_sided
from tests import browser
from tests.synthetic_study import Made

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason=browser.MISSING)
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def page(tmp_path_factory, model_folder: Path) -> Path:
    """The page of a study whose question, response, title and critique hold hostile text."""
    results = Made(tmp_path_factory.mktemp("page"), extra=HOSTILE).write()
    near = {"benchmark": "gcd", "question": "q-000003", "dataset": "sums", "trained": "t-7"}
    write_json(results / "tables" / "main.overlap.json", {"near_questions": [near]})
    write_rows(results / "datasets" / "sums.jsonl", [{"id": "t-7", "question": f"Nearly the same {HOSTILE}"}])
    shutil.copytree(model_folder, results / "models" / "base")
    assert make_page.main(make_page.parse_args(["--results", str(results)])) == 0
    return results / "study.html"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> browser.Browser:
    """The browser."""
    return browser.Browser(tmp_path_factory.mktemp("browser"))


def link_in(element: browser.Element) -> str:
    """The address of the first link below."""
    return element.one("a").attributes["href"]


def test_three_clicks_lead_from_a_cell_to_a_graded_answer(page, chromium):
    still = chromium.shown(page)
    cell = still.one("a", href="#/table/main/CFT/GCD")
    answers = chromium.shown(page, cell.attributes["href"]).one("main", id="view")
    wrong = chromium.shown(page, answers.one("a", data_show="wrong").attributes["href"]).one("main", id="view")
    question = chromium.shown(page, link_in(wrong.one("tbody"))).one("main", id="view")
    column = question.one("div", data_row="cft")
    assert "ours ✗ wrong" in column.text
    assert "+ 1 =" in column.one("div", class_="text").text


def test_every_cell_is_the_count_of_the_questions_that_it_lists(page, chromium):
    cells = [cell for cell in read_json(page.parent / "tables" / "main.json") if "checkpoint" in cell]
    assert len(cells) == 6
    for cell in cells:
        address = f"#/table/main/{cell['row']}/{cell['column']}"
        view = chromium.shown(page, f"{address}?show=right").one("main", id="view")
        listed = len(list(view.one("table", class_="list").one("tbody").all("tr")))
        assert 100 * listed / cell["n"] == pytest.approx(cell["value"]), cell
        assert f"{listed} of {cell['n']} questions right" in view.one("p", id="total").text


def test_flipped_questions_and_mcnemar_agree_with_the_scores(page, chromium):
    view = chromium.shown(page, "#/table/main/CFT/GCD?against=sft&show=flipped").one("main", id="view")

    def right(run: str) -> dict[str, bool]:
        rows = read_rows(page.parent / "scores" / run / "numbers.jsonl")
        return {row["question_id"]: row["correct"] for row in rows if row["benchmark"] == "gcd"}

    cft, sft = right("cft"), right("sft")
    flipped = [question for question in cft if cft[question] != sft[question]]
    listed = [row.attributes["data-question"] for row in view.one("table", class_="list").one("tbody").all("tr")]
    assert listed == flipped
    better = sum(cft[question] for question in flipped)
    said = re.search(r"(\d+) better, (\d+) worse, p = ([\d.e-]+?)\. ", view.text)
    assert (int(said[1]), int(said[2])) == (better, len(flipped) - better)
    assert float(said[3]) == pytest.approx(_two_sided(better, len(flipped) - better), rel=0.06)


@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "#/table/main",
        "#/question/gcd/q-000003?table=main&of=cft",
        "#/question/gcd/q-000005?table=main&of=cft&against=sft&diff=1",
        "#/critiques/sums-verifier/q-000004%230",
    ],
)
def test_hostile_text_is_text(page, chromium, fragment):
    shown = chromium.shown(page, fragment)
    assert not list(shown.all("img"))
    assert shown.one("title").text == "made-up: study page"
    assert HOSTILE in shown.one("body").text


def test_no_view_asks_for_anything_or_fails(page, chromium):
    views = [
        "#/training",
        "#/provenance/cft/gcd",
        "#/train/cft",
        "#/critiques/sums-other",
        "#/claims",
        "#/cost",
        "#/nowhere",
    ]
    for view in views:
        shown = chromium.shown(page, view)
        said = "".join(main.text for main in shown.all("main"))
        assert "could not be shown" not in said, view
        assert ("no such place" in said) == (view == "#/nowhere"), view
    assert not [address for address in chromium.requests if address.startswith(("http", "ws"))]


def test_a_request_of_a_page_would_be_seen(tmp_path, chromium):
    (tmp_path / "page.html").write_text("<!doctype html><img src='http://127.0.0.1:9/seen'>")
    chromium.shown(tmp_path / "page.html")
    assert "http://127.0.0.1:9/seen" in chromium.requests
    chromium.requests.clear()


def test_a_question_shows_what_is_near_it_in_training(page, chromium):
    view = chromium.shown(page, "#/question/gcd/q-000003?table=main&of=cft").one("main", id="view").text
    assert "t-7 of sums: 13 words in a row are the same." in view
    assert f"Nearly the same {HOSTILE}" in view
    other = chromium.shown(page, "#/question/gcd/q-000004?table=main&of=cft").one("main", id="view").text
    assert "near question" not in other


def test_loss_tokens_are_told_apart_from_the_prompt(page, chromium):
    view = chromium.shown(page, "#/train/sft/q-000003%230").one("main", id="view")
    assert view.one("span", class_="prompt").text.endswith("<|im_start|>assistant\n")
    loss = [span.text for span in view.all("span") if "loss" in (span.attributes.get("class") or "")]
    assert loss == [*"3 + 1 = 4", "<|im_end|>"]  # a tokenizer of bytes


def test_texts_beside_the_page_are_loaded_when_they_are_asked_for(tmp_path, chromium):
    results = Made(tmp_path, questions=60, words=200).write()
    make_page.main(make_page.parse_args(["--results", str(results), "--budget-mb", "0.05"]))
    assert list((results / "study").glob("data-*.js"))
    assert "lie in the folder study/ beside this page" in chromium.shown(results / "study.html").one("body").text
    view = chromium.shown(results / "study.html", "#/question/gcd/q-000050?table=main&of=cft").one("main", id="view")
    assert "50 + 1 =" in view.one("div", data_row="cft").one("div", class_="text").text
    shutil.rmtree(results / "study")
    view = chromium.shown(results / "study.html", "#/question/gcd/q-000050?table=main&of=cft").one("main", id="view")
    assert "is not beside this page" in view.text


def test_the_policy_names_the_hashes_of_what_is_inline(page):
    text = page.read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="(.*?)"', text)[1])
    for tag in ("script", "style"):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_formulas_are_typeset_where_a_text_holds_any(tmp_path, chromium, page):
    results = Made(tmp_path, extra=r"Then $\frac{1}{2}$, and $\href{javascript:alert(1)}{x}$ and $\unknown{$.").write()
    make_page.main(make_page.parse_args(["--results", str(results)]))
    view = chromium.shown(results / "study.html", "#/question/gcd/q-000003?table=main&of=cft").one("main", id="view")
    assert len(list(view.all("mfrac"))) == 1
    assert r"$\unknown{$" in view.text
    assert not [link for link in view.all("a") if (link.attributes["href"] or "").startswith("javascript")]
    library = vendored.text("katex")
    assert [library in file.read_text(encoding="utf-8") for file in (results / "study.html", page)] == [True, False]


def test_several_samples_of_a_question_count_by_their_share(tmp_path, chromium):
    results = Made(tmp_path).write()
    file = results / "scores" / "sft" / "numbers.jsonl"
    rows = read_rows(file)
    more = [{**row, "id": row["id"][:-1] + "1", "sample": 1, "correct": True, "response": "again"} for row in rows]
    write_rows(file, [*rows, *more])
    make_page.main(make_page.parse_args(["--results", str(results)]))
    shares = [(row["correct"] + 1) / 2 for row in rows if row["benchmark"] == "gcd"]
    view = chromium.shown(results / "study.html", "#/answers/sft/gcd").one("main", id="view")
    assert f"{sum(shares):g} of {len(shares)} questions right" in view.one("p", id="total").text
    assert {"1 of 2", "2 of 2"} <= {span.text for span in view.one("table", class_="list").all("span")}
    second = chromium.shown(results / "study.html", "#/question/gcd/q-000007?of=sft&sample=1").one("main", id="view")
    assert second.one("div", data_row="sft").one("div", class_="text").text == "again"
