r"""Final answers: where they stand in a text, and one spelling for what can be written in many ways.

`extract` finds the answer of a mathematical text, `choice_letter` that of a multiple-choice one. `clean` rewrites an
answer so that `\dfrac{1}{2}`, `\tfrac 1 2` and `½` look alike; it keeps units, percent signs and lists, which
`scripts.lib.grading.compare` judges. All are pure, and linear in the length of the text but for bounded look-aheads.
"""

import re
import unicodedata
from collections.abc import Sequence

MAX_ANSWER = 4000  # characters; what is longer is no final answer
MAX_BOXES = 200  # at the end of a text, that are looked at
TAIL = 20_000  # characters at the end of a text in which an answer without a box is looked for

CUT_OFF = 400  # characters that may follow "the answer is ..." in a text that does not end with a sentence
SENTENCE_ENDS = (".", "!", "?", ")", "]", "}", "*", "$", "`", ">", '"', "”", ":", "…")

NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
LAST_NUMBER = re.compile(
    rf"(?<![\w.])[-−]?\$?\s?{NUMBER}(?:[eE][-+]?\d+(?!\w))?(?:_\{{?\d{{1,2}}\}}?)?(?:\s?/\s?\d+(?![\d/]))?(?:\s?\\?%)?"
    rf"|(?<![\d.])(?:\d+(?:,\d{{3}})*(?:\.\d+)?|\.\d+)(?:\s?\\?%)?"
)
PHRASE = re.compile(
    r"(?:final\s+answer|correct\s+answer|answer)(?:\s+to\s+[^.:\n]{1,80})?\s*(?:\*\*)?\s*"
    r"(?:\b(?:is|are|would\s+be|will\s+be|should\s+be|equals)\b(?:\s+(?:therefore|thus|simply|indeed|definitely))?\s*(?:\*\*)?\s*:?"
    r"|:|=)\s*(?:\*\*)?"
    r"|####"
    r"|^\s*(?:\*\*)?A\s?:(?!\w)",
    re.IGNORECASE | re.MULTILINE,
)
ASSESSMENT = re.compile(
    r"(?:(?:indeed|definitely|really|also|probably|likely)\s+)?(?:in)?(?:correct|valid|consistent|reasonable|right|wrong|"
    r"unique|not|obvious|clear|supposed|expected|given|found|obtained|in the form|to be)\b",
    re.IGNORECASE,
)
ANSWER_TAG = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
NEXT_QUESTION = re.compile(r"\n\s*(?:\*\*|#{1,3} )?(?:Question|Problem|Q)\s?\d*\s?:")
THOUGHT_END = ("</think>", "<|end_of_thought|>", "<|begin_of_solution|>", "</thinking>")
SPECIAL = re.compile(r"<\|[a-z_]{1,40}\|>|</?s>|<(?:eos|pad|bos|end_of_turn)>|\[/?INST\]")
JOINED_BOXES = re.compile(
    r"(?:\\\)|\\\]|\$|\\,|\\;|\\quad|\\text\{|[},;~\s]|,|;|\band\b|\bor\b|\\\(|\\\[)*"
    r"(?:[a-zA-Z](?:_\{?\w+\}?)?\s*=\s*)?"
)


def extract(text: str) -> str | None:
    r"""The final answer of `text`, or None where it has none.

    An `<answer>` tag, else the last box (boxes that only "and", "or" or a comma parts are one answer), else what
    follows the last "the answer is", "####" or "A:", else the last formula or number. Text after the end of a thought
    goes before the thought.

    >>> extract("First \\boxed{3}, no: \\boxed{\\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> extract("5 + 7 = <<5+7=12>>12\n#### 12 apples")
    '12 apples'
    """
    return next((found for part in _parts(text) if (found := _extract(part)) is not None), None)


def _parts(text: str) -> list[str]:
    """Where to look, in order: what follows a thought, then all; without the marks of chat templates."""
    text = _own_part(text.replace("\0", ""))
    afters = [text.rpartition(marker)[2] for marker in THOUGHT_END if marker in text]
    return (
        [SPECIAL.sub(" ", part) for part in [min(afters, key=len), text] if part.strip()]
        if afters
        else [SPECIAL.sub(" ", text)]
    )


def _own_part(text: str) -> str:
    """`text` up to where a base model, done with its answer, writes a next question itself."""
    for match in NEXT_QUESTION.finditer(text):
        before = text[: match.start()]
        if "\\boxed" in before or PHRASE.search(before):
            return before
    return text


def _extract(text: str) -> str | None:
    start = text.lower().rfind("<answer>")
    if start >= 0:
        content = ANSWER_TAG.match(text, start)[1]
        if content.strip():
            return _boxed(content) or _short(content.strip()) or _plain(content)
    boxed = _boxed(text)
    if boxed is not None:
        return boxed
    blank = boxes(text[-TAIL:])
    if not blank:
        return _plain(text[-TAIL:])
    return _plain(text[-TAIL:][: blank[0][0]]) or ""


def _short(content: str) -> str | None:
    """The content of an answer tag, where it is an answer and not a paragraph."""
    return _trim(content) if len(content) <= 200 and content.count("\n") < 3 else None


def boxes(text: str) -> list[tuple[int, int, str]]:
    """(start, end, content) of each complete `\\boxed{...}` and `\\fbox{...}` of `text`, in order."""
    found: list[tuple[int, int, str]] = []
    for match in list(re.finditer(r"\\f?boxed?\s*(?=\{)|\\boxed\s+(?=[\w\\-])", text))[-MAX_BOXES:]:
        if found and match.start() < found[-1][1]:
            continue  # a box in a box
        if text[match.end()] != "{":
            word = re.match(r"-?[\w.]+|\\\w+(?:\{[^{}]*\})*", text[match.end() :])
            if word:
                found.append((match.start(), match.end() + word.end(), word[0]))
            continue
        end = closing(text, match.end())
        if end is None:  # cut off, or a brace too few before the end of the formula
            cut = re.match(r"\{([^{}\n$]{1,80})(?:\$|\\\]|\\\))", text[match.end() : match.end() + 90])
            if cut is None:
                continue
            found.append((match.start(), match.end() + cut.end(1), cut[1]))
        else:
            found.append((match.start(), end + 1, text[match.end() + 1 : end]))
    return found


def closing(text: str, start: int, limit: int = MAX_ANSWER) -> int | None:
    """The index of the brace that closes the one at `start`, or None."""
    depth, index, end = 0, start, min(len(text), start + limit)
    while index < end:
        sign = text[index]
        if sign == "\\":
            index += 1  # \{ is no brace of the markup
        elif sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                return index
        index += 1
    return None


def _boxed(text: str) -> str | None:
    start = max(len(text) - 50 * TAIL, 0)
    found = [box for box in boxes(text[start:]) if box[2].strip()]
    if not found:
        return None
    text = text[start:]
    group = [found[-1]]
    for box in reversed(found[:-1]):
        between = text[box[1] : group[0][0]]
        if len(between) > 60 or not JOINED_BOXES.fullmatch(between) or not re.search(r",|;|\band\b|\bor\b", between):
            break
        group.insert(0, box)
    if len({box[2].strip() for box in group}) == 1:
        return unbox(group[-1][2])
    return ", ".join(unbox(box[2]) for box in group)


def unbox(content: str) -> str:
    r"""`content` without boxes inside it."""
    for _ in range(3):
        inner = boxes(content)
        if not inner:
            break
        start, end, inside = inner[-1]
        content = content[:start] + inside + content[end:]
    return content.strip()


def _plain(text: str) -> str | None:
    text = text.rstrip()
    matches = [match for match in PHRASE.finditer(text) if text[match.end() :].strip(" *$.:\n")]
    if not text.endswith(SENTENCE_ENDS):
        # Cut off in the middle of a thought: what was "the answer" long before is not what the text ends with.
        matches = [match for match in matches if len(text) - match.end() <= CUT_OFF]
    for match in reversed(matches[-4:]):
        found = _after_phrase(text[match.end() :])
        if found:
            return found
    return _last_value(text)


def _after_phrase(rest: str) -> str | None:
    """The answer at the start of `rest`, the text after "the answer is"; None where that only speaks of the answer."""
    rest = rest.lstrip(" \t*:").lstrip()
    if ASSESSMENT.match(rest):
        return None
    display = re.match(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]", rest[:MAX_ANSWER], re.DOTALL)
    if display:
        return _trim(display[1] or display[2])
    line = rest[:MAX_ANSWER].split("\n", 1)[0]
    line = re.split(
        r"(?<!\bi\.e)(?<!\bvs)(?<=[^\s.])\.(?:\s+(?=[A-Z\\$(*])|\s*$)|\s+I hope|\s+because\b|\s+since\b", line
    )[0]
    return _value_of(line)


def _value_of(line: str) -> str | None:
    """The answer in a line of prose: its formulas where it has some, its number where the rest is words."""
    line = line.strip().strip("*").strip()
    math = [a or b for a, b in re.findall(r"(?<!\\)\$([^$]+?)(?<!\\)\$|\\\((.+?)\\\)", line)]
    if math:
        outside = re.sub(r"(?<!\\)\$[^$]+?(?<!\\)\$|\\\(.+?\\\)", " @ ", line)
        if not re.search(r"\d", outside):
            joined = re.fullmatch(r"\s*@(?:\s*(?:,|;|and|or|, and|, or)\s*@)*[\s.,]*", outside)
            return _trim(", ".join(math) if joined and len(math) > 1 else math[-1])
    if "\\" not in line and re.search(r"\d", line):
        words = re.findall(r"[A-Za-z]{2,}", line)
        numbers = [match[0].strip() for match in LAST_NUMBER.finditer(line)]
        if len(words) >= 2 and numbers and len(set(numbers)) == 1:
            return numbers[0]
        if len(words) >= 3 and numbers:
            tail = line.rpartition("=")[2] if "=" in line else line
            found = LAST_NUMBER.findall(tail)
            return found[0].strip() if found else numbers[-1]
    counted = re.match(rf"({'|'.join(COUNTS)})\b", line, re.IGNORECASE)
    if counted and len(line.split()) > 1 and not math:
        return counted[1]
    return _trim(line) or None


def _last_value(text: str) -> str | None:
    """The last formula that states a value, or the last number."""
    text = re.sub(r"<<[^<>\n]{0,200}>>", "", text)
    number = None
    for number in LAST_NUMBER.finditer(text):  # noqa: B007  the last one is used
        pass
    math = None
    for math in re.finditer(  # noqa: B007
        r"\$\$(?P<a>[^$]{1,500})\$\$|(?<!\\)\$(?P<b>[^$\n]{1,300})(?<!\\)\$|\\\((?P<c>.{1,300}?)\\\)"
        r"|\\\[(?P<d>.{1,500}?)\\\]",
        text,
        re.DOTALL,
    ):
        pass
    if math is not None and (number is None or math.end() > number.start()):
        content = next(group for group in math.groups() if group)
        left, _, right = content.rpartition("=")
        return _trim(content if left and right.strip() in ("0", "0.") else right) or None
    if number is None:
        return None
    return number[0].strip()


def _trim(text: str) -> str:
    return text.strip().strip("*").strip().rstrip(".,;:").strip()


# ---------------------------------------------------------------------------------------------------------------------
# One spelling

# Signs of one meaning become one character, so that later steps split on characters.
COMMANDS = {
    **dict.fromkeys(("le", "leq", "leqslant"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant"), "≥"),
    **dict.fromkeys(("ne", "neq"), "≠"),
    **dict.fromkeys(("approx", "thickapprox", "simeq"), "≈"),
    **dict.fromkeys(("times", "cdot", "ast", "bullet"), "*"),
    **dict.fromkeys(("cap", "wedge", "land"), "∩"),
    **dict.fromkeys(("langle",), "("),
    **dict.fromkeys(("rangle",), ")"),
    **dict.fromkeys(("lbrack",), "["),
    **dict.fromkeys(("rbrack",), "]"),
    **dict.fromkeys(("lbrace",), "⦃"),
    **dict.fromkeys(("rbrace",), "⦄"),
    **dict.fromkeys(("vert", "mid", "lvert", "rvert"), "|"),
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), "\\frac"),
    **dict.fromkeys(("dbinom", "tbinom"), "\\binom"),
    **dict.fromkeys(("quad", "qquad", "space", "enspace"), " "),
    **dict.fromkeys(
        ("left", "right", "displaystyle", "textstyle", "limits", "nolimits", "big", "Big", "bigg", "Bigg", "bigl",
         "bigr", "Bigl", "Bigr", "biggl", "biggr", "middle", "boldsymbol", "rm", "bf", "it", "strut", "mathstrut"), " ",
    ),
    "lt": "<", "gt": ">", "div": "/", "in": "∈", "cup": "∪", "infty": "∞", "infin": "∞", "pm": "±", "mp": "∓",
    "prime": "'", "degree": "°", "setminus": "∖", "backslash": "∖", "emptyset": "∅", "varnothing": "∅", "colon": ":",
    "lor": " or ", "vee": " or ", "dots": "…", "ldots": "…", "cdots": "…", "equiv": "≡", "implies": "⇒",
    "rightarrow": "→", "to": "→", "arcsin": "\\arcsin", "dollar": "",
}  # fmt: skip
TEXT_COMMANDS = {"text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "mbox", "hbox", "mathrm",
                 "mathbf",
                 "mathit", "mathsf", "mathtt", "operatorname", "emph", "bold", "bm", "textup", "textsl"}  # fmt: skip
UNICODE = str.maketrans({
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "⁄": "/",
    "∕": "/", "π": "\\pi ", "√": "\\sqrt ", "⩽": "≤", "≦": "≤", "⩾": "≥", "≧": "≥", "º": "°", "˚": "°", "′": "'",
    "’": "'", "‘": "'", "“": '"', "”": '"', "，": ",", "、": ",", "；": ";", "（": "(", "）": ")", "［": "[", "］": "]",
    "｛": "⦃", "｝": "⦄", "：": ":", "＝": "=", "％": "%", "＋": "+", "．": ".", "。": ".", "⟨": "(", "⟩": ")",
    "〈": "(",
    "〉": ")", "⌊": "\\lfloor ", "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ", "∣": "|", "∙": "*", "∅": "∅",
    "\u200b": "", "\ufeff": "", "\u00ad": "", "\u2061": "", "\u2062": "*", "\t": " ", "\n": " ", "\r": " ",
})  # fmt: skip
GREEK_LETTERS = {
    unicodedata.lookup(f"GREEK SMALL LETTER {name.upper()}"): f"\\{name} "
    for name in [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "kappa",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "chi",
        "psi",
        "omega",
    ]
} | {"λ": "\\lambda ", "Δ": "\\Delta ", "Ω": "\\Omega ", "Σ": "\\Sigma ", "φ": "\\phi ", "ϕ": "\\phi ", "ℏ": "\\hbar "}
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ⁿ", "0123456789-+()n")
LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
CURRENCY = re.compile(r"\\\$|[$€£¥₹]|\\(?:pounds|euro|yen)(?![A-Za-z])|(?<![A-Za-z])(?:USD|Rs\.?)(?![A-Za-z])")
THOUSANDS = re.compile(r"(?<![\d.])(\d{1,3})((?:(?:\{,\}|,\\!\s?|,\\,|\\,|\\!|\\ |~|\\:|\\;|,? \\!)\d{3})+)(?!\d)")


def clean(answer: str) -> str:
    r"""`answer` in one spelling: no layout, one character for each relation, braces around arguments.

    >>> clean("$\\left(\\dfrac12,\\, 5\\right]$.")
    '(\\frac{1}{2}, 5]'
    """
    text = re.sub(r"\b(?:np|math|sympy)\.(?=[a-z])", "", answer[:MAX_ANSWER])
    text = THOUSANDS.sub(lambda match: match[1] + re.sub(r"\D", "", match[2]), text)
    text = re.sub(r"[⁰¹²³⁴-⁹⁻⁺⁽⁾ⁿ]+", lambda match: "^{" + match[0].translate(RAISED) + "}", text)
    text = re.sub(r"[₀-₉]+", lambda match: "_{" + match[0].translate(LOWERED) + "}", text)
    text = re.sub(r"[¼-¾⅐-⅞]", _vulgar, text)
    text = text.translate(UNICODE)
    text = "".join(GREEK_LETTERS.get(sign, sign) for sign in text)
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"\\begin\{(?:aligned|align\*?|equation\*?|gather\*?|cases|split)\}|\\end\{(?:aligned|align\*?|"
                  r"equation\*?|gather\*?|cases|split)\}", " ", text)  # fmt: skip
    text = re.sub(r"\\\\(?:\[[^\[\]]{0,9}\])?(?![A-Za-z])", "¶", text)  # ends a row
    if "matrix" not in text and "array" not in text:
        text = text.replace("\\\\", "\\").replace("¶", ", ").replace("&", " ")
    text = text.replace("\\\\", "¶")
    text = re.sub(r"\\[dt]?frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\(?:hspace|vspace|phantom|hphantom|kern|color|textcolor|tag|label)\*?\s*\{[^{}]*\}", " ", text)
    text = re.sub(r"\\(?:mathbb|Bbb)\s*(?:\{\s*([A-Z])\s*\}|([A-Z]))", _number_set, text)
    text = re.sub(r"\\left\s*\\?\.|\\right\s*\\?\.(?!\d)", " ", text)
    text = re.sub(r"\\left\s*\\\||\\right\s*\\\|", "|", text)
    text = text.replace("\\{", "⦃").replace("\\}", "⦄").replace("\\%", "%").replace("\\#", "#").replace("\\_", "_")
    text = text.replace("\\&", "&").replace("\\|", "|")
    text = CURRENCY.sub("", text)
    text = re.sub(r"\\(?:[,;:!> ]|$)|~", " ", text)
    text = re.sub(r"\\\(|\\\)|\\\[|\\\]", " ", text)
    text = re.sub(r"\\([A-Za-z]+)\s?", _command, text)
    text = re.sub(r"\^\s*\{\s*(?:\\circ|°)\s*\}|\^\s*(?:\\circ|°)", "°", text)
    text = re.sub(r"\^\s*\{\s*('+)\s*\}|\^\s*('+)", lambda match: match[1] or match[2], text)
    text = re.sub(r"\s*(?:\*\*|__)\s*(?=$)|^\s*\*\*", " ", text) if text.strip().startswith("**") else text
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s*\bd([A-Za-z])\s*/\s*d([A-Za-z])\b", r" \\frac{d\1}{d\2}", text).strip()
    return _outer(text)


def _vulgar(match: re.Match) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", match[0]).partition("⁄")
    return f"\\frac{{{top}}}{{{bottom}}}" if bottom else match[0]


def _number_set(match: re.Match) -> str:
    return {"R": "ℝ", "N": "ℕ", "Z": "ℤ", "Q": "ℚ", "C": "ℂ"}.get(match[1] or match[2], match[1] or match[2])


def _command(match: re.Match) -> str:
    name = match[1]
    if name in TEXT_COMMANDS:
        return "\\text"
    replacement = COMMANDS.get(name)
    if replacement is None:
        return f"\\{name} "
    return replacement + (" " if replacement[0] == "\\" else "")


def _outer(text: str) -> str:
    """`text` without punctuation at its ends, braces around the whole, and a brace that closes nothing."""
    for _ in range(4):
        before = text
        text = text.strip().rstrip(".,;:").strip() if not text.endswith("…") else text
        if text.startswith("{") and closing(text, 0) == len(text) - 1:
            text = text[1:-1]
        if text.endswith("}") and text.count("}") > text.count("{"):
            text = text[:-1]
        if text == before:
            break
    return text


def words(text: str) -> str:
    r"""`text` as lower-case words: what a text answer is compared by.

    >>> words("\\text{The Monday.}")
    'monday'
    """
    text = re.sub(r"\\text|[{}\\$\"'*]", " ", text).lower()
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    text = re.sub(r"(?<=\d)(?=[ap]m\b)", " ", text)
    text = re.sub(r"\s*:\s*", ":", text)
    text = re.sub(r"[^\w:+<>=≤≥%/,&.-]+", " ", text)
    kept = [word.strip(".,-") for word in re.split(r"[\s,]+", text)]
    return " ".join(word for word in kept if word and word not in {"the", "a", "an", "it", "is", "are"})


# ---------------------------------------------------------------------------------------------------------------------
# Multiple choice

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
    return next((found for part in _parts(text) if (found := _choice(part, letters, choices))), None)


def _choice(text: str, letters: str, choices: Sequence[str]) -> str | None:
    start = text.lower().rfind("<answer>")
    if start >= 0:
        content = ANSWER_TAG.match(text, start)[1].strip()
        if content:
            return _named_choice(content, letters, choices)
    boxed = _boxed(text)
    if boxed is not None:
        return _named_choice(boxed, letters, choices)
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
