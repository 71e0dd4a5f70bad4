"""Where a number comes from: each file behind it, with its hash, its origin and the command that makes it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

from scripts.lib.jsonl import file_hash, read_json
from scripts.lib.page.results import Results


def of(results: Results, command: Sequence[str] = ("snakemake", "--")) -> dict[str, dict]:
    """All files behind the scores: sha256, bytes, `made_by`, the `command` that makes it, and the files it `needs`.

    Args:
        results: the study's files.
        command: the Snakemake call that a target is appended to.
    """
    found: dict[str, dict] = {}
    pending = [path for checkpoint in results.checkpoints for path in results.score_files(checkpoint)]
    while pending:
        path = pending.pop()
        shown = results.shown(path)
        if shown in found:
            continue
        needs = [results.real(pattern) for pattern in needed(results, path)]
        found[shown] = {
            **about(path),
            "needs": [results.shown(other) for other in needs],
            "command": f"{shlex.join(command)} {shlex.quote(target(shown))}",
        }
        pending += needs
    return found


def target(file: str) -> str:
    """The Snakemake target that makes a file; for a model's record, the model folder."""
    return file.removesuffix("/redpen.json")


def needed(results: Results, path: Path) -> list[str]:
    """The input files of a file, as path patterns of the class Study."""
    study, (kind, *names) = results.study, path.relative_to(results.folder).with_suffix("").parts
    if kind == "scores":
        checkpoint, suite = names
        if checkpoint in study["seeds"]:
            return [f"<results>/scores/{run}/{suite}.json" for run in study["seeds"][checkpoint]]
        benchmarks = study.generated_in(suite) if suite in study["suites"] else [suite]
        return [f"<results>/generations/{checkpoint}/{suite}.jsonl", *study.questions(benchmarks)]
    if kind == "generations":
        return [weights(study, names[0])]
    if kind == "checkpoints":
        run = path.parent.name
        return [f"<results>/train_sets/{run}.jsonl", weights(study, study["runs"][run]["start"])]
    if kind == "train_sets":
        return study.train_sources(SimpleNamespace(run=path.stem))
    if kind == "critiques":
        return [study.graded_responses(SimpleNamespace(critiques=path.stem))]
    if kind == "refinements":
        return [study.refined_critiques(SimpleNamespace(refinements=path.stem))]
    if kind == "answers":
        return [study.answered_dataset(SimpleNamespace(answers=path.stem))]
    if kind == "responses":
        entry = study["responses"][path.parent.name]
        made = [] if "field" in entry else [weights(study, entry["model"])]
        return [f"<results>/datasets/{entry['dataset']}.jsonl", *made]
    return []


def weights(study, checkpoint: str) -> str:
    """The file that records how a model or checkpoint was made."""
    if checkpoint in study["runs"]:
        return f"<results>/checkpoints/{checkpoint}/train.json"
    return f"<results>/models/{checkpoint}/redpen.json"


def about(path: Path) -> dict:
    """The facts of a file itself; `missing` if it does not exist."""
    if not path.is_file():
        return {"missing": True}
    summary = path.with_suffix(".json")
    made_by = read_json(summary) if summary.is_file() else {}
    kept = {key: made_by[key] for key in ("made_by", "rows", "commit", "sha256") if key in made_by}
    return {"sha256": file_hash(path), "bytes": path.stat().st_size, **_flat(kept)}


def _flat(kept: Mapping) -> dict:
    """A summary's facts; a download's hash becomes `source_sha256`, since `sha256` is the hash of the file itself."""
    kept = dict(kept)
    if "sha256" in kept:
        kept["source_sha256"] = kept.pop("sha256")
    return kept
