r"""Final answers: where they stand in a text.

`extract` finds the answer of a mathematical text; `scripts.lib.grading.choices` that of a multiple-choice one. All is
pure, and linear in the length of the text but for bounded look-aheads.
"""

import re

from scripts.lib.grading.spelling import MAX_ANSWER, closing

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
    return next((found for part in parts(text) if (found := _extract(part)) is not None), None)


def parts(text: str) -> list[str]:
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
            return last_box(content) or _short(content.strip()) or _plain(content)
    found = last_box(text)
    if found is not None:
        return found
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


def last_box(text: str) -> str | None:
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
