"""Multiple choice: the letter that a text chooses."""

import re
import unicodedata
from collections.abc import Sequence

from scripts.lib.grading.answers import ANSWER_TAG, PHRASE, TAIL, last_box, parts
from scripts.lib.grading.spelling import clean

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def choice_letter(text: str, choices: Sequence[str] = (), options: int = 0) -> str | None:
    """The letter that `text` chooses, or None where it chooses none or several.

    Args:
        text: a whole response.
        choices: texts of the options, in order, where they are known.
        options: how many options there are, where their texts are not known; 26 if neither is given.
    """
    letters = LETTERS[: len(choices) or options or 26]
    return next((found for part in parts(text) if (found := _choice(part, letters, choices))), None)


def _choice(text: str, letters: str, choices: Sequence[str]) -> str | None:
    start = text.lower().rfind("<answer>")
    if start >= 0:
        content = ANSWER_TAG.match(text, start)[1].strip()
        if content:
            return _named_choice(content, letters, choices)
    box = last_box(text)
    if box is not None:
        return _named_choice(box, letters, choices)
    text = unicodedata.normalize("NFKC", text[-TAIL:])
    letter = rf"[\s*_$\\({{\[\"'`]*(?:text\s*\{{\s*\(?)?(?P<letter>[{letters}])(?![\w'’])"
    matches = list(re.finditer(
        r"(?i:(?:answer|choice|option|conclusion)(?:\s+choice|\s+option)?\s*(?:\*\*)?\s*"
        r"(?:(?:is|are|would be|should be|must be|will be|:|=)\s*)+"
        r"(?:the\s+)?(?:letter\s+|option\s+|choice\s+|answer\s+)?"
        r"|####|^\s*(?:\*\*)?answer\s*[:\-]?)"
        + letter,
        text, re.MULTILINE))  # fmt: skip
    if matches:
        return _single(text, matches[-1], letters)
    phrase = None
    for phrase in PHRASE.finditer(text):  # noqa: B007  the last one is used
        pass
    if phrase is not None:
        found = _named_choice(text[phrase.end() :].strip().split("\n")[0], letters, choices)
        if found:
            return found
    patterns = (
        rf"(?i:\b(?:option|choice|select|choose|pick|letter))\s+[\s*(\[\"'`]*(?P<letter>[{letters}])(?![\w'’])",
        rf"[*\s]*[(\[]?(?P<letter>[{letters}])[)\].:]*[*\s]*(?i:is\s+(?:the\s+)?(?:correct|right|best|answer))",
    )
    for pattern in patterns:
        matches = list(re.finditer(pattern, text))
        if matches:
            return matches[-1]["letter"]
    named = _named_choice(text.strip(), letters, choices)
    if named:
        return named
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if lines:
        named = _named_choice(lines[-1], letters, choices)
        if named:
            return named
    return None


def _single(text: str, match: re.Match, letters: str) -> str | None:
    """The letter of `match`, or None where others follow it ("A or B")."""
    after = re.match(
        rf"[\s*)\]}}$.\"'`]*(?:,|/|and|or|&)\s*[*($\[]*([{letters}])(?![\w'’])", text[match.end("letter") :]
    )
    return None if after and after[1] != match["letter"] else match["letter"]


def _named_choice(answer: str, letters: str, choices: Sequence[str]) -> str | None:
    """The letter that a short answer names: the letter itself, the text of a choice, or "the third option"."""
    plain = unicodedata.normalize("NFKC", answer)
    plain = re.sub(r"\\(?:text|mathrm|mathbf|textbf|mathbb|operatorname|mbox|textit)\s*|[$*_`\"]", " ", plain)
    plain = re.sub(r"[{}]", " ", plain).strip()
    lead = re.match(rf"(?i:(?:the\s+)?(?:answer|option|choice|letter)\s*(?:is|:)?\s*)?"
                    rf"[(\[]?\s*(?P<letter>[{letters}])\s*[)\]]?"
                    r"\s*(?:[.:,)\-–]|$)", plain)  # fmt: skip
    if lead:
        return _single(plain, re.match(rf".*?(?P<letter>{lead['letter']})", plain), letters)
    lower = re.fullmatch(rf"[(\[]?\s*([{letters.lower()}])\s*[)\].:]*", plain)
    if lower:
        return lower[1].upper()
    wanted = _choice_text(plain)
    if choices and wanted:
        texts = [_choice_text(choice) for choice in choices]
        same = [index for index, choice in enumerate(texts) if choice == wanted]
        if len(same) == 1:
            return letters[same[0]]
        if not same:
            held = [index for index, choice in enumerate(texts) if len(choice) > 1 and _holds(wanted, choice)]
            # "postfix: ethics of care" also holds "ethics": the longest choice that the answer holds is meant.
            held = [i for i in held if not any(i != j and _holds(texts[j], texts[i]) for j in held)]
            if len(held) == 1 and len(wanted) <= len(texts[held[0]]) + 60:
                return letters[held[0]]
    ordinal = re.search(rf"\b({'|'.join(ORDINALS)})\s+(?:option|choice|answer|one)\b", plain.lower())
    if ordinal and ORDINALS.index(ordinal[1]) < len(letters):
        return letters[ORDINALS.index(ordinal[1])]
    start = re.match(rf"[(\[]([{letters}])[)\]]|([{letters}])[).:]\s", plain)
    return (start[1] or start[2]) if start else None


def _choice_text(text: str) -> str:
    text = re.sub(r"[^\w%/.+<>=^-]+", " ", clean(text).lower()).strip()
    return re.sub(r"\s+", " ", text).strip(" .")


def _holds(text: str, part: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(part)}(?![\w-]|\.\d)", text) is not None
