"""Our verdict on cases rebuilt from public bug reports of graders; where they are not there, the test is skipped."""

from scripts.lib.grading import Item, graders
from tests import shared_data

# Cases on which our verdict is not the label, by their id, and why.
EXPLAINED: dict[str, str] = {}


def test_the_verdicts_agree_with_careful_readers():
    rows = shared_data.rows("grader_cases/cases.jsonl")
    wrong = {}
    for row in rows:
        item = Item(row["prediction"], row["gold"], row["kind"], tuple(row.get("choices", ())))
        if graders.ours(graders.extract(item), item) is not row["label"]:
            wrong[row["id"]] = f"label {row['label']}, gold {row['gold']!r}, text ends {row['prediction'][-60:]!r}"
    assert {key: text for key, text in wrong.items() if key not in EXPLAINED} == {}
    assert 1 - len(wrong) / len(rows) >= 0.97
