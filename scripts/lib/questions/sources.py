"""Where questions come from: reasoning-gym, a JSON Lines file, or the hub. Each gives rows of one schema.

{"id": "chain_sum-0007", "question": "…", "answer": "-3" or null, "solution": "…" or absent}

Multiple-choice rows also have `choices`, a list of texts; their answer is a letter. What a benchmark says of its gold
(type, tolerance, unit) lies in `grading`.
"""

import ast
import random
from collections.abc import Iterator

from scripts.lib.grading import GRADER_OPTIONS, answers
from scripts.lib.grading.choices import LETTERS
from scripts.lib.grading.verdicts import parse_verdict
from scripts.lib.jsonl import BadInput, read_rows
from scripts.lib.questions import worked
from scripts.lib.questions.columns import value_at
from scripts.lib.questions.fingerprints import fingerprint


def read_source(source: dict) -> Iterator[dict]:
    """The rows that a `datasets` entry (or a benchmark's `questions`) describes, without an end where it has none.

    Raises:
        BadInput: the file, the fields or a row are not what the entry says.
    """
    yield from {"reasoning-gym": _reasoning_gym, "jsonl": _jsonl, "hub": _hub}[source["source"]](source)


def _reasoning_gym(source: dict) -> Iterator[dict]:
    """Rows of the tasks in turn, so that any number of rows holds each task equally often; it never ends."""
    import reasoning_gym

    tasks = {}
    for task, settings in source["tasks"].items():
        try:
            # The size is an upper limit only: rows are made one by one when they are asked for.
            tasks[task] = reasoning_gym.create_dataset(task, size=1_000_000, seed=source["seed"], **settings)
        except (ValueError, TypeError, AssertionError) as error:
            raise BadInput(f"reasoning-gym task {task!r} with {settings}: {error}. Mend it in config.") from None
    for turn in zip(*(_task_rows(task, rows) for task, rows in tasks.items()), strict=True):
        yield from turn


def _task_rows(task: str, problems) -> Iterator[dict]:
    """One task's rows, without those whose reference answer is wrong.

    Inside longer expressions basic_arithmetic divides with Python's `//` (49 / 1715 "is" 0), and simple_equations at
    times asks for the value of a variable in `0 = 0`.
    """
    for index in range(1_000_000):
        row = problems[index]
        try:
            solution = worked.solution(task, row["metadata"])
        except ValueError:
            continue
        if solution is not None and not solution.endswith(worked.terse(row["answer"])):
            continue
        made = {
            "id": f"{task}-{index:06d}",
            "question": row["question"].strip(),
            "answer": row["answer"],
            "subject": task,
        }
        # The terse answer needs no solution, but a task without one has nothing that it could be shorter than.
        yield made if solution is None else {**made, "solution": solution, "terse": worked.terse(row["answer"])}


def _jsonl(source: dict) -> Iterator[dict]:
    rows = read_rows(source["path"], unique=None)
    if source.get("shuffle") is not None:
        random.Random(source["shuffle"]).shuffle(rows)
    yield from _mapped(rows, source, source["path"])


def _hub(source: dict) -> Iterator[dict]:
    from datasets import load_dataset

    place = f"{source['repo']} ({source['split']})"
    try:
        rows = load_dataset(source["repo"], name=source["config"], split=source["split"], revision=commit_of(source))
        if source.get("shuffle") is not None:
            rows = rows.shuffle(seed=source["shuffle"])
    except Exception as error:  # the hub, the network and the formats each raise their own kinds
        raise BadInput(
            f"{place}: could not be loaded ({type(error).__name__}: {error}). Check repo, config, split and revision, "
            "and that this machine reaches the hub (or has the set in its cache)."
        ) from None
    # Columns that are not asked for are not even decoded: some hold pictures.
    used = [*source["fields"].values(), *source.get("choices_from", {}).get("columns", ())]
    if all(column in rows.column_names for column in used):
        rows = rows.select_columns(list(dict.fromkeys(used)))
    yield from _mapped(rows, source, place)


def commit_of(source: dict) -> str | None:
    """The commit that a hub source names, the newest where it is `unpinned` (None for a local folder)."""
    if source.get("revision") != "unpinned":
        return source.get("revision")
    from huggingface_hub import HfApi

    return HfApi().dataset_info(source["repo"]).sha


MAX_CHOICES = 10  # A to J, as many as the graders know
OPTIONAL = ("choices", "subject", "level", "reference", *GRADER_OPTIONS)  # a row may lack these


def _mapped(rows, source: dict, place: str) -> Iterator[dict]:
    """Rows with our names: the source's `fields` maps ours to theirs."""
    fields, split = source["fields"], source.get("choices_from")
    never_seen = {fields[ours] for ours in OPTIONAL if ours in fields}
    for number, row in enumerate(rows, 1):
        made, lacking = {}, [column for column in (split["columns"] if split else ()) if column not in row]
        for ours, theirs in fields.items():
            if ours in OPTIONAL:
                made |= {ours: row[theirs]} if row.get(theirs) is not None else {}
                continue
            try:
                made[ours] = value_at(row, theirs)
            except LookupError as error:
                lacking.append(str(error.args[0]))
        if lacking:
            raise BadInput(
                f"{place}, row {number}: no column {', '.join(sorted(lacking))} (there are: {', '.join(sorted(row))}). "
                "Correct the entry's fields."
            )
        if "critique" in made:
            made["verdict"] = parse_verdict(made["critique"])
        never_seen -= set(row)
        made["id"] = str(made["id"]) if "id" in made else f"row-{number:06d}"
        made.setdefault("answer", None)
        if made["answer"] is not None:
            made["answer"] = _answer(made["answer"], source.get("answer_from"), f"{place}, row {made['id']!r}")
        grading = {key: made.pop(key) for key in GRADER_OPTIONS if key in made}
        made |= {"grading": grading} if grading else {}
        if split:
            made["choices"], made["answer"] = _shuffled(
                [row[column] for column in split["columns"]], f"{split['seed']}:{made['id']}"
            )
        if "choices" in made:
            _check_choices(made, place)
        yield made
    if never_seen:
        raise BadInput(f"{place}: no row has a column {', '.join(sorted(never_seen))}. Correct the entry's fields.")


def _answer(found: object, how: str | None, place: str) -> str:
    """The reference answer in a column's value, as the source's `answer_from` says."""
    if how == "list":
        # Some files hold the list as Python text, "['2', '3']".
        found = ast.literal_eval(found) if isinstance(found, str) else found
        return ", ".join(str(answer).strip() for answer in found)
    if how == "box":
        boxes = answers.boxes(found)
        if not boxes:
            raise BadInput(f"{place}: no \\boxed{{}} to take the answer from. Correct answer_from or the row.")
        return boxes[-1][2].strip()
    if how == "hashes":
        before, hashes, answer = found.rpartition("####")
        if not hashes:
            raise BadInput(f"{place}: no #### to take the answer from. Correct answer_from or the row.")
        return answer.strip().replace(",", "")
    return str(found)


def _shuffled(options: list[str], seed: str) -> tuple[list[str], str]:
    """The options in an order drawn with `seed`, and the letter of the one that came first."""
    order = list(range(len(options)))
    random.Random(seed).shuffle(order)
    return [str(options[index]).strip() for index in order], LETTERS[order.index(0)]


def _check_choices(row: dict, place: str) -> None:
    """Raises BadInput where the options or the answer's letter cannot be graded."""
    choices, answer = row["choices"], row["answer"]
    where = f"{place}, row {row['id']!r}"
    if not isinstance(choices, list) or not 1 <= len(choices) <= MAX_CHOICES:
        raise BadInput(f"{where}: choices must be a list of 1 to {MAX_CHOICES} options. Correct fields or the row.")
    if answer not in list(LETTERS[: len(choices)]):
        raise BadInput(f"{where}: the answer is {answer!r}, not a letter of its {len(choices)} options. Mend it.")


def prepare(source: dict, excluded: set[str] = frozenset()) -> tuple[list[dict], dict[str, int]]:
    """The rows of a source, in a fixed order, without repeats and without the questions in `excluded`.

    Args:
        source: a `datasets` entry or a benchmark's `questions`; `rows` limits how many are taken (None: all). With
            `expect_rows`, the source must have exactly so many rows, and repeats are kept.
        excluded: fingerprints of questions that must not occur.

    Returns:
        The rows and how many were left out by reason.

    Raises:
        BadInput: an empty question, a repeated id, fewer rows than `rows` asks for, or not `expect_rows` of them.
    """
    place = source.get("path") or source.get("repo") or "reasoning-gym"
    expected = source.get("expect_rows")
    rows: list[dict] = []
    ids: set[str] = set()
    seen: set[str] = set()
    left_out = {"repeated_question": 0, "in_a_benchmark": 0}
    examined = 0
    for examined, row in enumerate(read_source(source), 1):
        if source["rows"] is not None and len(rows) == source["rows"]:
            if expected is None:
                break
            continue  # the rest is only counted
        if expected is None and examined > 200 * (source["rows"] or examined):
            raise BadInput(
                f"{place}: only {len(rows)} different questions after {examined} draws, {source['rows']} are asked "
                "for. Ask for fewer rows or widen the task's settings."
            )
        if not isinstance(row.get("question"), str) or not row["question"].strip():
            raise BadInput(f"{place}, row {row['id']!r}: the question is empty. Mend or delete the row.")
        if row["id"] in ids:
            raise BadInput(f"{place}: id {row['id']!r} occurs twice. Give each row an id of its own.")
        mark = fingerprint(row["question"])
        if mark in seen and expected is None:
            left_out["repeated_question"] += 1
        elif mark in excluded:
            left_out["in_a_benchmark"] += 1
        else:
            rows.append(row)
            ids.add(row["id"])
        seen.add(mark)
    if expected is not None and examined != expected:
        raise BadInput(
            f"{place}: {examined} rows, but expect_rows says {expected}. This is another version of the set: "
            "correct its revision or path, or expect_rows."
        )
    if source["rows"] is not None and len(rows) < source["rows"]:
        raise BadInput(
            f"{place}: {len(rows)} rows can be used, {source['rows']} are asked for (left out: {left_out}). "
            "Ask for fewer rows or name more data."
        )
    if not rows:
        raise BadInput(f"{place}: no rows. Check the file.")
    return rows, left_out
