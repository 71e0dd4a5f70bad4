r"""Numbers in words, with a power of ten in words, and with decimals that go on.

`spelled` reads number words, `without_dots` repeating decimals. Text in, text out; nothing is judged here.
"""

import functools
import re
from fractions import Fraction

_ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {word: value for value, word in enumerate(_ONES)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
# Words for powers of ten that stand behind a number, with digits or in words.
POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_PARTS = ("half", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth")
_DENOMINATORS = {word: value for value, word in enumerate(_PARTS, 2)} | {"quarter": 4, "hundredth": 100, "halve": 2}
_NEGATIVE = re.compile(r"(?:minus|negative)\s+(?=\S)")
MAX_WORDS = 60  # characters of a number in words

LONGEST = 8  # words
STARTS = frozenset((*_ONES, *_TENS, "a", "an", "half", "minus", "negative"))
# A decimal with dots behind it, and one whose repeated digits are marked in some way.
GOES_ON = re.compile(r"(?P<before>[-+]?\d*\.\d*)(?:\.{3}|…)")
PERIODIC = re.compile(r"(?P<head>[-+]?\d*\.\d*?)(?P<period>\d{3}|\d{1,2}|\d{6})(?P=period)+")
DOTTED = re.compile(r"(\d*\.\d*)\\dot\s*\{?\s*(\d)\s*\}?(?:(\d*)\s*\\dot\s*\{?\s*(\d)\s*\}?)?")
BRACKETED = re.compile(r"(\d+\.)\((\d{1,9})\)")


@functools.lru_cache(maxsize=4096)
def spelled(text: str) -> str | None:
    """The number that `text` is in words, in digits; None if it is none.

    >>> spelled("two hundred and seven"), spelled("three-eighths"), spelled("minus five"), spelled("a dog")
    ('207', '3/8', '-5', None)
    """
    text = text.strip().lower()
    if not text or len(text) > MAX_WORDS:
        return None
    negative = _NEGATIVE.match(text)
    words = re.split(r"[\s-]+", text[negative.end() :] if negative else text)
    value = _fraction(words) or _whole(words)
    return value and ("-" + value if negative else value)


def _whole(words: list[str]) -> str | None:
    """Ones and tens add up; a power of ten multiplies what stands before it."""
    total, part = 0, None
    for at, word in enumerate(words):
        if word in POWERS:
            part = (1 if part is None else part) * 10 ** POWERS[word]
            if word != "hundred":
                total, part = total + part, None
        elif word in _SMALL and (part is None or _fits(part, _SMALL[word])):
            part = (part or 0) + _SMALL[word]
        elif word != ("and" if at else "a") or at + 1 == len(words):
            return None
    return str(total + (part or 0)) if words else None


def _fits(part: int, value: int) -> bool:
    """Whether `value` may follow in the same number: "twenty one", "two hundred seven", and not "two three"."""
    return part % 100 == 0 and part > 0 or (part % 100 >= 20 and part % 10 == 0 and 0 < value < 10)


def _fraction(words: list[str]) -> str | None:
    """`three eighths`, `half`, `two and a half`."""
    bottom = _DENOMINATORS.get(words[-1]) or _DENOMINATORS.get(words[-1].removesuffix("s"))
    if bottom is None:
        return None
    *before, top_words = _split_at_and(words[:-1])
    top = "1" if words[-1] == "half" and not top_words else "1" if top_words in (["a"], ["an"]) else _whole(top_words)
    whole = _whole(before[0]) if before else "0"
    return None if top is None or whole is None else str(Fraction(int(top), bottom) + int(whole))


def _split_at_and(words: list[str]) -> list[list[str]]:
    if "and" not in words:
        return [words]
    at = len(words) - 1 - words[::-1].index("and")
    return [words[:at], words[at + 1 :]]


def numbers_in_words(text: str) -> list[str]:
    """The longest runs of words in `text` that are numbers.

    >>> numbers_in_words("Two and a half of the seven cakes")
    ['Two and a half', 'seven']
    """
    words, found, at = re.findall(r"[A-Za-z]+", text), [], 0
    while at < len(words):
        ends = range(min(len(words), at + LONGEST), at, -1) if words[at].lower() in STARTS else ()
        end = next((end for end in ends if spelled(" ".join(words[at:end]))), None)
        found += [" ".join(words[at:end])] if end else []
        at = end or at + 1
    return found


def without_dots(text: str) -> str:
    r"""A repeating decimal with its period under a bar, and another decimal without the dots behind it.

    >>> without_dots("0.1666..."), without_dots("0.1\\dot{6}"), without_dots("3.14159…"), without_dots("2, 4, …")
    ('0.1\\overline{6}', '0.1\\overline{6}', '3.14159', '2, 4, …')
    """
    if "\\dot" in text:
        text = DOTTED.sub(
            lambda match: rf"{match[1]}\overline{{{''.join(part or '' for part in match.groups()[1:])}}}", text
        )
    text = BRACKETED.sub(r"\1\\overline{\2}", text)
    goes_on = GOES_ON.fullmatch(text)
    if goes_on is None:
        return text
    periodic = PERIODIC.fullmatch(goes_on["before"])
    return rf"{periodic['head']}\overline{{{periodic['period']}}}" if periodic else goes_on["before"]
