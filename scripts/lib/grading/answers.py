r"""Final answers: where they are in a text.

`extract` finds the answer of a mathematical text; `scripts.lib.grading.choices` that of a multiple-choice one. A text
is read in the ways that READINGS lists, in their order; the first that finds an answer counts. All is pure, and linear
in the length of the text: runs and loops are cut short first, and every pattern looks ahead for a bounded distance.
"""

import re
from collections.abc import Callable

from scripts.lib.grading import expressions
from scripts.lib.grading.numerals import POWERS, numbers_in_words
from scripts.lib.grading.spelling import MAX_ANSWER, closing
from scripts.lib.grading.typography import fold, without_loop

MAX_BOXES = 200  # boxes at the end of a text that are considered
TAIL = 20_000  # characters at the end of a text that are searched for an answer without a box
LAST_LINES = 3_000  # the same for a last number, if there is one
BOXED_TAIL = 1_000_000  # the same for boxes

CUT_OFF = 400  # characters that may follow "the answer is ..." in a text that does not end with a sentence
SENTENCE_ENDS = (".", "!", "?", ")", "]", "}", "*", "$", "`", ">", '"', "”", ":", "…")

NUMBER = (
    r"[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d,]\d|\d)(?:\.\d+)?|(?<!\d )\d{1,3}(?: \d{3})+(?!\d|\.\d)"
    r"|\d{1,3}(?:\.\d{3})+,\d{1,2}(?!\d)|\d+(?:,\d+)+|\d+(?:\.\d+)?|\.\d+)"
)
COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
LAST_NUMBER = re.compile(
    r"(?<![\w.:])\d{1,2}:\d{2}(?![\d:])(?:\s?[aApP]\.?[mM]\b)?|"
    rf"(?<![\w.])(?:(?<!\d\s)(?:[mM]inus|[nN]egative)\s)?[-−]?\$?\s?{NUMBER}(?:[eE][-+]?\d+(?!\w))?(?:_\{{?\d{{1,2}}\}}?)?(?:\s\d{{1,3}}/\d{{1,3}}(?![\d/])|"
    rf"\s?/\s?\d+(?![\d/]))?(?:\s?\\?%|\s(?:{'|'.join(POWERS)})\b)?"
    r"|(?<![\d.])(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:\s?\\?%)?"
)
PHRASE = re.compile(
    r"(?:final\s{1,3}answer|correct\s{1,3}answer|answer)(?:\s{1,3}to\s{1,3}[^.:\n]{1,80})?\s{0,4}(?:\*\*)?\s{0,4}"
    r"(?:\b(?:is|are|would\s+be|will\s+be|should\s+be|equals)\b"
    r"(?:\s{1,3}(?:therefore|thus|simply|indeed|definitely))?\s{0,4}(?:\*\*)?\s{0,4}:?"
    r"|:|=)\s{0,4}(?:\*\*)?"
    r"|(?:Antwort|Respuesta|R[ée]ponse|Risposta|Resposta|Jawaban|Ответ|答案|答え|正解)\s{0,3}(?:是|为|は|:)\s{0,3}"
    r"|####"
    r"|^[ \t]{0,20}(?:\*\*)?A(?:\s?:(?!\w)|ns\s?[.:=]\s{0,4})",
    re.IGNORECASE | re.MULTILINE,
)
ASSESSMENT = re.compile(
    r"(?:(?:indeed|definitely|really|also|probably|likely)\s+)?(?:in)?(?:correct|valid|consistent|reasonable|right|wrong|"
    r"unique|not|obvious|clear|supposed|expected|given|found|obtained|in the form|to be|"
    r"(?:in|inside|within|as)\s+(?:an?\s+|the\s+|this\s+)?(?:\w+\s+)?(?:box|boxes|form|format|tags?|braces)|boxed|below|above)\b",
    re.IGNORECASE,
)
ANSWER_TAG = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
THOUGHT_END = ("</think>", "<|end_of_thought|>", "<|begin_of_solution|>", "</thinking>")
SPECIAL = re.compile(r"<\|[a-z_]{1,40}\|>|</?s>|<(?:eos|pad|bos|end_of_turn)>|\[/?INST\]")
# A box in text that is about boxes, or an empty box for an answer.
PLACEHOLDER = re.compile(
    r"\s*(?:\\text\s*\{\s*)?(?:<?\s*(?:your|the|final|my)?\s*_?(?:final)?[\s_]*(?:answer|result|value)(?:\s+here)?\s*>?"
    r"|\.{2,}|…|\\[lc]?dots|_+|\?+|#+)\s*\}?\s*",
    re.IGNORECASE,
)
DISOWNED = re.compile(
    r"[\s$.]{0,6}(?:is|was)\s+(?:not\s+(?:right|correct|the\s+answer)|wrong|incorrect)\b", re.IGNORECASE
)
RETRACTED = re.compile(
    r"\b(?:wait|slip|mistake|mistaken|error|wrong|incorrect|redo|recheck|correction|correct(?:ed)?\s{0,3}:|actually|oops|"
    r"no\b\s{0,3}[,:.;]|hmm|sorry|reconsider|instead|ignores?|scratch\s+that|"
    r"(?:let\s+me|must|should|to)\s+(?:correct|fix|redo|revise|rethink))",
    re.IGNORECASE,
)


# ---------------------------------------------------------------------------------------------------------------------
# Which part of the text counts


def extract(text: str) -> str | None:
    r"""The final answer of `text`, or None if it has none.

    >>> extract("First \\boxed{3}, no: \\boxed{\\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> extract("5 + 7 = <<5+7=12>>12\n#### 12 apples")
    '12 apples'
    """
    return reading(text)[1]


def reading(text: str) -> tuple[str, str | None]:
    """The name of the first of READINGS that finds an answer in `text`, and the answer; None if none does."""
    for part in parts(text):
        for read in READINGS:
            found = read(part)
            if found is not None:
                return read.__name__.strip("_"), found
    return "nothing", None


def parts(text: str) -> list[str]:
    """Where to look, in order: what follows a thought, then all; without the marks of chat templates."""
    text = own_part(without_loop(fold(text)))
    afters = [text.rpartition(marker)[2] for marker in THOUGHT_END if marker in text]
    found = [min(afters, key=len), text] if afters else [text]
    return [SPECIAL.sub(" ", part).strip() for part in found if part.strip() or not afters]


# The start of the next question or the next speaker.
NEXT_TASK = re.compile(
    r"\n[ \t]{0,8}(?:\*\*|#{1,4} ?)?(?:(?:Question|Problem|Q|Exercise|Example|Task)\s?\d{0,3}\s?(?:\*\*)?\s?[:.](?!\d)"
    r"|(?<=#)\s?(?:Question|Problem|Exercise|Example|Task)\s?\d{0,3}\s{0,3}\n)"
    r"|\n[ \t]{0,8}#{1,4} ?(?:Question|Problem|Exercise|Example|Task)\s?\d{0,3}[ \t]{0,3}(?=\n)"
)
NEXT_SPEAKER = re.compile(
    r"\n[ \t]{0,8}(?:\*\*|#{1,4} ?)?(?:User|Human|Student|Instruction|### Instruction|Input|Customer)\s?(?:\*\*)?:"
    r"|\n[ \t]{0,8}#{1,4} ?(?:Instruction|Human|User|Input)\b"
    r"|\[INST\]|<\|(?:im_end|im_start|endoftext|eot_id|end|user|end_of_text|eom_id)\|>|</s>|<eos>|<end_of_turn>"
)


def own_part(text: str) -> str:
    r"""`text` up to the point where the model, after its answer, continues as another speaker or with another question.

    >>> own_part("The answer is 5.\n\nQuestion: And 4 + 5?\nThe answer is 9.")
    'The answer is 5.'
    >>> own_part("The answer goes into \\boxed{}.\n\nProblem: find x.\n\n\\boxed{7}")
    'The answer goes into \\boxed{}.\n\nProblem: find x.\n\n\\boxed{7}'
    """
    if NEXT_SPEAKER.search(text) is None and NEXT_TASK.search(text) is None:
        return text
    box, phrase = _first_box(text), _first_statement(text)
    if box is None and phrase is None:
        match = NEXT_SPEAKER.search(text)
        spoken = match and re.search(r"\d|[A-Za-z]{3}", SPECIAL.sub("", text[: match.start()]))
        return text[: match.start()] if spoken else text
    answered = min(at for at in (box, phrase) if at is not None)
    speaker, task = NEXT_SPEAKER.search(text, answered), NEXT_TASK.search(text, answered)
    if task and box is not None and box > task.start():
        # A question after a mere "the answer is", followed by a box, is the original question, repeated.
        task = NEXT_TASK.search(text, box)
    ends = [match.start() for match in (speaker, task) if match and text[: match.start()].strip()]
    return text[: min(ends)].rstrip() if ends else text


def _first_box(text: str) -> int | None:
    """The start of the first box with an answer."""
    for match in BOX.finditer(text):
        content = _content(text, match)
        if content is not None and is_answer(content[2]):
            return match.start()
    return None


def _first_statement(text: str) -> int | None:
    """The end of the first "the answer is" that is followed by an answer."""
    for match in PHRASE.finditer(text):
        rest = text[match.end() : match.end() + 200].lstrip(" \t*:").lstrip()
        if rest and not ASSESSMENT.match(rest):
            return match.end()
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Boxes

# Followed by braces, or by one number, command or letter; in prose `\\boxed` is followed by a word.
BOX = re.compile(
    r"\\(?:boxed|fbox|framebox)[ \t]{0,8}\n?(?=\{)|\\boxed(?=\d)"
    r"|\\boxed[ \t]{1,4}(?=-?\d|\\[A-Za-z]|-?[a-zA-Z](?![A-Za-z']| [a-z]))"
)
WORD = re.compile(r"-?\d[\d.,]*(?<![.,])|-?\w+|\\\w+(?:\{[^{}]{0,80}\})*")
LAST_BOX = re.compile(r"\\boxed\s{0,4}\{")
CUT_BOX = re.compile(r"\{([^{}\n$]{1,80})(?:\$|\\\]|\\\))")
NAMED = r"(?:[a-zA-Z](?:_\{?\w+\}?)?\s*=\s*)?"
OPENED = r"(?:\\\[|\\\(|\$\$?)?\s*"
JOINT = r"(?:\\\)|\\\]|\$|\\,|\\;|\\quad|\\text\{|[},;~&\s]|,|;|\band\b|\bor\b|\\\(|\\\[)*"
JOINED = re.compile(JOINT + NAMED)
BULLET = r"(?:[-*•+]|\(?\d{1,2}[.)]|\(?[a-z]\))?"
LINE_START = rf"\s*{BULLET}[ \t]*(?:\*\*)?{OPENED}{NAMED}"
OWN_LINE = re.compile(rf"[\s$.,;]*(?:\\\]|\\\)|\$\$?)?[ \t.,;*]*\n{LINE_START}")
BOTH = re.compile(
    r"[\s$.]*(?:\\\]|\\\))?\s*,?\s*(?:and|while|but)\s+(?:the\s+)?(?:other|second|larger|smaller|latter|next|last|third)\b"
    rf"[\w ]{{0,30}}?\s(?:is|are|equals|=)\s*{OPENED}{NAMED}"
)


def boxes(text: str) -> list[tuple[int, int, str]]:
    """(start, end, content) of each complete `\\boxed{...}` and `\\fbox{...}` of `text`, in order."""
    found: list[tuple[int, int, str]] = []
    for match in list(BOX.finditer(text))[-MAX_BOXES:]:
        if found and match.start() < found[-1][1]:
            continue  # a box in a box
        box = _content(text, match)
        if box is not None:
            found.append(box)
    return found


def _content(text: str, match: re.Match) -> tuple[int, int, str] | None:
    if text[match.end() : match.end() + 1] != "{":
        word = WORD.match(text, match.end())
        return (match.start(), word.end(), word[0]) if word else None
    end = closing(text, match.end())
    if end is not None:
        return match.start(), end + 1, text[match.end() + 1 : end]
    # Cut off, or missing a brace before the end of the formula.
    cut = CUT_BOX.match(text, match.end(), match.end() + 90)
    return (match.start(), cut.end(1), cut[1]) if cut else None


def is_answer(content: str) -> bool:
    """Whether a box contains an answer, not a placeholder."""
    return bool(content.strip()) and PLACEHOLDER.fullmatch(content) is None


def last_box(text: str) -> str | None:
    r"""The content of the last box of `text`; of several boxes that form one answer, all contents.

    >>> last_box("The roots are\n- \\boxed{2}\n- \\boxed{3}")
    '2, 3'
    """
    text = text[-BOXED_TAIL:]
    found = [box for box in boxes(text) if is_answer(box[2])]
    if not found:
        return None
    group = [found[-1]]
    for box in reversed(found[:-1]):
        between = text[box[1] : group[0][0]]
        alike = _is_word(box[2]) == _is_word(group[0][2])
        if len(between) > 80 or not _is_one_answer(text, box, between, alike):
            break
        group.insert(0, box)
    contents = [unbox(box[2]) for box in group]
    return contents[-1] if len(set(contents)) == 1 else ", ".join(contents)


def _is_one_answer(text: str, box: tuple[int, int, str], between: str, is_same_kind: bool) -> bool:
    """Whether `between` only separates two boxes of one answer: "and", a comma, a line each, "and the other is"."""
    if JOINED.fullmatch(between) and re.search(r",|;|&|\band\b|\bor\b", between):
        return True
    if BOTH.fullmatch(between):
        return True
    if OWN_LINE.fullmatch(between) is None or not is_same_kind:
        return False
    line = text[: box[0]].rpartition("\n")[2]
    return re.fullmatch(LINE_START, line) is not None


def _is_word(content: str) -> bool:
    return re.fullmatch(r"\s*(?:\\text\w*\s*\{)?[A-Za-z ]{2,}\}?\s*", content) is not None


def unbox(content: str) -> str:
    r"""`content` without boxes inside it."""
    for _ in range(3):
        inner = boxes(content)
        if not inner:
            break
        start, end, inside = inner[-1]
        content = content[:start] + inside + content[end:]
    return content.strip()


# ---------------------------------------------------------------------------------------------------------------------
# Readings, in order


def _answer_tag(text: str) -> str | None:
    """`<answer> 7 </answer>`: 7; the last tag counts."""
    start = text.lower().rfind("<answer>")
    if start < 0:
        return None
    content = ANSWER_TAG.match(text, start)[1].strip()
    if not content:
        return None
    return last_box(content) or _short(content) or _without_box(content)


def _short(content: str) -> str | None:
    """The content of an answer tag, if it is an answer and not a paragraph."""
    return _trim(content) if len(content) <= 200 and content.count("\n") < 3 else None


def _retracted_box(text: str) -> str | None:
    r"""`I had \boxed{12}. Wait, it is \boxed{\frac{`: no answer. Without doubt, the box before a cut-off one counts.

    An empty text is an answer that agrees with nothing.
    """
    tail = text[-TAIL:]
    unfinished = _unfinished_box(tail)
    if unfinished is None:
        return None
    at, cut = unfinished
    before = tail[:at]
    earlier = [box for box in boxes(before) if is_answer(box[2])]
    if RETRACTED.search(before, earlier[-1][1] if earlier else max(0, len(before) - 300)):
        return ""
    if earlier:
        return last_box(before) if earlier[-1][2].strip().startswith(cut) else ""
    found = _without_box(before) or ""
    return found if found.startswith(cut) else ""


def _unfinished_box(text: str) -> tuple[int, str] | None:
    """The start and content of a last box that is cut off or empty."""
    last = None
    for last in LAST_BOX.finditer(text, max(0, len(text) - MAX_ANSWER)):  # noqa: B007
        pass
    if last is not None and closing(text, last.end() - 1) is None and CUT_BOX.match(text, last.end() - 1) is None:
        return last.start(), text[last.end() :].strip()
    if re.search(r"\\boxed\s*\Z", text[-40:]):
        return text.rindex("\\boxed"), ""
    empty = _empty_last_box(text)
    return None if empty is None else (empty, "")


def _empty_last_box(text: str) -> int | None:
    """The start of an empty box that nothing follows."""
    found = boxes(text)
    if not found or is_answer(found[-1][2]) or PLACEHOLDER.fullmatch(found[-1][2].strip() or "?") is None:
        return None
    after = re.sub(r"[\s$.\\\]\[)(*`]", "", text[found[-1][1] :])
    return found[-1][0] if not after else None


def _box(text: str) -> str | None:
    r"""`\boxed{7}`: 7; words in a box are read like any text."""
    found = last_box(text)
    if found is None:
        return None
    if DISOWNED.match(text, boxes(text[-BOXED_TAIL:])[-1][1] + max(0, len(text) - BOXED_TAIL)):
        return ""
    words = re.fullmatch(r"\s*\\text\s*\{([^{}]*\s[^{}]*\d[^{}]*)\}\s*", found)
    return (_value_of(words[1]) or found) if words else found


def _bare_expression(text: str) -> str | None:
    """A text that is just an expression or a short name: `pi/2`, `(1, 2)`, `x >= 3`, `odd`."""
    return expressions.whole(text)


def _phrase(text: str) -> str | None:
    """What follows the last "the answer is", "####" or "A:"."""
    text = text[-TAIL:]
    matches = [match for match in PHRASE.finditer(text) if text[match.end() :].strip(" *$.:\n")]
    if not text.endswith(SENTENCE_ENDS):
        # If the text is cut off in the middle of a thought, an earlier "the answer is" is ignored.
        matches = [match for match in matches if len(text) - match.end() <= CUT_OFF]
    for match in reversed(matches[-4:]):
        found = _after_phrase(text[match.end() :])
        if found:
            return found
    return None


def _bold_items(text: str) -> str | None:
    r"""A list at the end whose items are entirely bold: `* **(3, 0)**`, `* **(0, 3)**`."""
    return expressions.bold_items(text[-TAIL:])


def _last_expression(text: str) -> str | None:
    """An expression at the end of the last sentence: `The distance is sqrt(17).`, `So the point is **(8, -2)**`."""
    if len(text) > CUT_OFF and not text.endswith(SENTENCE_ENDS):
        return None  # cut off in the middle of a thought
    return expressions.at_end(text[-TAIL:])


def _last_value(text: str) -> str | None:
    """The last formula that states a value, or the last number."""
    text = re.sub(r"<<[^<>\n]{0,200}>>", "", text[-TAIL:])
    text = text[:-LAST_SENTENCE] + DENIED.sub("", ASIDE.sub("", text[-LAST_SENTENCE:]))
    stated = STATED.search(text, max(0, len(text) - LAST_SENTENCE))
    if stated:
        return stated["value"] if not stated["denied"] else ""
    end = text[-LAST_LINES:].partition("\n")[2]
    if len(text) > LAST_LINES and LAST_NUMBER.search(end):
        text = end  # equivalent, and shorter
    number = None
    for number in LAST_NUMBER.finditer(text):  # noqa: B007  the last one is used
        pass
    math = None
    for math in MATH.finditer(text):  # noqa: B007
        pass
    if math is not None and (number is None or math.end() > number.start()):
        content = next(group for group in math.groups() if group)
        left, _, right = content.rpartition("=")
        return _trim(content if left and right.strip() in ("0", "0.") else right) or None
    return None if number is None else number[0].strip()


LAST_SENTENCE = 300  # characters at the end of a text, in which it may begin
ASIDE = re.compile(
    r"(?<=[\w.!%])\s*(?:\((?:see|not|the|about|approximately|or|i\.e\.|that is|since|because|as|which|rounded)\b"
    r"[^()]{1,80}\)"
    r"|\[(?:\d{1,2}|[a-z][^\[\]]{1,80})\])\s*\.?\s*\Z",
    re.IGNORECASE,
)
# "The remainder is 4 when divided by 7": a number behind a verb, and another that belongs to a phrase behind it.
# "It is not 8", and nothing behind that.
STATED = re.compile(
    rf"(?:\b(?:is|are|was|were|equals|total\sof)\s(?:(?:only|about|exactly|approximately|roughly|then|therefore)\s)?"
    rf"(?P<value>\$?{NUMBER}%?)(?![\w/^*+=.])(?:\s[A-Za-z°%/²³]+){{0,3}}?\s(?:when|if|over|after|between|in|at|from|out\sof|because|since|per|by|on)\s"
    rf"(?:(?!\b(?:is|are|was|were|has|have|gives?|makes?|leaving|leaves?|left|so|thus|therefore|hence|then|total|equals)\b)[^.!?\n,;=$\\]|\.(?=\d)){{1,120}}"
    rf"|(?P<denied>\b(?:is|are|was|were|can|could|be)?(?:\snot|not|n't|\snever)\s(?:be\s|equal\s(?:to\s)?)?)\$?{NUMBER}%?)[.!]?\s*\Z"
)


# "the product of two numbers", "between the three sides": what a calculation is about, not its result.
OPERANDS = re.compile(
    rf"\b(?:of|the|these|those|between|from|with|into|all|any|both)\s+(?:{'|'.join(COUNTS)})\s+(?:\w+\s+)?"
    r"(?:numbers|integers|digits|values|terms|factors|fractions|quantities|amounts|equations|expressions|sides|parts)\b",
    re.IGNORECASE,
)


def _number_word(text: str) -> str | None:
    """The only number of the last sentence, in words: `There are twelve of them.`"""
    found = numbers_in_words(OPERANDS.sub("", last_sentence(text) or ""))
    return found[0] if len(found) == 1 and found[0].lower() not in ("one", "zero") else None


READINGS: tuple[Callable[[str], str | None], ...] = (
    _answer_tag,
    _retracted_box,
    _box,
    _bare_expression,
    _phrase,
    _bold_items,
    _last_expression,
    _last_value,
    _number_word,
)
WEAK = ("last_expression", "last_value", "number_word", "nothing")  # names of readings that nothing marks as the answer
MATH = re.compile(
    r"\$\$(?P<a>[^$]{1,500})\$\$|(?<!\\)\$(?P<b>(?:[^$\n\\]|\\.){1,300})\$(?!\d)|\\\((?P<c>.{1,300}?)\\\)"
    r"|\\\[(?P<d>.{1,500}?)\\\]",
    re.DOTALL,
)


YES_OR_NO = re.compile(r"\A\W{0,6}(yes|no|true|false)\b(?=\s?[,.;:!–—-]|\W{0,6}(?:\n|\Z))", re.IGNORECASE)
SAID_TRUE = re.compile(
    r"\b(?:is|are|be)\s(?P<denied>not\s)?(?:therefore\s|always\s)?(?P<word>true|false|correct|incorrect|yes|no)\W*\Z",
    re.IGNORECASE,
)
OPPOSITE = {"true": "false", "false": "true", "correct": "false", "incorrect": "true", "yes": "no", "no": "yes"}
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
FAREWELL = re.compile(r"\W*(?:I hope|Hope|Let me know|Feel free|Good luck|Please let|Happy to|Thank)\b")


def last_sentence(text: str) -> str | None:
    """The last sentence of a text that says something, without its marks."""
    lines = [line for line in parts(text)[0][-TAIL:].split("\n") if line.strip(" *-#>$_")]
    sentences = [sentence for line in lines[-2:] for sentence in SENTENCE.split(line) if not FAREWELL.match(sentence)]
    return _trim(sentences[-1].lstrip("#>-* ")) if sentences and len(sentences[-1]) <= CUT_OFF else None


def yes_or_no(text: str) -> str | None:
    """The yes or no that a text begins with, or that its last sentence says."""
    ending = last_sentence(text) or ""
    found = YES_OR_NO.match(parts(text)[0]) or YES_OR_NO.match(ending)
    if found:
        return found[1]
    said = SAID_TRUE.search(ending)
    return said and (OPPOSITE[said["word"].lower()] if said["denied"] else said["word"])


def _without_box(text: str) -> str | None:
    return next((found for read in READINGS[3:] if (found := read(text)) is not None), None)


# ---------------------------------------------------------------------------------------------------------------------
# The answer in a line of prose

INLINE = re.compile(r"(?<!\\)\$((?:[^$\\]|\\.)+?)\$(?!\d)|\\\((.+?)\\\)")
END_OF_ANSWER = re.compile(
    r"(?<!\bi\.e)(?<!\bvs)(?<=[^\s.])\.(?:\s+(?=[A-Z\\$(*])|\s*$)|\s+I hope|\s+because\b"
    r"|\s+since\b|!\*{0,2}(?=\s+[A-Z])"
)
_ANSWER_IN_TEXT = r"^\s*\\(?:text|mathbf|mathrm|textbf)\s*\{\s*(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*"
LABEL = re.compile(_ANSWER_IN_TEXT + r"[:=]?\s*\}\s*[:=]?\s*", re.IGNORECASE)
LABEL_INSIDE = re.compile(_ANSWER_IN_TEXT + r"[:=]\s*(?P<value>[^{}]+)\}\s*$", re.IGNORECASE)
CLOCK = re.compile(
    r"\b\d{1,2}:\d{2}\b(?:\s*(?:[ap]\.?m\b\.?|in\s+the\s+(?:morning|afternoon|evening)|at\s+night))?", re.IGNORECASE
)
# "8... no, 9": what was said before does not count.
TAKEN_BACK = re.compile(
    r"(?:\.{2,}|…|,|;|-|—|–)\s*(?:oh,?\s+)?(?:no|wait|sorry|oops|hold\son|correction|I\smean|rather|make\sthat)\b"
    r"(?:[\s,:.—–-]|\b(?:no|wait|sorry|it's|it\sis|that's|make\sthat|I\smean)\b){0,12}(?=-?[$\\]?\s?\d)",
    re.IGNORECASE,
)
FOREIGN_COUNT = re.compile(r"(-?[\d.,/]*\d)\s?(?![万億亿千百兆만억천])[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
QUOTED = re.compile(r"\A\s*\n\s*>\s+")  # a block quote in Markdown
DENIED = re.compile(
    r"(?:(?:,|\s-)\s{0,3}(?:and\s+)?not\b[^.]{0,80}|\s\((?:and\s+)?not\b[^()]{0,80}\))\s{0,3}\.?$"
)  # "8 (not 9)"
RESULT = re.compile(r"(?:,|;)\s*(?:which|that|this)\s+(?:is|equals|makes|gives|comes\s+to)\s+(?P<value>.+)$")
_COUNTED = rf"({NUMBER})\s+[A-Za-z]+(?:\s+[a-z]+)?"
COORDINATED = re.compile(rf"^\s*(?:is|are)?\s*{_COUNTED},?\s+and\s+{_COUNTED}[\s.!]*$")
PAIR_OF_EQUATIONS = re.compile(r"^\s*([a-zA-Z])\s*=\s*[^\s=,]+\s*(?:,|and|,\s*and|or)\s*([a-zA-Z])\s*=\s*[^\s=,]+$")
VERB_NUMBER = re.compile(
    rf"\b(?:has|have|had|is|are|was|were|gets?|got|needs?|makes?|made|takes?|took|costs?|pays?|paid|earns?|earned|spends?|"
    rf"spent|sells?|sold|left|there\s+(?:are|is))\s+(?:only\s+|about\s+|exactly\s+)?(?P<value>\$?{NUMBER})"
)


# "in 5 days she ...": no answer of its own.
ADVERBIAL = re.compile(
    rf"\b(?:in|after|within|for|during|over|every)\s+{NUMBER}\s+[a-z]+,?\s+(?=(?:he|she|it|they|we|there|the)\b|[A-Z][a-z])"
)


def _after_phrase(rest: str) -> str | None:
    """The answer at the start of `rest`, the text after "the answer is"; None if that only mentions the answer."""
    rest = QUOTED.sub("", rest[: 2 * MAX_ANSWER].lstrip(" \t*:=")).lstrip()
    if rest.startswith("}"):  # $$\text{Answer: } 460$$
        rest = re.split(r"(?<!\\)\$\$?|\\\]|\\\)", rest[1:])[0]
    if ASSESSMENT.match(rest):
        return None
    display = re.match(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]", rest[:MAX_ANSWER], re.DOTALL)
    if display:
        return _trim(display[1] or display[2])
    line = rest[:MAX_ANSWER].split("\n", 1)[0]
    return _value_of(END_OF_ANSWER.split(line)[0])


def _value_of(line: str) -> str | None:
    """The answer in a line of prose: its formulas if it has any, its number if the rest is words."""
    line = _without_mark(DENIED.sub("", TAKEN_BACK.split(line)[-1].strip().strip("*").strip()))
    foreign = FOREIGN_COUNT.match(line)
    if foreign:
        return foreign[1]
    math = [a or b for a, b in INLINE.findall(line)]
    if math:
        outside = INLINE.sub(" @ ", line)
        if not re.search(r"\d", outside):
            joined = re.fullmatch(r"\s*@(?:\s*(?:,|;|and|or|, and|, or)\s*@)*[\s.,]*", outside)
            return _trim(", ".join(math) if joined and len(math) > 1 else math[-1])
    if "\\" not in line and re.search(r"\d", line):
        found = _number_in_words(line)
        if found:
            return found
    counted = re.match(rf"({'|'.join(COUNTS)})\b", line, re.IGNORECASE)
    if counted and len(line.split()) > 1 and not math and "-" not in line[: len(counted[1]) + 1]:
        return counted[1]
    return _trim(line) or None


def _without_mark(line: str) -> str:
    """`text` without a final exclamation mark: `42!` at the end of a sentence is not a factorial, unlike `n!`."""
    return re.sub(r"(?<=\d)!+\s*\**\s*$", "", line) if re.fullmatch(r"[^!$\\]*?\d!+[\s*]*", line) else line


def _number_in_words(line: str) -> str | None:
    """The number in a sentence that is the answer; None if the line is not a sentence."""
    line = ADVERBIAL.sub("", line)
    words = re.findall(r"[A-Za-z]{2,}", line)
    numbers = [match[0].strip() for match in LAST_NUMBER.finditer(line)]
    result = RESULT.search(line)
    if result:
        return _number_in_words(result["value"]) or _trim(result["value"])
    clock = CLOCK.search(line)
    if clock:
        return clock[0].strip()
    both = COORDINATED.match(line)
    if both:
        return f"{both[1]}, {both[2]}"
    date = expressions.DATE.search(line)
    if date:
        return date[0]
    if any(shape.fullmatch(line) for shape in (expressions.BOUND, expressions.RATIO, expressions.OF_NUMBERS)):
        return None
    if PAIR_OF_EQUATIONS.match(line) or not numbers or expressions.is_expression(line):
        return None
    if len(words) >= 2 and len(set(numbers)) == 1:
        return numbers[0]
    if len(words) < 3:
        return None
    tail = line.rpartition("=")[2] if "=" in line else line
    if tail == line and not re.match(r"\W*\d", line):
        said = VERB_NUMBER.findall(line)
        if said:
            return said[-1]
    found = LAST_NUMBER.findall(tail)
    return found[0].strip() if found else numbers[-1]


def _trim(text: str) -> str:
    text = text.strip().strip("*`").strip().rstrip(".,;:").strip()
    inside = LABEL_INSIDE.match(text)
    return inside["value"].strip() if inside else LABEL.sub("", text).strip()
