"""The questions of each benchmark and every checkpoint's answers to them, packed column by column.

    questions/<benchmark>          one entry per question, in the file's order
    rows/<checkpoint>/<benchmark>  verdicts: a list per field, one value per answer; `q` is the question's index
    texts/<checkpoint>/<benchmark> the answers' texts, in the order of the rows
    judged/<checkpoint>/<benchmark> what a judge wrote on each answer, if one did

The texts of a checkpoint on a benchmark come in two parts. `texts/…` has those that a reader opens first: cut off,
disputed, flipped in a difference that a table shows, and the first ones. `rest/…` has the others; it moves to a file
beside the page where the page would exceed its budget.
"""

from collections.abc import Iterable, Mapping, Sequence, Set

from scripts.lib.grading.scoring import VERDICTS, shares_of, validation_ids, without_verdict
from scripts.lib.jsonl import each_row
from scripts.lib.page.packing import Parts
from scripts.lib.page.results import Results
from scripts.lib.study.cells import specs

SHOWN = ("question", "response", "answer", "solution", "subject", "level", "choices")
FIRST = 20  # answers whose texts always stay in the page
RANKS = {"texts": 1, "judged": 2, "rest": 3}


def add(parts: Parts, results: Results) -> dict[str, dict[str, list[int]]]:
    """Packs all questions and answers.

    Returns:
        By table and benchmark: the indices of the questions that the table excludes for every row.
    """
    places: dict[str, dict[str, int]] = {}
    flips = flipped(results)
    unrated: dict[tuple[str, str], set[str]] = {}
    validation: dict[tuple[str, str], set[str]] = {}
    for checkpoint in results.checkpoints:
        for file in results.score_files(checkpoint):
            for benchmark, rows in by_benchmark(each_row(file.with_suffix(".jsonl"), may_be_empty=True)).items():
                if benchmark not in places:
                    places[benchmark] = add_questions(parts, results, benchmark, rows)
                key = checkpoint, benchmark
                add_rows(parts, *key, rows, places[benchmark], flips.get(key, set()))
                validation[key] = validation_ids(rows)
                unrated[key] = without_verdict(rows)
    return left_out(results, places, unrated, validation)


def by_benchmark(rows: Iterable[dict]) -> dict[str, list[dict]]:
    """Graded rows, grouped by benchmark."""
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["benchmark"], []).append(row)
    return groups


def add_questions(parts: Parts, results: Results, benchmark: str, rows: Sequence[dict]) -> dict[str, int]:
    """Packs the questions of a benchmark; returns the index of each by its id."""
    questions = list(results.rows("benchmarks", f"{benchmark}.jsonl"))
    known = {row["id"] for row in questions}
    questions += [{"id": id} for id in dict.fromkeys(row["question_id"] for row in rows) if id not in known]
    targets = {row["question_id"]: row["target"] for row in rows if "target" in row}  # from lm-eval's tasks
    golds = [targets.get(row["id"]) if row.get("answer") is None else row["answer"] for row in questions]
    shown = [shown_question({**row, "answer": gold}) for row, gold in zip(questions, golds)]
    parts.add(f"questions/{benchmark}", shown)
    return {row["id"]: place for place, row in enumerate(questions)}


def shown_question(row: Mapping) -> dict:
    """The fields of a question that the page shows; the text of a multi-turn question is its turns."""
    shown = {"id": row["id"], **{key: row[key] for key in SHOWN if row.get(key) is not None}}
    return shown | ({"question": "\n\n".join(row["turns"])} if "turns" in row and "question" not in row else {})


def flipped(results: Results) -> dict[tuple[str, str], set[str]]:
    """By checkpoint and benchmark: the questions that flip between it and one that it is compared with."""
    pairs = {
        (cell["of"], other, cell["benchmark"], entry["verdict"])
        for entry in results.study["tables"].values()
        for _, _, cell in specs(entry)
        for other in cell.get("best_of", ())
        if all(cell.get("benchmark") in results.scores.get(name, {}) for name in (cell["of"], other))
    }
    rows: dict[str, dict[str, list[dict]]] = {}
    found: dict[tuple[str, str], set[str]] = {}
    for of, other, benchmark, verdict in sorted(pairs):
        for name in (of, other):
            if name not in rows:
                rows[name] = verdict_rows(results, name)
        mine, theirs = (shares_of(rows[name].get(benchmark, ()), verdict) for name in (of, other))
        differing = {question for question in mine.keys() & theirs.keys() if mine[question] != theirs[question]}
        for name in (of, other):
            found.setdefault((name, benchmark), set()).update(differing)
    return found


def verdict_rows(results: Results, checkpoint: str) -> dict[str, list[dict]]:
    """A checkpoint's verdicts by benchmark, without the answers' texts."""
    kept = ("benchmark", "question_id", *VERDICTS.values())
    return by_benchmark(
        {key: row[key] for key in kept if key in row}
        for file in results.score_files(checkpoint)
        for row in each_row(file.with_suffix(".jsonl"), may_be_empty=True)
    )


def add_rows(
    parts: Parts, checkpoint: str, benchmark: str, rows: Sequence[dict], places: Mapping[str, int], flips: Set[str]
) -> None:
    """Packs a checkpoint's answers to a benchmark; the texts are parts of their own."""
    parts.add(f"rows/{checkpoint}/{benchmark}", columns(rows, places))
    first = {index for index, row in enumerate(rows) if index < FIRST or is_marked(row) or row["question_id"] in flips}
    texts = [text_of(row) for row in rows]
    parts.add(
        f"texts/{checkpoint}/{benchmark}",
        [text if index in first else None for index, text in enumerate(texts)],
        RANKS["texts"],
    )
    judged = [row.get("judgement") for row in rows]
    if any(text is not None for text in judged):
        parts.add(f"judged/{checkpoint}/{benchmark}", judged, RANKS["judged"])
    rest = [None if index in first else text for index, text in enumerate(texts)]
    if any(text is not None for text in rest):
        parts.add(f"rest/{checkpoint}/{benchmark}", rest, RANKS["rest"])


def columns(rows: Sequence[dict], places: Mapping[str, int]) -> dict:
    """The fields of graded rows as lists, booleans as 1 and 0; fields that no row has are omitted."""
    fields = ("sample", "turn", "tokens", "extracted", "error", "seed_of", "rating")
    flags = ("finished", "validation", *VERDICTS.values())
    made = {"q": [places[row["question_id"]] for row in rows]}
    made |= {key: [row.get(key) for row in rows] for key in fields}
    made |= {key: [number(row.get(key)) for row in rows] for key in flags}
    told = {key for key, values in made.items() if any(value is not None for value in values)}
    # A grader that found no answer in any row differs from one that never extracts (a judge, lm-eval).
    told |= {"extracted"} if any("extracted" in row for row in rows) else set()
    return {key: values for key, values in made.items() if key in told}


def number(value: bool | float | None) -> float | None:
    """A verdict as a number: 1 for true, 0 for false; shares and None are unchanged."""
    return int(value) if isinstance(value, bool) else value


def is_marked(row: Mapping) -> bool:
    """Whether an answer was cut off or its graders disagree."""
    verdicts = {bool(row[field]) for field in VERDICTS.values() if row.get(field) is not None}
    return not row.get("finished", True) or len(verdicts) > 1


def text_of(row: Mapping) -> str:
    """The model's output: its response, or all responses to lm-eval's requests, one per line."""
    said = row.get("response", row.get("responses"))
    return said if isinstance(said, str) else "\n".join(map(str, said or ()))


def left_out(results: Results, places: Mapping, unrated: Mapping, validation: Mapping) -> dict[str, dict]:
    """By table and benchmark: the indices of the questions that scoring.read_scores excludes for every row."""
    found: dict[str, dict[str, list[int]]] = {}
    for table, entry in results.study["tables"].items():
        shown = results.study.checkpoints_in(entry)
        for benchmark in results.study.benchmarks_in(entry["suites"]):
            keys = [(checkpoint, benchmark) for checkpoint in shown]
            without = set().union(*(unrated.get(key, set()) for key in keys))
            if entry["validation_questions"] == "exclude":
                without |= set().union(*(validation.get(key, set()) for key in keys))
            place = places.get(benchmark, {})
            if without and not place.keys() <= without:
                found.setdefault(table, {})[benchmark] = sorted(place[id] for id in without)
    return found
