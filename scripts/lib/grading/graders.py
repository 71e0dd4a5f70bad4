"""The verdicts on one answer: ours, the papers' authors' and math-verify's. Runs inside grading workers."""

import re
from collections.abc import Callable, Iterator

from scripts.lib.grading import answers, authors, choices, compare, library, wording
from scripts.lib.grading.choices import choice_letter
from scripts.lib.grading.items import PARTS, Item


def parts(item: Item, errors: list[str], done: dict[str, object] | None = None) -> Iterator[tuple[str, object]]:
    """The parts of the grade of `item`, cheapest first.

    A part that fails is None, and its error is appended to `errors`.

    Args:
        item: what to grade.
        errors: gets the errors.
        done: existing parts by name, which are not computed again.
    """
    done = done or {}
    extracted = done.get("extracted")
    steps: dict[str, Callable[[], object]] = {
        "extracted": lambda: extract(item),
        "verdict": lambda: ours(extracted, item),
        "authors_cft": lambda: _by_authors(authors.CFT, item),
        "authors_thinkpo": lambda: _by_authors(authors.THINKPO, item),
        "math_verify": lambda: _math_verify(item),
    }
    failed = False
    for name in PARTS:
        if name in done:
            continue
        try:
            value = None if failed and name == "verdict" else steps[name]()
        except Exception as error:  # a parser's failure on model output is the row's error, not the run's
            errors.append(f"{name}: {type(error).__name__}: {error}"[:300])
            value, failed = None, failed or name == "extracted"
        if name == "extracted":
            extracted = value
        yield name, value


def _by_authors(rules: authors.Rules, item: Item) -> bool:
    return authors.verdict(rules, item.prediction or "", item.gold, item.kind, item.of_set)


def _math_verify(item: Item) -> bool | None:
    return None if item.kind == "choice" else library.math_verify(item.prediction or "", item.gold)


def extract(item: Item) -> str | None:
    """The answer that ours compares: a letter for `choice`, an answer text for `math`."""
    return reading(item)[1]


def reading(item: Item) -> tuple[str, str | None]:
    """How the answer that ours compares was found, and the answer."""
    text = item.prediction or ""
    if item.kind == "choice":
        return choices.reading(text, item.choices)
    name, found = answers.reading(text)
    if name in answers.WEAK and item.gold and wording.is_said(item.gold):
        # Where the gold is words, the last sentence says more than the last number.
        said = answers.yes_or_no(text) if wording.truth(item.gold, gold=True) is not None else None
        return "last_sentence", said or answers.last_sentence(text) or found
    return name, found


def ours(extracted: str | None, item: Item, steps: list[str] | None = None) -> bool:
    """Our verdict on an extracted answer; `steps` gets a line for each step of the comparison."""
    if extracted is None:
        return False
    if item.kind == "choice":
        return extracted == gold_letter(item.gold, item.choices)
    return compare.same_answer(item.gold, extracted, item.options, steps)


def explain(item: Item) -> list[str]:
    """How our verdict on `item` is reached: the reading, what it found, each step of the comparison, the verdict."""
    name, found = reading(item)
    steps: list[str] = []
    verdict = ours(found, item, steps)
    return [f"read as: {name}", f"answer: {found!r}", f"gold: {item.gold!r}", *steps, f"verdict: {verdict}"]


def gold_letter(gold: str, options: tuple[str, ...]) -> str | None:
    """The letter of a `choice` gold: `C`, `(c)`, or the text of a choice."""
    letter = re.fullmatch(r"\s*[(\[]?\s*([A-Za-z])\s*[)\].]?\s*", gold)
    return letter[1].upper() if letter else choice_letter(gold, options)
