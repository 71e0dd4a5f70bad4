"""What every shipped study resolves to, as files that a reviewer can read: tests/snapshots/.

python -m tests.study_snapshots   # writes them anew (make snapshots)
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import write_text
from scripts.lib.study.resolve import resolve

FOLDER = ROOT / "tests" / "snapshots"
TINY = "config/scale/tiny.yaml"
PAPERS = {paper: [f"config/{paper}.yaml"] for paper in ("cft", "one_shot", "spin", "thinkpo")}
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
WIDTH = 10_000  # no line is broken, so that a changed value is one changed line
RELEASED = {"inputs": dict.fromkeys(("webinstruct", "spin-pairs", "thinkpo-pairs"), "released")}


class Study(NamedTuple):
    """A shipped study; `like` names the study that it is compared with: its file only has the differences."""

    files: list[str]
    like: str | None = None
    overrides: dict | None = None


def shipped() -> dict[str, Study]:
    """Every shipped study by the name of its snapshot."""
    together = [file for files in PAPERS.values() for file in files]
    sweeps = sorted((ROOT / "config" / "sweeps").glob("*.yaml"))
    return {
        "cluster": Study(["tests/slurm/study.yaml"]),
        "laptop": Study(["config.yaml"]),
        "laptop-tiny": Study(["config.yaml", TINY], "laptop"),
        "one-gpu": Study(["config/one-gpu.yaml"]),
        "one-gpu-tiny": Study(["config/one-gpu.yaml", TINY], "one-gpu"),
        "one-gpu-7b": Study(["config/one-gpu-7b.yaml"], "one-gpu"),
        "ablations": Study(["config/ablations.yaml"], "laptop"),
        "papers": Study(together),
        "papers-released": Study(together, "papers", RELEASED),
        "papers-tiny": Study([*together, TINY], "papers"),
        **{name: Study(files, "papers") for name, files in PAPERS.items()},
        **{f"{name}-tiny": Study([*files, TINY], "papers-tiny") for name, files in PAPERS.items()},
        **{f"sweep-{file.stem}": Study([file.relative_to(ROOT).as_posix()], base_of(file)) for file in sweeps},
    }


def base_of(sweep: Path) -> str:
    """The snapshot of the study that a sweep adds to."""
    base = (sweep.parent / yaml.safe_load(sweep.read_text(encoding="utf-8"))["base"]).resolve()
    return "laptop" if base == ROOT / "config.yaml" else base.stem


@cache
def resolved(name: str) -> dict:
    """The resolved study, as JSON has it."""
    study = shipped()[name]
    return json.loads(json.dumps(resolve([ROOT / file for file in study.files], study.overrides)))


def snapshot(name: str) -> dict:
    """The study, or what differs from the one beside which it is shown."""
    like = shipped()[name].like
    if like is None:
        return resolved(name)
    ours, theirs = entries(resolved(name)), entries(resolved(like))
    gone = sorted(map(".".join, theirs.keys() - ours.keys()))
    found: dict[str, Any] = {"like": like, **({"without": gone} if gone else {})}
    for path, value in ours.items():
        if path not in theirs or exact(value) != exact(theirs[path]):
            section = found if len(path) == 1 else found.setdefault(path[0], {})
            section[path[-1]] = value
    return found


def exact(value: Any) -> str:
    """The value as a text in which 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


def entries(study: dict) -> dict[tuple[str, ...], Any]:
    """The study's plain values by (key,), and its entries by (section, slug)."""
    plain = {(key,): value for key, value in study.items() if not isinstance(value, dict)}
    sections = {key: value for key, value in study.items() if isinstance(value, dict)}
    return plain | {(key, slug): entry for key, section in sections.items() for slug, entry in section.items()}


def text(name: str) -> str:
    """The snapshot as YAML, with keys in the order of the alphabet and short mappings in one line."""
    study, found = shipped()[name], snapshot(name)
    head = {key: found.pop(key) for key in ("like", "without") if study.like and key in found}
    given = f" with {json.dumps(study.overrides)}" if study.overrides else ""
    lines = [f"# What {' '.join(study.files)}{given} resolves to; make snapshots writes it anew.\n"]
    if head:
        lines.append("# What is not here is as in the snapshot named by like.\n")
        lines.append(yaml.dump(head, Dumper=DUMPER, default_flow_style=False))
    if found:
        lines.append(yaml.dump(found, Dumper=DUMPER, default_flow_style=None, allow_unicode=True, width=WIDTH))
    return "".join(lines)


def main() -> int:
    """Writes all snapshots, and removes those of studies that are not shipped any more."""
    for file in FOLDER.glob("*.yaml"):
        if file.stem not in shipped():
            file.unlink()
    for name in shipped():
        write_text(FOLDER / f"{name}.yaml", text(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
