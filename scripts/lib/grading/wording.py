"""Answers that are words, letters, times of day, or that say that there is nothing."""

import re

from scripts.lib.grading import expressions
from scripts.lib.grading.numerals import spelled
from scripts.lib.grading.spelling import words

TRUTH = {"true": True, "yes": True, "false": False, "no": False, "correct": True, "incorrect": False}
LETTER = re.compile(r"\(?\s*(?:\\text\s*\{\s*\(?\s*)?([A-Za-z])\s*\)?\s*\}?\s*\)?")
LETTERS = re.compile(r"[A-Z]{3,}")
NOTHING = frozenset(
    """∅|none|nothing|empty set|empty|no solution|no solutions|no real solution|no real solutions|there no solution|
    there no solutions|there no real solutions|no such number exists|no such numbers|no such integers|no such value|
    has no solution|has no solutions|no integer solutions|no values|no value|no answer|no roots|no real roots|
    ⦃⦄|\\emptyset|no solution exists|no solutions exist""".replace("\n", "").replace("    ", "").split("|")
)  # fmt: skip
_NO_SOLUTION = re.compile(
    r"\bno(?: (?:such|real|integer|valid|possible|positive|number of))* "
    r"(?:solutions?|roots?|values?|numbers?|integers?|pairs?)\b"
)
# What is said in several ways, and is no value.
SAYINGS = (
    ("nothing", _NO_SOLUTION),
    ("does not exist", re.compile(r"\bdne\b|\b(?:does|do) not exist$|\bd(?:oes|o)n t exist$")),
    ("undefined", re.compile(r"\bundefined$|\bnot defined$")),
    ("infinite", re.compile(r"\binfinity$|\binfinite(?:ly many)?(?: (?:solutions?|numbers?|values?|ways?|points?))?$")),
)
# What stands in front of an answer in words: a subject, and maybe its verb.
LED = re.compile(
    r"(?:\b(?:is|are|be|was|were|becomes|it|this|that|they|therefore|thus|hence|so|on|a|an|the"
    r"|(?:the|this) (?:series|integral|limit|sequence|function|graph|answer|result|statement|number|sum))|:)\s+$",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:not|never|cannot|neither|nor|either|or|no|if|when|than|half|semi|before|after|opposite|\w+n't)\b",
    re.IGNORECASE,
)
CLOCK = re.compile(r"(\d{1,2})\s*:\s*(\d{2})\s*([ap])?\.?\s?(?:m\b)?", re.IGNORECASE)
PART_OF_DAY = (
    (re.compile(r"\bin\s+the\s+morning\b|\ba\.\s?m\.?", re.IGNORECASE), "am"),
    (re.compile(r"\b(?:in\s+the\s+(?:afternoon|evening)|at\s+night)\b|\bp\.\s?m\.?", re.IGNORECASE), "pm"),
)


def truth(text: str, gold: bool = False) -> bool | None:
    """What a yes or no says; of an answer, its first word."""
    found = words(text)
    return TRUTH.get(found if gold else found.split(" ")[0] if found else "")


def is_nothing(text: str) -> bool:
    """Whether `text` says that there is no solution."""
    return text.strip() in NOTHING or words(text) in NOTHING


def is_said(gold: str) -> bool:
    """Whether a gold is words, which a sentence may end with."""
    plain = re.sub(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}", r"\1", gold).strip(" .$")
    return is_nothing(plain) or (
        re.fullmatch(r"[A-Za-z][A-Za-z ,'-]{1,60}", plain) is not None
        and not (LETTERS.fullmatch(plain) and not saying(plain))
    )


def saying(text: str) -> str:
    """What `text` says where it is no value: that there is nothing, that it is infinite ...; else nothing."""
    found = words(text).replace("'", " ")
    if is_nothing(text):
        return "nothing"
    if text.strip() == "∞":
        return "infinite"
    return next((name for name, pattern in SAYINGS if pattern.search(found)), "")


def ends_with(sentence: str, answer: str) -> bool:
    """Whether a sentence says an answer in words and nothing else: "so the series diverges", "Ann earns the most"."""
    if re.fullmatch(r"[A-Z][a-z]+", answer) and re.match(rf"{answer} (?:[a-z]+s|had|won)\b", sentence):
        return not re.search(r"\b(?:not|never|n?either|n?or|\w+n't)\b", sentence)
    found = re.fullmatch(rf"(?P<lead>.*?)\b{re.escape(answer.strip())}", sentence.strip(), re.IGNORECASE | re.DOTALL)
    lead = found and found["lead"].rpartition(",")[2]
    return lead is not None and LED.search(lead) is not None and not DENIED.search(lead)


def is_text(text: str) -> bool:
    """Whether the answer is words, or one letter that names something."""
    if LETTER.fullmatch(text):
        return True
    if re.search(r"\d\s*(?:\\text\s*\{\s*)?[ap]\.?\s?m\b", text, re.IGNORECASE):
        return True
    plain = re.sub(r"\\(?!text)[A-Za-z]+", " ", text).replace("\\text", " ")
    return re.search(r"[A-Za-z]{3,}", plain) is not None and not re.search(r"[=<>≤≥∈]", plain)


def time_of_day(text: str) -> tuple[int, int, str] | None:
    """(hour, minute, `am`, `pm` or nothing) where `text` is a time with minutes and nothing else.

    >>> time_of_day("7:30 in the morning")
    (7, 30, 'am')
    """
    text = re.sub(r"\\text|[{}~]", " ", text).replace("\\", " ")
    for pattern, half in PART_OF_DAY:
        text = pattern.sub(f" {half}", text)
    match = CLOCK.fullmatch(text.strip().rstrip(". "))
    if match is None or int(match[1]) > 24 or int(match[2]) > 59:
        return None
    return int(match[1]), int(match[2]), (match[3] or "").lower() and f"{match[3].lower()}m"


def same_time(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Whether two times of day are the same; one without am or pm is either, or of the 24 hours."""
    if one[2] and other[2]:
        return one == other
    return one[:2] == other[:2] or _of_24_hours(one) == _of_24_hours(other)


def _of_24_hours(time: tuple[int, int, str]) -> tuple[int, int]:
    hour, minute, half = time
    return (hour % 12 + 12 * (half == "pm") if half else hour), minute


def same_text(gold: str, answer: str) -> bool | None:
    """The verdict where at least one side is words; None if they are to be compared as values."""
    left, right = words(gold), words(answer)
    if left and left == right and is_text(gold) and is_text(answer):
        return True
    letter = LETTER.fullmatch(gold)
    if letter:
        return _same_letter(gold, letter[1], answer)
    dates = expressions.date(gold), expressions.date(answer)
    if all(dates):
        return dates[0][:2] == dates[1][:2] and (dates[0][2] == dates[1][2] or not (dates[0][2] and dates[1][2]))
    if is_said(gold) and ends_with(answer, gold):
        return True
    if re.search(r"\d", gold) or re.search(r"\d", answer) or spelled(left) or spelled(right):
        return None
    if is_text(gold) and is_text(answer):
        joined = re.sub(r"[\s-]", "", left), re.sub(r"[\s-]", "", right)
        if joined[0] == joined[1] or _same_names(left, right) or ends_with(gold, answer):
            return True
        if all(re.fullmatch(r"[a-z]{4,}", text) for text in joined):
            return False  # and not a product of letters, in which "circle" would be "cleric"
    return None


def _same_names(left: str, right: str) -> bool:
    """`alice and bob` against `bob and alice`."""
    return " and " in left and sorted(left.split(" and ")) == sorted(right.split(" and "))


def _same_letter(gold: str, letter: str, answer: str) -> bool | None:
    named = re.match(r"\(?\s*(?:\\text\s*\{\s*)?\(?\s*([A-Za-z])\s*(?:\)|\}|\.\s|:|$)", answer)
    if named and ("(" in gold or "text" in gold or letter.isupper()):
        return named[1].upper() == letter.upper() if "(" in gold else named[1] == letter
    return None


def same_letters(gold: str, answer: str) -> bool | None:
    """The verdict on two strings of capitals, whose order counts: `BAC` is no product; None for other texts."""
    strings = [re.sub(r"\\text|[\s{}]", "", text) for text in (gold, answer)]
    if not all(LETTERS.fullmatch(string) for string in strings):
        return None
    return strings[0] == strings[1]
