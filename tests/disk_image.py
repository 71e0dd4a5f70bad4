"""Small disks that tests may fill, take away, or look at as they are after the power went.

A disk is a file with a file system on a loop device. What the file holds at a moment is what a computer finds that
loses its power then: a copy of it, mounted, shows the files that would be left.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


def mount(*words: str | Path) -> None:
    """Calls mount, which must succeed."""
    subprocess.run(["mount", *map(str, words)], check=True, capture_output=True, text=True, timeout=60)


def unmount(folder: Path) -> None:
    """Takes a file system away, also where a process still works in it."""
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True, timeout=60)


def why_not() -> str | None:
    """Why no disk can be mounted here, or None."""
    lacking = [program for program in ("mount", "umount", "mkfs.ext4") if not shutil.which(program)]
    if lacking:
        return f"there is no {', '.join(lacking)} here"
    with tempfile.TemporaryDirectory() as name:
        try:
            with Disk(Path(name), "8M"):
                return None
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or error
            return f"no disk image can be mounted here: {' '.join(str(said).split())}"


class Disk:
    """An ext4 file system in a file below `folder`, mounted at `path` for as long as the block lasts."""

    def __init__(self, folder: Path, size: str = "256M") -> None:
        self.folder, self.size = folder, size
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.copies = 0

    def __enter__(self) -> "Disk":
        self.path.mkdir(parents=True)
        subprocess.run(["truncate", "-s", self.size, str(self.image)], check=True, timeout=60)
        made = ["mkfs.ext4", "-q", "-F", str(self.image)]
        subprocess.run(made, check=True, capture_output=True, text=True, timeout=60)
        mount("-o", "loop", self.image, self.path)
        return self

    def __exit__(self, *_: object) -> None:
        unmount(self.path)

    def copied(self, group: int | None = None) -> Path:
        """A copy of the image as it is now; a process group that works on the disk is stopped meanwhile."""
        self.copies += 1
        copy = self.folder / f"copy-{self.copies}.img"
        with _stopped(group):
            subprocess.run(["cp", "--sparse=always", str(self.image), str(copy)], check=True, timeout=120)
        return copy

    @contextlib.contextmanager
    def after_power_loss(self, copy: Path | None = None) -> Iterator[Path]:
        """The disk as it is found when the power comes back, from a copy (None: one that is made now)."""
        copy = copy or self.copied()
        found = copy.with_suffix("")
        found.mkdir()
        mount("-o", "loop", copy, found)
        try:
            yield found
        finally:
            unmount(found)
            copy.unlink()


@contextlib.contextmanager
def _stopped(group: int | None) -> Iterator[None]:
    if group is None:
        yield
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)


@contextlib.contextmanager
def small_disk(folder: Path, size: str, options: Sequence[str] = ()) -> Iterator[Path]:
    """A disk in memory of a size such as 1m, mounted at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", folder)
    try:
        yield folder
    finally:
        unmount(folder)
