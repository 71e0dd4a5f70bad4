"""The teachers' modules: what imports what, and the keys under which answers were paid for."""

import ast
from graphlib import TopologicalSorter

from scripts.lib.cli import ROOT
from scripts.lib.teachers.requests import request_of

ROOM = ROOT / "scripts" / "lib" / "teachers"
MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "2 + 2 = 4 — right?"}]
SETTINGS = {"model": "m-1", "temperature": 0.3, "top_p": 0.95, "max_tokens": 100}


def imports(file) -> set[str]:
    """The project's modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    whole = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return plain | {node.module for node in whole} | {f"{node.module}.{a.name}" for node in whole for a in node.names}


def test_modules_of_the_room_import_one_another_in_no_circle() -> None:
    names = {f"scripts.lib.teachers.{file.stem}": file for file in ROOM.glob("*.py")}
    order = TopologicalSorter({name: imports(file) & names.keys() for name, file in names.items()})
    assert len(list(order.static_order())) == len(names)  # a circle raises CycleError


def test_only_asking_imports_the_ways_to_ask() -> None:
    ways = {"scripts.lib.teachers.live", "scripts.lib.teachers.batch"}
    files = [*(ROOT / "scripts").rglob("*.py")]
    assert [file.name for file in files if imports(file) & ways] == ["asking.py"]


def test_no_library_of_teachers_or_jobs_and_no_program_about_cost_imports_a_program() -> None:
    programs = {f"scripts.{file.stem}" for file in (ROOT / "scripts").glob("*.py")} - {"scripts.__init__"}
    files = [*ROOM.rglob("*.py"), *(ROOT / "scripts/lib/jobs").glob("*.py"), ROOT / "scripts/estimate_cost.py"]
    assert not [(file.name, found) for file in files if (found := imports(file) & programs)]


def test_keys_are_those_under_which_answers_were_paid_for() -> None:
    assert request_of(SETTINGS, MESSAGES).key == "fc11e6042e76925b"
    assert request_of(SETTINGS, MESSAGES, 3).key == "faa4cb695875e843"
    assert request_of({**SETTINGS, "temperature": None, "top_p": None}, MESSAGES).key == "cd911fe340568934"
