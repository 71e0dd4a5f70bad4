"""Packs a study and its provenance into one RO-Crate: a zip for Zenodo, WorkflowHub or a supplement.

    python -m scripts.make_crate --results results/laptop
    python -m scripts.make_crate --results results/laptop --out laptop.crate.zip

The crate follows the Workflow Run Crate profile (w3id.org/ro/wfrun/workflow/0.5). It holds the workflow, the study,
every table, figure and claim, the summary beside each step, and one action for each step with the program, the
packages' versions, the files that it used and their SHA-256. Weights, answers and data sets are named by their hashes.
"""

import argparse
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rocrate.model import ContextEntity, SoftwareApplication
from rocrate.rocrate import ROCrate

from scripts.lib import cli
from scripts.lib.jsonl import BadInput, replacing
from scripts.lib.page import provenance
from scripts.lib.page.results import Results, default_folder

PROFILES = ("process", "workflow")
PROFILE_VERSION = "0.5"
# The workflow's own files, and the study's files that are included.
WORKFLOW = ("rules/*.smk", "config.yaml", "config/**/*.yaml", "prompts/**/*.j2", "prompts/**/*.jinja", "papers/*.yaml")
WORKFLOW += ("envs/*.lock.txt", "CITATION.cff", "LICENSE", "README.md")
PACKED = ("study.yaml", "tables/*", "figures/*", "claims.*", "checkpoints/*/*.json", "train_sets/*.json")
PACKED += (
    "critiques/*.json",
    "refinements/*.json",
    "answers/*.json",
    "datasets/*.json",
    "benchmarks/*.json",
    "scores/*/*.json",
)
PACKED += ("responses/*/*.json",)
log = logging.getLogger(__name__)


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", help="the study's folder (default: the only one under results/, or the laptop's)")
    parser.add_argument("--out", help="the zip to write (default: <study>.crate.zip in that folder)")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Writes the crate."""
    results = Results(args.results or default_folder())
    out = Path(args.out) if args.out else results.path(f"{results.study.name}.crate.zip")
    crate = make(results)
    with replacing(out) as temporary:
        written = Path(f"{temporary}.zip")  # the library adds the ending if it is missing
        crate.write_zip(written)
        written.replace(temporary)
    files = sum(1 for entity in crate.get_entities() if entity.type == "File")
    log.info("%s: %d files named, %d steps", out, files, sum(1 for _ in _actions(crate)))
    return 0


def make(results: Results) -> ROCrate:
    """The crate of a study, with its existing files.

    Raises:
        BadInput: no table of the study exists yet.
    """
    if not any(results.path("tables").glob("*.json")):
        raise BadInput(f"{results.path('tables')}: no table has been made. First: snakemake all_tables")
    crate = ROCrate()
    crate.name = f"Redpen study {results.study.name}"
    crate.description = (
        f"Tables, summaries and provenance of the study {results.study.name}, made by the workflow Redpen."
    )
    crate.license = "https://spdx.org/licenses/Apache-2.0"
    workflow = _add_workflow(crate)
    study = _pack(crate, results)
    tables = [entity for entity in crate.get_entities() if str(entity.id).startswith("results/tables/")]
    run = crate.add_action(workflow, "#run", object=[study], result=tables)
    run["name"] = f"A run of the study {results.study.name}"
    crate.root_dataset["mentions"] = [run, *_add_steps(crate, results)]
    return crate


def _add_workflow(crate: ROCrate):
    """Adds the Snakefile as the main workflow, with its rules and configs, and the profiles that the crate follows."""
    workflow = crate.add_workflow(cli.ROOT / "Snakefile", "Snakefile", main=True, lang="snakemake")
    for pattern in WORKFLOW:
        for file in sorted(cli.ROOT.glob(pattern)):
            crate.add_file(file, file.relative_to(cli.ROOT).as_posix())
    profiles = [(name, f"https://w3id.org/ro/wfrun/{name}/{PROFILE_VERSION}") for name in PROFILES]
    for name, url in profiles:
        about = {"@type": "CreativeWork", "name": f"{name.title()} Run Crate", "version": PROFILE_VERSION}
        crate.add(ContextEntity(crate, url, properties=about))
    crate.root_dataset["conformsTo"] = [{"@id": url} for _, url in profiles]
    return workflow


def _pack(crate: ROCrate, results: Results):
    """Adds the study's small files below results/; returns the entity of the resolved study."""
    for pattern in PACKED:
        for file in sorted(results.folder.glob(pattern)):
            if file.is_file():
                crate.add_file(file, f"results/{file.relative_to(results.folder).as_posix()}", record_size=True)
    return crate.get("results/study.yaml")


def _add_steps(crate: ROCrate, results: Results) -> Iterator:
    """Adds one action for each file behind a score that records what made it."""
    facts = provenance.of(results)
    for file, fact in facts.items():
        made_by = fact.get("made_by")
        if made_by is None:
            continue
        end = datetime.fromtimestamp((results.base / file).stat().st_mtime, UTC)
        action = crate.add_action(
            _program(crate, made_by),
            f"#{file}",
            object=[_named(crate, results, other, facts) for other in fact["needs"]],
            result=[_named(crate, results, file, facts)],
        )
        action["name"] = f"{made_by['script']}: {file}"
        action["endTime"] = end.isoformat(timespec="seconds")
        action["startTime"] = (end - timedelta(seconds=made_by.get("wall_s", 0))).isoformat(timespec="seconds")
        action["description"] = fact["command"]
        yield action


def _program(crate: ROCrate, made_by: dict):
    """The program of a step, with the versions of the packages that it ran with."""
    versions = "; ".join(f"{name} {version}" for name, version in made_by["versions"].items())
    code = made_by.get("code", "unknown")
    id = f"#{made_by['script']}-{code}"
    about = {"name": f"scripts.{made_by['script']}", "version": code, "softwareRequirements": versions}
    return crate.get(id) or crate.add(SoftwareApplication(crate, id, properties=about))


def _named(crate: ROCrate, results: Results, file: str, facts: dict):
    """A file of a step: an included one, or one that is only named, with its hash."""
    packed = crate.get(f"results/{Path(file).relative_to(f'results/{results.folder.name}').as_posix()}")
    if packed:
        return packed
    fact = facts.get(file, {})
    about = {"@type": "CreativeWork", "name": file}  # not a File: it is not in the crate
    about |= {"sha256": fact["sha256"], "contentSize": str(fact["bytes"])} if "sha256" in fact else {}
    return crate.get(f"#file-{file}") or crate.add(ContextEntity(crate, f"#file-{file}", properties=about))


def _actions(crate: ROCrate) -> Iterator:
    return (entity for entity in crate.get_entities() if entity.type == "CreateAction")


if __name__ == "__main__":
    cli.run(main, parse_args)
