"""Short commands for common tasks. Each prints the command that it calls, and keeps no state of its own.

    redpen                          what the study has: made, outdated, missing; and what to call next
    redpen make TARGET…             make tables or figures      (snakemake -- TARGET…)
    redpen plan [TARGET…]           what that would cost        (snakemake -- plan)
    redpen show cft --wrong         answers behind a number     (python -m scripts.show cft --wrong)
    redpen claims                   do the papers' claims hold  (snakemake -- claims)
    redpen check FILE               look for mistakes in a config
    redpen eval FOLDER              score a model folder that no config names
    redpen eval RUN --limit 20      a quick look: the first 20 questions; changes nothing of the study
    redpen chat RUN                 talk to a checkpoint        (python -m scripts.chat RUN)
    redpen clean                    remove the lock of a killed snakemake (python -m scripts.clean_lock)

`-c FILE` names the config (several times for several), `--set KEY=VALUE` changes one value for this call:
`redpen make cft_table2 --set runs.sft.overrides.learning_rate=5e-4`.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from scripts.lib import cli
from scripts.lib.jsonl import BadInput
from scripts.lib.study import language, strict_yaml
from scripts.lib.study.mistakes import close

MADE, OUTDATED, MISSING = "made", "outdated", "missing"


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = Parser(prog="redpen", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    study = argparse.ArgumentParser(add_help=False)
    study.add_argument("-c", "--config", action="append", default=[], metavar="FILE", help="config (config.yaml)")
    study.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a value, for this call only")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, says: str, of_study: bool = True) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=says, description=says, parents=[study] if of_study else [])

    command("status", "what the study has, and what to call next (also without a command)")
    for name, says in (("make", "make tables, figures or files"), ("plan", "what targets would cost")):
        made = command(name, says)
        made.add_argument("targets", nargs="+" if name == "make" else "*", metavar="TARGET")
    command("claims", "whether the papers' claims hold for the study's tables")
    command("check", "look for mistakes in a config", False).add_argument("config", nargs="+", metavar="FILE")
    scored = command("eval", "score a model folder, or a checkpoint of the study, on a suite of the study")
    scored.add_argument("folder", metavar="FOLDER", help="a model folder, or a model or run of the study")
    scored.add_argument("--suite", help="a suite of the study (default: its first)")
    scored.add_argument("--limit", type=int, metavar="N", help="only the first N questions of each benchmark")
    commands.add_parser("show", help="answers behind a number (see python -m scripts.show --help)", add_help=False)
    commands.add_parser("chat", help="talk to a checkpoint (see python -m scripts.chat --help)", add_help=False)
    command("clean", "remove the lock of a killed snakemake", False)
    if argv[:1] in (["show"], ["chat"]):
        return argparse.Namespace(command=argv[0], rest=argv[1:])
    args = parser.parse_args(argv or ["status"])
    return parser.parse_args(["status", *argv]) if args.command is None else args


class Parser(argparse.ArgumentParser):
    """A command line whose mistakes end with the way out."""

    def error(self, message: str) -> NoReturn:
        """Ends with the usage, and below it what is wrong and what to write."""
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}. {self.way_out(message)}\n")

    def way_out(self, message: str) -> str:
        """What to write where argparse says this."""
        if chosen := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            commands = re.findall(r"[\w-]+", chosen[2])
            return close(chosen[1], commands).strip() or f"Is it a target? redpen make {shlex.quote(chosen[1])}"
        if unknown := re.fullmatch(r"unrecognized arguments: (-\S+).*", message):
            return close(unknown[1], ["--set", "--config", "--suite", "--limit"]).strip() or "See redpen --help."
        if "required: TARGET" in message:
            return "Name one: redpen lists them."
        return f"See {self.prog} --help."


def told_plainly(args: argparse.Namespace) -> int:
    """`main`, with errors printed without the time and module of log messages."""
    try:
        return main(args)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 1


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    if args.command in ("show", "chat"):
        return called([sys.executable, "-m", f"scripts.{args.command}", *args.rest])
    if args.command == "clean":
        return called([sys.executable, "-m", "scripts.clean_lock"])
    args.config = [located(file) for file in args.config]
    if args.command == "check":
        sys.stdout.write(checked(args.config))
        return 0
    for file in args.config or ["config.yaml"]:
        readable(file)
    overrides = values_of(args.set)
    if args.command == "status":
        sys.stdout.write(status(args.config, overrides, as_typed(args)))
        return 0
    if args.command == "eval":
        overrides, targets = evaluation(args, overrides)
    elif args.command == "plan":
        overrides = language.merge(overrides, {"plan": {"targets": args.targets}} if args.targets else {})
        targets = ["plan"]
    else:
        targets = ["claims"] if args.command == "claims" else args.targets
    quiet = ["--quiet", "progress"] if args.command in ("plan", "claims") else []
    return called(snakemake(args.config, overrides, targets, quiet))


def located(file: str) -> str:
    """A file that the user names, relative to the project folder if that is shorter."""
    path = Path(os.environ.get("REDPEN_CALLED_FROM", ".")) / file
    if not path.exists():
        if (cli.ROOT / file).exists():
            return file
        raise BadInput(f"{file}: there is no such file. Correct the path.")
    path = path.resolve()
    return str(path.relative_to(cli.ROOT)) if path.is_relative_to(cli.ROOT) else str(path)


def values_of(settings: Sequence[str]) -> dict[str, Any]:
    """Settings such as `runs.sft.seed=3` as nested mappings; a value is JSON if it can be parsed, else text."""
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not all(key.split(".")):
            raise BadInput(f"--set {setting}: write KEY=VALUE, for example runs.sft.overrides.learning_rate=5e-4.")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        for name in reversed(key.split(".")):
            value = {name: value}
        values = language.merge(values, value)
    return values


def snakemake(files: Sequence[str], overrides: Mapping[str, Any], targets: Sequence[str], more: Sequence[str]) -> list:
    """The snakemake command that makes targets."""
    configs = ["--configfile", *files] if files else []
    values = ["--config", *(f"{key}={json.dumps(value)}" for key, value in overrides.items())] if overrides else []
    return [sys.executable, "-m", "snakemake", *more, *configs, *values, "--", *targets]


def called(command: Sequence[str]) -> int:
    """Prints a command as a user would type it, runs it, and returns its status."""
    module = command[2]
    shown = ["snakemake", *command[3:]] if module == "snakemake" else ["python", *command[1:]]
    sys.stderr.write(f"+ {shlex.join(shown)}\n")
    sys.stderr.flush()
    try:
        return subprocess.run(command, cwd=cli.ROOT).returncode
    except KeyboardInterrupt:  # the command receives it too, and reports it
        return 130


def as_typed(args: argparse.Namespace) -> str:
    """The options of a call, to append to `redpen make`."""
    words = [word for file in args.config for word in ("-c", file)]
    words += [word for setting in args.set for word in ("--set", setting)]
    return f" {shlex.join(words)}" if words else ""


# --- status and check -------------------------------------------------------------------------------------------------


def status(files: Sequence[str], overrides: Mapping[str, Any], options: str) -> str:
    """The state of each table and figure (made, outdated or missing), and the next command."""
    from scripts.lib.jobs import dag

    graph = dag.graph(["all_tables"], files, overrides)
    study = graph.study
    jobs = {output: job for job in graph.jobs for output in job.outputs}
    files_of = {target: study.path(study.targets[target][0]) for target in (*study["tables"], *study["figures"])}
    found = {target: state_of(jobs[file]) for target, file in files_of.items()}
    lines = [f"study {study.name} ({', '.join(files) or 'config.yaml'})"]
    for target, (state, left) in found.items():
        entry = study["tables"].get(target) or study["figures"][target]
        where = files_of[target] if state == MADE else f"{left} {'job' if left == 1 else 'jobs'} to run"
        lines.append(f"  {state:9} {target:24} {entry.get('title') or ''} ({where})")
    wanted = [target for target, (state, _) in found.items() if state != MADE]
    page = study.path("<results>/study.html")
    if wanted:
        lines += ["", f"next: redpen make {wanted[0]}{options}    (what it takes: redpen plan {wanted[0]}{options})"]
    else:
        lines += ["", f"Everything is up to date. Answers behind the numbers: redpen make study_page{options} ({page})"]
    return "\n".join(lines) + "\n"


def state_of(job: Any) -> tuple[str, int]:
    """Whether a job's outputs are made, outdated or missing, and how many jobs would run for them."""
    pending = sum(other.pending and bool(other.outputs) for other in job.upstream())
    if not all(Path(output).exists() for output in job.outputs):
        return MISSING, pending
    return (OUTDATED if pending else MADE), pending


def checked(files: Sequence[str]) -> str:
    """A summary of valid configs.

    Raises:
        BadInput: they have mistakes; each is reported with its file, and a YAML syntax error with its line.
    """
    from scripts.lib.study.resolve import ConfigError, resolve

    values = [strict_yaml.parse(Path(readable(file)).read_text(encoding="utf-8"))[0] for file in files]
    whole = any(isinstance(value, dict) and value.keys() & {"study", "base"} for value in values)
    try:
        study = resolve(files if whole else ["config.yaml", *files])
    except ConfigError as error:
        raise BadInput(str(error)) from None
    counts = ", ".join(f"{len(study[name])} {name}" for name in ("models", "datasets", "runs", "benchmarks", "tables"))
    targets = ", ".join([*study["tables"], *study["figures"]])
    return f"{', '.join(files)}: no mistakes. Study {study['study']}: {counts}.\nTargets: {targets}\n"


def readable(file: str) -> str:
    """The file, if it is valid YAML.

    Raises:
        BadInput: it is not.
    """
    if Path(file).is_dir():
        raise BadInput(f"{file}: a folder, not a config. Name the YAML file in it.")
    try:
        Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: not UTF-8 text (byte {error.start}). Name a YAML file, or save it as UTF-8.") from None
    if mistake := strict_yaml.unreadable(file):
        raise BadInput(mistake)
    return file


# --- a model folder ---------------------------------------------------------------------------------------------------


def evaluation(args: argparse.Namespace, overrides: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The overrides and the target that score a model folder in a separate study.

    Raises:
        BadInput: there is no such folder or suite, or the config has mistakes.
    """
    from scripts.lib.study.resolve import ConfigError, resolve

    if args.limit is not None and args.limit < 1:
        raise BadInput(f"--limit {args.limit}: there are no such questions. Name a number from 1 on.")
    try:
        study = resolve(args.config or ["config.yaml"], overrides)
    except ConfigError as error:
        raise BadInput(str(error)) from None
    folder = Path(os.environ.get("REDPEN_CALLED_FROM", ".")) / args.folder
    named = not folder.exists() and any(args.folder in study[section] for section in ("models", "runs", "seeds"))
    family = "" if named else family_of(folder)
    suite = args.suite or next(iter(study["suites"]), None)
    if suite not in study["suites"]:
        known = ", ".join(study["suites"])
        raise BadInput(
            f"--suite {suite or ''}: name a suite of the study ({known}).{close(suite, list(study['suites']))}"
        )
    if named:
        return dict(overrides), scores_of(study, args.folder, suite, args.limit)
    slug = re.sub(r"[^a-z0-9.-]+", "-", folder.resolve().name.lower()).strip("-.") or "model"
    if any(slug in study[section] for section in ("models", "runs", "seeds")):
        slug = f"{slug}-folder"  # so that no entry of the study changes
    ours = {
        "study": "eval" if args.limit is None else f"eval-first-{args.limit}",
        "models": {slug: {"source": "folder", "path": str(folder.resolve()), "family": family}},
        "tables": {
            "evaluation": {"title": folder.name, "suites": [suite], "rows": [{"name": folder.name, "of": slug}]}
        },
    }
    if not args.config:
        ours["base"] = "config.yaml"  # which snakemake skips if a study is named
    if args.limit is not None:
        ours["benchmarks"] = {name: limited(study["benchmarks"][name], args.limit) for name in study["suites"][suite]}
    return language.merge(dict(overrides), ours), ["evaluation"]


def scores_of(study: Mapping[str, Any], checkpoint: str, suite: str, limit: int | None) -> list[str]:
    """The score files of a checkpoint of the study: of a suite, or of its first questions alone."""
    from scripts.lib.study.files import Files
    from scripts.lib.study.first import in_first

    files = Files(study)
    found = files.summaries([checkpoint], [suite])
    return [files.path(file if limit is None else in_first(file, limit)) for file in found]


def limited(benchmark: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The override that limits a benchmark to `count` questions."""
    if benchmark["kind"] == "harness":
        return {"limit": count}
    rows = benchmark["questions"].get("rows")
    return {"questions": {"rows": min(count, rows) if rows else count}}


def family_of(folder: Path) -> str:
    """The family of a model folder, from its config.json.

    Raises:
        BadInput: it is not a model folder.
    """
    file = folder / "config.json"
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder. Name a model folder, as save_pretrained writes it.")
    if not file.is_file():
        raise BadInput(
            f"{folder}: no config.json, so not a model. Name a folder that save_pretrained wrote, or a model or run of "
            "the study."
        )
    kind = json.loads(file.read_text(encoding="utf-8")).get("model_type")
    if not isinstance(kind, str):
        raise BadInput(f"{file}: it has no model_type. Name a folder that save_pretrained wrote.")
    return kind


if __name__ == "__main__":
    cli.run(told_plainly, parse_args)
