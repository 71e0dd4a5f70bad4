"""The page of claims: each with its value, its interval and its verdict."""

import math

from scripts.lib.tables.claims import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from scripts.lib.tables.flags import FLAGS

WORDS = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE)


def page(entries: dict[str, dict], verdicts: dict[str, dict]) -> str:
    """The claims and their verdicts as a Markdown table."""
    if not verdicts:
        return "The study has no claims. Add some under claims (docs/claims.md).\n"
    lines = ["| claim | value [95 % interval] | claimed | verdict |", "| --- | --- | --- | --- |"]
    for name, verdict in verdicts.items():
        claim = entries[name]
        source = f"{claim['section']}; `{name}`" if claim["section"] else f"`{name}`"
        outcome = f"**{verdict['verdict']}**" + (f": {verdict['why']}" if verdict["why"] else "")
        outcome += "".join(f"; of a cell, {FLAGS[name].says}" for name in verdict.get("flags", ()))
        lines.append(f"| {claim['says']} ({source}) | {interval(verdict)} | > {claim['above']:g} | {outcome} |")
    count = {word: sum(verdict["verdict"] == word for verdict in verdicts.values()) for word in WORDS}
    lines += ["", ", ".join(f"{number} {word}" for word, number in count.items()) + "."]
    return "\n".join(lines) + "\n"


def rows(entries: dict[str, dict], verdicts: dict[str, dict]) -> list[dict]:
    """The rows of claims.json, one per verdict; infinite numbers are None."""
    fields, numbers = ("says", "section", "value", "above"), ("value", "low", "high")
    return [
        {"claim": name, **{key: entries[name][key] for key in fields}, **verdict}
        | {key: finite(verdict[key]) for key in numbers}
        for name, verdict in verdicts.items()
    ]


def interval(verdict: dict) -> str:
    """`3.5 [1.2, 5.8]`, without the parts that are unknown."""
    if verdict["value"] is None:
        return "–"
    if verdict["low"] is None:
        return number(verdict["value"])
    return f"{number(verdict['value'])} [{number(verdict['low'])}, {number(verdict['high'])}]"


def number(value: float) -> str:
    """A number with two decimal places below 10, else one."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def finite(value: float | None) -> float | None:
    """The value, None if it is infinite or NaN."""
    return value if value is not None and math.isfinite(value) else None
