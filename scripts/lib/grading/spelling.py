r"""One spelling for what can be written in many ways.

`clean` rewrites an answer so that `\dfrac{1}{2}`, `\tfrac 1 2` and `½` look alike; it keeps units, percent signs and
lists, which `scripts.lib.grading.compare` judges. `words` is the spelling of answers that are words.
"""

import re
import unicodedata

MAX_ANSWER = 4000  # characters; what is longer is no final answer

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
    "rightarrow": "→", "imath": "i", "jmath": "j", "to": "→", "arcsin": "\\arcsin", "dollar": "",
}  # fmt: skip
TEXT_COMMANDS = {"text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "mbox", "hbox", "mathrm",
                 "mathbf",
                 "mathit", "mathsf", "mathtt", "operatorname", "emph", "bold", "bm", "textup", "textsl",
                 "underline"}  # fmt: skip
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
THOUSANDS = re.compile(
    r"(?<![\d.])(\d{1,3})((?:(?:\{,\}|\\text\s?\{,\}|,\\!\s?|,\\,|\\,|\\!|\\ |~|\\:|\\;|,? \\!)\d{3})+)(?!\d)"
)

_INSIDE = r"((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*?)"
OVER = re.compile(rf"\{{{_INSIDE}\\over(?![A-Za-z]){_INSIDE}\}}")  # {a \over b}


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
    text = OVER.sub(r"\\frac{\1}{\2}", f"{{{text}}}") if "\\over" in text else text
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
