"""Model folders: which files are copied, and whether they still match what was recorded.

A folder that somebody else filled is data. Only regular files of the kinds that a model has are copied, links are
followed only inside the folder, and code beside a model is neither copied nor run.
"""

import fcntl
import logging
import os
import shutil
import stat
from fnmatch import fnmatch
from pathlib import Path

from scripts.lib.jsonl import BadInput, file_hash, read_json

log = logging.getLogger(__name__)
ORIGIN = "redpen.json"  # the origin of a folder, and the hashes of its files
# Weights, configuration, tokenizer, chat templates.
KINDS = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model")
CLONE = 0x40049409  # ioctl FICLONE: the copy shares its blocks with the source until one of them is written to


def copy_model(source: Path, folder: Path, root: Path | None = None) -> None:
    """Copies the files of a model into an empty folder. The source is only read; private files stay private.

    Args:
        source: the model's folder.
        folder: the empty folder.
        root: the folder that links may lead to (the repository's in the hub's cache); `source` itself if None.

    Raises:
        BadInput: one of the files leads out of `root`, or is not a regular file.
    """
    root = (root or source).resolve()
    left_out = []
    for entry in sorted(source.iterdir()):
        if entry.name.startswith(".") or not any(fnmatch(entry.name, kind) for kind in KINDS):
            left_out.append(entry.name)
        else:
            _copy(entry, folder / entry.name, root)
    if left_out:
        log.info("%s: left out, not part of a model: %s", source, ", ".join(left_out))
    folder.chmod(stat.S_IMODE(source.stat().st_mode) & ~_umask() | 0o700)


def _copy(entry: Path, target: Path, root: Path) -> None:
    real = entry.resolve()
    if not real.is_relative_to(root):
        raise BadInput(f"{entry}: a link that leads out of the folder, to {real}. Put the file itself there.")
    try:
        # Do not wait for a pipe, and do not follow a link that replaces the file in the meantime.
        handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(f"{entry}: it cannot be read ({error.strerror}). Fix its permissions, or remove it.") from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise BadInput(f"{entry}: not a regular file. Put the file itself there, or remove it.")
    private = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "rb") as data, open(private, "wb") as out:
        try:
            fcntl.ioctl(out, CLONE, handle)
        except OSError:  # most file systems cannot clone, and none can across disks
            shutil.copyfileobj(data, out, 1 << 20)
        os.fchmod(private, stat.S_IMODE(mode) & ~_umask() & 0o777 | 0o600)


def _umask() -> int:
    """The umask of this process."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def open_to_umask(folder: Path) -> None:
    """Gives new files the usual permissions: save_pretrained makes weights readable by their owner only."""
    for file in folder.iterdir():
        file.chmod(0o666 & ~_umask())


def refuse_code(folder: Path) -> None:
    """Stops if a model can only be loaded by code in its folder, since such code is never run.

    Raises:
        BadInput: with the model's type.
    """
    from transformers import CONFIG_MAPPING

    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind in CONFIG_MAPPING:
        return
    own = "it brings code of its own, which is never run" if "auto_map" in config else "this release does not know it"
    raise BadInput(
        f"{folder}/config.json: model type {kind!r} is not part of transformers: {own}. "
        "Choose a model of a type that it has, or a release of transformers that has this one."
    )


def hashes_of(folder: Path) -> dict[str, str]:
    """The sha256 of each file in a model folder, except its record of them."""
    return {file.name: file_hash(file) for file in sorted(folder.iterdir()) if file.is_file() and file.name != ORIGIN}


def checked_hashes(folder: Path) -> dict[str, str]:
    """The same, compared with what `redpen.json` recorded, if there is one.

    Raises:
        BadInput: a file is missing or has changed.
    """
    hashes = hashes_of(folder)
    recorded = read_json(folder / ORIGIN).get("sha256", {}) if (folder / ORIGIN).exists() else {}
    for name, digest in recorded.items():
        if hashes.get(name) != digest:
            what = "its content differs from" if name in hashes else "it is missing, unlike"
            raise BadInput(
                f"{folder / name}: {what} what {ORIGIN} recorded: a disk error, or somebody changed it. Delete the "
                f"folder {folder} and run the same command again to rebuild it."
            )
    return hashes
