"""Fetches punkt_tab, the sentence splitter of nltk that IFEval's programs use, into a folder of nltk data.

It is copied from this machine's nltk data if present ($NLTK_DATA, ~/nltk_data), and downloaded otherwise.

    python -m scripts.fetch_punkt --folder results/laptop/nltk_data
"""

import argparse
import contextlib
import shutil
import sys
from pathlib import Path

from scripts.lib import cli
from scripts.lib.grading.instructions import PUNKT
from scripts.lib.jsonl import BadInput, replacing_folder


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder to make")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Copies or downloads."""
    try:
        import nltk
    except ImportError as error:
        raise BadInput(f"nltk cannot be loaded in {sys.executable} ({error}). Install it: {cli.GET_LM_EVAL}") from None
    with replacing_folder(args.folder) as folder:
        try:
            shutil.copytree(str(nltk.data.find(PUNKT)), folder / PUNKT)
        except LookupError:
            download(nltk, folder)
    return 0


def download(nltk, folder: Path) -> None:
    """Downloads it into a folder.

    Raises:
        BadInput: it cannot be reached from here.
    """
    with contextlib.redirect_stdout(sys.stderr):
        done = nltk.download("punkt_tab", download_dir=str(folder), quiet=True)
    if not done or not (folder / PUNKT).is_dir():
        raise BadInput(
            "nltk's punkt_tab is not on this machine and could not be downloaded. Where there is a network, run "
            "`python -m nltk.downloader -d FOLDER punkt_tab`, bring FOLDER here, and start again with NLTK_DATA=FOLDER."
        )


if __name__ == "__main__":
    cli.run(main, parse_args)
