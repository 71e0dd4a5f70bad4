"""What a judge is asked about one turn of a conversation, and how its rating is read."""

import re

from scripts.lib.generation.prompts import render
from scripts.lib.teachers.requests import Request, request_of

HIGHEST = 10
RATING = re.compile(r"\[\[\s*(\d+(?:\.\d+)?)\s*(?:/\s*10\s*)?\]\]")


def parse_rating(text: str) -> float | None:
    """The rating in double brackets, from 1 to 10; None if there is none, or two that differ.

    >>> parse_rating("Helpful, but one step is wrong. Rating: [[6]]")
    6.0
    """
    found = {float(number) for number in RATING.findall(text)}
    return found.pop() if len(found) == 1 and 1 <= min(found) <= HIGHEST else None


def judge_request(teacher: dict, question: dict, responses: list[str]) -> Request:
    """The request to judge the last of `responses`, the answers to the question's first turns."""
    turns = [
        {"question": asked, "response": response} for asked, response in zip(question["turns"], responses, strict=False)
    ]
    for turn, reference in zip(turns, question.get("reference") or (), strict=False):
        turn["reference"] = reference
    return request_of(teacher, render(teacher["judge_prompt"], turns=turns))
