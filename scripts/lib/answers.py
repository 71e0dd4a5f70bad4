"""Final answers: where they stand in a text and what they look like without their decoration."""

import re


def extract(text: str) -> str | None:
    """The final answer of `text`, or None where it has none."""
    start = text.rfind("\\boxed{")
    if start >= 0:
        depth = 0
        for index in range(start + 6, len(text)):
            depth += (text[index] == "{") - (text[index] == "}")
            if depth == 0:
                return text[start + 7 : index]
    numbers = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return numbers[-1] if numbers else None
