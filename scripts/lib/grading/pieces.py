"""A cleaned answer taken apart: its items, brackets, matrices and sides. Text in, text out; nothing is judged here."""

import re

from scripts.lib.grading import spelling
from scripts.lib.grading.units import TEXT

MAX_ITEMS = 500  # of a list or set
MAX_CELLS = 64  # of a matrix, in each direction
OPENING, CLOSING = "([{⦃⟦", ")]}⦄⟧"

NAME = re.compile(
    r"(?:\\text\s*\{[^{}]*\}|\\(?!frac|sqrt|pi(?![a-z]))[A-Za-z]+\s?|[A-Za-z])"
    r"(?:\\text\s*\{[^{}]*\}|\\(?!frac|sqrt|pi(?![a-z]))[A-Za-z]+\s?|[A-Za-z0-9_{}', ∩|]|\^\s*\{-1\})*"
    r"(?:\s*\([^()=]{1,60}\))?"
    r"|\\frac\s*\{\s*d[^{}]{0,20}\}\s*\{\s*d[^{}]{0,20}\}"
    r"|\([^()=]*[A-Za-z][^()=]*\)"
)
# Words in front of a value that make it another one.
DENIES = re.compile(
    r"\b(?:no|not|none|neither|never|except|all|or|and|only|if|when|for|increasing|decreasing|minus|negative|least|most|"
    r"more|less|greater|fewer|under|over|above|below|up|until|before|after|between|positive|about|half|twice)\b",
    re.IGNORECASE,
)
INDIAN = re.compile(r"[-+]?\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])")  # 12,34,567
DECIMAL_COMMA = re.compile(
    r"(?P<whole>[-+]?(?:\d{1,3}(?:[. ]\d{3})+|\d+)),(?P<decimals>\d{1,2}|\d{4,})(?P<unit>(?:[\s%°]|\\text)[^\d,]*|)"
)
MIXED = re.compile(
    r"(?P<whole>-?\d+)\s+(?:and|\\text\s*\{\s*and\s*\})\s+(?P<fraction>\d+/\d+|\\frac\s*\{\d+\}\s*\{\d+\})"
)
BASIS = re.compile(
    r"\\(?:hat|text|vec|bar|widehat|overrightarrow)\s*\{\s*\\?([ijk])(?:math\s*)?\s*\}"
)  # \hat{i}, \mathbf{j}
LONGEST_NAME = 80  # characters: the pattern above would try a longer text in too many ways
ABOUT = re.compile(
    r"^(?:(?:\\text\s*\{\s*)?(?:approximately|about|around|roughly|nearly|exactly|only|approx\.?)\s*\}?|≈)"
    r"\s*(?=[-+\d.\\])"
)
CONDITION = re.compile(
    r"(?<=[\w)}\]⦄])\s*,?\s*(?:\\text\s*\{\s*,?\s*(?:for|where|with|provided)\b|(?<=[\s,])(?:for|where|provided)\s).*$"
)
MEMBER = re.compile(r"^\s*(?:[A-Za-z](?:_\{?\w+\}?)?|[A-Za-z]\([A-Za-z]\))\s*∈\s*(?=[(\[⦃{ℝ]|\]\s?[-\d\\])")


def is_name(text: str) -> bool:
    """Whether `text` can stand on the left of an equals sign and say nothing of the value: `x`, `f(x)`, `m_1`."""
    text = text.strip()
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None


def bare(text: str) -> str:
    r"""`text` without a wrapper that says nothing: \text{...} or braces around all, "approximately", "x ∈"."""
    for _ in range(4):
        before = text
        text = text.strip().strip("$").strip()
        match = TEXT.fullmatch(text)
        if match:
            text = match[1]
        if text.startswith("{") and spelling.closing(text, 0) == len(text) - 1:
            text = text[1:-1]
        text = MEMBER.sub("", ABOUT.sub("", text))
        text = CONDITION.sub("", text)
        text = text.rstrip(".,;: ").lstrip(",;: ")
        if text == before:
            break
    return text


def compact(text: str) -> str:
    """`text` without blanks and without braces around single characters: equal for what looks equal."""
    text = re.sub(r"\s+", "", TEXT.sub(r"\1", text))
    return re.sub(r"\{(\w)\}", r"\1", text)


def split(text: str, signs: str) -> list[str]:
    """`text` cut at each of `signs` that stands outside all brackets."""
    found, depth, start = [], 0, 0
    for index, sign in enumerate(text):
        if sign in OPENING:
            depth += 1
        elif sign in CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and sign in signs:
            found.append(text[start:index])
            start = index + 1
    found.append(text[start:])
    return found


def has(text: str, signs: str) -> bool:
    """Whether one of `signs` stands outside all brackets."""
    return len(split(text, signs)) > 1


def items(text: str) -> list[str]:
    """The parts of an unbracketed list or union, `a ± b` as two; one item if it is neither."""
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?\s*(%|°|[A-Za-z ]*|\\text\s*\{[^{}]*\})", text):
        return [text]
    text = re.sub(r"\\text\s*\{\s*,?\s*(?:and|or)\s*,?\s*\}", " , ", text)
    text = re.sub(r"(?:,\s*|\s+)(?:and|or)\s+(?!equal)", " , ", text)
    text = re.sub(r"(?<=[)\]}⦄])\s*U\s*(?=[(\[⦃{])", "∪", text)
    found = [piece.strip() for piece in split(text, ",;∪¶") if piece.strip()]
    return [value for piece in found for value in plus_minus(piece)] if len(found) <= MAX_ITEMS else [text]


def plus_minus(text: str) -> list[str]:
    """`a ± b` as `a + b` and `a - b`; other texts as they are."""
    if not any(sign in text for sign in "±∓") or text.count("±") + text.count("∓") > 3 or text[0] in "([⟦⦃":
        return [text]
    name, equals, right = text.rpartition("=")
    upper, lower = str.maketrans("±∓", "+-"), str.maketrans("±∓", "-+")
    return [name + equals + right.translate(upper), name + equals + right.translate(lower)]


def group(text: str) -> tuple[str, list[str], str] | None:
    """(opening sign, items, closing sign) of a bracketed list, or None if the text is none."""
    if text[0] not in "([⦃⟦" or text[-1] not in ")]⦄⟧":
        return None
    depth = 0
    for index, sign in enumerate(text):
        depth += (sign in OPENING) - (sign in CLOSING)
        if depth == 0 and index < len(text) - 1:
            return None
    inner = text[1:-1]
    listed = re.search(r"[A-Za-z±∓∪;¶]", inner)
    found = items(inner) if listed else [piece.strip() for piece in split(inner, ",") if piece.strip()]
    if len(found) < 2 and text[0] not in "⦃⟦":
        return None
    return text[0], found, text[-1]


def without_matrices(text: str) -> str:
    """`text` with a matrix as nested brackets: ⟦a,b⟧ for a vector, ⟦⟦a,b⟧,⟦c,d⟧⟧ for more."""
    if "\\begin" not in text:
        return text
    match = re.fullmatch(
        r"(?P<factor>[^\\]*?(?:\\(?:frac|sqrt)[^\\]*)?)\s*\*?\s*"
        r"\\begin\s*\{\s*(?P<kind>[pbvBV]?(?:small)?matrix|array)\s*\}"
        r"(?:\s*\{[lcr| ]*\})?(?P<body>.*?)\\end\s*\{\s*(?P=kind)\s*\}",
        text.strip(" ()[]"),
    )
    if match is None or "\\begin" in match["body"]:
        return text
    rows = [[cell.strip() for cell in row.split("&")] for row in match["body"].split("¶") if row.strip()]
    factor = match["factor"].strip()
    if factor and "=" not in factor:
        rows = [[f"({factor})*({cell})" for cell in row] for row in rows]
    if len(rows) > MAX_CELLS or any(len(row) > MAX_CELLS for row in rows):
        return text
    if all(len(row) == 1 for row in rows):
        rows = [[row[0] for row in rows]]
    joined = ["⟦" + ",".join(row) + "⟧" for row in rows]
    return joined[0] if len(joined) == 1 else "⟦" + ",".join(joined) + "⟧"


def sides(text: str) -> list[str]:
    """The sides of an equation, or of a chain of them."""
    return [side.strip() for side in split(text, "=") if side.strip()]


def left(item: str) -> str:
    """The name in `name = value`; nothing if there is none."""
    return compact(item.partition("=")[0]) if "=" in item else ""


def right(item: str) -> str:
    """The value in `name = value`; the whole where there is no name."""
    name, equals, value = item.partition("=")
    return value if equals and is_name(name) else item


def as_one_number(text: str) -> list[str]:
    r"""The numbers that a list with commas, or with "and", may be in another notation.

    >>> as_one_number("1, 234"), as_one_number("12,34,567"), as_one_number("1.234,5"), as_one_number("3,5 \\text{ m}")
    (['1234'], ['1234567'], ['1234.5'], ['3.5 \\text{ m}'])
    >>> as_one_number("3 and \\frac{2}{5}")
    ['3 \\frac{2}{5}']
    """
    joined = re.sub(r"(?<=\d),\s?(?=\d{3}(?!\d))", "", text)
    if INDIAN.match(text):
        joined = text.replace(",", "")
    decimal = DECIMAL_COMMA.fullmatch(text)
    if decimal:
        joined = f"{re.sub(r'[. ]', '', decimal['whole'])}.{decimal['decimals']}{decimal['unit']}"
    mixed = MIXED.fullmatch(text)
    if mixed:
        joined = f"{mixed['whole']} {mixed['fraction']}"
    return [joined] if joined != text else []


def in_order_of_names(items: list[str]) -> list[str]:
    """`y = 2, x = 1` as `x = 1, y = 2`; other lists as they are."""
    names = [left(item) for item in items]
    return (
        sorted(items, key=left)
        if set(names) in ({"x", "y"}, {"x", "y", "z"}) and len(names) == len(set(names))
        else items
    )


def components(text: str, count: int) -> list[str]:
    r"""The components of a vector that is a sum of i, j and k; none where `text` is no such sum.

    >>> components("3\\hat {i} - \\hat {j}", 2)
    ['3(1) - (0)', '3(0) - (1)']
    """
    names = set(BASIS.findall(text))
    if not names or not 2 <= count <= 3 or not names <= set("ijk"[:count]):
        return []
    return [BASIS.sub(lambda match, name=name: f"({int(match[1] == name)})", text) for name in "ijk"[:count]]
