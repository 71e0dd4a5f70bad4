r"""A verdict like that of the Qwen2.5-Math evaluation harness, which the CFT and ThinkPO papers report.

Own code, written from the harness's described behaviour, so that tables can show what the papers' grader would have
said. It is lenient where the harness is: percent signs are dropped and a factor of 100 is forgiven, numbers agree to
1e-4, brackets do not matter, units after the number are ignored. It is not used for our own verdicts.
"""

import re

from scripts.lib.grading import answers, spelling
from scripts.lib.grading.equality import close, equal
from scripts.lib.grading.formulas import Formula
from scripts.lib.grading.nodes import UnreadableError

DIGITS = 4  # relative tolerance 1e-4
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def verdict(prediction: str, gold: str, kind: str = "math") -> bool:
    """Whether such a harness accepts `prediction`, a whole text, for `gold`."""
    if kind == "choice":
        return _letter(prediction) == gold.strip().strip("()").upper()
    answer = _extract(prediction)
    return answer is not None and _same(_strip(answer), _strip(gold), 0)


def _letter(prediction: str) -> str | None:
    found = re.findall(r"answer is:?\s*\(?\**\s*([A-J])\b", prediction) or re.findall(r"\b([A-J])\b", prediction)
    return found[-1] if found else None


def _extract(text: str) -> str | None:
    found = answers.boxes(text[-answers.TAIL :])
    if found:
        return found[-1][2]
    before, phrase, rest = text.rpartition("he answer is")
    if phrase:
        return rest.strip().split("\n")[0].rstrip(".")
    numbers = re.findall(r"-?\d*\.?\d+", text[-answers.TAIL :].replace(",", ""))
    return numbers[-1] if numbers else None


def _strip(text: str) -> str:
    text = spelling.clean(text)
    text = re.sub(r"^\\text\s*\{([^{}]*)\}$", r"\1", text)
    text = re.sub(r"(?<=[\d}) ])\s*\\text\s*\{[^{}]*\}(\s*\^\s*\{?\d\}?)?$", "", text)
    text = re.sub(r"(?<=\d)\s+[a-z]{2,}(?:\s+[a-z]{2,})*$", "", text)
    text = text.replace("°", "").replace("%", "").replace("\\text", "")
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text) if re.fullmatch(r"-?[\d,.]+", text) else text
    left, equals, right = text.partition("=")
    if equals and len(left.strip()) <= 2 and "=" not in right:
        text = right
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def _number(text: str) -> float | None:
    return float(text) if len(text) < 300 and NUMBER.fullmatch(text) else None


def _same(answer: str, gold: str, depth: int) -> bool:
    if not answer or not gold or depth > 3:
        return False
    if re.sub(r"\s", "", answer).lower() == re.sub(r"\s", "", gold).lower():
        return True
    left, right = _number(answer), _number(gold)
    if left is not None and right is not None:
        return any(
            abs(left - right * factor) <= 1e-4 * max(abs(left), abs(right * factor)) for factor in (0.01, 1, 100)
        )
    bracketed = [re.fullmatch(r"[(\[⦃](.+)[)\]⦄]", text) for text in (answer, gold)]
    if all(bracketed):
        pieces = [match[1].split(",") for match in bracketed]
        if len(pieces[0]) == len(pieces[1]) > 1:
            return all(_same(a.strip(), g.strip(), depth + 1) for a, g in zip(*pieces, strict=True))
    if "matrix" in answer and "matrix" in gold:
        cells = [re.split("[&¶]", re.sub(r"\\(?:begin|end)\s*\{\s*\w+\s*\}", "", text)) for text in (answer, gold)]
        return len(cells[0]) == len(cells[1]) and all(
            _same(a.strip(), g.strip(), depth + 1) for a, g in zip(*cells, strict=True)
        )
    if answer.count("=") == 1 and gold.count("=") == 1:
        sides = [text.split("=") for text in (answer, gold)]
        first, second = (f"({left})-({right})" for left, right in sides)
        return _same_value(first, second) or _same_value(first, f"-({second})")
    return _same_value(answer, gold)


def _same_value(answer: str, gold: str) -> bool:
    try:
        left, right = Formula(answer), Formula(gold)
        if not left.symbols and not right.symbols:
            return close(left.value(), right.value(), DIGITS)
        return equal(left, right)
    except UnreadableError:
        return False
