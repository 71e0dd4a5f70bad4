"""The libraries that the page carries: vendor/libraries.yaml says which version, licence and hash each file has."""

from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "vendor"


@cache
def libraries() -> dict[str, dict]:
    """By name: file, package, version, licence, notice (the file of the licence), sha256."""
    return yaml.safe_load((FOLDER / "libraries.yaml").read_text(encoding="utf-8"))


def text(name: str) -> str:
    """A library's source, as it is inlined in the page."""
    return (FOLDER / libraries()[name]["file"]).read_text(encoding="utf-8").strip()


def notices() -> list[str]:
    """The licence texts, without duplicates."""
    files = dict.fromkeys(entry["notice"] for entry in libraries().values())
    return [(FOLDER / file).read_text(encoding="utf-8").strip() for file in files]
