"""What an endpoint answered: the record that the journal keeps, and whether and how it can be used.

Whatever the endpoint charged for is kept, readable or not: an unreadable answer is an error of its row, and is not
asked for again.
"""

import json
import math
import re
from typing import Any

TOO_DEEP = "it is nested too deeply"
CUT_OFF = "cut off at max_tokens"
THOUGHTS_ALONE = "thoughts, but no answer"
# Finish reasons that mean a complete answer; any other means an incomplete one.
ENDED = {"stop", "eos", "end_turn", "stop_sequence"}
AT_THE_LIMIT = {"length", "max_tokens", "model_length"}
FILTERED = re.compile(r"content_?filter|safety|recitation|blocklist|prohibited", re.IGNORECASE)
MOST_TOKENS = 10**9
# Thoughts start the text; if the prompt opened them, only their end tag is in it. Unclosed thoughts have no answer.
_OPENED = re.compile(r"\s*<think(?:ing)?>(?P<thoughts>.*?)(?:</think(?:ing)?>|\Z)", re.DOTALL)
_CLOSED = re.compile(r"(?P<thoughts>(?:(?!<think(?:ing)?>).)*?)</think(?:ing)?>", re.DOTALL)


class NoAnswer(ValueError):
    """A response with status 200 that is not an answer: a gateway's page, an error. A retry may get one."""


class _Unreadable(Exception):
    """An answer in an unknown format."""


def body_of_bytes(content: bytes) -> Any:
    """The JSON of a response; None if it is nested too deeply.

    Raises:
        NoAnswer: it is not JSON.
    """
    try:
        return json.loads(content.decode("utf-8-sig", "replace"), parse_int=_number)
    except RecursionError:
        return None
    except ValueError as error:
        raise NoAnswer(f"not JSON ({error})") from None


def _number(digits: str) -> float:
    """An integer; infinity if it has thousands of digits, which Python does not parse."""
    return int(digits) if len(digits) < 1000 else math.inf


def value_of(body: Any, request_characters: int, seconds: float) -> dict:
    """The journal record of a response's body. Its tokens are None if the endpoint does not report them.

    Raises:
        NoAnswer: it is not an answer, and nothing was charged.
    """
    if body is not None and not (isinstance(body, dict) and body.keys() & {"choices", "usage"}):
        error = body.get("error") if isinstance(body, dict) else None
        message = error.get("message") if isinstance(error, dict) else error
        raise NoAnswer(f"no chat completion: {message}" if message else "no chat completion (it has no choices)")
    fields, problem = {"text": None, "thoughts": None, "refusal": None, "finish": None}, None
    try:
        fields |= _fields_of(body)
    except _Unreadable as error:
        problem = str(error)
    except RecursionError:
        problem = TOO_DEEP
    model = body.get("model") if isinstance(body, dict) else None
    prompt, completion = _tokens_of(body, answered=bool(fields["text"]))
    return {
        **fields,
        **({"unreadable": problem} if problem else {}),
        "model": _text(model) if isinstance(model, str) else None,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_characters": request_characters,
        "seconds": round(seconds, 3),
    }


def unreadable_record(problem: str, request_characters: int, seconds: float) -> dict:
    """The journal record of an answer that could not be received."""
    return {**value_of({"choices": [None]}, request_characters, seconds), "unreadable": problem}


def _fields_of(body: Any) -> dict:
    """Text, thoughts, refusal and finish reason of the first choice."""
    if body is None:
        raise _Unreadable(TOO_DEEP)
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise _Unreadable(f"its choices are a {_kind(choices)}")
    if not choices:
        return {"finish": "empty choices"}
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise _Unreadable(
            f"its first choice has no message, but a {_kind(message if isinstance(choice, dict) else choice)}"
        )
    text, thoughts = _content_of(message.get("content"))
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return {
        "text": text,
        "thoughts": _text(reasoning) if isinstance(reasoning, str) else thoughts,
        "refusal": _text(message.get("refusal")) or None,
        "finish": _text(choice.get("finish_reason")),
    }


def _content_of(content: Any) -> tuple[str | None, str | None]:
    """(text, thoughts) of a message's content: a text, or a list of parts."""
    if content is None or isinstance(content, str):
        return _text(content), None
    if not isinstance(content, list):
        raise _Unreadable(f"its content is a {_kind(content)}")
    parts = [_part(part) for part in content]
    text, thoughts = ("".join(text for kind, text in parts if kind == wanted) for wanted in ("text", "thinking"))
    return _text(text), _text(thoughts) or None


def _part(part: Any) -> tuple[str, str]:
    """(`text` or `thinking`, the text) of one part of a content."""
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, dict):
        raise _Unreadable(f"its content has a {_kind(part)} for a part")
    thinking = part.get("type") == "thinking"
    text = part.get("thinking" if thinking else "text")
    if isinstance(text, list):
        text = _content_of(text)[0]
    if part.get("type", "text") not in ("text", "output_text", "thinking") or not isinstance(text, str):
        raise _Unreadable(f"its content has a part of type {part.get('type')!s:.40}")
    return "thinking" if thinking else "text", text


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _text(value: Any) -> str | None:
    """A text that UTF-8 can encode: a lone surrogate becomes U+FFFD, as in a decoder."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _tokens_of(body: Any, answered: bool) -> tuple[int | None, int | None]:
    """(prompt, completion) tokens as the endpoint counts them; both None if one is missing or impossible."""
    usage = body.get("usage") if isinstance(body, dict) else None
    counts = [usage.get(f"{name}_tokens") if isinstance(usage, dict) else None for name in ("prompt", "completion")]
    numbers = all(isinstance(count, int | float) and not isinstance(count, bool) for count in counts)
    # NaN is not within any bounds, and neither a prompt nor a text has 0 tokens.
    if not numbers or not all(
        least <= count <= MOST_TOKENS for count, least in zip(counts, (1, answered), strict=True)
    ):
        return None, None
    return int(counts[0]), int(counts[1])


def thoughts_and_answer(value: dict) -> tuple[str, str]:
    """(thoughts, answer) of a journal's record: a model's thoughts are not part of its answer.

    >>> thoughts_and_answer({"text": "<think>2 + 2 is 4.</think>Conclusion: right", "thoughts": None})
    ('2 + 2 is 4.', 'Conclusion: right')
    """
    thoughts, text, end = [value.get("thoughts") or ""], value["text"] or "", 0
    while end < len(text) and (part := _OPENED.match(text, end) or _CLOSED.match(text, end)):
        thoughts.append(part["thoughts"])
        end = part.end()
    return "\n".join(filter(None, (thought.strip() for thought in thoughts))), text[end:].lstrip() if end else text


def whole_text(thoughts: str, answer: str) -> str:
    """The thoughts followed by the answer, in the format of reasoning models."""
    return f"<think>\n{thoughts}\n</think>\n\n{answer}" if thoughts else answer


def problem_of(value: dict) -> str | None:
    """Why a response is unusable, or None. It was paid for and stays in the journal in any case."""
    finish, (thoughts, answer) = value["finish"], thoughts_and_answer(value)
    if value.get("unreadable"):
        return f"the response cannot be read: {value['unreadable']}"
    if finish == "empty choices":
        return "the teacher's response has no choices"
    if FILTERED.search(finish or ""):
        return "the endpoint's content filter removed the response"
    if value["refusal"]:
        return "the teacher refused to answer"
    if (finish or "").lower() in AT_THE_LIMIT:
        return CUT_OFF
    if (finish or "").lower() not in ENDED:
        return f"not a whole answer: the endpoint ended it with finish_reason {(finish or 'null')[:60]}"
    if not answer.strip():
        return THOUGHTS_ALONE if thoughts else "empty response"
    return None
