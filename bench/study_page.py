"""How long the study page of a large study takes to make and to open, and how large it is.

    python -m bench.study_page                                  # 30 checkpoints × 12,000 answers
    python -m bench.study_page --checkpoints 5 --questions 200

It writes a made-up study (tests/synthetic_study.py) into a temporary folder, makes its page in a process of its own,
and, where Chromium is installed, opens the overview and a list of answers in it.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.lib.cli import ROOT
from tests import browser
from tests.synthetic_study import Made

VIEWS = {
    "answers of a cell, read for the first time": "#/table/main/CFT/GCD",
    "filter: wrong": "#/table/main/CFT/GCD?show=wrong",
    "another row beside it, read for the first time": "#/table/main/CFT/GCD?show=wrong&against=sft",
    "filter: flipped": "#/table/main/CFT/GCD?show=flipped&against=sft",
    "search in questions and texts, read for the first time": "#/table/main/CFT/GCD?q=77",
    "search again": "#/table/main/CFT/GCD?q=78",
    "a question with the answers of all rows, read for the first time": "#/question/gcd/q-000050?table=main&of=cft",
    "the next question": "#/question/gcd/q-000051?table=main&of=cft",
}
# Opens the views in turn and measures the time until each is drawn.
MEASURE = """
(async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const report = location.hash.slice(1);
  location.hash = "";
  while (document.body.dataset.shown !== "") await drawn();
  await drawn();
  const measured = { "open, from the first byte to the overview": performance.now() };
  for (const [name, fragment] of VIEWS) {
    const start = performance.now();
    location.hash = fragment;
    while (document.body.dataset.shown !== fragment) await drawn();
    await drawn();
    measured[name] = performance.now() - start;
  }
  fetch(report, { method: "POST", mode: "no-cors", body: JSON.stringify(measured) });
})();
"""


def main() -> None:
    """Prints one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=30)
    parser.add_argument("--questions", type=int, default=3000, help="of each of four benchmarks")
    parser.add_argument("--words", type=int, default=150, help="of each answer")
    parser.add_argument("--keep", type=Path, help="a folder to write the study to, and to leave there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(args.keep or Path(folder), args)


def measure(folder: Path, args: argparse.Namespace) -> None:
    """Writes the study, makes the page, opens it."""
    names = ("gcd", "lcm", "sums", "products")
    results = Made(folder, args.checkpoints - 1, args.questions, names, args.words).write()
    answers = args.checkpoints * args.questions * len(names)
    size = sum(file.stat().st_size for file in results.rglob("*") if file.is_file())
    say(f"{answers:,} answers in {size / 1e6:,.0f} MB of files")
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "scripts.make_page", "--results", str(results)], cwd=ROOT, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = f"{time.monotonic() - start:.1f} s ({used.ru_utime + used.ru_stime:.1f} s of a processor)"
    say(f"page made in {took} with at most {used.ru_maxrss / 1e6:.2f} GB of memory")
    page, beside = results / "study.html", sorted((results / "study").glob("*.js"))
    more = f", and {sum(file.stat().st_size for file in beside) / 1e6:.1f} MB in {len(beside)} files" if beside else ""
    say(f"page of {page.stat().st_size / 1e6:.1f} MB{more}")
    if browser.PROGRAM is None:
        say(browser.MISSING)
        return
    for name, milliseconds in opened(folder, page).items():
        say(f"{name}: {milliseconds:,.0f} ms")


def opened(folder: Path, page: Path) -> dict[str, float]:
    """The times to open the page and then each view, in a browser that runs in real time."""
    text = page.read_text(encoding="utf-8")
    # The page's policy would block the measuring script.
    without = re.sub(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", text, count=1)
    measured = page.with_name("measured.html")
    script = MEASURE.replace("VIEWS", json.dumps(list(VIEWS.items())))
    measured.write_text(without.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    try:
        return json.loads(browser.Browser(folder).reported(measured, within_s=120))
    finally:
        measured.unlink()


def say(line: str) -> None:
    """Prints a line immediately."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
