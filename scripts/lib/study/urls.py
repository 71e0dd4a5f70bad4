"""URLs hold no password and no key: those reach files, logs and command lines, and stay there."""

import re
from urllib.parse import parse_qsl, urlsplit

_SECRET = r"(?:key|token|secret|passw(?:or)?d|pwd|sig|signature|credentials?|auth)"
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#]*@")
_PARAMETER = re.compile(rf"([?&#;][^\s=&#;?]*{_SECRET}=)[^\s&#;'\"]+", re.IGNORECASE)


def secret_in(url: str) -> str | None:
    """The secret in a URL: "a user name or a password", or a parameter by its name; None if there is none.

    >>> secret_in("https://example.org/v1?key=abc")
    "the parameter 'key'"
    """
    if _USER.match(url):
        return "a user name or a password"
    parts = urlsplit(url.replace("[", "").replace("]", ""))
    for name, _ in parse_qsl(f"{parts.query}&{parts.fragment}"):
        if re.search(f"{_SECRET}$", name, re.IGNORECASE):
            return f"the parameter {name!r}"
    return None


def masked(text: str) -> str:
    """`text` in which no URL shows a user name, a password or the value of a secret parameter.

    >>> masked("https://me:pw@example.org/v1?key=abc&v=2")
    'https://***@example.org/v1?key=***&v=2'
    """
    return _PARAMETER.sub(r"\1***", _USER.sub(r"\1***@", text))
