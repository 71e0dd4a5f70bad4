"""Publishes a checkpoint, or rows that a study made, on the hub, with a card. Nothing is sent without --push.

    python -m scripts.publish cft --repo me/smollm2-cft                        # what would be uploaded, and the card
    python -m scripts.publish cft --repo me/smollm2-cft --push                 # private; --public for all to see
    python -m scripts.publish --data critiques/arithmetic-verifier --repo me/arithmetic-critiques --push
    python -m scripts.publish --cards                                          # only writes the cards of all results

The hub is Hugging Face's, or $HF_ENDPOINT. The token is $HF_TOKEN, or what `hf auth login` has stored.
Files that the hub already has are not sent again. Cards are written beside the results: checkpoints/<run>/README.md,
critiques/<entry>/README.md.
"""

import argparse
import logging
import sys
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, write_text
from scripts.lib.page.results import Results, default_folder
from scripts.lib.release import cards

log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("run", nargs="?", metavar="RUN", help="a trained run of the study")
    what.add_argument("--data", metavar="SECTION/ENTRY", help="critiques/…, responses/… or answers/…")
    what.add_argument("--cards", action="store_true", help="only write the card of every checkpoint and data set")
    parser.add_argument("--results", help="the study's folder (default: the only one under results/, or the laptop's)")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="the repository on the hub")
    parser.add_argument("--push", action="store_true", help="create the repository where it is missing, and upload")
    parser.add_argument("--public", action="store_true", help="make a newly created repository public")
    args = parser.parse_args(argv)
    if not args.cards and not args.repo:
        parser.error("name the repository: --repo OWNER/NAME")
    return args


def main(args: argparse.Namespace) -> int:
    """Writes the cards; shows what would be uploaded, or uploads it."""
    results = Results(args.results or default_folder())
    if args.cards:
        for card in write_all(results):
            log.info("%s", card)
        return 0
    _check_repo(args.repo)
    kind, files = (
        ("dataset", data_files(results, args.data)) if args.data else ("model", model_files(results, args.run))
    )
    for name, file in files.items():
        sys.stdout.write(f"{name}  {file.stat().st_size / 1e6:,.2f} MB  {file}\n")
    if args.push:
        push(args.repo, kind, files, private=not args.public)
    else:
        sys.stdout.write(f"\n{files['README.md'].read_text(encoding='utf-8')}\n")
        sys.stdout.write(f"Nothing was sent. --push uploads these {len(files)} files to the {kind} {args.repo}.\n")
    return 0


def write_all(results: Results) -> list[Path]:
    """Writes the card of each existing checkpoint and dataset; returns the cards."""
    written = [write_model_card(results, run) for run in results.trainings]
    for section in cards.DATA:
        for slug in results.study[section]:
            if cards.data_file(results, section, slug).is_file():
                written.append(write_data_card(results, section, slug))
    return written


def write_model_card(results: Results, run: str) -> Path:
    """Writes `checkpoints/<run>/README.md`."""
    card = results.path("checkpoints", run, "README.md")
    write_text(card, cards.model_card(results, run))
    return card


def write_data_card(results: Results, section: str, slug: str) -> Path:
    """Writes `<section>/<slug>/README.md`."""
    card = results.path(section, slug, "README.md")
    write_text(card, cards.data_card(results, section, slug))
    return card


def model_files(results: Results, run: str) -> dict[str, Path]:
    """The files of a model's repository, by name: the checkpoint's files and the card."""
    card = write_model_card(results, run)
    folder = results.path(*cards.model_folder(run))
    if not (folder / "config.json").is_file():
        raise BadInput(f"{folder}: there is no checkpoint. First: snakemake {results.shown(folder)}")
    return {file.name: file for file in sorted(folder.iterdir()) if _is_public(file)} | {"README.md": card}


def _is_public(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".")  # Snakemake leaves a marker file in a folder


def data_files(results: Results, named: str) -> dict[str, Path]:
    """The files of a dataset's repository: the rows, their summary and the card."""
    section, _, slug = named.partition("/")
    if section not in cards.DATA or slug not in results.study[section]:
        known = [f"{section}/{slug}" for section in cards.DATA for slug in results.study[section]]
        raise BadInput(f"--data {named}: there is no such entry. The study has: {', '.join(known)}.")
    card = write_data_card(results, section, slug)
    rows = cards.data_file(results, section, slug)
    files = {"data.jsonl": rows, "summary.json": rows.with_suffix(".json"), "README.md": card}
    return {name: file for name, file in files.items() if file.is_file()}


def _check_repo(repo: str) -> None:
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise BadInput(f"--repo {repo}: {error}") from None


def push(repo: str, kind: str, files: dict[str, Path], private: bool) -> None:
    """Uploads the files in one commit.

    Raises:
        BadInput: there is no token, or the hub refuses the upload.
    """
    hub = HfApi(library_name="redpen")
    operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(file)) for name, file in files.items()]
    try:
        url = hub.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        hub.create_commit(repo, operations, commit_message="Upload from Redpen", repo_type=kind)
    except LocalTokenNotFoundError:
        raise BadInput("There is no token for the hub. Set HF_TOKEN, or call `hf auth login`.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        wrong_token = " Set HF_TOKEN to a token that may write there." if status in (401, 403) else ""
        raise BadInput(f"{repo}: the hub refuses ({status}): {str(error).splitlines()[0]}.{wrong_token}") from None
    sys.stdout.write(f"Uploaded {len(files)} files: {url}\n")


if __name__ == "__main__":
    cli.run(main, parse_args)
