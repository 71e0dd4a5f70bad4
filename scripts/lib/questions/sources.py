"""Where questions come from: reasoning-gym, a JSON Lines file, or the hub. Each gives rows of one schema.

{"id": "chain_sum-0007", "question": "…", "answer": "-3" or null, "solution": "…" or absent}

Multiple-choice rows also have `choices`, a list of texts; their answer is a letter. What a benchmark says of its gold
(type, tolerance, unit) is in `grading`. Rows to be judged: judged.py.
"""

import ast
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.lib.grading import COMPUTED, GRADER_OPTIONS, answers
from scripts.lib.grading.items import LETTERS
from scripts.lib.grading.verdicts import parse_verdict
from scripts.lib.jsonl import AsWritten, BadInput, read_rows
from scripts.lib.questions import judged, worked
from scripts.lib.questions.columns import value_at
from scripts.lib.questions.fingerprints import fingerprint


def read_source(source: dict, noted: Counter) -> Iterator[dict]:
    """The rows that a `datasets` entry (or a benchmark's `questions`) describes; a generated source never ends.

    Args:
        source: the entry.
        noted: counts skipped rows by reason (`wrong_reference`, `not_chosen`) and replaced characters
            (`lone_surrogates`).

    Raises:
        BadInput: the file, the fields or a row are not as the entry says.
    """
    readers = {"reasoning-gym": _reasoning_gym, "jsonl": _jsonl, "hub": _hub, "responses": _responses}
    yield from readers[source["source"]](source, noted)


def _responses(source: dict, noted: Counter) -> Iterator[dict]:
    rows = list(judged.of_responses(source["path"], noted))
    if source["shuffle"] is not None:
        random.Random(source["shuffle"]).shuffle(rows)
    yield from rows


def _reasoning_gym(source: dict, noted: Counter) -> Iterator[dict]:
    """Endless rows of the tasks in turn, so that any number of rows has each task equally often."""
    import reasoning_gym

    tasks = {}
    for task, settings in source["tasks"].items():
        try:
            # The size is only an upper limit: rows are generated on demand.
            tasks[task] = reasoning_gym.create_dataset(task, size=1_000_000, seed=source["seed"], **settings)
        except (ValueError, TypeError, AssertionError) as error:
            raise BadInput(f"reasoning-gym task {task!r} with {settings}: {error}. Fix it in config.") from None
    for turn in zip(*(_task_rows(task, rows, noted) for task, rows in tasks.items()), strict=True):
        yield from turn


def _task_rows(task: str, problems, noted: Counter) -> Iterator[dict]:
    """One task's rows; rows with a wrong reference answer are skipped and counted.

    Inside longer expressions basic_arithmetic divides with Python's `//` (49 / 1715 "is" 0), and simple_equations
    sometimes asks for the value of a variable in `0 = 0`.
    """
    for index in range(1_000_000):
        row = problems[index]
        try:
            solution = worked.solution(task, row["metadata"])
        except ValueError:
            noted["wrong_reference"] += 1
            continue
        if solution is not None and not solution.endswith(worked.terse(row["answer"])):
            noted["wrong_reference"] += 1
            continue
        made = {
            "id": f"{task}-{index:06d}",
            "question": row["question"].strip(),
            "answer": row["answer"],
            "subject": task,
        }
        if re.fullmatch(r"-?\d+", row["answer"]):
            made["grading"] = {"answer_type": COMPUTED}
        # The terse answer needs no solution, but without a solution there is nothing to shorten.
        yield made if solution is None else {**made, "solution": solution, "terse": worked.terse(row["answer"])}


def _jsonl(source: dict, noted: Counter) -> Iterator[dict]:
    listed = Path(source["path"]).suffix == ".json"
    rows = _listed(source["path"]) if listed else read_rows(source["path"], unique=None, number=AsWritten, mended=noted)
    if source.get("shuffle") is not None:
        random.Random(source["shuffle"]).shuffle(rows)
    yield from _mapped(rows, source, source["path"], noted)


def _listed(path: str) -> list[dict]:
    """The rows of a JSON file that is a single list, a format that some repositories use."""
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8-sig"), parse_float=AsWritten)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no JSON could be read ({error}). Correct the path, or fix the file.") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{path}: not a list of objects. Write JSON Lines, one object a line, and name it .jsonl.")
    return rows


def _hub(source: dict, noted: Counter) -> Iterator[dict]:
    from datasets import load_dataset

    place = f"{source['repo']} ({source['split']})"
    try:
        rows = load_dataset(source["repo"], name=source["config"], split=source["split"], revision=commit_of(source))
        if source.get("shuffle") is not None:
            rows = rows.shuffle(seed=source["shuffle"])
    except Exception as error:  # the hub, the network and the file formats raise various exceptions
        raise BadInput(
            f"{place}: could not be loaded ({type(error).__name__}: {error}). Check repo, config, split and revision, "
            "and that this machine reaches the hub (or has the set in its cache)."
        ) from None
    # Other columns are not even decoded: some contain images.
    used = [*source["fields"].values(), *source.get("choices_from", {}).get("columns", ()), *source.get("where", ())]
    if all(column in rows.column_names for column in used):
        rows = rows.select_columns(list(dict.fromkeys(used)))
    short = [name for name, kind in rows.features.items() if getattr(kind, "dtype", "") in ("float16", "float32")]
    yield from _mapped((_shortest(row, short) for row in rows), source, place, noted)


def _shortest(row: dict, columns: list[str]) -> dict:
    """The row with float32 numbers in their shortest form: 0.3, not 0.30000001192092896."""
    import numpy

    short = {name: float(str(numpy.float32(row[name]))) for name in columns if row[name] is not None}
    return {**row, **short} if short else row


def commit_of(source: dict) -> str | None:
    """The commit of a hub source, the newest if it is `unpinned` (None for a local folder)."""
    if source.get("revision") != "unpinned":
        return source.get("revision")
    from huggingface_hub import HfApi

    return HfApi().dataset_info(source["repo"]).sha


MAX_CHOICES = 10  # A to J, the letters that the graders know
SHOWN_VALUES = 5  # values that a message lists of a column in which no row has the value of `where`
OPTIONAL = ("choices", "subject", "level", "reference", "first_wrong_step", *GRADER_OPTIONS)  # a row may lack these


def _chosen(rows, source: dict, place: str, noted: Counter) -> Iterator[tuple[int, dict]]:
    """The rows that match `where`, with their numbers in the source; the others are counted."""
    wanted, chosen = source.get("where", {}), 0
    other: dict[str, dict] = {column: {} for column in wanted}  # values that other rows have in the column
    for number, row in enumerate(rows, 1):
        try:
            found = {column: value_at(row, column) for column in wanted}
        except LookupError as error:
            raise BadInput(
                f"{place}, row {number}: no column {error.args[0]} (there are: {', '.join(sorted(row))}). "
                "Correct the entry's where."
            ) from None
        if found == wanted:
            chosen += 1
            yield number, row
            continue
        noted["not_chosen"] += 1
        for column, value in found.items():
            if value != wanted[column] and len(other[column]) < SHOWN_VALUES:
                other[column][repr(value)] = None
    if not chosen and noted["not_chosen"]:
        asked = " and ".join(f"{column} = {value!r}" for column, value in wanted.items())
        there = "; ".join(f"{column}: {', '.join(values)}" for column, values in other.items() if values)
        raise BadInput(f"{place}: no row has {asked} (other values are {there}). Correct the entry's where.")


def _mapped(rows, source: dict, place: str, noted: Counter) -> Iterator[dict]:
    """Rows with our field names: the source's `fields` maps ours to its own."""
    fields, split = source["fields"], source.get("choices_from")
    never_seen = {fields[ours] for ours in OPTIONAL if ours in fields}
    for number, row in _chosen(rows, source, place, noted):
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
        if "label" in fields or "first_wrong_step" in fields:
            given = {key: made.pop(key) for key in ("response", "label", "first_wrong_step") if key in made}
            made |= judged.labelled(given, source.get("steps_from", 1), f"{place}, row {made['id']!r}")
        elif made["answer"] is not None:
            made["answer"] = _answer(made["answer"], source.get("answer_from"), f"{place}, row {made['id']!r}")
        if source.get("hint_words"):
            made |= _hint(made["answer"])
        grading = {key: made.pop(key) for key in GRADER_OPTIONS if key in made}
        made |= {"grading": grading} if grading else {}
        if split:
            made["choices"], made["answer"] = _shuffled(
                [row[column] for column in split["columns"]], f"{split['seed']}:{made['id']}"
            )
        if "choices" in made:
            _check_choices(made, place)
            made["choices"] = [str(option) for option in made["choices"]]
        yield made
    if never_seen:
        raise BadInput(f"{place}: no row has a column {', '.join(sorted(never_seen))}. Correct the entry's fields.")


def _answer(found: object, how: str | None, place: str) -> str | None:
    """The reference answer, extracted from a column's value by the source's `answer_from`; None if it is empty."""
    taken = {None: _as_text, "list": _from_list, "box": _from_box, "hashes": _from_hashes}[how](found, place)
    return taken if taken.strip() else None


def _as_text(found: object, place: str) -> str:
    missing = isinstance(found, float) and found != found  # a column of numbers has NaN for missing values
    return "" if missing else str(found)


def _from_list(found: object, place: str) -> str:
    # Some files store the list as a Python literal, "['2', '3']".
    found = ast.literal_eval(found) if isinstance(found, str) else found
    return ", ".join(str(answer).strip() for answer in found)


def _from_box(found: str, place: str) -> str:
    boxes = answers.boxes(found)
    if not boxes:
        raise BadInput(f"{place}: no \\boxed{{}} to take the answer from. Correct answer_from or the row.")
    return re.sub(r"(?<!\.)\.\Z", "", boxes[-1][2].strip()).strip()


_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")


def _from_hashes(found: str, place: str) -> str:
    _, hashes, answer = found.rpartition("####")
    if not hashes:
        raise BadInput(f"{place}: no #### to take the answer from. Correct answer_from or the row.")
    answer = answer.strip()
    if re.match(r"\\left|\\?[(\[{]", answer):  # a point, an interval or a set: its commas separate parts
        return answer
    return _THOUSANDS.sub(lambda number: number[0].replace(",", ""), answer)


def _hint(answer: str | None) -> dict[str, str]:
    """The words that may answer a yes-no question; empty for other questions."""
    pairs = [pair for pair in (("True", "False"), ("Yes", "No")) if (answer or "").strip().capitalize() in pair]
    return {"hint": f"({' or '.join(pairs[0])})"} if pairs else {}


def _shuffled(options: list[str], seed: str) -> tuple[list[str], str]:
    """The options in an order drawn with `seed`, and the new letter of the first one."""
    order = list(range(len(options)))
    random.Random(seed).shuffle(order)
    return [str(options[index]).strip() for index in order], LETTERS[order.index(0)]


def _check_choices(row: dict, place: str) -> None:
    """Raises BadInput if the options or the answer's letter cannot be graded."""
    choices, answer = row["choices"], row["answer"]
    where = f"{place}, row {row['id']!r}"
    if not isinstance(choices, list) or not 1 <= len(choices) <= MAX_CHOICES:
        raise BadInput(f"{where}: choices must be a list of 1 to {MAX_CHOICES} options. Correct fields or the row.")
    if answer not in list(LETTERS[: len(choices)]):
        raise BadInput(f"{where}: the answer is {answer!r}, not a letter of its {len(choices)} options. Fix it.")


LEFT_OUT = ("wrong_reference", "not_chosen", "without_a_grade", "empty_response")  # counted by a reader
FEW_ROWS = 10  # too few rows to warn about
SAME_QUESTION = 0.9  # share of rows with the same question that is implausible for a set of questions

# A row's content beyond its question: rows whose texts differ here are not repeats.
WITH_QUESTION = ("choices", "turns", "solution", "response", "critique", "refined", "chosen", "rejected")


def identity(row: dict) -> tuple[str, bytes]:
    """The identity of a row: its question's fingerprint, and a digest of its other texts."""
    beside = {name: row[name] for name in WITH_QUESTION if name in row}
    texts = repr({name: " ".join(str(text).split()) for name, text in beside.items()})
    return fingerprint(row["question"]), hashlib.sha256(texts.encode()).digest() if beside else b""


def prepare(source: dict, excluded: set[str] = frozenset()) -> tuple[list[dict], dict[str, int]]:
    """The rows of a source, in a fixed order, without repeats and without the questions in `excluded`.

    A row repeats another one if the question and its other texts are the same: response, critique, solution, pair.

    Args:
        source: a `datasets` entry or a benchmark's `questions`; `rows` limits the number of rows (None: all), and with
            `when_short: take-all` fewer are accepted. With `expect_rows`, the source must have exactly that many rows,
            and repeats are kept; `where` chooses rows by the values of columns.
        excluded: fingerprints of questions that must not occur.

    Returns:
        The rows, and the number of skipped rows by reason. Replaced characters are not counted (see `Preparation`).

    Raises:
        BadInput: an empty question, a repeated id, fewer rows than `rows`, or a number other than `expect_rows`.
    """
    made = Preparation(source, excluded)
    made.read()
    return made.rows, made.left_out


class Preparation:
    """Reads a source row by row and keeps the rows that are wanted.

    Attributes:
        rows: the kept rows.
        examined: number of rows that were read.
        left_out: number of skipped rows, by reason.
        mended: number of replaced characters, by kind.
    """

    def __init__(self, source: dict, excluded: set[str] = frozenset()) -> None:
        self.source, self.excluded = source, excluded
        self.place = source.get("path") or source.get("repo") or "reasoning-gym"
        self.rows: list[dict] = []
        self.examined = 0
        self._noted: Counter = Counter()
        self._left_out: Counter = Counter(repeated_question=0, in_a_benchmark=0)
        self._ids: set[str] = set()
        self._seen: set[tuple[str, bytes]] = set()
        self._questions: Counter = Counter()

    @property
    def left_out(self) -> dict[str, int]:
        noted = {reason: self._noted[reason] for reason in LEFT_OUT if self._noted[reason]}
        return {**self._left_out, **noted}

    @property
    def mended(self) -> dict[str, int]:
        return {kind: self._noted[kind] for kind in ("lone_surrogates",) if self._noted[kind]}

    def read(self) -> None:
        """Reads the source until there are enough rows, or to its end."""
        expected, wanted = self.source.get("expect_rows"), self.source["rows"]
        for row in read_source(self.source, self._noted):
            full = wanted is not None and len(self.rows) == wanted
            if full and expected is None:
                break
            self.examined += 1
            if full:
                continue  # the rest is only counted
            if expected is None and self.examined > 200 * (wanted or self.examined):
                raise BadInput(
                    f"{self.place}: only {len(self.rows)} different questions after {self.examined} draws, {wanted} "
                    "requested. Ask for fewer rows or widen the task's settings."
                )
            self._take(row)
        self._check()

    def _take(self, row: dict) -> None:
        """Keeps the row, or counts the reason for skipping it."""
        if not isinstance(row.get("question"), str) or not row["question"].strip():
            raise BadInput(f"{self.place}, row {row['id']!r}: the question is empty. Fix or delete the row.")
        if row["id"] in self._ids:
            raise BadInput(f"{self.place}: id {row['id']!r} occurs twice. Give each row its own id.")
        mark = identity(row)
        # A question may have hundreds of critiques or of responses to judge.
        self._questions[mark[0]] += "critique" not in row and row.get("answer") not in ("right", "wrong")
        if mark in self._seen and self.source.get("expect_rows") is None:
            self._left_out["repeated_row" if "response" in row or "chosen" in row else "repeated_question"] += 1
        elif mark[0] in self.excluded:
            self._left_out["in_a_benchmark"] += 1
        else:
            self.rows.append(row)
            self._ids.add(row["id"])
        self._seen.add(mark)

    def _check(self) -> None:
        """Raises BadInput if the number of rows is not what the entry says."""
        expected, wanted = self.source.get("expect_rows"), self.source["rows"]
        if expected is not None and self.examined != expected:
            raise BadInput(
                f"{self.place}: {self.examined} rows, but expect_rows says {expected}. This is another version of the "
                "set: correct its revision or path, or expect_rows."
            )
        most = max(self._questions.values(), default=0)
        if self.examined >= FEW_ROWS and most > SAME_QUESTION * self.examined:
            raise BadInput(
                f"{self.place}: {most} of {self.examined} rows have the same question. The entry's fields name the "
                "wrong column for it (a system message?): correct fields.question."
            )
        short = wanted is not None and len(self.rows) < wanted
        if short and self.source.get("when_short", "fail") == "fail":
            raise BadInput(
                f"{self.place}: {len(self.rows)} rows can be used, {wanted} requested (left out: {self.left_out}). "
                "Ask for fewer rows, name more data, or say when_short: take-all."
            )
        if not self.rows:
            raise BadInput(f"{self.place}: no rows (left out: {self.left_out}). Check the file.")
