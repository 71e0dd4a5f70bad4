"""Requested targets that no rule makes: which target is meant, and which config has it."""

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path

import yaml

from scripts.lib.cli import ROOT


def wrong_target(target: str, names: Collection[str], study: str, folders: Iterable[str]) -> str:
    """What is wrong with a target that is neither a rule nor a file, and how to fix it.

    Args:
        target: the requested target.
        names: the existing targets, without rules that need wildcards.
        study: the study's name.
        folders: the folders that its rules write to, such as `results/laptop`.
    """
    if Path(target).suffix in (".yaml", ".yml"):
        return f"{target} is a config, not a target. Name it before `--`: snakemake --configfile {target} -- all_tables"
    if "/" in target:
        hint = f" (this is the study {study}: its files lie under {', '.join(folders)})"
        return f"{target}: no rule makes this file{hint}. Correct the path, or name the config of its study."
    home = next((file for file in shipped() if target in named_in(file)), None)
    if home:
        return f"{target} is not in the study {study}, but in {home}: snakemake --configfile {home} -- {target}"
    near = difflib.get_close_matches(target, names, n=1)
    if near:
        return f"{target}: there is no such target in the study {study}. Did you mean {near[0]}?"
    elsewhere = {name: file for file in shipped() for name in named_in(file)}
    near = difflib.get_close_matches(target, elsewhere, n=1, cutoff=0.75)
    if near:
        call = f"snakemake --configfile {elsewhere[near[0]]} -- {near[0]}"
        return f"{target}: there is no such target. Did you mean {near[0]} of {elsewhere[near[0]]}? {call}"
    return f"{target}: there is no such target in the study {study} (there are: {', '.join(sorted(names))}). Name one."


def shipped() -> list[str]:
    """The studies and sweeps that come with the project."""
    files = [
        ROOT / "config.yaml",
        *sorted((ROOT / "config").glob("*.yaml")),
        *sorted(ROOT.glob("config/sweeps/*.yaml")),
    ]
    return [file.relative_to(ROOT).as_posix() for file in files if file.name != "schema.yaml"]


def named_in(file: str) -> set[str]:
    """The tables and figures that a shipped config defines itself."""
    try:
        values = yaml.load((ROOT / file).read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return set()
    sections = [values.get(section) for section in ("tables", "figures")] if isinstance(values, dict) else []
    return {name for section in sections if isinstance(section, dict) for name in section}
