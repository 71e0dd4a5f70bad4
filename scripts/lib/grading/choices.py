r"""Multiple choice: the letter that a text chooses.

A text is read in the ways that READINGS lists, in their order; the first that finds a letter counts. A letter counts
only where it is one: "A lot of data" and "I think" choose nothing.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence

from scripts.lib.grading.answers import ANSWER_TAG, PHRASE, RETRACTED, TAIL, last_box, parts
from scripts.lib.grading.compare import same_answer
from scripts.lib.grading.items import LETTERS
from scripts.lib.grading.numerals import spelled
from scripts.lib.grading.spelling import clean

SPOKEN_OF = re.compile(r"(?i:options|choices|answers)\s+\W{0,4}[A-Z]")  # "options A and C are too large"
OF_OPTION = re.compile(r"(?i:option|choice|statement)\b")
RULED_OUT = re.compile(r"\W{0,3}\s?(?i:is|was|[:–—-])\s?\W{0,2}(?i:false|wrong|incorrect|not|no)\b")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

# Pieces of the patterns below. Words that may stand between "answer" and its letter:
_FILLER = (
    r"(?:is|are|was|would|should|must|will|has|have|had|could|can|may|might|to|be|seems?|appears?|looks?|like|most|very|likely|probably|"
    r"definitely|clearly|certainly|therefore|thus|hence|then|here|so|indeed|simply|actually|i|think|believe|guess|it|its|"
    r"it's|that|the|a?n?\s?option|options?|letter|choice|choose|select|pick|i'd|i'll|say|go|going|with|for|my|final|answer|"
    r"correct|right|best|one|among|these|statement|after|analysis|given|question|problem|this|of|above|"
    r"es|est|ist|è|é|correcta|correcto|correcte|richtige|lautet|la|die|der|el)"
)
_GAP = rf"(?:\s{{1,3}}|[:=*_,$–—-]|\b{_FILLER}\b){{0,24}}"
_OPEN = r"[(\[{\"'`*_$<]{0,6}"
_TEX = r"(?:\\\(|\\\[)?\s?(?:\\(?:text|mathrm|mathbf|textbf|boldsymbol|mathbb|bf|rm|boxed)\s?\{?\s?\(?\s?)*"
_NOT_WORD = r"(?![A-Za-z0-9_'’]|-[A-Za-z])"
_NOUN = (
    r"(?:answers?|ans\b\.?|choices?|options?|conclusion|selection|(?:correct|right|true)\s+(?:response|solution|alternative|statement|"
    r"claim|formula|expression|graph|letter|item|assertion|definition|explanation|description|term|value|one))"
)
_FOREIGN = (
    r"(?:antwort|lösung|respuesta|opción|r[ée]ponse|risposta|resposta|jawaban|odpowiedź|cevap|ответ|đáp án|답|정답|"
    r"答案|答え|正解|应选|故选|所以选|选择|选项|选|選|答|الإجابة(?:\s+الصحيحة)?(?:\s+هي)?|الجواب(?:\s+هو)?|सही\s+उत्तर)"
)
_RIGHT = (
    r"(?:correct|right|best|better|true|the\s+(?:correct|right|best)?\s?(?:answer|choice|option|one)"
    r"|my\s+(?:answer|choice))"
)
_MUST = r"(?:is|(?:must|should|would|will)\s+be|has\s+to\s+be|seems(?:\s+to\s+be)?|looks|appears(?:\s+to\s+be)?)"
# What may follow a lone "A" that is not an article, or an "I" that is not a pronoun.
_AFTER_A = (
    r"(?=[)\]}.:,;*_\"'`$!?\\\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]|\s*$|\s*\n"
    r"|\s+(?:because|since|as|and|or|but|is|not|for|which|would|due|[-–—(/&]))"
)
_AFTER_I = r"(?=[)\]}.:,;*_\"'`$!?\\]|\s*$|\s*\n|\s+(?:because|since|and|or|is|not)\b)"


def choice_letter(text: str, choices: Sequence[str] = (), options: int = 0) -> str | None:
    """The letter that `text` chooses, or None if it chooses none or several.

    Args:
        text: a whole response.
        choices: texts of the options, in order, if known.
        options: number of options, if their texts are unknown; 26 if neither is given.
    """
    return reading(text, choices, options)[1]


def reading(text: str, choices: Sequence[str] = (), options: int = 0) -> tuple[str, str | None]:
    """The name of the reading that finds a letter in `text`, and the letter."""
    letters = LETTERS[: len(choices) or options or 26]
    for part in parts(text):
        for read in READINGS:
            found = read(part, letters, choices)
            if found is not None:
                return read.__name__.strip("_"), found or None
    return "nothing", None


# ---------------------------------------------------------------------------------------------------------------------
# Letters


def _letter(letters: str) -> str:
    """The pattern of one letter that is a choice, in any markup."""
    others = "".join(letter for letter in letters if letter not in "AI")
    lone = [rf"[{others}]{_NOT_WORD}"] if others else []
    lone += [
        rf"{letter}{_NOT_WORD}{after}" for letter, after in (("A", _AFTER_A), ("I", _AFTER_I)) if letter in letters
    ]
    return rf"(?:{_TEX}{_OPEN}{_TEX}\s?(?P<letter>{'|'.join(lone)}))"


def _matches(pattern: str, text: str, letters: str) -> list[re.Match]:
    return list(_compiled(pattern, letters).finditer(text))


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str, letters: str) -> re.Pattern:
    return re.compile(pattern.replace("LETTER", _letter(letters)), re.MULTILINE)


def _last(pattern: str, text: str, letters: str) -> str | None:
    """The letter of the last match of `pattern`; empty if it names several; None without a match."""
    found = _matches(pattern, text, letters)
    return _single(text, found[-1].end("letter"), found[-1]["letter"], letters) if found else None


def _single(text: str, end: int, letter: str, letters: str) -> str:
    """`letter`, or empty if others follow it at `end` ("A or B")."""
    after = re.match(
        rf"[\s*)\]}}$.\"'`]{{0,8}}(?:,\s*(?:and|or)?|/|and\b|or\b|&)\s{{0,3}}[*($\[]{{0,4}}([{letters}]){_NOT_WORD}(?!\s(?!and\b|or\b)[a-z])",
        text[end : end + 40],
    )
    return "" if after and after[1] != letter else letter


def _answer_tag(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """`<answer>(B)</answer>`; a tag without a letter chooses nothing."""
    start = text.lower().rfind("<answer>")
    content = ANSWER_TAG.match(text, start)[1].strip() if start >= 0 else ""
    if not content:
        return None
    return _named(content, letters, choices) or _statement(content, letters, choices) or ""


def _box(text: str, letters: str, choices: Sequence[str]) -> str | None:
    r"""`\boxed{\text{(C)}}`, or the text or value of a choice in a box; other boxes say nothing."""
    box = last_box(text)
    return None if box is None else _named(box, letters, choices)


def _statement(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """`The answer is (B)`, `Answer: I think it is C`, `答案：C`: the last; one that a later "no, it's C" takes back."""
    text = text[-TAIL:]
    patterns = (
        rf"(?i:(?<![A-Za-z]){_NOUN}\b|{_FOREIGN})(?:\s{{1,2}}to\s[^.:\n]{{1,80}}?\s(?=is\b))?"
        rf"(?i:{_GAP}|\s{{0,3}}(?:是|为|は|:)\s{{0,3}})LETTER",
        r"####\s{0,3}LETTER",
        r"(?i:\bcorrect)\s?[:=]\s{0,3}LETTER",
        r"(?i:\bnot\s+(?:option\s+)?[(*]{0,3}[a-z][)*]{0,3},?\s+but\s+(?:rather\s+)?)LETTER",
    )
    found = [match for pattern in patterns for match in _matches(pattern, text, letters)]
    matches = [match for match in found if not SPOKEN_OF.fullmatch(match[0]) and not _is_ruled_out(text, match)]
    if not matches:
        return None
    last = max(matches, key=lambda match: match.end("letter"))
    end, letter = last.end("letter"), last["letter"]
    if RETRACTED.search(text, end):
        later = _rightness(text[end:], letters, choices)
        if later:
            return later
    return _single(text, end, letter, letters)


def _is_ruled_out(text: str, match: re.Match) -> bool:
    """Whether a match is of an option that the text calls wrong: "Option A: false"."""
    return OF_OPTION.match(match[0]) is not None and RULED_OUT.match(text, match.end()) is not None


def _rightness(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """`C is correct`, `D must be the right one`, `It's C`, `I would go with B`, `Therefore D.`: the last of them."""
    text = text[-TAIL:]
    wrong = r"(?!\W{0,3}\s(?i:is\s(?:not|wrong|incorrect|false)|isn't|cannot|can't|fails|doesn't|does\snot))"
    patterns = (
        rf"(?i:\b(?:actually|wait|no|instead|rather))[,:]?\s+(?i:(?:option|choice)\s+)?LETTER{wrong}",
        r"(?i:\bonly)\s+(?i:(?:option|choice|statement)\s+)?LETTER\W{0,3}\s+(?i:is|satisf|works|fits|holds|match|remains|meets|makes|can|agrees)",
        r"(?i:\b(?:leaves|leaving|left\swith|remaining\s(?:option|choice|one)\sis))\s+(?i:us\s+with\s+)?(?i:only\s+)?"
        r"(?i:(?:option|choice)\s+)?LETTER",
        rf"(?<!not\s)LETTER[)\]}}.:*_\"'`]{{0,6}}\s+(?i:{_MUST})\s+(?!not\b)(?i:{_RIGHT})\b",
        rf"(?i:\b(?:it|that)(?:'s|\s+{_MUST}))\s+(?i:(?:option|choice|letter|probably|likely|clearly)\s+)?LETTER(?=[\s.,;:!)\]}}*_]|$)",
        r"(?i:\bI\s?(?:'d|'ll|\s+would|\s+will|\s+am)?\s+(?:say|choose|chose|pick|picked|select|go(?:ing)?\s+(?:with|for)))\s+"
        r"(?i:(?:option|choice|letter)\s+)?LETTER",
        r"LETTER\s+is\s{0,3}[.!]?\s*$",
        r"LETTER\W{0,3}\s*[:–—-]\s*(?i:yes|correct|true|right)\b",
        r"(?i:\b(?:I\s+(?:think|believe|guess)|probably|maybe|likely|surely|definitely|certainly|clearly|must\s+be|has\s+to\s+be))[,:]?\s+LETTER\s*[.!*)\]}]{0,4}\s*$",
        r"(?i:\b(?:therefore|thus|hence|so))[,:]?\s+(?i:(?:it|the\s+answer)\s+is\s+)?LETTER\s*[.!*)\]}]{0,4}\s*$",
    )
    return next((found for pattern in patterns if (found := _last(pattern, text, letters))), None)


def _chosen(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """`Option C`, `I pick B`, `the letter D`: the last."""
    return _last(r"(?i:\b(?:option|choice|select|choose|pick|letter))\s+[\s*(\[\"'`]{0,6}LETTER", text[-TAIL:], letters)


def _phrase_text(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """`The answer is mitochondria, because ...`: the text of a choice behind the last "answer is"."""
    text = text[-TAIL:]
    phrase = None
    for phrase in PHRASE.finditer(text):  # noqa: B007  the last one is used
        pass
    if phrase is None:
        return None
    line = text[phrase.end() :].strip().split("\n")[0]
    named = _named(line, letters, choices)
    clause = re.split(r",|;|\.\s|\s+because\b|\s+since\b|\s+-\s", line)[0]
    return named or (_named(clause, letters, choices) if clause != line else None)


def _whole_text(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """A text that is a letter, a choice or both: `c) 17`, `C because ...`, `[[C]]`, `mitochondria`."""
    text = text.strip()
    lead = re.match(rf"{_OPEN}(?P<letter>[{letters}]){_NOT_WORD}\s+(?:because|since|as)\b", text)
    if lead:
        return lead["letter"]
    return _named(text[:TAIL], letters, choices)


def _last_line(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """The same of the last line."""
    lines = [line for line in text[-TAIL:].strip().splitlines() if line.strip()]
    if not lines:
        return None
    bracketed = re.findall(rf"[(\[]([{letters}])[)\]]", lines[-1])
    at_end = re.search(rf"[(\[]([{letters}])[)\]]\W{{0,4}}$", lines[-1])
    short = len(lines) == 1 and len(lines[0]) <= 60 and len(bracketed) == 1
    return _named(lines[-1], letters, choices) or (at_end[1] if at_end and short else None)


def _first_line(text: str, letters: str, choices: Sequence[str]) -> str | None:
    """A letter alone on the first line, with the reasons behind it."""
    first = text.strip().split("\n", 1)[0].strip()
    alone = re.fullmatch(rf"{_OPEN}(?P<letter>[{letters}])[)\]}}\"'`*_$.:]{{0,6}}", first)
    return alone["letter"] if alone else None


READINGS: tuple[Callable[[str, str, Sequence[str]], str | None], ...] = (
    _answer_tag,
    _box,
    _statement,
    _phrase_text,
    _rightness,
    _chosen,
    _whole_text,
    _last_line,
    _first_line,
)


# ---------------------------------------------------------------------------------------------------------------------
# Short answers

DRESS = re.compile(
    r"\\(?:text|mathrm|mathbf|textbf|mathbb|operatorname|mbox|textit|boldsymbol|bf|rm)(?![a-z])\s*|[$*_`\"\\]"
)


def _named(answer: str, letters: str, choices: Sequence[str]) -> str | None:
    """The letter that a short answer names: the letter itself, the text of a choice, or "the third option"."""
    plain = DRESS.sub(" ", unicodedata.normalize("NFKC", answer))
    plain = re.sub(r"[{}]", " ", plain).strip()
    plain = re.sub(r"(?i)^not\s[\w -]{1,60}?,?\sbut\s(?:rather\s)?", "", plain)  # "not osmosis but respiration"
    texts = [_choice_text(choice) for choice in choices]
    wanted = _choice_text(plain)
    if len(wanted) > 1 and texts.count(wanted) == 1:
        return letters[texts.index(wanted)]
    return (
        _leading_letter(plain, letters)
        or _choice_of_text(wanted, texts, letters)
        or _choice_of_value(spelled(plain) or answer, choices, letters)
        or _ordinal(plain, letters)
        or _bracketed(plain, letters)
    )


def _leading_letter(plain: str, letters: str) -> str | None:
    """`C`, `(c)`, `C. the third`, `c) 17`, `Option C`."""
    lead = re.match(
        rf"(?i:(?:the\s+)?(?:(?:correct|final|best|right)\s+)?(?:answer|option|choice|letter)\s*(?:is|:)?\s*)?"
        rf"[(\[]{{0,2}}\s*(?P<letter>[{letters}])\s*[)\]]{{0,2}}\s*(?:[.:,)\]!\-–—]|$)(?!\w|\s[A-Z]\.)",
        plain,
    )
    if lead and not re.match(r"\s*-\s?[A-Za-z]\w", plain[lead.end("letter") :]) or lead and "(" in lead[0]:
        return _single(plain, lead.end("letter"), lead["letter"], letters) or None
    lower = re.fullmatch(
        rf"(?i:(?:option|choice|answer|letter)\s+)?[(\[]?\s*([{letters.lower()}])\s*(?:[)\].:]+(?:\s(?P<rest>.{{0,80}}))?)?",
        plain,
        re.DOTALL,
    )
    listed = lower and lower["rest"] and re.search(r"(?:^|\s)\(?[a-z]\)", lower["rest"])  # (a) ... (b) ...: a list
    return lower[1].upper() if lower and not listed else None


def _choice_of_text(wanted: str, texts: list[str], letters: str) -> str | None:
    if not wanted or texts.count(wanted) > 1:
        return None
    if wanted in texts:
        return letters[texts.index(wanted)]
    worked = re.search(r"[=^]", wanted) is not None  # a number in a formula is no choice
    held = [
        index
        for index, choice in enumerate(texts)
        if len(choice) > 1 and _holds(wanted, choice) and not (worked and re.fullmatch(r"[\d.,/-]+", choice))
    ]
    # "postfix: ethics of care" also holds "ethics": the longest choice that the answer holds is meant.
    held = [i for i in held if not any(i != j and _holds(texts[j], texts[i]) for j in held)]
    return letters[held[0]] if len(held) == 1 and len(wanted) <= len(texts[held[0]]) + 60 else None


def _choice_of_value(answer: str, choices: Sequence[str], letters: str) -> str | None:
    """The only choice that `answer` is equal to, where it is a value: `0.5` for `1/2`."""
    if not re.search(r"\d", answer) or len(answer) > 60 or answer.count("=") > 1:
        return None
    same = [index for index, choice in enumerate(choices) if len(choice) <= 60 and same_answer(choice, answer)]
    return letters[same[0]] if len(same) == 1 else None


def _ordinal(plain: str, letters: str) -> str | None:
    ordinal = re.search(rf"\b({'|'.join(ORDINALS)})\s+(?:option|choice|answer|one)\b", plain.lower())
    index = ORDINALS.index(ordinal[1]) if ordinal else len(letters)
    return letters[index] if index < len(letters) else None


def _bracketed(plain: str, letters: str) -> str | None:
    start = re.match(rf"[(\[]([{letters}])[)\]]|([{letters}])[).:]\s(?![A-Z]\.)", plain)
    return (start[1] or start[2]) if start else None


def _choice_text(text: str) -> str:
    text = re.sub(r"[^\w%/.+<>=^-]+", " ", clean(text).lower()).strip()
    return re.sub(r"\s+", " ", text).strip(" .")


def _holds(text: str, part: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(part)}(?![\w-]|\.\d)", text) is not None
