"""How often the verdict that is read from a real critique is the recorded one; every disagreement is listed.

    python -m bench.verdict_parsing

Reads the data through `tests.shared_data`; takes seconds. A recorded verdict of none means that the people who made the
data found none.
"""

import sys
from collections import Counter

from scripts.lib.grading.verdicts import parse_verdict
from tests.shared_data import rows

FILES = (
    "cft_oneshot/dsr_cft.jsonl.gz",
    "cft_oneshot/dsr_p0_raw_with_labels.jsonl.gz",
    "mathcritique/samples.jsonl",
    "cft_webinstruct_sample/samples.jsonl",
)
NAMES = {"correct": "right"}  # mathcritique's word


def main() -> int:
    """Prints a table, then the rows that differ."""
    differ = []
    print(f"{'file':46}{'recorded':>9}{'same':>6}{'other':>6}{'none read':>10}{'  read where none is recorded'}")
    for name in FILES:
        counts: Counter = Counter()
        for row in rows(name):
            recorded = row.get("critique_verdict")
            recorded = NAMES.get(recorded, recorded)
            read = parse_verdict(row["critique"])
            counts["recorded"] += recorded is not None
            kind = "same" if read == recorded else "extra" if recorded is None else "other" if read else "missed"
            counts[kind if recorded or read else "neither"] += 1
            if read != recorded:
                differ.append((row["id"], recorded, read, " ".join(row["critique"].split())[-110:]))
        extra = f"{counts['extra']} (none either: {counts['neither']})"
        print(f"{name:46}{counts['recorded']:>9}{counts['same']:>6}{counts['other']:>6}{counts['missed']:>10}  {extra}")
    print(f"\n{len(differ)} rows differ (id, recorded, read, end of the critique):")
    for row_id, recorded, read, end in differ:
        print(f"  {row_id}  {recorded} → {read}  …{end}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
