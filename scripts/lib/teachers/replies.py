"""What an endpoint answered: the record that the journal keeps, and whether it can be used."""


def value_of(body: dict, request_characters: int, seconds: float) -> dict:
    """What the journal keeps of a response body.

    Raises:
        ValueError: the body is no chat completion.
    """
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise ValueError("no chat completion (it has no choices)")
    usage = body.get("usage") or {}
    choice = body["choices"][0] if body["choices"] else {}
    message = choice.get("message") or {}
    return {
        "text": message.get("content"),
        "refusal": message.get("refusal"),
        "finish": choice.get("finish_reason") if choice else "empty choices",
        "model": body.get("model"),
        "prompt_tokens": usage.get("prompt_tokens") or 0,
        "completion_tokens": usage.get("completion_tokens") or 0,
        "prompt_characters": request_characters,
        "seconds": round(seconds, 3),
    }


def problem_of(value: dict) -> str | None:
    """Why a response cannot be used, or None. It was paid for and stays in the journal all the same."""
    if value["finish"] == "empty choices":
        return "the teacher's response has no choices"
    if value["finish"] == "content_filter":
        return "the endpoint's content filter removed the response"
    if value["refusal"]:
        return "the teacher refused to answer"
    if value["finish"] == "length":
        return "cut off at max_tokens"
    if not (value["text"] or "").strip():
        return "empty response"
    return None
