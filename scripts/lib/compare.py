"""The three verdicts on one answer; runs inside the workers of `scripts.lib.grading`."""

from collections.abc import Iterator

from scripts.lib import answers

PARTS = ("extracted", "verdict", "paper_style", "math_verify")


def parts(item, errors: list[str]) -> Iterator[tuple[str, object]]:
    """The parts of the grade of `item`, cheapest first; what failed is appended to `errors`."""
    extracted = answers.extract(item.prediction or "")
    yield "extracted", extracted
    for name, verdict in (("verdict", ours), ("paper_style", paper_style), ("math_verify", math_verify)):
        try:
            yield name, verdict(item, extracted)
        except Exception as error:
            errors.append(f"{name}: {type(error).__name__}: {error}"[:300])
            yield name, False if name == "verdict" else None


def ours(item, extracted: str | None) -> bool:
    return extracted is not None and extracted.strip() == item.gold.strip()


def paper_style(item, extracted: str | None) -> bool:
    return extracted is not None and extracted.strip() == item.gold.strip()


def math_verify(item, extracted: str | None) -> bool | None:
    """math-verify's verdict on the whole text, its own time-out (a signal) switched off."""
    from math_verify import parse, verify

    gold = parse("\\boxed{" + item.gold + "}", parsing_timeout=None)
    return bool(verify(gold, parse(item.prediction or "", parsing_timeout=None), timeout_seconds=None))
