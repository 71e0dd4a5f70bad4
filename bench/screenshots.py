"""Takes the three pictures of docs/what-you-get.md from a study page, with Chromium.

    python -m bench.screenshots results/laptop/study.html docs/what-you-get

The views are found in the page: the overview, a question of those that the first difference of a table leads to, and a
training row.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.browser import MISSING, PROGRAM, Browser, Element

SIZE = 1200, 820  # of the window
COLOURS = 48  # of a picture, so that each stays small


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
    """The places in the page that are shown, by the pictures' names."""
    lost = next(link for link in links(chromium.shown(page)) if "show=lost" in link)
    listed = chromium.shown(page, lost).one("main", id="view").one("table", class_="list").one("tbody")
    rows = chromium.shown(page, f"#/train/{run}").one("main", id="view").one("table", class_="list").one("tbody")
    return {
        "overview": "",
        "question": f"{next(links(listed))}&diff=1",
        "training-row": next(links(rows)),
    }


def links(element: Element):
    """The addresses of the links below."""
    return (anchor.attributes["href"] for anchor in element.all("a"))


def shrink(file: Path) -> None:
    """Takes colours out of a picture."""
    from PIL import Image

    with Image.open(file) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(file, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
