"""Where a teacher is asked, and with which key."""

import os

from scripts.lib.jsonl import BadInput

OPENAI = "https://api.openai.com/v1"


def endpoint_of(slug: str, limits: dict) -> tuple[str, str]:
    """(base URL, key) of a teacher, from config and the environment.

    Raises:
        BadInput: the variable that shall hold the key is not set.
    """
    url = os.environ.get(limits["base_url_env"] or "") or limits["base_url"] or OPENAI
    name = limits["api_key_env"]
    if name is None:
        return url, "none"
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(
            f"teacher {slug}: the environment variable {name} is not set. Set it to the endpoint's key (export "
            f"{name}=…), or write teachers.{slug}.api_key_env: null for an endpoint that needs none."
        )
    return url, key
