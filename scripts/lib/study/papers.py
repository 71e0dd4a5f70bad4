"""What the papers printed, from papers/*.yaml: tables by id, rows by label, cells by column."""

from functools import cache
from pathlib import Path

from scripts.lib.study import strict_yaml

FOLDER = Path(__file__).resolve().parents[3] / "papers"


@cache
def paper(name: str) -> dict:
    """The file of one paper (cft, one_shot, spin, thinkpo).

    Raises:
        ValueError: a key occurs twice in it.
    """
    values, wrong = strict_yaml.parse((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    if wrong:
        raise ValueError(f"papers/{name}.yaml: {' '.join(wrong)}")
    return values


def paper_of(table_id: str) -> str | None:
    """The paper that a table's id begins with (`one_shot_main`: one_shot); None if no file has the name."""
    names = [file.stem for file in FOLDER.glob("*.yaml") if table_id.startswith(f"{file.stem}_")]
    return max(names, key=len, default=None)


def known_tables() -> list[str]:
    """The ids of all tables and figures with printed numbers."""
    names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
    return [table["id"] for name in names for table in paper(name).get("tables", ())]


def printed(table_id: str) -> dict[str, dict]:
    """The rows of one table of a paper, by label: column to printed value (a number, a text such as 50K, or None).

    A row's label is its name. If several rows have it, the model precedes it (`Qwen2.5-7B: Base`) or, within one
    model, the value of the table's first column follows it (`Direct inference, 0.1`).

    Raises:
        KeyError: no paper has such a table.
    """
    name = paper_of(table_id)
    tables = paper(name)["tables"] if name else []
    table = {entry["id"]: entry for entry in tables}[table_id]
    rows = table["rows"]
    names = [row["name"] for row in rows]
    pairs = [(row.get("model"), row["name"]) for row in rows]
    by_label = {}
    for row in rows:
        label = row["name"]
        if names.count(label) > 1:
            alone = row.get("model") and pairs.count((row["model"], label)) == 1
            label = f"{row['model']}: {label}" if alone else f"{label}, {row[table['columns'][0]]}"
        by_label[label] = {column: row.get(column) for column in table["columns"]}
    return by_label
