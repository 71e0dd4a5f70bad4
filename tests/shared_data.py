"""Rows of the data sets that lie beside the checkout, for tests and measurements.

This is the only file that knows where they are: `../shared/data`, or the folder named by `REDPEN_SHARED_DATA`.
None of that data is part of the project, so a test that asks for a missing file is skipped.
"""

import gzip
import json
import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("REDPEN_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def path(name: str) -> Path:
    """The path of `name` (for example `gsm8k/test.jsonl`); skips the calling test if it is missing."""
    file = ROOT / name
    if not file.exists():
        pytest.skip(f"{name} is not in {ROOT}: set REDPEN_SHARED_DATA to the folder that holds it")
    return file


def rows(name: str) -> list[dict]:
    """All rows of a `.jsonl` or `.jsonl.gz` file as dicts, in file order."""
    file = path(name)
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
