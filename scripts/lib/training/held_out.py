"""Which rows of a training set early stopping holds out."""

import random
from collections.abc import Sequence

from scripts.lib.jsonl import BadInput


def drawn(names: Sequence[str], rows: int, seed: int) -> set[int]:
    """The places of the rows that are held out: a draw by seed and id, whatever the order of the rows.

    Args:
        names: the ids of the rows that could be trained on.
        rows: how many are held out.
        seed: the run's.

    Raises:
        BadInput: none would be left to train on.
    """
    if rows >= len(names):
        raise BadInput(
            f"early_stopping holds out {rows} rows, and there are {len(names)}, so none is left to train on. Lower its "
            "rows in the recipe."
        )
    order = sorted(range(len(names)), key=lambda place: (_draw(names[place], seed), names[place]))
    return set(order[:rows])


def _draw(name: str, seed: int) -> float:
    return random.Random(f"held out:{seed}:{name}").random()
