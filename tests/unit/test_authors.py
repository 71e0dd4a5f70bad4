import pytest

from scripts.lib.grading import SETS, Item, graders
from scripts.lib.grading.authors import CFT, THINKPO, extract, letter, verdict
from scripts.lib.study import schema
from tests import shared_data

AGREED = 0.995  # share of the stored answers on which ours must say what the authors' own code says


def boxed(answer: str) -> str:
    return f"So the answer is \\boxed{{{answer}}}."


@pytest.mark.parametrize(
    ("answer", "gold", "by_cft", "by_thinkpo"),
    [
        ("\\frac{1}{2}", "0.5", True, True),
        ("(1, 3)", "[1,3]", True, True),
        ("x=5", "5", True, True),
        ("3", "4", False, False),
        ("0.25", "25", True, True),  # a factor of 100
        ("0.577", "0.5613", True, False),  # alike to one decimal place
        ("0.01", "3.89e-10", True, False),
        ("557\\,", "560", True, False),  # alike to the digits of the shorter one
        ("6\\times10^{3}", "6e3", True, False),
        ("2\\cdot10^{5}", "7\\cdot10^{5}", True, False),  # only the power of ten is read
        ("5 \\text{ apples}", "5", True, True),
        ("5 apples", "5", True, False),  # units without \text
        ("3,1,2", "1,2,3", False, True),  # lists of whole numbers are sorted
        ("\\text{two}", "2", True, True),
        ("1,-2", "1,2", True, False),  # text after a comma is not read
        ("x \\le 2", "x<2", True, True),
        ("\\sqrt2", "\\sqrt{2}", True, True),
        ("\\frac12", "1/2", True, True),
        ("e^{2}", "7.389", False, False),  # e is a variable
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix}1\\\\2\\end{bmatrix}", True, False),
        ("x^2 + 2x + 1", "(x+1)^2", True, True),
    ],
)
def test_what_each_papers_grader_accepts(answer: str, gold: str, by_cft: bool, by_thinkpo: bool) -> None:
    assert verdict(CFT, boxed(answer), gold) is by_cft
    assert verdict(THINKPO, boxed(answer), gold) is by_thinkpo


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("first \\boxed{1}, then \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}", "\\frac{1}{2}"),  # the brace that never closes
        ("The answer is 12", "12"),
        ("The final answer is $7$. I hope it is correct.", "7"),
        ("3 + 4 = 7", "7"),
        ("答案是 5\n\nand so on", "5"),
        ("no number", ""),
    ],
)
def test_the_answer_that_both_read(text: str, found: str) -> None:
    assert extract(CFT, text) == extract(THINKPO, text) == found


def test_cft_keeps_units_on_minerva_only() -> None:
    assert extract(CFT, boxed("5 m"), "minerva") == "5m"
    assert extract(CFT, boxed("5 m"), "math500") == "5"


@pytest.mark.parametrize(
    ("text", "of_set", "by_cft", "by_thinkpo"),
    [
        ("The answer is (C).", "mmlu-pro", "C", "C"),
        ("B is tempting. Answer: J", "mmlu-pro", "J", "J"),
        ("nothing to choose", "mmlu-pro", None, None),
        ("The answer is B, and not D.", "gpqa", "B", "D"),
        ("no letter at all", "gpqa", "A", None),
    ],
)
def test_the_letter_that_a_text_gives(text: str, of_set: str, by_cft: str, by_thinkpo: str) -> None:
    assert (letter(CFT, text, of_set), letter(THINKPO, text, of_set)) == (by_cft, by_thinkpo)


def test_ours_does_not_forgive_a_factor_of_hundred() -> None:
    item = Item("The answer is \\boxed{0.25}.", "25")
    assert verdict(CFT, item.prediction, item.gold)
    assert not graders.ours(graders.extract(item), item)


@pytest.mark.parametrize(
    "answer", ["10^{10^{10}}", "(" * 3000, "9" * 9000, "1e999999", "\\frac{1}{0}", "{" * 5000, "=" * 50]
)
def test_no_answer_is_too_odd(answer: str) -> None:
    for rules in (CFT, THINKPO):
        assert verdict(rules, boxed(answer), "12") is False


def test_the_config_names_the_same_sets() -> None:
    kinds = schema.schema()["$defs"]["benchmarks"]["additionalProperties"]["oneOf"]
    assert kinds[0]["properties"]["set"]["enum"] == [*SETS]


def test_cfts_grader_says_what_its_authors_own_code_says() -> None:
    stored = {row["id"]: row for row in shared_data.rows("longshort_skyt1/pairs.jsonl.gz")}
    theirs = shared_data.rows("authors_grader/cft_verdicts.jsonl")
    differ = []
    for row in theirs:
        answers = stored[row["id"]]
        field, _, index = row["text"].partition("[")
        text = answers[field][int(index.rstrip("]"))] if index else answers[field]
        text = text if isinstance(text, str) else text["response"]
        if verdict(CFT, text, row["gold"], of_set=row["set"]) != row["verdict"]:
            differ.append((row["id"], row["gold"], row["extracted"], row["verdict"]))
    assert len(differ) <= (1 - AGREED) * len(theirs), differ
