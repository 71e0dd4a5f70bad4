"""Reads the verdict that a critique states: `Conclusion: right [END]`, and the forms in which models really write it.

Only a stated conclusion counts; nothing is guessed from the text around it. In order: a verdict straight after
"Conclusion:", one after "Correctness of the final answer:", and, below a heading "Conclusion", a sentence such as "The
student's solution is wrong." A critique that states none, both words at once ("partly right"), or two that differ has
no verdict.

The step that a critique calls the first wrong one is read likewise: `First error step: 3`, else the step of the first
sentence that says of one that it is wrong.
"""

import re
from collections.abc import Iterator

_MARK = r"[\s*_#`>$\\{}|]*"  # markdown and LaTeX that may stand between words
_CONCLUSION = re.compile(
    rf"\b(?:conclusion|(?:final|overall){_MARK}verdict){_MARK}(?P<colon>[:：=]|-+|–|—|\bis\b)?{_MARK}", re.IGNORECASE
)
_CORRECTNESS = re.compile(
    rf"\bcorrectness of (?:the )?(?:final )?(?:answer|solution){_MARK}(?P<colon>[:：]){_MARK}", re.IGNORECASE
)
_END = re.compile(r"\[\s*/?\s*end\s*\]", re.IGNORECASE)
_QUOTES = "\"'“”‘’«»„`"
_SIDES = {
    "right": "right|correct|correctly|true|valid",
    "wrong": "wrong|incorrect|incorrectly|inaccurate|false|invalid",
}
# A verdict word that belongs to a noun judges nothing: "the correct answer is 7", "right-hand side".
_NOUN = (
    r"(?![ -](?:hand|angle|angled|triangle|answer|value|result|solution|number|side|approach|method|formula|idea)s?\b)"
)
_WORD = re.compile("|".join(rf"\b(?P<{side}>{words})\b{_NOUN}" for side, words in _SIDES.items()), re.IGNORECASE)
# A negation up to three words before the verdict word inverts it: "not entirely correct" is wrong.
_NEGATION = re.compile(
    r"(?:\b(?:not|never|far from|anything but|no longer|cannot be|\w+n['’]t))(?:\s+\w+){0,3}\s*$", re.I
)
# What may stand before the verdict: "yes, ", "this is ", "the final answer 5 is ".
_SUBJECT = re.compile(
    r"(?:yes|no|so|therefore|thus|hence)\s*,\s*"
    r"|(?:it|this|(?:the|this|their|student['’]s|\s)+(?:final |given |overall )?(?:solution|answer|response))"
    r"(?:\s[-\d.,/]+)?\s+(?:is|was)\s+(?:therefore |thus |clearly )?",
    re.IGNORECASE,
)
# These leave the verdict open.
_HALF = re.compile(
    r"\b(?:part(?:ly|ial|ially)|mostly|half|nearly|almost|somewhat|largely|n?either|whether|unsure|unclear|"
    r"not (?:necessarily|sure|certain|clear|known))\b",
    re.IGNORECASE,
)
# Between two verdict words: they are alternatives, which together are not a verdict.
_ALTERNATIVE = re.compile(r"|[/|,&]|(?:,?\s*)(?:or|and|and/or|vs\.?)|(?:but|and|or)\s+\w+", re.IGNORECASE)
_MARKUP = re.compile(r"\\(?:text|boxed|textbf|mathrm)\b|\b(?:text|boxed|textbf|mathrm)(?=\s*\{)|[*_`~$\\{}|()\"“”]")
_JUDGED = re.compile(
    r"\b(?:student['’]s|the|their|this|given)\s+(?:final\s+|given\s+|overall\s+)?(?:solution|answer|response|conclusion)"
    r"\s+(?:is|was|are)\s+(?P<phrase>[^.\n\[]{0,60})",
    re.IGNORECASE,
)

_STEP = re.compile(r"\bsteps?\s*(?:number|no\.?|#)?\s*(?P<number>\d{1,3})\b", re.IGNORECASE)
_FIRST_STEP = re.compile(
    r"\bfirst\s+(?:error|mistake|slip|wrong|incorrect|erroneous|false|flawed)(?:\s+step)?"
    r"(?:\s+(?:is|was|occurs|lies|appears|made|found|in|at|on|step)\b)*\s*[:：]?\s*(?:step\s*)?(?P<number>\d{1,3})\b",
    re.IGNORECASE,
)
_FLAW = re.compile(
    r"\b(?:errors?|mistakes?|mistaken(?:ly)?|slips?|flaw(?:ed|s)?|erroneous(?:ly)?|should (?:be|have))\b", re.IGNORECASE
)
_NO_FLAW = re.compile(r"\b(?:no|not|without|any|never|free (?:of|from))(?:\s+\w+){0,2}\s*$", re.IGNORECASE)
_SENTENCES = re.compile(r"\n+|(?<=[.!?])\s+(?=[A-Z\-*])")


def parse_verdict(text: str) -> str | None:
    """`right` or `wrong` as `text` states it, or None if it states none, or two different ones.

    >>> parse_verdict("Step 2 is false. **Conclusion: Wrong** [END]")
    'wrong'
    """
    text = text.rpartition("</think>")[2].strip() or text  # what a thought concludes is not stated yet
    for introduction in (_CONCLUSION, _CORRECTNESS):
        stated = set()
        for found in introduction.finditer(text):
            if found["colon"] or "\n" in found.group():
                stated |= set() if _is_quotation(text, found) else {_direct(_spoken(text, found))}
        stated -= {None}
        if stated:
            return stated.pop() if len(stated) == 1 else None
    heading = [found for found in _CONCLUSION.finditer(text) if found["colon"] or "\n" in found.group()]
    below = _END.split(text[heading[-1].end() :], maxsplit=1)[0] if heading else ""
    judged = {_of_sentence(found["phrase"]) for found in _JUDGED.finditer(_plain(below))}
    return judged.pop() if len(judged) == 1 else None


def parse_wrong_step(text: str) -> int | None:
    """The number of the step that `text` calls the first wrong one, or None if it names none.

    >>> parse_wrong_step("Step 1 is right. Step 2: 3 + 4 = 8 is wrong. Conclusion: wrong [END]")
    2
    """
    if stated := _FIRST_STEP.search(_plain(text)):
        return int(stated["number"])
    wrong = (step for step, sentence in _sentences_of_steps(text) if step is not None and _finds_fault(sentence))
    return next(wrong, None)


def _sentences_of_steps(text: str) -> Iterator[tuple[int | None, str]]:
    """The sentences of a critique with the step that each is about: the first that it names, else the one before."""
    step = None
    for sentence in _SENTENCES.split(text):
        plain = _plain(sentence)
        if _CONCLUSION.search(plain) or _CORRECTNESS.search(plain):
            return
        named = _STEP.search(plain)
        step = int(named["number"]) if named else step
        yield step, plain


def _finds_fault(plain: str) -> bool:
    """Whether a sentence calls something wrong, or names an error in it."""
    if any(value == "wrong" for _, value in _words(plain)):
        return True
    return any(not _NO_FLAW.search(plain[: flaw.start()]) for flaw in _FLAW.finditer(plain))


def _is_quotation(text: str, found: re.Match) -> bool:
    """Whether the conclusion is quoted within a sentence: a repetition of the instruction, not a verdict."""
    line = text[: found.start()].rpartition("\n")[2].rstrip("* ")
    if not line or line[-1] not in _QUOTES:
        return False
    after = text[found.end() :].partition("\n")[0]
    goes_on = _END.search(after) and re.search(r"\w", _END.split(after, maxsplit=1)[-1])
    return bool(line.strip(_QUOTES + "* ") or goes_on)


def _spoken(text: str, found: re.Match) -> str:
    """What follows a conclusion, without "this is", "the answer 5 is" on the same line."""
    phrase = _phrase(text[found.end() :])
    return phrase if "\n" in found.group() else _SUBJECT.sub("", _plain(phrase), count=2)


def _phrase(rest: str) -> str:
    """The first line that is not blank, up to [END]."""
    return _END.split(rest.lstrip().partition("\n")[0], maxsplit=1)[0]


def _plain(text: str) -> str:
    """`text` without markdown and LaTeX marks."""
    return _MARKUP.sub("", text).strip()


def _words(plain: str) -> list[tuple[re.Match, str]]:
    """The verdict words with the side that each takes, negations applied."""
    other = {"right": "wrong", "wrong": "right"}
    return [
        (word, other[word.lastgroup] if _NEGATION.search(plain[: word.start()]) else word.lastgroup)
        for word in _WORD.finditer(plain)
    ]


def _direct(phrase: str) -> str | None:
    """The verdict where `phrase` begins with it: "wrong, the right answer is 5" is wrong, "right/wrong" is none."""
    plain = _plain(phrase)
    words = _words(plain)
    if not words:
        return None
    first, value = words[0]
    before, after = plain[: first.start()], plain[first.end() :]
    if re.search(r"\w", re.sub(_NEGATION, "", before)) or _HALF.search(before) or after.startswith("?"):
        return None
    if len(words) > 1 and _ALTERNATIVE.fullmatch(plain[first.end() : words[1][0].start()].strip()):
        return None
    return value


def _of_sentence(phrase: str) -> str | None:
    """The verdict in "The solution is <phrase>"."""
    values = {value for _, value in _words(phrase)}
    return values.pop() if len(values) == 1 and not _HALF.search(phrase) else None
