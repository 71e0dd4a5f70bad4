"""math-verify's verdict, and where it needs no parsing."""

import functools
import re

WHOLE = re.compile(r"0|-?[1-9]\d{0,14}")
LONE_BOX = re.compile(r"(?:(?<![\\\d$])\$|\\\[|\\\()\s?\\boxed\{(0|-?[1-9]\d{0,14})\}\s?(?:\$(?!\$)|\\\]|\\\))")
AMBIGUOUS = re.compile(r"final answer|%|percent|pct", re.IGNORECASE)


def math_verify(prediction: str, gold: str) -> bool:
    """math-verify's verdict on a whole text, its own time-out (a signal, which workers must not use) switched off.

    The gold is given as a box: as a formula between dollar signs many golds (`\\$40`) parse to nothing.
    """
    certain = _certain(prediction, gold)
    if certain is not None:
        return certain
    import math_verify as library

    target, parsed = _parsed_gold(gold), library.parse(prediction, parsing_timeout=None)
    if WHOLE.fullmatch(gold) and len(parsed) == 2 and getattr(parsed[0], "is_Integer", False):
        return bool(
            parsed[0] == target[0] or parsed[1] == target[1]
        )  # what verify does with two integers, unsimplified
    return bool(library.verify(target, parsed, timeout_seconds=None))


@functools.lru_cache(maxsize=4096)  # one problem is answered by many samples
def _parsed_gold(gold: str) -> list:
    if WHOLE.fullmatch(gold):  # what parse returns, without its 3 ms
        import sympy

        return [sympy.Integer(gold), gold]
    import math_verify as library

    return library.parse("\\boxed{" + gold + "}", parsing_timeout=None)


def _certain(prediction: str, gold: str) -> bool | None:
    """math-verify's verdict where it needs no parsing: whole numbers, the answer's alone in the only box of the text.

    math-verify looks for "final answer is" before boxes and for a percent sign after them, and takes a box up to the
    last brace of the text, so texts with any of these go the long way.
    """
    number = WHOLE.fullmatch(gold)
    if number is None or prediction.count("\\boxed") != 1:
        return None
    box = LONE_BOX.search(prediction)
    if box is None or "}" in prediction[box.end() :] or AMBIGUOUS.search(prediction):
        return None
    return box[1] == gold
