"""Reads the verdict that a critique states: `Conclusion: right [END]`, and the forms in which models really write it.

Only a stated conclusion counts; nothing is guessed from the text around it. In order: a verdict straight after
"Conclusion:", one after "Correctness of the final answer:", and, below a heading "Conclusion", a sentence such as "The
student's solution is wrong." A critique that states none, both words at once ("partly right"), or two that differ has
no verdict.
"""

import re

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
    "wrong": "wrong|incorrect|incorrectly|false|invalid",
}
_WORD = re.compile("|".join(rf"\b(?P<{side}>{words})\b" for side, words in _SIDES.items()), re.IGNORECASE)
# A negation up to three words before the verdict word turns it round: "not entirely correct" is wrong.
_NEGATION = re.compile(r"(?:\b(?:not|never|neither|far from|no longer|cannot be|\w+n['’]t))(?:\s+\w+){0,3}\s*$", re.I)
_HALF = re.compile(r"\b(?:part(?:ly|ial|ially)|mostly|half|nearly|almost|somewhat|largely|either)\b", re.IGNORECASE)
# Between two verdict words: they are alternatives, and together no verdict.
_ALTERNATIVE = re.compile(r"[/|,&]|(?:,?\s*)(?:or|and|and/or|vs\.?)|(?:but|and|or)\s+\w+", re.IGNORECASE)
_MARKUP = re.compile(r"\\(?:text|boxed|textbf|mathrm)\b|\b(?:text|boxed|textbf|mathrm)(?=\s*\{)|[*_`~$\\{}|()\"“”]")
_JUDGED = re.compile(
    r"\b(?:student['’]s|the|their|this|given)\s+(?:final\s+|given\s+|overall\s+)?(?:solution|answer|response|conclusion)"
    r"\s+(?:is|was|are)\s+(?P<phrase>[^.\n\[]{0,60})",
    re.IGNORECASE,
)


def parse_verdict(text: str) -> str | None:
    """`right` or `wrong` as `text` states it, or None where it states none, or two different ones.

    >>> parse_verdict("Step 2 is false. **Conclusion: Wrong** [END]")
    'wrong'
    """
    for introduction in (_CONCLUSION, _CORRECTNESS):
        stated = set()
        for found in introduction.finditer(text):
            if found["colon"] or "\n" in found.group():
                stated |= set() if _is_quotation(text, found) else {_direct(_phrase(text[found.end() :]))}
        stated -= {None}
        if stated:
            return stated.pop() if len(stated) == 1 else None
    heading = [found for found in _CONCLUSION.finditer(text) if found["colon"] or "\n" in found.group()]
    below = _END.split(text[heading[-1].end() :], maxsplit=1)[0] if heading else ""
    judged = {_of_sentence(found["phrase"]) for found in _JUDGED.finditer(_plain(below))}
    return judged.pop() if len(judged) == 1 else None


def _is_quotation(text: str, found: re.Match) -> bool:
    """Whether the conclusion stands in quotes within a sentence: the instruction repeated, not a verdict."""
    line = text[: found.start()].rpartition("\n")[2].rstrip("* ")
    if not line or line[-1] not in _QUOTES:
        return False
    after = text[found.end() :].partition("\n")[0]
    goes_on = _END.search(after) and re.search(r"\w", _END.split(after, maxsplit=1)[-1])
    return bool(line.strip(_QUOTES + "* ") or goes_on)


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
    if not words or re.search(r"\w", re.sub(_NEGATION, "", plain[: words[0][0].start()])):
        return None
    first, value = words[0]
    if len(words) > 1 and _ALTERNATIVE.fullmatch(plain[first.end() : words[1][0].start()].strip()):
        return None
    return value


def _of_sentence(phrase: str) -> str | None:
    """The verdict in "The solution is <phrase>"."""
    values = {value for _, value in _words(phrase)}
    return values.pop() if len(values) == 1 and not _HALF.search(phrase) else None
