"""The project runs in folders as people have them: a blank, a quote, an ampersand, a bracket, a dollar in the path."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.project import copied
from tests.warm import Warm
from tests.workflow.conftest import TARGET, Tree

FOLDERS = ["a b/ü proj", "user's folder", 'a&b (c) "d"', "a$HOME;b*"]
ALL = 'it\'s a "new" (b) & $HOME/ü; *proj'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Tree:
    """The project in a folder whose name has all of these, and its interpreter there too."""
    tree = Tree(copied(tmp_path_factory.mktemp("hostile") / ALL / "tree"))
    interpreter = tree.folder / "venv" / "python"
    interpreter.parent.mkdir()
    interpreter.symlink_to(warm.program)
    return tree.by(interpreter)


@pytest.mark.slow("makes all tables of the tiny laptop study")
def test_every_job_of_a_study_runs_in_a_hostile_folder(hostile: Tree) -> None:
    hostile.tiny("--", "all_tables", "claims")
    assert (hostile.folder / "results" / "laptop-tiny" / "tables" / f"{TARGET}.md").exists()


@pytest.mark.parametrize("name", FOLDERS)
def test_commands_of_all_jobs_are_words_for_the_shell(name: str, tmp_path: Path, project: Tree) -> None:
    """Each command that would run names its interpreter in one word, and bash can read all of it."""
    interpreter = tmp_path / name / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text('#!/bin/sh\nprintf "%s\\n" "$0 $1 $2"\n')
    interpreter.chmod(0o755)
    said = project.by(interpreter).tiny("-n", "-p", "--", "all_tables", "claims")
    commands = re.findall(r"^Shell command: (.* -m scripts\..*)$", said, re.MULTILINE)
    starts = {re.match(r".* -m scripts\.(\w+)", command)[0] for command in commands}
    assert len(starts) > 10, said[-3000:]
    for start in starts:
        done = subprocess.run(["bash", "-c", start], capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout.startswith(f"{interpreter} -m scripts."), (start, done.stderr)
    subprocess.run(["bash", "-n", "-c", "\n".join(commands)], check=True)
