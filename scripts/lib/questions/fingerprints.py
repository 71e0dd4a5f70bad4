"""When two questions count as the same: for repeats, overlap checks and validation questions.

A fingerprint keeps the mathematics (numbers and what is between them, brackets, signs) and folds the typography
(spacing, case, punctuation of sentences, the ways to set a formula, the request to think step by step).

>>> fingerprint(r"Find $\\dfrac{1}{2} − 3$. Let's think step by step.")
'find frac { 1 } { 2 } - 3'
"""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from scripts.lib.jsonl import each_row

# --- instructions that are not part of the question -------------------------------------------------------------------

_BOXED = r"\$?\\?boxed\s*(?:\{[^{}]{0,20}\})?\$?"
_ONES = "(?:it|this|this out|it out|the problem|this problem|the following problem|through it)"
_REQUESTS = (
    rf"(?:let(?:'|’)?s|let us) (?:think|work|solve|reason|do)(?: about)?(?: {_ONES})? (?:step[- ]by[- ]step|carefully)",
    rf"(?:please )?(?:think|reason|solve|work|proceed)(?: {_ONES})?,? (?:carefully|step[- ]by[- ]step)",
    rf"(?:please )?(?:(?:think|reason|solve|work)(?: {_ONES})? step[- ]by[- ]step,? and )?"
    r"(?:(?:make|be) sure to |remember to )?(?:put|write|give|return|place|present|provide|enclose|box) (?:only )?"
    r"(?:the|your) (?:final )?(?:answer|result|response)s?(?: \(and only (?:the )?answer\))? "
    rf"(?:(?:with)?in(?:side)?(?: a)? {_BOXED}|in a box)",
    r"(?:please )?box your (?:final )?answer",
    r"(?:please )?(?:show|explain) (?:all )?(?:of )?your (?:work|working|steps|reasoning|answer)",
    r"give (?:only )?the \w+ as your final answer",
    r"the last line of your (?:response|answer|solution) should be[^\n]{0,120}",
)
_ANSWER_HERE = r"(?:(?:final )?answer|solution|a)\s*:"
_LABEL = (
    r"(?:question|problem|q)\s*:"
    r"|(?:please )?(?:solve|answer) the following (?:math(?:s|ematics)? )?(?:problem|question)[.:]"
)


def _spaced(*patterns: str) -> str:
    """One pattern that matches any of `patterns`; a space matches any white space."""
    return "|".join(patterns).replace("[- ]", r"[-\s]").replace(" ", r"\s+")


_AT_END = re.compile(rf"(?<![\w\\])(?:{_spaced(*_REQUESTS, _ANSWER_HERE)})[\s.,:!$]*\Z", re.IGNORECASE)
_AT_START = re.compile(rf"\s*(?:(?:{_spaced(*_REQUESTS)})[.,:!]|{_spaced(_LABEL)})\s*", re.IGNORECASE)
_LONGEST_REQUEST = 300  # characters


def _bare(question: str) -> str:
    """The question without its label and surrounding instructions, unless nothing would be left."""
    text = question.strip()
    while True:
        found = _AT_END.search(text, max(0, len(text) - _LONGEST_REQUEST))
        shorter = text[: found.start()] if found else text
        label = _AT_START.match(shorter)
        shorter = shorter[label.end() if label else 0 :].strip()
        if not shorter or shorter == text:
            return text
        text = shorter


# --- typography -------------------------------------------------------------------------------------------------------

# One spelling for signs that can be typeset in several ways; a name covers the LaTeX command and its sign.
_SIGNS = {
    **dict.fromkeys("−‐‑‒–—﹣", "-"),
    **dict.fromkeys("’‘′‵ʹ", "'"),
    **dict.fromkeys("“”„″", '"'),
    **{
        "×": " times ",
        "✕": " times ",
        "·": " cdot ",
        "⋅": " cdot ",
        "∙": " cdot ",
        "•": " cdot ",
        "∗": "*",
        "÷": " div ",
    },
    **{"≤": " le ", "⩽": " le ", "≥": " ge ", "⩾": " ge ", "≠": " ne ", "≈": " approx ", "≡": " equiv ", "±": " pm "},
    **{"√": " sqrt ", "∞": " infty ", "∈": " in ", "∉": " notin ", "∪": " cup ", "∩": " cap ", "⊂": " subset "},
    **{"⊆": " subseteq ", "→": " to ", "⇒": " implies ", "∠": " angle ", "△": " triangle ", "⊥": " perp "},
    **{"∑": " sum ", "∏": " prod ", "∫": " int ", "∂": " partial ", "∇": " nabla ", "∥": " parallel ", "∼": " sim "},
    **{
        "⌊": " lfloor ",
        "⌋": " rfloor ",
        "⌈": " lceil ",
        "⌉": " rceil ",
        "⟨": " langle ",
        "⟩": " rangle ",
        "°": " degree ",
    },
    **{"∣": "|", "…": " dots ", "⋯": " dots ", "⁄": "/", "∕": "/", "↦": " mapsto ", "∘": " circ ", "∧": " wedge "},
    **{"∨": " vee ", "¬": " neg ", "∀": " forall ", "∃": " exists ", "∅": " emptyset "},
}
_GREEK = {
    chr(code): f" {unicodedata.name(chr(code)).rpartition(' ')[2].lower().replace('lamda', 'lambda')} "
    for code in (*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA))
}
_TRANSLATED = str.maketrans({**_SIGNS, **_GREEK})
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()", strict=True))
_SCRIPTS = re.compile(f"([{''.join(_RAISED)}]+)|([{''.join(_LOWERED)}]+)")
_VULGAR = re.compile("[¼-¾⅐-⅞]")

# Synonyms of LaTeX commands, and commands that only change the font, size or spacing.
_NAMES = {
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), "frac"),
    **dict.fromkeys(("dbinom", "tbinom", "choose"), "binom"),
    **{"leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "neq": "ne", "rightarrow": "to", "ast": "*"},
    **{"ldots": "dots", "cdots": "dots", "dotsc": "dots", "dotsb": "dots", "lvert": "|", "rvert": "|", "vert": "|"},
    **{"mid": "|", "lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]", "varepsilon": "epsilon"},
    **{"varphi": "phi", "varnothing": "emptyset", "implies": "implies", "rightarrow": "to", "colon": ":"},
}
_IDLE = re.compile(
    r"left|right|middle|bigg?[lrm]?|(?:display|text|script)style|(?:no)?limits|q?quad|h(?:space|fill)|vspace"
    r"|text(?:rm|bf|it|sf|tt)?|emph|math(?:rm|bf|it|sf|bb|cal)|boldsymbol|bm|operatorname|mbox|rm|bf|it"
    r"|noindent|newline|par|thinspace"
)
_UNWRAPPED = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|tt)?|emph|math(?:rm|bf|it|sf|bb|cal)|boldsymbol|bm|operatorname|mbox)\s*\{([^{}]*)\}"
)
_DEGREE = re.compile(r"\^\s*(?:\\circ(?![a-z])|\{\s*\\circ\s*\})")
_NO_BRACKET = re.compile(r"\\(?:left|right)\s*\.")
_COMMAND = re.compile(r"\\([a-z]+)\*?")
_SPACING = re.compile(r"\\[()\[\],;:! ]|\\\$|\$|(?<=\S)~(?=\S)")
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+\d*);", re.IGNORECASE)
_BOLD = re.compile(r"(?<![\w)\]*])\*\*(?=[^\s*])([^*\n]+)(?<=[^\s*])\*\*(?![\w(*])")
_THOUSANDS = (
    re.compile(r"(?<=\d)(?:\{,\}|,?\\[!,])(?=\d{3}(?!\d))"),  # LaTeX's thousands separators, which are unambiguous
    # A number like 12,345 that is not part of a list: no bracket next to it, and no other comma.
    re.compile(r"(?<![\d.,(\[{])(?<!\d,\s)(?<!\d;\s)\d{1,3}(?:,\d{3})+(?!\.?\d|\s*[,;]\s*[\d-]|[)\]}])"),
)
_SHORT_FRACTION = re.compile(r"\\frac\s*(\d)\s*(\d)")
_SINGLE = re.compile(r"([_^]|\\sqrt)\s*\{\s*(-?[^\W_]+)\s*\}")


def _typeset_alike(text: str) -> str:
    """The text in lower case, with one spelling for each sign, LaTeX command and space."""
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text
    if not text.isascii():
        text = _VULGAR.sub(lambda found: f" {found[0]}", text)
        text = _SCRIPTS.sub(_script, text)
        text = unicodedata.normalize("NFKC", text).translate(_TRANSLATED)
        text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = text.casefold()
    if not text.isascii():
        text = text.translate(_TRANSLATED)  # capitals that are now lower case
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    if "," in text:
        text = _THOUSANDS[0].sub("", text)
        text = _THOUSANDS[1].sub(lambda found: found[0].replace(",", ""), text)
    if "\\" in text:
        text = _plain_commands(text)
    text = _SPACING.sub(" ", text)
    return _SINGLE.sub(r"\1 \2 ", text) if "{" in text else text


def _script(found: re.Match) -> str:
    raised, lowered = found.groups()
    return "^" + "".join(map(_RAISED.get, raised)) if raised else "_" + "".join(map(_LOWERED.get, lowered))


def _plain_commands(text: str) -> str:
    """The text with LaTeX commands by one name each, without the backslash; commands for layout are removed."""
    text = _DEGREE.sub(" degree ", text.replace(r"\\", " \n "))
    text = re.sub(r"\\([{}%#&_|])", r"\1", text)
    text = _NO_BRACKET.sub(" ", text)
    while (plain := _UNWRAPPED.sub(r" \1 ", text)) != text:
        text = plain
    text = re.sub(r"\\[dtc]frac(?![a-z])", r"\\frac", text)
    text = _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text)
    text = _SINGLE.sub(r"\1 \2 ", text)
    return _COMMAND.sub(lambda found: " " if _IDLE.fullmatch(found[1]) else f" {_NAMES.get(found[1], found[1])} ", text)


# --- tokens -----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"(?<![\w)\]}.])\.\d+|\d+(?:\.\d+)?|[^\W\d_]+|\.{3}|\n|[^\s\w]|_")
_PAUSES = frozenset(",;:.?!\n")
_PRODUCT, _QUOTIENT = (re.compile(rf"(?<=\d) (?:{signs}) (?=(?:- )?[.\d])") for signs in (r"times|cdot|\*", "div|/"))


def fingerprint(question: str) -> str:
    """The tokens that identify the question, joined by spaces.

    Two questions with the same fingerprint count as the same question.
    """
    found = _TOKEN.findall(_typeset_alike(_bare(question)))
    tokens = [token for place, token in enumerate(found) if token not in _PAUSES or _in_formula(found, place)]
    text = " ".join(tokens).replace("\n", ";").replace("...", "dots")
    return _QUOTIENT.sub(" / ", _PRODUCT.sub(" * ", text)) + _drawing(question)


def _drawing(question: str) -> str:
    """A digest of the question's ASCII drawing, in which spaces count; empty if it has none."""
    if question.count("\n") < 3:
        return ""
    lines = [line.rstrip() for line in question.splitlines() if line.strip()]
    drawn = [line for line in lines if not any(sign.isalnum() or sign in "$(){}[]" for sign in line)]
    return f" drawn {hashlib.sha256(chr(10).join(drawn).encode()).hexdigest()[:16]}" if len(drawn) >= 3 else ""


def _in_formula(tokens: list[str], place: int) -> bool:
    """Whether the punctuation mark or line end at `place` is part of a formula, not of a sentence."""
    token = tokens[place]
    before, after = _beside(tokens, place, -1), _beside(tokens, place, 1)
    if token == "!":  # 5!, n!, (2 + 3)!
        return _formal(before) and (before.isalnum() or before in (")", "]", "}", "!"))
    if token == "\n":  # between rows of numbers
        return before[-1:].isdigit() and after[:1].isdigit() and tokens[place - 1] != "\n"
    return _formal(before) and _formal(after)


def _beside(tokens: list[str], place: int, step: int) -> str:
    """The nearest token before (-1) or after (1) a place, skipping line ends; empty if there is none."""
    place += step
    while 0 <= place < len(tokens) and tokens[place] == "\n":
        place += step
    return tokens[place] if 0 <= place < len(tokens) else ""


def _formal(token: str) -> bool:
    """Whether a token can be part of a formula: a number, a sign, a single letter."""
    return len(token) == 1 or token[:1].isdigit() or token[-1:].isdigit() or token == "..."


def fingerprints_in(files: Iterable[Path]) -> set[str]:
    """The fingerprints of all questions in files of prepared rows."""
    return {fingerprint(row["question"]) for file in files for row in each_row(file, required=("question",))}


def mark_validation(graded: Iterable[dict], questions: dict[str, dict], validation: set[str]) -> None:
    """Sets `validation` in the rows whose question was used to select the checkpoint.

    Args:
        graded: rows of one benchmark.
        questions: its questions by id.
        validation: fingerprints of the validation questions.
    """
    found = {name for name, asked in questions.items() if validation and fingerprint(asked["question"]) in validation}
    for row in graded:
        if row["question_id"] in found:
            row["validation"] = True
