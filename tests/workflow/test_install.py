"""One install serves many work folders, and nobody need be able to write into it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk_image import mount, unmount
from tests.project import copied
from tests.warm import Warm
from tests.workflow.conftest import TARGET, Tree

# Of a folder of its own: a benchmark of its own questions and prompt, beside those of the laptop study.
OWN = """
base: {install}/config.yaml
benchmarks:
  mine:
    kind: math
    prompt: ask.j2
    max_tokens: 8
    questions: {{source: jsonl, path: rows.jsonl, fields: {{question: q, answer: a}}}}
suites: {{mine: [mine]}}
tables: {{mine: {{title: Mine, suites: [mine], rows: [{{name: Base, of: smollm2-135m}}]}}}}
"""


class Work(Tree):
    """A work folder of an install elsewhere."""

    def __init__(self, folder: Path, install: Path, python: str | Path) -> None:
        super().__init__(folder, python)
        self.install = install
        self.options = ("-s", str(install / "Snakefile"), "--directory", str(folder))
        folder.mkdir(parents=True)


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project in a folder that cannot be written to."""
    folder = copied(tmp_path_factory.mktemp("install of all") / "redpen")
    mounted = os.geteuid() == 0
    try:
        if mounted:  # rights do not hold root
            mount("--bind", folder, folder)
            mount("-o", "remount,bind,ro", folder)
        else:
            subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
    except subprocess.CalledProcessError as error:
        unmount(folder)
        pytest.skip(f"nothing can be mounted here: {error.stderr.strip()}")
    yield folder
    if mounted:
        unmount(folder)
    else:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)


def test_install_of_the_tests_cannot_be_written_to(install: Path) -> None:
    with pytest.raises(OSError):
        (install / "new").touch()


@pytest.mark.slow("makes a table of the tiny laptop study")
def test_study_is_made_in_a_work_folder_of_a_read_only_install(install: Path, tmp_path: Path, warm: Warm) -> None:
    work = Work(tmp_path / "work of one", install, warm.program)
    # Files in the working folder with the names of the project's programs are not those programs.
    (work.folder / "scripts").mkdir()
    (work.folder / "scripts" / "__init__.py").write_text("raise SystemExit('not this one')")
    (work.folder / "scripts" / "score.py").write_text("")
    tiny = str(install / "config" / "scale" / "tiny.yaml")
    work.make("--configfile", tiny, "--", TARGET, "study_page")
    made = {entry.name for entry in work.folder.iterdir()}
    assert {"results", "state", "logs", "timings", ".snakemake"} <= made
    assert "accuracy" in (work.folder / "results" / "laptop-tiny" / "tables" / f"{TARGET}.md").read_text().lower()
    assert "Nothing to be done" in work.make("-n", "--configfile", tiny, "--", TARGET)
    # An install of the same version elsewhere makes nothing costly again.
    newer = shutil.copytree(install, tmp_path / "newer")
    work.options = ("-s", str(newer / "Snakefile"), "--directory", str(work.folder))
    planned = {rule for rule, _ in work.planned(TARGET, str(newer / "config" / "scale" / "tiny.yaml"))}
    assert not planned & {"train", "generate", "sample_responses", "fetch_model", "prepare_dataset"}, planned


@pytest.mark.slow("starts Snakemake in two work folders")
def test_config_of_a_work_folder_names_its_own_files(install: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        work = Work(tmp_path / name, install, sys.executable)
        study = work.folder / "study"
        study.mkdir()
        (study / "mine.yaml").write_text(OWN.format(install=install), encoding="utf-8")
        rows = [f'{{"q": "{name}: {number} + 1?", "a": "{number + 1}"}}\n' for number in range(8)]
        (study / "rows.jsonl").write_text("".join(rows))
        (study / "ask.j2").write_text("{% block user %}Mine: {{ question }}{% endblock %}")
        files = [str(study / "mine.yaml"), str(install / "config" / "scale" / "tiny.yaml")]
        work.make("--configfile", *files, "--", "results/laptop-tiny/benchmarks/mine.jsonl")
        made = (work.folder / "results" / "laptop-tiny" / "benchmarks" / "mine.jsonl").read_text()
        assert made.count(f'"question": "{name}: ') == 8
