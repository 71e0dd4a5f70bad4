"""Takes the three pictures of docs/what-you-get.md from a study page, with Chromium.

    python -m bench.screenshots results/laptop/study.html docs/what-you-get

The views are found in the page: the overview, a question of those that the first difference with any leads to, and a
training row of the run, or of the first one that has rows.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.browser import MISSING, PROGRAM, Browser, Element

SIZE = 1200, 820  # of the window
COLOURS = 48  # per picture, to keep it small


def main() -> int:
    """Writes overview.png, question.png and training-row.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", default="cft", help="whose training row is shown")
    args = parser.parse_args()
    if PROGRAM is None:
        sys.exit(MISSING)
    args.folder.mkdir(exist_ok=True, parents=True)
    page = args.page.absolute()
    with tempfile.TemporaryDirectory() as folder:
        chromium = Browser(Path(folder))
        for name, fragment in views(chromium, page, args.run).items():
            file = args.folder / f"{name}.png"
            chromium.picture(page, fragment, file, *SIZE)
            shrink(file)
    return 0


def views(chromium: Browser, page: Path, run: str) -> dict[str, str]:
    """The addresses in the page to capture, by the pictures' names."""
    whole = chromium.shown(page)
    lost = dict.fromkeys(to for to in links(whole) if "show=lost" in to)
    runs = dict.fromkeys([f"#/train/{run}", *(to for to in links(whole) if to.startswith("#/train/"))])
    question = first_listed(chromium, page, lost)
    row = first_listed(chromium, page, runs)
    if question is None or row is None:
        sys.exit(
            f"{page}: no question that a row loses to another, or no training row. Make a table with a difference."
        )
    return {"overview": "", "question": f"{question}&diff=1", "training-row": row}


def first_listed(chromium: Browser, page: Path, places: Iterable[str]) -> str | None:
    """The first entry of the first list that is not empty."""
    for place in places:
        for table in chromium.shown(page, place).one("main", id="view").all("table", class_="list"):
            for to in links(table):
                return to
    return None


def links(element: Element):
    """The addresses of the links below."""
    return (anchor.attributes["href"] for anchor in element.all("a"))


def shrink(file: Path) -> None:
    """Reduces the colours of a picture."""
    from PIL import Image

    with Image.open(file) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
