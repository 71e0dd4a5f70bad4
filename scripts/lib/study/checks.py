"""Checks that no schema can say: every name that an entry uses exists, starts end at a model, filters make sense."""

import fnmatch
from collections.abc import Callable, Iterable
from pathlib import Path

from scripts.lib.study import runs, table_checks
from scripts.lib.study.cells import ALONE
from scripts.lib.study.expressions import names_in

PREFERENCE = {"dpo", "spin", "thinkpo"}
Place = Callable[[tuple], str]
ROOT = Path(__file__).resolve().parents[3]


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

    _expand_seeds(study, broken, families, place, found)
    checkpoints = {name: section for section in table_checks.CHECKPOINTS for name in study[section]}
    for slug in sorted(study["models"].keys() & study["runs"].keys()):
        found.append(f"{place(('runs', slug))}: a model has this name too. Rename one of them.")
    if study["plan"]["machine"] is not None:
        known(("plan", "machine"), study["plan"]["machine"], ["machines"])
    if study["responses"] or study["suites"]:
        known(("engine",), study.get("engine"), ["engines"])
    for slug, entry in sound("datasets").items():
        for index, benchmark in enumerate(entry["exclude"]):
            known(("datasets", slug, "exclude", index), benchmark, ["benchmarks"])
        _source_file(entry, ("datasets", slug), place, found)
    for slug, entry in sound("benchmarks").items():
        for key in ("prompt", "judge_prompt", "template"):
            file_there(("benchmarks", slug, key), entry.get(key))
        _check_benchmark(slug, entry, sound("teachers"), known, file_there, place, found)
    for slug, entry in sound("responses").items():
        known(("responses", slug, "dataset"), entry["dataset"], ["datasets"])
        if "field" in entry:
            fields = study["datasets"].get(entry["dataset"], {}).get("fields", {entry["field"]: ""})
            if entry["field"] not in fields:
                found.append(
                    f"{place(('responses', slug, 'field'))} = {entry['field']!r}: the dataset has no such field (it "
                    f"has: {', '.join(fields)}). Name it in its fields."
                )
            continue
        missing = [key for key in ("model", "prompt") if key not in entry]
        if missing:
            found.append(
                f"{place(('responses', slug))}: {', '.join(missing)} is missing. Add it, or name the dataset's own "
                "field that holds the responses."
            )
            continue
        known(("responses", slug, "model"), entry["model"], ["models", "runs"])
        file_there(("responses", slug, "prompt"), entry["prompt"])
        file_there(("responses", slug, "template"), entry["template"])
    for slug, entry in sound("teachers").items():
        for key in ("critique_prompt", "answer_prompt", "template"):
            file_there(("teachers", slug, key), entry.get(key))
        if entry["kind"] in ("transformers", "vllm"):
            known(("teachers", slug, "model"), entry["model"], ["models", "runs"])
            if entry["engine"] is not None:
                known(("teachers", slug, "engine"), entry["engine"], ["engines"])
            engine = sound("engines").get(entry["engine"] or study.get("engine"), entry)
            if engine["kind"] != entry["kind"]:
                found.append(
                    f"{place(('teachers', slug, 'kind'))} = {entry['kind']!r}: its engine is of kind {engine['kind']}. "
                    "Name an engine of its kind (engine: …), or write the engine's kind."
                )
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
    sections = ("datasets", "responses", "critiques", "answers", "runs", "benchmarks")
    whole = {section: sound(section) for section in sections}
    for slug, run in whole["runs"].items():
        _check_run(slug, run, whole, known, file_there, place, found)
    _check_start_cycles(whole["runs"], place, found)
    for slug, names in sound("suites").items():
        for index, name in enumerate(names):
            known(("suites", slug, index), name, ["benchmarks"])
        if sound("benchmarks").get(slug, {}).get("kind") in ALONE:
            found.append(
                f"{place(('suites', slug))}: the benchmark of this name has scores of its own in the same place. "
                "Rename one of them."
            )
    for slug, table in sound("tables").items():
        for index, suite in enumerate(table["suites"]):
            known(("tables", slug, "suites", index), suite, ["suites"])
            for name in sound("suites").get(suite, ()):
                if (
                    table["verdict"] == "math-verify"
                    and study["benchmarks"].get(name, {}).get("kind", "math") != "math"
                ):
                    found.append(
                        f"{place(('tables', slug, 'verdict'))} = 'math-verify': it reads formulas only, and {name} is "
                        "no mathematics. Name another verdict or suite."
                    )
        if "columns" in table:
            table_checks.without_sampling(table, study["responses"])
            table["rows"] = _rows(("tables", slug), table["rows"], checkpoints, families, known, place, found)
            table_checks.check_cells(("tables", slug), table, study, place, found)
            continue
        if table["layout"] == "benchmarks-as-rows" and (
            len(table["rows"]) < 2 or any("of" not in row for row in table["rows"])
        ):
            found.append(f"{place(('tables', slug, 'rows'))}: this layout compares two or more checkpoints. Name them.")
        if table["layout"] == "benchmarks-as-rows" and table["mark_best"]:
            found.append(
                f"{place(('tables', slug, 'mark_best'))}: not in this layout, where rows are benchmarks. Remove it."
            )
        if table["layout"] == "benchmarks-as-rows":
            _check_lengths(("tables", slug, "layout"), table["suites"], sound, place, found)
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
        if figure["kind"] == "lengths":
            _check_lengths((*path, "kind"), figure["suites"], sound, place, found)
        figure["rows"] = _rows(path, figure["rows"], checkpoints, families, known, place, found)
        for row in figure["rows"]:
            if figure["kind"] == "validation" and study["runs"].get(row["of"], {}).get("select", "last") == "last":
                found.append(
                    f"{place((*path, 'rows'))}: {row['of']} has no validation curve. Name runs whose checkpoint is "
                    "selected by a benchmark."
                )
            if figure["kind"] == "training" and row["of"] not in study["runs"]:
                found.append(f"{place((*path, 'rows'))}: {row['of']} is no run, which has a training log. Name runs.")
        if slug in study["tables"]:
            found.append(f"{place(path)}: a table has this name too. Rename one of them.")
    for slug, claim in sound("claims").items():
        _check_claim(slug, claim, {**study, "tables": sound("tables")}, known, place, found)
    return found


def headings(table: dict, study: dict) -> tuple[list[str], list[str]]:
    """The rows and the columns that a table's cells have."""
    rows = [row["name"] for row in table["rows"]]
    if "columns" in table:
        return rows, [column["name"] for column in table["columns"]]
    names = dict.fromkeys(name for suite in table["suites"] for name in study["suites"].get(suite, ()))
    titles = [study["benchmarks"].get(name, {}).get("title") or name for name in names]
    if table["layout"] == "benchmarks-as-rows":
        figures = [f"{figure} {row}" for figure in ("Accuracy", "Length") for row in [*rows, "change %"]]
        return titles, [*figures, *(f"Cut off {row} %" for row in rows)]
    return rows, [*("Rows", "Tokens"), *titles, "Average"]


def _check_claim(slug: str, claim: dict, study: dict, known, place: Place, found: list[str]) -> None:
    """Whether a claim's cells are there, in tables that fit the schema, and its value is an expression over them."""
    path = ("claims", slug)
    wrong: dict[str, None] = {}
    for name, cell in claim["cells"].items():
        lacking = [key for key in ("table", "row", "column") if key not in cell and key not in claim]
        wrong |= {
            f"{place((*path, 'cells', name))}: it has no {key}, nor has the claim. Add one.": None for key in lacking
        }
        at = {key: cell.get(key, claim.get(key)) for key in ("table", "row", "column")}
        if lacking or not known(
            (*path, *(("cells", name, "table") if "table" in cell else ("table",))), at["table"], ["tables"]
        ):
            continue
        if at["table"] not in study["tables"]:  # it does not fit the schema, which is told elsewhere
            continue
        there = headings(study["tables"][at["table"]], study)
        for key, names in zip(("row", "column"), there, strict=True):
            for heading in at[key] if isinstance(at[key], list) else [at[key]]:
                if heading not in names:
                    where = place((*path, *(("cells", name, key) if key in cell else (key,))))
                    wrong[
                        f"{where} = {heading!r}: no {key} of {at['table']} (it has: {', '.join(names)}). Correct it."
                    ] = None
    found += wrong
    where = f"{place((*path, 'value'))} = {claim['value']!r}"
    try:
        used = names_in(claim["value"])
    except ValueError as error:
        found.append(f"{where}: {error}. Correct it (docs/claims.md).")
        return
    for name in sorted(used ^ set(claim["cells"])):
        what = "is not under cells" if name in used else "is under cells but not in it"
        found.append(f"{where}: {name} {what}. Correct one of them.")


def _check_lengths(path: tuple, suites: list[str], sound, place: Place, found: list[str]) -> None:
    names = dict.fromkeys(name for suite in suites for name in sound("suites").get(suite, ()))
    without = [name for name in names if sound("benchmarks").get(name, {}).get("kind") == "harness"]
    if without:
        found.append(
            f"{place(path)}: it shows the lengths of answers, which lm-eval does not tell ({', '.join(without)}). Name "
            "suites without them."
        )


# What the fields of a benchmark's questions must name, by kind.
FIELDS = {"judge": ("turns",), "ifeval": ("instruction_id_list", "kwargs")}


def _check_benchmark(slug: str, entry: dict, teachers: dict, known, file_there, place: Place, found: list[str]) -> None:
    path = ("benchmarks", slug)
    if entry["kind"] not in ALONE:
        _check_generated(slug, entry, file_there, place, found)
    if "questions" in entry:
        source = entry["questions"]
        _source_file(source, (*path, "questions"), place, found)
        lacking = [field for field in FIELDS.get(entry["kind"], ()) if field not in source.get("fields", {})]
        if lacking:
            found.append(
                f"{place((*path, 'questions', 'fields'))}: {', '.join(lacking)} is missing, which kind "
                f"{entry['kind']} needs. Name the column."
            )
    if (
        entry["kind"] == "judge"
        and known((*path, "teacher"), entry["teacher"], ["teachers"])
        and teachers.get(entry["teacher"], {"kind": "openai"})["kind"] != "openai"
    ):
        where = f"{place((*path, 'teacher'))} = {entry['teacher']!r}"
        found.append(f"{where}: it gives no ratings. Name a teacher of kind openai.")
    folder = entry.get("task_path")
    if folder is not None and not Path(folder).is_dir():
        found.append(f"{place((*path, 'task_path'))} = {folder!r}: there is no such folder. Correct the path.")


def _source_file(source: dict, path: tuple, place: Place, found: list[str]) -> None:
    if source["source"] == "jsonl" and not Path(source["path"]).is_file():
        found.append(f"{place((*path, 'path'))} = {source['path']!r}: there is no such file. Correct the path.")
    if source["source"] == "hub" and source["revision"] is None and not Path(source["repo"]).is_dir():
        found.append(
            f"{place((*path, 'revision'))}: null, but {source['repo']!r} is no local folder. Name the commit to pin."
        )


def _check_generated(slug: str, entry: dict, file_there, place: Place, found: list[str]) -> None:
    source = entry["questions"]
    has_choices = "choices" in source.get("fields", {}) or "choices_from" in source
    if entry["kind"] == "choice" and not has_choices:
        found.append(
            f"{place(('benchmarks', slug, 'kind'))}: choice, but the questions have no options. Name their column in "
            "fields (choices) or their columns in choices_from."
        )
    critique = entry.get("self_critique")
    if critique:
        file_there(("benchmarks", slug, "self_critique", "prompt"), critique["prompt"])
        if entry["temperature"] == 0:
            found.append(
                f"{place(('benchmarks', slug, 'temperature'))} = 0: greedy answers are the same each time, so "
                "self_critique would never change one. Raise it."
            )


def _check_run(slug: str, run: dict, study: dict, known, file_there, place: Place, found: list[str]) -> None:
    known(("runs", slug, "start"), run["start"], ["models", "runs"])
    known(("runs", slug, "recipe"), run["recipe"], ["recipes"])
    file_there(("runs", slug, "prompt"), run["prompt"])
    file_there(("runs", slug, "template"), run["template"])
    if (
        run["select"] != "last"
        and known(("runs", slug, "select"), run["select"], ["benchmarks"])
        and study["benchmarks"].get(run["select"], {"kind": "math"})["kind"] not in ("math", "choice")
    ):
        found.append(
            f"{place(('runs', slug, 'select'))} = {run['select']!r}: candidates are scored on questions with an "
            "answer. Name a benchmark of kind math or choice."
        )
    data = run["data"]
    if "mix" in data and set(data) - {
        "mix",
        "rows",
        "keep",
        "format_only",
        "length_gap",
        "gap_rows",
        "like_rows",
        "pairs_per_question",
    }:
        found.append(f"{place(('runs', slug, 'data'))}: it has mix and other sources. Move them into the mix.")
    preferences = {part["method"] in PREFERENCE for part in runs.parts(run)}
    if len(preferences) > 1 or preferences != {run["method"] in PREFERENCE}:
        found.append(
            f"{place(('runs', slug, 'data', 'mix'))}: answers and preference pairs cannot be mixed. Split the run."
        )
    for index, part in enumerate(runs.parts(run)):
        path = ("runs", slug, "data", "mix", index) if "mix" in data else ("runs", slug, "data")
        if part["prompt"] != run["prompt"]:
            file_there((*path, "prompt"), part["prompt"])
        _check_part(part, path, study, known, place, found)


# The sources that a part of each method may name.
ALLOWED = {
    "sft": [{"dataset"}, {"responses"}, {"critiques"}, {"answers"}],
    "cft": [{"critiques"}, {"dataset"}],
    "dpo": [{"dataset"}, {"responses"}],
    "spin": [{"dataset"}, {"dataset", "responses"}, {"pairs"}],
    "thinkpo": [{"long", "short"}, {"dataset"}],
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
    named = {key for key in ("dataset", "responses", "critiques", "answers", "long", "short", "pairs") if key in part}
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
    if not all([known((*path, *keys), slug, [section]) for keys, section, slug in runs.sources(part)]):
        return
    where = f"{place((*path, 'keep'))} = {keep!r}"
    fields = study["datasets"].get(part.get("dataset"), {}).get("fields", {})
    judged = "critiques" in part or "critique" in fields
    if keep not in KEEPS[method]:
        found.append(f"{where}: a {method} run has {', '.join(sorted(KEEPS[method]))}. Choose one of them.")
    elif keep in ("judged-right", "agreeing") and not judged:
        found.append(f"{where}: a teacher's verdict. Name critiques as the data, or a dataset with a critique.")
    elif method == "sft" and "dataset" in part and keep not in ("all", "judged-right"):
        found.append(f"{where}: a dataset's own solutions are not graded. Remove it.")
    elif "answers" in part and keep != "all":
        found.append(f"{where}: a teacher's answers are not graded. Remove it.")
    graded = keep in ("correct", "agreeing", "both-right") or (method == "dpo" and "responses" in part)
    # What the rows of a dataset must hold for the method.
    needed = {"dpo": {"chosen", "rejected"}, "thinkpo": {"chosen", "rejected"}, "cft": {"response", "critique"}}
    needed |= {"spin": {"solution"}}
    sources = [source for source in runs.sources(part) if source[1] != "runs"]
    for name in {runs.dataset_behind(study, section, slug) for _, section, slug in sources}:
        dataset = study["datasets"].get(name)
        if dataset is None:
            continue
        generated = dataset["source"] == "reasoning-gym"
        fields = {"question", "answer", "solution", "terse"} if generated else dataset["fields"]
        if graded and "answer" not in fields:
            found.append(
                f"{where}: dataset {name!r} has no reference answers, so nothing is graded. "
                "Use judged-right or agree, or name its answer field."
            )
        lacking = needed.get(method, set()) | ({"response"} if "pairs" in part else set())
        lacking -= set(fields)
        if lacking and ("dataset" in part or "pairs" in part):
            found.append(
                f"{place((*path, 'pairs' if 'pairs' in part else 'dataset'))} = {name!r}: it has no "
                f"{' and '.join(sorted(lacking))}, which a {method} run needs. Name the column in its fields."
            )


def _expand_seeds(study: dict, broken: set[tuple], families: dict, place: Place, found: list[str]) -> None:
    """Puts the runs that each name stands for in the place of their family or glob."""
    for slug, family in list(study["seeds"].items()):
        path = ("seeds", slug)
        if path in broken:
            continue
        if slug in study["models"] or slug in study["runs"]:
            found.append(f"{place(path)}: a model or run has this name too. Rename one of them.")
        names = families.get(("runs", family)) or fnmatch.filter(study["runs"], family)
        if len(names) < 2:
            found.append(
                f"{place(path)} = {family!r}: a mean of seeds needs two or more runs, this names "
                f"{', '.join(names) or 'none'}. Name a family or a glob."
            )
        study["seeds"][slug] = names


def _check_start_cycles(entries: dict, place: Place, found: list[str]) -> None:
    """Reports each run whose starts lead back to itself."""
    for slug in entries:
        trail = [slug]
        while trail[-1] in entries:
            trail.append(entries[trail[-1]]["start"])
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
    trained = [name for name, section in checkpoints.items() if section != "seeds"]  # what a glob may stand for
    for index, row in enumerate(rows):
        path = (*entry, "rows", index)
        if "difference" in row:
            known((*path, "difference"), row["difference"], table_checks.CHECKPOINTS)
            for number, name in enumerate(row["best_of"]):
                known((*path, "best_of", number), name, table_checks.CHECKPOINTS)
            expanded.append(row)
            continue
        names = families.get(("runs", row.get("of"))) or families.get(("models", row.get("of")))
        if names is None and ("of" not in row or ("cells" in row and "$" in row["of"])):
            expanded.append(row)  # a row of cells may leave the checkpoint to its columns, or to `with`
            continue
        if names is None:
            names = [row["of"]] if row["of"] in checkpoints else fnmatch.filter(trained, row["of"])
        if not names:
            known((*path, "of"), row["of"], table_checks.CHECKPOINTS)
        expanded += [{**row, "name": row["name"].replace("$of", name), "of": name} for name in names]
    seen: dict[str, int] = {}
    for row in expanded:
        if row["name"] in seen:
            found.append(f"{place((*entry, 'rows'))}: two rows are called {row['name']!r}. Use $of in the name.")
        seen[row["name"]] = 1
    return expanded
