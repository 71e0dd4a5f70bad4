"""What a teacher is asked about each row, and the key under which its answer is kept."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.lib.generation.prompts import Message, render
from scripts.lib.jsonl import content_key, each_row

SAMPLING = ("temperature", "top_p")


@dataclass(frozen=True)
class Request:
    """One question to a teacher; `key` names its answer in the journal."""

    key: str
    messages: list[Message]

    @property
    def characters(self) -> int:
        """Length of all messages."""
        return sum(len(message["content"]) for message in self.messages)


def request_of(teacher: dict, messages: list[Message], sample: int = 0) -> Request:
    """A request with `messages` to a teacher, according to its config entry."""
    sampling = {name: teacher[name] for name in (*SAMPLING, "max_tokens")}
    # Omitted if empty, so that the keys of answers that are already paid for do not change.
    sampling |= {"extra_body": teacher["extra_body"]} if teacher.get("extra_body") else {}
    return Request(content_key(teacher["model"], messages, sampling, sample), messages)


def body_of(teacher: dict, request: Request) -> dict:
    """The body of a chat-completion request."""
    sampling = {name: teacher[name] for name in SAMPLING if teacher[name] is not None}
    limit = {teacher["token_parameter"]: teacher["max_tokens"]}
    extra = teacher.get("extra_body") or {}
    return {"model": teacher["model"], "messages": request.messages, **sampling, **limit, **extra}


def critique_request(teacher: dict, row: dict) -> Request | None:
    """The request for a critique of a graded response; None if the row has an error."""
    if "error" in row:
        return None
    return request_of(teacher, render(teacher["critique_prompt"], question=row["question"], response=row["response"]))


def refine_request(teacher: dict, row: dict) -> Request | None:
    """The request to refine a response after its critique; None if the row has an error."""
    if "error" in row:
        return None
    shown = {key: row[key] for key in ("question", "response", "critique")}
    return request_of(teacher, render(teacher["refine_prompt"], **shown))


def questions(dataset: str | Path, settings: dict) -> Iterator[tuple[dict, Request]]:
    """(row, request) for each question and sample, in the order of the rows' ids."""
    teacher = settings["teacher"]
    for question in itertools.islice(each_row(dataset, required=("id", "question")), settings["rows"]):
        messages = render(teacher["answer_prompt"], question=question["question"])
        for sample in sorted(range(settings["samples"]), key=str):  # rows are in the order of their ids
            copied = {key: question[key] for key in ("question", "answer", "solution", "system") if key in question}
            row = {"id": f"{question['id']}#{sample}", "question_id": question["id"], "sample": sample, **copied}
            yield row, request_of(teacher, messages, sample)


def requests_of(section: str, file: str | Path, settings: dict) -> Iterator[Request | None]:
    """The requests of all rows of an entry of critiques, refinements or answers, as its jobs make them.

    Args:
        section: critiques, refinements or answers.
        file: the graded responses, the critiques, or the dataset.
        settings: teacher, rows (and samples).
    """
    if section == "answers":
        return (request for _, request in questions(file, settings))
    made = {"critiques": critique_request, "refinements": refine_request}[section]
    return (made(settings["teacher"], row) for row in itertools.islice(each_row(file), settings["rows"]))
