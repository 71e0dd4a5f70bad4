r"""Typography folded once, before anything is read: one character for each sign that is drawn in several ways.

What carries meaning stays: `²` is a power and `½` a fraction, which only a reader of formulas can place.
"""

import itertools
import re
import unicodedata

INVISIBLE = dict.fromkeys(
    [0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2062), 0x2064,
     *range(0x2066, 0x2070), *range(0xFE00, 0xFE10), 0xFEFF, 0]
)  # fmt: skip
SPACES = dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
QUOTES = {"’": "'", "‘": "'", "′": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
MARKS = {"。": ". ", "，": ", ", "、": ", ", "；": "; ", "：": ": ", "（": "(", "）": ")", "！": "!", "？": "? ",
         "－": "-", "‐": "-", "‑": "-", "−": "-", "⁄": "/", "∕": "/", "【": "[", "】": "]"}  # fmt: skip
FOLDED = str.maketrans({**QUOTES, **MARKS}) | INVISIBLE | SPACES
END_MARK = re.compile(r"[∎■□◻◼▪✓✔✅☑🎉]+[ \t]*$", re.MULTILINE)  # behind a proof or an answer
FULL_WIDTH = re.compile(r"[\uFF01-\uFF5E\U0001D400-\U0001D7FF\u24B6-\u24E9\u2100-\u2138]")
FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")
# 1'234'567, 1_234_567 and 1.234.567; a single 1.234 is a decimal.
MAYBE_GROUPED = re.compile(r"['_.]\d{3}(?!\d)")
GROUPED = re.compile(r"(?<![\w.,'])\d{1,3}(?:(?:'\d{3})+|(?:_\d{3})+|(?:\.\d{3}){2,})(?![\w']|\.\d)")
NUMBER_SPACE = re.compile(r"(?<=\d)[\u00A0\u2009\u202F\u2007](?=\d{3}(?!\d))")
DASH_MINUS = re.compile(r"(?<![^\s(\[{=,:$*+/^|])[–—](?=[\d.\\(√π∞a-zA-Z$])")
VULGAR = re.compile(r"(?:(\d)\s?)?([¼-¾⅐-⅞])")
KEPT = frozenset("ℝℕℤℚℂℏ℃℉Å")


def fold(text: str) -> str:
    """`text` without invisible characters, with ASCII digits, letters, spaces, quotes and marks.

    >>> fold("３½ – that’s it")
    "3 1/2 – that's it"
    """
    if text.isascii():
        return _ungrouped(text.replace("\0", ""))
    text = NUMBER_SPACE.sub("", text)
    text = END_MARK.sub("", text.translate(FOLDED))
    text = FULL_WIDTH.sub(lambda match: match[0] if match[0] in KEPT else unicodedata.normalize("NFKC", match[0]), text)
    text = FOREIGN_DIGIT.sub(_digit, text)
    text = DASH_MINUS.sub("-", text)
    return _ungrouped(VULGAR.sub(_vulgar, text))


def _ungrouped(text: str) -> str:
    if MAYBE_GROUPED.search(text) is None:  # which is faster
        return text
    return GROUPED.sub(lambda match: re.sub(r"\D", "", match[0]), text)


def _digit(match: re.Match) -> str:
    return str(unicodedata.decimal(match[0]))


def _vulgar(match: re.Match) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", match[2]).partition("⁄")
    return f"{match[1]} {top}/{bottom}" if match[1] else f"{top}/{bottom}"


# ---------------------------------------------------------------------------------------------------------------------
# Loops

LONGEST_LOOP = 400  # characters of the piece that a model repeats
LOOP_CHARACTERS = 200  # of repetition, from which on it is one
BLANK_RUN = re.compile(r"\s{3,}")
MARK_RUN = re.compile(r"""[-*.=_~#$`>!?,;:–—…|+/'"^&@%<]{20,}""")


def without_loop(text: str) -> str:
    """`text` with runs of blanks and marks cut short, and without the repetition that a model ended in.

    >>> without_loop("It is 7." + " I hope this helps." * 500)
    'It is 7. I hope this helps.'
    """
    text = BLANK_RUN.sub(lambda match: "\n\n" if "\n" in match[0] else "  ", text)
    text = MARK_RUN.sub(_short_run, text).strip()
    while (shorter := _one_loop_less(text)) != text:
        text = shorter.rstrip()
    return text


def _short_run(match: re.Match) -> str:
    """Three of each mark that is repeated twenty times and more."""
    runs = ((mark, sum(1 for _ in run)) for mark, run in itertools.groupby(match[0]))
    return "".join(mark * (3 if count >= 20 else count) for mark, count in runs)


def _one_loop_less(text: str) -> str:
    end = len(text)
    probe = text[-24:]
    before = text.rfind(probe, max(0, end - LONGEST_LOOP - 24), end - 1) if end > LOOP_CHARACTERS else -1
    if before < 0:
        return text
    period = end - 24 - before
    unit = text[end - period :]
    start = _start_of_repeats(text, unit)
    if end - start < LOOP_CHARACTERS or end - start < 4 * period or (period == 1 and unit.isalnum()):
        return text
    return text[: start + period]


def _start_of_repeats(text: str, unit: str) -> int:
    """Where the repeats of `unit` that `text` ends with begin; steps double, so that a megabyte takes no time."""
    end, block = len(text), unit
    while text.endswith(block + block, 0, end) and len(block) < len(text):
        block += block
    while len(block) >= len(unit):
        while text.endswith(block, 0, end):
            end -= len(block)
        if len(block) == len(unit):
            break
        block = block[: len(block) // 2]
    return end
