"""The existing files of a study under results/ and timings/, read-only."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput, content_key, each_row, read_json
from scripts.lib.study import strict_yaml
from scripts.lib.study.resolve import SECTIONS
from scripts.lib.study.settings import Study, program_versions
from scripts.lib.tables.links import Places, of_cells

# The folders and files that the page is made from.
READ = ("benchmarks", "scores", "generations", "tables", "train_sets", "critiques", "refinements", "answers")
READ += ("responses", "datasets", "checkpoints/*/*.json", "models/*/redpen.json", "claims.json")


def state_of_results(study: Study) -> str:
    """A digest of the study and of its files' names, sizes and times; it changes whenever the page would.

    Timings are not included: every job rewrites them.
    """
    folder = Path(study.path("<results>"))
    found = [entry for name in READ for entry in folder.glob(name)]
    files = [file for entry in found for file in (entry.rglob("*.json*") if entry.is_dir() else [entry])]
    facts = sorted((file.as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return content_key(study.resolved, facts)


def default_folder() -> Path:
    """The folder of the only study under results/, or of the laptop study.

    Raises:
        BadInput: there is no study, or there are several and none is the laptop study.
    """
    found = sorted(file.parent for file in Path("results").glob("*/study.yaml"))
    laptop = Path("results/laptop")
    if len(found) == 1 or laptop in found:
        return laptop if laptop in found else found[0]
    if not found:
        raise BadInput("results/: no study has been made here yet. Make one first (./redpen make cft_table2).")
    named = ", ".join(map(str, found))
    raise BadInput(f"results/: which study? There are: {named}. Name its folder with --results.")


class Results:
    """The finished files of a study.

    Args:
        folder: results/<study>, which holds study.yaml, the resolved study.
        partial: by table, cells that replace the file of a table that is missing or outdated.
        verdicts: verdicts that replace claims.json if it is missing or outdated, in the same format.

    Raises:
        BadInput: study.yaml does not exist.
    """

    def __init__(
        self, folder: str | Path, partial: Mapping[str, list[dict]] | None = None, verdicts: list[dict] | None = None
    ) -> None:
        self.folder, self.verdicts = Path(folder), verdicts
        self.partial = dict(partial or {})
        file = self.folder / "study.yaml"
        if not file.is_file():
            raise BadInput(f"{file}: there is no such file. Make a table of the study first (snakemake all_tables).")
        resolved, _ = strict_yaml.parse(file.read_text(encoding="utf-8"))
        # A study from an earlier version lacks the sections that were added later.
        self.study = Study({**dict.fromkeys(SECTIONS, {}), **resolved}, program_versions(ROOT / "scripts"))

    def path(self, *names: str) -> Path:
        """A path below the folder."""
        return self.folder.joinpath(*names)

    @property
    def timings(self) -> Path:
        """The folder of the timings."""
        return self.folder.parent.parent / "timings" / self.folder.name

    @property
    def base(self) -> Path:
        """The parent folder of results/."""
        return self.folder.parent.parent

    def real(self, pattern: str) -> Path:
        """The real location of a path pattern of the class Study (`<results>/…`), also in a renamed folder."""
        below = pattern.removeprefix("<results>/")
        return self.base / self.study.path(pattern) if below == pattern else self.folder / below

    def shown(self, path: Path) -> str:
        """A path relative to the project folder, as a command would name it."""
        return f"results/{self.study.name}/{path.relative_to(self.folder).as_posix()}"

    def json(self, *names: str):
        """The value of a JSON file below the folder, None if it does not exist."""
        file = self.path(*names)
        return read_json(file) if file.is_file() else None

    def rows(self, *names: str) -> Iterator[dict]:
        """The rows of a JSON Lines file below the folder, none if it does not exist."""
        file = self.path(*names)
        return each_row(file, may_be_empty=True) if file.is_file() else iter(())

    @cached_property
    def checkpoints(self) -> list[str]:
        """The models, runs and means of seeds that have scores, in the config's order."""
        known = [*self.study["models"], *self.study["runs"], *self.study["seeds"]]
        return [name for name in known if self.path("scores", name).is_dir()]

    def score_files(self, checkpoint: str) -> list[Path]:
        """The score summaries of a checkpoint that have graded answers beside them."""
        files = sorted(self.path("scores", checkpoint).glob("*.json"))
        return [file for file in files if file.with_suffix(".jsonl").is_file()]

    @cached_property
    def scores(self) -> dict[str, dict[str, dict]]:
        """By checkpoint and benchmark: its entry in the score summary, and the file's `suite`."""
        return {
            checkpoint: {
                benchmark: {**score, "suite": file.stem}
                for file in self.score_files(checkpoint)
                for benchmark, score in read_json(file)["benchmarks"].items()
            }
            for checkpoint in self.checkpoints
        }

    @cached_property
    def trainings(self) -> dict[str, dict]:
        """The existing training summaries, by run."""
        found = {run: self.json("checkpoints", run, "train.json") for run in self.study["runs"]}
        return {run: training for run, training in found.items() if training}

    @cached_property
    def trained_on(self) -> list[str]:
        """The runs whose training set exists."""
        return [run for run in self.study["runs"] if self.path("train_sets", f"{run}.jsonl").is_file()]

    @cached_property
    def tables(self) -> dict[str, list[dict]]:
        """The cells of the tables that exist, in whole or in part, in the config's order."""
        made = {table: self.json("tables", f"{table}.json") for table in self.study["tables"]}
        found = made | {table: cells for table, cells in self.partial.items() if table in made}
        return {table: cells for table, cells in found.items() if cells}

    @cached_property
    def links(self) -> dict[str, Places]:
        """By table: the page address of what is behind each cell."""
        return {
            name: of_cells(name, entry, self.scores, self.tables.get(name, ()))
            for name, entry in self.study["tables"].items()
        }
