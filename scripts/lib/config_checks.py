"""Checks that no schema can say: every name that an entry uses exists, starts end at a model, filters make sense."""

import fnmatch
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.lib import config_runs
from scripts.lib.expressions import names_in

PREFERENCE = {"dpo", "spin", "thinkpo"}
Place = Callable[[tuple], str]
ROOT = Path(__file__).resolve().parents[2]


def check(study: dict, broken: set[tuple], families: dict[tuple[str, str], list[str]], place: Place) -> list[str]:
    """Every wrong name and contradiction in a study.

    It also replaces table rows that name a family or a glob by one row for each checkpoint.

    Args:
        study: all sections, with defaults filled in.
        broken: (section, slug) of the entries that do not fit the schema; their names count, nothing else of them.
        families: (section, name with $axes) to the names made from it.
        place: says where a key stands.
    """
    found: list[str] = []
    checkpoints = {**study["models"], **study["runs"]}

    def sound(section: str) -> dict:
        return {slug: entry for slug, entry in study[section].items() if (section, slug) not in broken}

    def known(path: tuple, name: str | None, sections: Iterable[str]) -> bool:
        sections = list(sections)
        names = [slug for section in sections for slug in study[section]]
        if name in names:
            return True
        where = " or ".join(sections)
        found.append(
            f"{place(path)} = {name!r}: not under {where} (known: {', '.join(sorted(names)) or 'none'}). "
            "Correct the name or add the entry."
        )
        return False

    def file_there(path: tuple, file: str | None) -> None:
        if file is not None and not (ROOT / file).is_file() and not Path(file).is_file():
            found.append(f"{place(path)} = {file!r}: there is no such file. Correct the path or add the file.")

    for slug in sorted(study["models"].keys() & study["runs"].keys()):
        found.append(f"{place(('runs', slug))}: a model has this name too. Rename one of them.")
    if study["responses"] or study["suites"]:
        known(("engine",), study.get("engine"), ["engines"])
    for slug, entry in sound("datasets").items():
        for index, benchmark in enumerate(entry["exclude"]):
            known(("datasets", slug, "exclude", index), benchmark, ["benchmarks"])
        _source_file(entry, ("datasets", slug), place, found)
    for slug, entry in sound("benchmarks").items():
        file_there(("benchmarks", slug, "prompt"), entry["prompt"])
        file_there(("benchmarks", slug, "template"), entry["template"])
        _source_file(entry["questions"], ("benchmarks", slug, "questions"), place, found)
    for slug, entry in sound("responses").items():
        known(("responses", slug, "dataset"), entry["dataset"], ["datasets"])
        known(("responses", slug, "model"), entry["model"], ["models", "runs"])
        file_there(("responses", slug, "prompt"), entry["prompt"])
        file_there(("responses", slug, "template"), entry["template"])
    for slug, entry in sound("teachers").items():
        for key in ("critique_prompt", "answer_prompt", "template"):
            file_there(("teachers", slug, key), entry.get(key))
        if entry["kind"] == "transformers":
            known(("teachers", slug, "model"), entry["model"], ["models", "runs"])
        if entry.get("budget") is not None and entry["price"] is None:
            found.append(f"{place(('teachers', slug, 'budget'))}: there is no price to count it by. Add price.")
    for slug, entry in sound("critiques").items():
        known(("critiques", slug, "responses"), entry["responses"], ["responses"])
        known(("critiques", slug, "teacher"), entry["teacher"], ["teachers"])
    for slug, entry in sound("answers").items():
        known(("answers", slug, "dataset"), entry["dataset"], ["datasets"])
        path = ("answers", slug, "teacher")
        if (
            known(path, entry["teacher"], ["teachers"])
            and sound("teachers").get(entry["teacher"], {"kind": "openai"})["kind"] != "openai"
        ):
            found.append(
                f"{place(path)} = {entry['teacher']!r}: it writes critiques only. Name a teacher of kind openai, or "
                "sample responses from a model."
            )
    whole = {section: sound(section) for section in ("datasets", "responses", "critiques", "answers", "runs")}
    for slug, run in whole["runs"].items():
        _check_run(slug, run, whole, known, file_there, place, found)
    _check_start_cycles(whole["runs"], place, found)
    for slug, names in sound("suites").items():
        for index, name in enumerate(names):
            known(("suites", slug, index), name, ["benchmarks"])
    for slug, table in sound("tables").items():
        for index, suite in enumerate(table["suites"]):
            known(("tables", slug, "suites", index), suite, ["suites"])
        if table["layout"] == "benchmarks-as-rows" and (
            len(table["rows"]) < 2 or any("of" not in row for row in table["rows"])
        ):
            found.append(f"{place(('tables', slug, 'rows'))}: this layout compares two or more checkpoints. Name them.")
        table["rows"] = _rows(("tables", slug), table["rows"], checkpoints, families, known, place, found)
        titles: dict[str, str] = dict.fromkeys(("Average", "Rows", "Tokens"), "a column of every table")
        for suite in table["suites"]:
            for name in sound("suites").get(suite, ()):
                title = sound("benchmarks").get(name, {}).get("title") or name
                if titles.setdefault(title, name) != name:
                    found.append(
                        f"{place(('benchmarks', name, 'title'))} = {title!r}: table {slug} has this heading already "
                        f"({titles[title]}). Give it another title."
                    )
    for slug, figure in sound("figures").items():
        path = ("figures", slug)
        for index, suite in enumerate(figure.get("suites", ())):
            known((*path, "suites", index), suite, ["suites"])
        figure["rows"] = _rows(path, figure["rows"], checkpoints, families, known, place, found)
        for row in figure["rows"]:
            if figure["kind"] == "training" and row["of"] in study["models"]:
                found.append(
                    f"{place((*path, 'rows'))}: {row['of']} is a model, which was not trained here. Name runs."
                )
        if slug in study["tables"]:
            found.append(f"{place(path)}: a table has this name too. Rename one of them.")
    for slug, claim in sound("claims").items():
        _check_claim(slug, claim, known, place, found)
    return found


def _check_claim(slug: str, claim: dict, known, place: Place, found: list[str]) -> None:
    """Whether a claim's tables are there, its cells complete, and its value an expression over all of them."""
    path = ("claims", slug)
    for name, cell in claim["cells"].items():
        for key in ("table", "row", "column"):
            if key not in cell and key not in claim:
                found.append(f"{place((*path, 'cells', name))}: it has no {key}, nor has the claim. Add one.")
        if "table" in cell:
            known((*path, "cells", name, "table"), cell["table"], ["tables"])
    if "table" in claim:
        known((*path, "table"), claim["table"], ["tables"])
    where = f"{place((*path, 'value'))} = {claim['value']!r}"
    try:
        used = names_in(claim["value"])
    except ValueError as error:
        found.append(f"{where}: {error}. Correct it (docs/claims.md).")
        return
    for name in sorted(used ^ set(claim["cells"])):
        what = "is not under cells" if name in used else "is under cells but not in it"
        found.append(f"{where}: {name} {what}. Correct one of them.")


def _source_file(source: dict, path: tuple, place: Place, found: list[str]) -> None:
    if source["source"] == "jsonl" and not Path(source["path"]).is_file():
        found.append(f"{place((*path, 'path'))} = {source['path']!r}: there is no such file. Correct the path.")
    if source["source"] == "hub" and source["revision"] is None and not Path(source["repo"]).is_dir():
        found.append(
            f"{place((*path, 'revision'))}: null, but {source['repo']!r} is no local folder. Name the commit to pin."
        )


def _check_run(slug: str, run: dict, study: dict, known, file_there, place: Place, found: list[str]) -> None:
    known(("runs", slug, "start"), run["start"], ["models", "runs"])
    known(("runs", slug, "recipe"), run["recipe"], ["recipes"])
    file_there(("runs", slug, "prompt"), run["prompt"])
    file_there(("runs", slug, "template"), run["template"])
    if run["select"] != "last":
        known(("runs", slug, "select"), run["select"], ["benchmarks"])
    data = run["data"]
    if "mix" in data and set(data) - {
        "mix",
        "rows",
        "keep",
        "format_only",
        "length_gap",
        "gap_rows",
        "pairs_per_question",
    }:
        found.append(f"{place(('runs', slug, 'data'))}: it has mix and other sources. Move them into the mix.")
    preferences = {part["method"] in PREFERENCE for part in config_runs.parts(run)}
    if len(preferences) > 1 or preferences != {run["method"] in PREFERENCE}:
        found.append(
            f"{place(('runs', slug, 'data', 'mix'))}: answers and preference pairs cannot be mixed. Split the run."
        )
    for index, part in enumerate(config_runs.parts(run)):
        path = ("runs", slug, "data", "mix", index) if "mix" in data else ("runs", slug, "data")
        if part["prompt"] != run["prompt"]:
            file_there((*path, "prompt"), part["prompt"])
        _check_part(part, path, study, known, place, found)


# The sources that a part of each method may name.
ALLOWED = {
    "sft": [{"dataset"}, {"responses"}, {"critiques"}, {"answers"}],
    "cft": [{"critiques"}],
    "dpo": [{"dataset"}, {"responses"}],
    "spin": [{"dataset"}],
    "thinkpo": [{"long", "short"}],
}
KEEPS = {
    "sft": {"all", "correct", "judged-right", "agreeing"},
    "cft": {"all", "correct", "judged-right", "agreeing"},
    "dpo": {"all"},
    "spin": {"all"},
    "thinkpo": {"all", "agree", "both-right"},
}


def _check_part(part: dict, path: tuple, study: dict, known, place: Place, found: list[str]) -> None:
    method, keep = part["method"], part["keep"]
    named = {key for key in ("dataset", "responses", "critiques", "answers", "long", "short") if key in part}
    if named not in ALLOWED[method]:
        allowed = " or ".join(" and ".join(sorted(keys)) for keys in ALLOWED[method])
        found.append(
            f"{place(path)}: a {method} run trains on {allowed}, this names {', '.join(sorted(named)) or 'nothing'}. "
            f"Name {allowed}."
        )
        return
    for side in ("long", "short"):
        if side in part and len({"dataset", "responses"} & set(part[side])) != 1:
            found.append(f"{place((*path, side))}: it must name one of dataset and responses. Correct it.")
            return
    if not all([known((*path, *keys), slug, [section]) for keys, section, slug in config_runs.sources(part)]):
        return
    where = f"{place((*path, 'keep'))} = {keep!r}"
    if keep not in KEEPS[method]:
        found.append(f"{where}: a {method} run has {', '.join(sorted(KEEPS[method]))}. Choose one of them.")
    elif keep in ("judged-right", "agreeing") and "critiques" not in part:
        found.append(f"{where}: a teacher's verdict. Name critiques as the data.")
    elif method == "sft" and "dataset" in part and keep != "all":
        found.append(f"{where}: a dataset's own solutions are not graded. Remove it.")
    elif "answers" in part and keep != "all":
        found.append(f"{where}: a teacher's answers are not graded. Remove it.")
    graded = keep in ("correct", "agreeing", "both-right") or (method == "dpo" and "responses" in part)
    for name in {config_runs.dataset_behind(study, section, slug) for _, section, slug in config_runs.sources(part)}:
        dataset = study["datasets"].get(name, {})
        fields = dataset.get("fields", {}) if dataset.get("source") in ("jsonl", "hub") else None
        if fields is None:
            continue
        if graded and "answer" not in fields:
            found.append(
                f"{where}: dataset {name!r} has no reference answers, so nothing is graded. "
                "Use judged-right or agree, or name its answer field."
            )
        if method == "dpo" and "dataset" in part and not {"chosen", "rejected"} <= set(fields):
            found.append(
                f"{place((*path, 'dataset'))} = {name!r}: it has no chosen and rejected. Name them in its fields."
            )
        if method == "spin" and "solution" not in fields:
            found.append(
                f"{place((*path, 'dataset'))} = {name!r}: it has no solution to prefer. Name it in its fields."
            )


def _check_start_cycles(runs: dict, place: Place, found: list[str]) -> None:
    """Reports each run whose starts lead back to itself."""
    for slug in runs:
        trail = [slug]
        while trail[-1] in runs:
            trail.append(runs[trail[-1]]["start"])
            if trail[-1] == slug:
                found.append(
                    f"{place(('runs', slug, 'start'))}: a cycle ({' → '.join(trail)}). Start one from a model."
                )
            if trail[-1] in trail[:-1]:
                break


def _rows(
    entry: tuple, rows: list[dict], checkpoints: dict, families: dict, known, place: Place, found: list[str]
) -> list[dict]:
    """The rows, with each family and glob replaced by the checkpoints it stands for, in the config's order."""
    expanded = []
    for index, row in enumerate(rows):
        path = (*entry, "rows", index)
        if "of" not in row:
            known((*path, "difference"), row["difference"], ["models", "runs"])
            for number, name in enumerate(row["best_of"]):
                known((*path, "best_of", number), name, ["models", "runs"])
            expanded.append(row)
            continue
        names = families.get(("runs", row["of"])) or families.get(("models", row["of"]))
        if names is None:
            names = [row["of"]] if row["of"] in checkpoints else fnmatch.filter(checkpoints, row["of"])
        if not names:
            known((*path, "of"), row["of"], ["models", "runs"])
        expanded += [{"name": row["name"].replace("$of", name), "of": name} for name in names]
    seen: dict[str, int] = {}
    for row in expanded:
        if row["name"] in seen:
            found.append(f"{place((*entry, 'rows'))}: two rows are called {row['name']!r}. Use $of in the name.")
        seen[row["name"]] = 1
    return expanded
