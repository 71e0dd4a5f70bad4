"""The study page in a browser: from a cell to an answer, counts that agree with cells, hostile text, no request."""

import base64
import hashlib
import html
import json
import re
import shutil
from pathlib import Path

import pytest

from scripts import make_page
from scripts.lib.jsonl import read_json, read_rows, write_json, write_rows
from scripts.lib.page import vendored
from scripts.lib.tables.links import link
from scripts.lib.tables.statistics import _two_sided
from tests import browser
from tests.synthetic_study import Made

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason=browser.MISSING)
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def page(tmp_path_factory, model_folder: Path) -> Path:
    """The page of a study whose question, response, table's title, row's name and critique hold hostile text."""
    results = Made(tmp_path_factory.mktemp("page"), extra=HOSTILE).write()
    trained = {"q-000003": "t-7", "q-000008": "q-000008"}
    near = [{"benchmark": "gcd", "question": ours, "dataset": "sums", "trained": id} for ours, id in trained.items()]
    write_json(results / "tables" / "main.overlap.json", {"near_questions": near})
    questions = [{"id": id, "question": f"Nearly the same {HOSTILE}"} for id in trained.values()]
    write_rows(results / "datasets" / "sums.jsonl", questions)
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
        address = link("table", "main", cell["row"], cell["column"])
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
        link("table", "main", f"Base {HOSTILE}", "GCD"),
        link("average", "main", f"Base {HOSTILE}", "Average"),
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
    assert "t-7 of sums has 13 words in a row in common." in view
    assert f"Nearly the same {HOSTILE}" in view
    other = chromium.shown(page, "#/question/gcd/q-000004?table=main&of=cft").one("main", id="view").text
    assert "similar question" not in other


def test_a_near_question_leads_to_its_critiques(page, chromium):
    near = chromium.shown(page, "#/question/gcd/q-000008?table=main&of=cft").one("main", id="view")
    (to,) = near.all("a", href="#/critiques/sums-verifier/q-000008%230")
    view = chromium.shown(page, to.attributes["href"]).one("main", id="view")
    assert "What is 8 + 1?" in view.text


def test_an_average_leads_to_its_cells_and_they_to_their_answers(page, chromium):
    still = chromium.shown(page)
    average = still.one("a", href="#/average/main/CFT/Average")
    view = chromium.shown(page, average.attributes["href"]).one("main", id="view")
    assert [link.text for link in view.one("table", class_="scores").all("a")] == [
        still.one("a", href=f"#/table/main/CFT/{benchmark}").text for benchmark in ("GCD", "LCM")
    ]
    answers = chromium.shown(page, link_in(view.one("table", class_="scores"))).one("main", id="view")
    assert "questions right" in answers.text
    difference = still.one("a", href="#/average/main/CFT%20%E2%88%92%20SFT/Average")
    view = chromium.shown(page, difference.attributes["href"]).one("main", id="view")
    assert link_in(view.one("table", class_="scores")) == "#/table/main/CFT/GCD?show=lost&against=sft"


def test_a_claim_leads_to_its_cells(page, chromium):
    claims = chromium.shown(page, "#/claims").one("section", data_page="claims")
    assert {link.attributes["href"] for link in claims.one("table").all("a")} == {
        "#/average/main/CFT/Average",
        "#/average/main/SFT/Average",
    }


def test_loss_tokens_are_told_apart_from_the_prompt(page, chromium):
    view = chromium.shown(page, "#/train/sft/q-000003%230").one("main", id="view")
    assert view.one("span", class_="prompt").text.endswith("<|im_start|>assistant\n")
    loss = [span.text for span in view.all("span") if "loss" in (span.attributes.get("class") or "")]
    assert loss == [*"3 + 1 = 4", "<|im_end|>"]  # a tokenizer of bytes


def acted(page: Path, script: str) -> Path:
    """A copy of the page, without its policy, that acts: `until(hash)` waits for a view, `press(key)` presses a key."""
    text = re.sub(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", page.read_text(encoding="utf-8"), count=1)
    helpers = """
    const soon = () => new Promise((done) => setTimeout(done, 5));
    const until = async (hash) => { while (document.body.dataset.shown !== hash) await soon(); };
    const press = async (key) => {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      await until(location.hash);
    };
    """
    acting = f"<script>{helpers} (async () => {{ await until(location.hash); {script} }})();</script>"
    made = page.with_name("acted.html")
    made.write_text(text.replace("</body>", f"{acting}</body>"), encoding="utf-8")
    return made


@pytest.mark.parametrize("keys, id", [("j", "q-000004"), ("jj", "q-000005"), ("k", "q-000002"), ("jkx", "q-000003")])
@pytest.mark.parametrize(
    "fragment, ending",
    [
        ("#/question/gcd/q-000003?table=main&of=cft", ""),
        ("#/critiques/sums-verifier/q-000003%230", "#0"),
        ("#/train/cft/q-000003%230", "#0"),
    ],
)
def test_the_keys_j_and_k_lead_to_the_next_and_back(page, chromium, fragment, ending, keys, id):
    script = "".join(f"await press('{key}');" for key in keys)
    view = chromium.shown(acted(page, script), fragment).one("main", id="view")
    assert view.one("p", class_="crumbs").text.endswith(f"› {id}{ending}")


def test_keys_in_a_search_field_are_text(page, chromium):
    script = (
        "document.querySelector('main select').dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}));"
    )
    view = chromium.shown(acted(page, script), "#/question/gcd/q-000003?table=main&of=cft").one("main", id="view")
    assert view.one("p", class_="crumbs").text.endswith("› q-000003")


def rewritten(file: Path, change) -> None:
    """Each row of a file as `change` makes it."""
    write_rows(file, [change(row) for row in read_rows(file)])


def test_a_judgement_stands_below_its_answer(tmp_path, chromium):
    results = Made(tmp_path).write()
    judged = {"judgement": f"Helpful. {HOSTILE} Rating: [[7]]", "rating": 7.0, "turn": 1}
    rewritten(results / "scores" / "sft" / "numbers.jsonl", lambda row: {**row, **judged, "correct": 0.7})
    make_page.main(make_page.parse_args(["--results", str(results)]))
    view = chromium.shown(results / "study.html", "#/question/gcd/q-000007?of=sft").one("main", id="view")
    below = view.one("div", data_row="sft").one("div", class_="judged").text
    assert "judgement: 7" in below and judged["judgement"] in below
    assert "judgement" not in view.one("div", data_row="cft").text


NASTY = [
    "\u202eevil\u202c \u2066x",  # runs right to left
    "\x00 a NUL, \x1b[31m, \u2028 and \ufeff",
    "<!-- <script> ]]> &lt;b&gt; ${1} `x` {{ 7 * 7 }} {% raw %}",
    HOSTILE,
    "\ud83d alone",  # half of a character
]


def test_nasty_texts_are_shown_as_they_are(tmp_path, chromium, model_folder):
    results = Made(tmp_path).write()
    shutil.copytree(model_folder, results / "models" / "base")
    whole = "\n".join(NASTY)

    def nasty(row: dict) -> dict:
        texts = {"response": whole, "extracted": NASTY[0], "critique": whole, "question": whole, "completion": whole}
        return {**row, **{key: text for key, text in texts.items() if key in row}}

    files = ["scores/sft/numbers", "critiques/sums-verifier", "train_sets/sft", "benchmarks/gcd"]
    for file in files:
        path = results / f"{file}.jsonl"
        path.write_text("".join(json.dumps(nasty(row)) + "\n" for row in read_rows(path)), encoding="utf-8")
    make_page.main(make_page.parse_args(["--results", str(results)]))
    for fragment in (
        "#/question/gcd/q-000007?of=sft&against=cft&diff=1",
        "#/critiques/sums-verifier/q-000004%230",
        "#/train/sft/q-000003%230",
        "#/answers/sft/gcd?q=evil",
    ):
        shown = chromium.shown(results / "study.html", fragment)
        view = shown.one("main", id="view").text
        assert "could not be shown" not in view, fragment
        assert not list(shown.all("img")) and shown.one("title").text == "made-up: study page"
        assert NASTY[2] in view and HOSTILE in view and "evil" in view, fragment


def test_answers_of_a_megabyte_are_shown_and_compared(tmp_path, chromium):
    results = Made(tmp_path, questions=8).write()
    for run, words in (("sft", "one two three "), ("cft", "four five six ")):

        def long(row: dict, words=words) -> dict:
            return {
                **row,
                "response": "".join(f"{words}{n} " for n in range(50_000))
                if row["question_id"] == "q-000003"
                else row["response"],
            }

        rewritten(results / "scores" / run / "numbers.jsonl", long)
    make_page.main(make_page.parse_args(["--results", str(results)]))
    address = "#/question/gcd/q-000003?table=main&of=sft&against=cft&diff=1"
    view = chromium.shown(results / "study.html", address).one("main", id="view")
    assert "too long and too different for word differences" in view.text
    assert view.one("div", data_row="sft").one("div", class_="text").text.endswith("three 49999 ")


@pytest.mark.parametrize(
    "fragment",
    ["#/table/%", "#/table/constructor/a/b", "#/question/gcd", "#/train/__proto__", "#/answers/toString/gcd"],
)
def test_an_address_that_names_nothing_says_so(page, chromium, fragment):
    view = chromium.shown(page, fragment).one("main", id="view")
    assert len(list(view.all("p", class_="missing"))) == 1


def test_training_rows_with_the_same_id_are_told_apart(tmp_path, chromium):
    results = Made(tmp_path).write()
    file = results / "train_sets" / "sft.jsonl"
    rows = read_rows(file)
    write_rows(file, [*rows, {**rows[0], "completion": "of another part"}])
    make_page.main(make_page.parse_args(["--results", str(results)]))
    listed = chromium.shown(results / "study.html", "#/train/sft").one("main", id="view").one("table", class_="list")
    last = list(listed.one("tbody").all("a"))[-1].attributes["href"]
    assert "of another part" in chromium.shown(results / "study.html", last).one("main", id="view").text
    before = f"#/train/sft/{rows[-1]['id'].replace('#', '%23')}"
    shown = chromium.shown(acted(results / "study.html", "await press('j');"), before)
    assert "of another part" in shown.one("main", id="view").text


def test_texts_beside_the_page_are_loaded_when_they_are_asked_for(tmp_path, chromium):
    results = Made(tmp_path, questions=60, words=200).write()
    make_page.main(make_page.parse_args(["--results", str(results), "--budget-mb", "0.05"]))
    assert list((results / "study").glob("data-*.js"))
    assert "are in the folder study/ beside this page" in chromium.shown(results / "study.html").one("body").text
    view = chromium.shown(results / "study.html", "#/question/gcd/q-000050?table=main&of=cft").one("main", id="view")
    assert "50 + 1 =" in view.one("div", data_row="cft").one("div", class_="text").text
    shutil.rmtree(results / "study")
    view = chromium.shown(results / "study.html", "#/question/gcd/q-000050?table=main&of=cft").one("main", id="view")
    assert "is missing beside this page" in view.text


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
