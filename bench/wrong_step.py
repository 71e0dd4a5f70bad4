"""How well the first wrong step is read from critiques: those of people and of six models in MR-GSM8K.

python -m bench.wrong_step
"""

import re
from collections import Counter

from scripts.lib.grading.verdicts import parse_wrong_step
from tests.shared_data import rows

STATED = re.compile(r"First Error Step:\W*(?:Step\s*)?(\d+)")


def main() -> None:
    """Prints, for each kind of critique, how many name the known step, another one, or none."""
    counts: dict[str, Counter] = {}
    for row in rows("mr_gsm8k/human_critiques.jsonl.gz"):
        tell(counts, "by people", row["critique"], row["first_error_step"])
        for critique in row["model_critiques"]:
            stated = STATED.search(critique["critique"])
            if stated:
                tell(counts, "by models, with the statement", critique["critique"], int(stated[1]))
                examined = critique["critique"].partition("Final Judgement")[0]
                tell(counts, "by models, without it", examined, int(stated[1]))
    for name, found in counts.items():
        shown = ", ".join(f"{kind} {found[kind]}" for kind in ("the same step", "another", "none"))
        print(f"{name} ({sum(found.values())}): {shown}")


def tell(counts: dict[str, Counter], name: str, text: str, step: int) -> None:
    """Counts the parsed step of a critique whose wrong step is known."""
    read = parse_wrong_step(text)
    kind = "none" if read is None else "the same step" if read == step else "another"
    counts.setdefault(name, Counter())[kind] += 1


if __name__ == "__main__":
    main()
