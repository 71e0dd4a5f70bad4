"""How many rows a run can train on at most, and how many may be lost before too few are left.

A quota (`rows`, `gap_rows`, `like_rows`) that can lose some rows without failing has slack; having none is a mistake if
rows can be lost after they were paid for.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from scripts.lib.study import runs
from scripts.lib.study.mistakes import Mistakes

FILTERS = {"correct", "judged-right", "judged-wrong", "agreeing", "agree", "both-right"}


class Quota(NamedTuple):
    """The number of rows that one part of a run's data requests.

    Attributes:
        path: the key path of the number in the run.
        asked: requested rows or pairs.
        least: the smallest acceptable number.
        most: the largest number that the part can have; None if unknown.
    """

    path: tuple
    asked: int
    least: int
    most: int | None


def least(asked: int, when_short: str, slack: float) -> int:
    """The smallest acceptable number of the requested rows."""
    return 1 if when_short == "take-all" else max(1, math.ceil(round(asked * (1 - slack), 6)))


def quotas(study: Mapping[str, Any], run: Mapping[str, Any]) -> list[tuple[Quota, dict]]:
    """The quotas of a run, each with its part; parts that take all rows have none."""
    data, parts = run["data"], runs.parts(run)
    total = sum(part["weight"] for part in parts)
    found = []
    for part in parts:
        key = "gap_rows" if part.get("length_gap") else "like_rows" if part.get("like") else None
        asked = chosen = part[key] if key else None
        if data["rows"] is not None:
            key, asked = "rows", round(data["rows"] * part["weight"] / total)
        if asked is None:
            continue
        fewest = least(asked, data["when_short"], data["slack"])
        most = most_rows(study, part)
        if chosen is not None and chosen < asked:
            most = _least(most, chosen)
        found.append((Quota(("data", key), asked, fewest, most), part))
    return found


def most_rows(study: Mapping[str, Any], part: Mapping[str, Any]) -> int | None:
    """The most rows or pairs that a part can have according to the config; None if it does not say."""
    sources = [(section, slug) for _, section, slug in runs.sources(part) if section != "runs"]
    if part["method"] == "dpo" and "responses" in part:
        entry = study["responses"].get(part["responses"], {})
        questions, pairs = _questions(study, entry), min(part["pairs_per_question"], entry.get("samples", 1) // 2)
        return questions and questions * pairs
    counts = [rows_in(study, section, slug) for section, slug in sources]
    if None in counts or not counts:
        return None
    if "self_play" in part:
        return sum(counts)
    if "long" in part:  # one pair per question
        return min(count // _samples(study, *source) for count, source in zip(counts, sources, strict=True))
    return min(counts)


def rows_in(study: Mapping[str, Any], section: str, slug: str) -> int | None:
    """The most rows that an entry of datasets, responses or teachers' texts can have; None if it is unknown."""
    entry = study[section].get(slug, {})
    if section == "datasets":
        return entry.get("rows") or entry.get("expect_rows")
    if section == "critiques":
        judged = rows_in(study, "responses", entry.get("responses"))
        return _least(judged, entry.get("rows"))
    if section == "refinements":
        return _least(rows_in(study, "critiques", entry.get("critiques")), entry.get("rows"))
    questions = _questions(study, entry)
    return questions and questions * entry.get("samples", 1)


def _questions(study: Mapping[str, Any], entry: Mapping[str, Any]) -> int | None:
    """The number of questions behind an entry of responses or answers."""
    return _least(rows_in(study, "datasets", entry.get("dataset")), entry.get("rows"))


def _samples(study: Mapping[str, Any], section: str, slug: str) -> int:
    return study[section].get(slug, {}).get("samples", 1) if section == "responses" else 1


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)


def survivors(study: Mapping[str, Any], part: Mapping[str, Any]) -> float:
    """The share of a part's rows that remains if every teacher makes as many errors as its entry allows."""
    names = {section: part.get(section) for section in ("critiques", "refinements", "answers")}
    names["critiques"] = study["refinements"].get(names["refinements"], {}).get("critiques", names["critiques"])
    left = 1.0
    for section, slug in names.items():
        entry = study[section].get(slug, {})
        teacher = study["teachers"].get(entry.get("teacher"), {"kind": "verifier"})
        if entry and teacher["kind"] != "verifier":
            left *= 1 - entry["max_errors"]
    return left


def losses(run: Mapping[str, Any], part: Mapping[str, Any]) -> list[str]:
    """The reasons for dropping a part's rows that the config cannot count in advance."""
    found = [f"keep: {part['keep']}"] if part["keep"] in FILTERS else []
    if runs.drops_long_rows(run):
        found.append("the recipe's too_long: drop")
    if run["hyperparameters"].get("end_inside") == "drop":
        found.append("the recipe's end_inside: drop")
    return found


def check(mistakes: Mistakes) -> None:
    """Records each quota that cannot be reached, or that an expected loss of rows would break."""
    sections = ("datasets", "responses", "critiques", "refinements", "answers", "teachers")
    study = {section: mistakes.sound(section) for section in sections}
    for slug, run in mistakes.sound("runs").items():
        for quota, part in quotas(study, run):
            if quota.most is None:
                continue
            path = ("runs", slug, *quota.path)
            if quota.most < quota.least:
                text = f"its data can give {quota.most:,} rows at most. Lower it, or name more data."
                mistakes.wrong(path, text, quota.asked)
            elif (left := math.floor(quota.most * survivors(study, part) + 1e-9)) < quota.least:
                text = f"only {left:,} of the {quota.most:,} rows of its data are left if max_errors is reached. "
                mistakes.wrong(path, text + _advice(1 - left / quota.asked), quota.asked)
            elif quota.most == quota.least and losses(run, part):
                takes = " and ".join(losses(run, part))
                text = f"its data can give {quota.most:,} rows at most, and {takes} will remove some. {_advice(0.05)}"
                mistakes.wrong(path, text, quota.asked)


def _advice(slack: float) -> str:
    percent = math.ceil(round(100 * slack, 6))
    return f"Give the share that may be missing (slack: {percent / 100:g}), or say when_short: take-all."


def pools(study: Mapping[str, Any], names: list[str]) -> list[str]:
    """A line for each part of these runs with a quota: the rows that it requests, can have, and is likely to have.

    Args:
        study: the resolved study; `plan.kept_share` is the expected share of rows that pass a filter.
        names: runs.
    """
    sizes = study["plan"]["rows"]
    whole = {
        slug: {**entry, "rows": rows_in(study, "datasets", slug) or sizes.get(slug)}
        for slug, entry in study["datasets"].items()
    }
    known = {**study, "datasets": whole}
    return [
        _pool(study, name + _of_mixture(study["runs"][name], part), quota, part)
        for name in names
        for quota, part in quotas(known, study["runs"][name])
    ]


def _of_mixture(run: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """What tells the parts of a mixture: the entries that this one reads."""
    if "mix" not in run["data"]:
        return ""
    return f" ({', '.join(slug for _, _, slug in runs.sources(part))})"


def _pool(study: Mapping[str, Any], name: str, quota: Quota, part: Mapping[str, Any]) -> str:
    fewer = "fewer" if quota.least == 1 else f"{quota.least:,}"  # when_short: take-all
    will_do = f" ({fewer} will do)" if quota.least < quota.asked else ""
    if quota.most is None:
        return f"{name}: {quota.asked:,} rows{will_do} of an unknown number: add it to plan.rows"
    share = study["plan"]["kept_share"] if part["keep"] in FILTERS else 1.0
    expected = math.floor(quota.most * share)
    passing = f", of which about {expected:,} pass keep: {part['keep']} ({share:.0%})" if share < 1 else ""
    lacking = "" if expected >= quota.least else ": NOT ENOUGH"
    return f"{name}: {quota.asked:,} rows{will_do} of at most {quota.most:,}{passing}{lacking}"
