r"""Golds that are more than an answer: a solution around a box, a list of strings, a sentence."""

import ast
import re

from scripts.lib.grading import answers, spelling
from scripts.lib.grading.units import TEXT
from scripts.lib.grading.wording import is_nothing

PROSE_GOLD = 200  # characters; longer golds without a box are searched for their answer
ASIDE = re.compile(
    r"(?<=[\d)}])\s*(?:(?<=\s)\((?:[a-z]{3,}[ -]?)+\)|,?\s*\\text\s*\{\s*,?\s*(?:that is|i\.e\.|or about)\b.*)$"
)
STATED = re.compile(r"(?:[A-Za-z,]+ ){2,}(?:is|are|equals) (?P<value>[^\sA-Za-z][^A-Z]*?)\.?")
YES = re.compile(r"(?i:yes|no|true|false)\s*[.,:;]\s+(?=.*[=\\\d])")


def readings(gold: str) -> list[str]:
    r"""The possible readings of `gold`, best first.

    >>> readings("Hence $x = \\boxed{\\frac{1}{2}}$")
    ['\\frac{1}{2}']
    >>> readings('["2", "3"]')
    ['2, 3']
    """
    if "\\boxed" in gold or "####" in gold or (len(gold) > PROSE_GOLD and "\n" in gold):
        return [answers.extract(gold) or gold]
    listed = without_quotes(gold)
    if listed != gold:
        return [listed]
    confirmed = YES.match(gold)
    if confirmed:
        rest = gold[confirmed.end() :]
        return [gold, rest, answers.extract(rest) or rest]
    name, colon, value = TEXT.sub(r"\1", gold).partition(":")
    if colon and is_nothing(spelling.clean(name)) and is_nothing(spelling.clean(value)):
        return [name, value]
    aside = ASIDE.search(gold)
    if aside:
        return [gold, gold[: aside.start()]]
    stated = STATED.fullmatch(gold)
    if stated:
        return [gold, stated["value"]]
    return [gold]


def without_quotes(text: str) -> str:
    """A list of strings, as Python or JSON writes it, as a plain list; other texts as they are."""
    text = text.strip()
    if not (text.startswith(("['", '["')) and text.endswith(("']", '"]'))):
        return text
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return text
    return ", ".join(item.strip() for item in found)
