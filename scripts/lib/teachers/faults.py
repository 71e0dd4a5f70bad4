"""What a failed request means: worth another attempt, an error of its row, or an error of all rows."""

import re
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx2
import openai

from scripts.lib.study.urls import masked
from scripts.lib.teachers.endpoints import Endpoint

# Statuses from 400 that are worth a retry; all from 500 are.
PASSING = (408, 409, 425, 429)
# 429s that waiting does not resolve.
NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")
# 400s that concern one row only, which gets an error.
ROW_CODES = ("context_length_exceeded", "content_filter", "content_policy_violation", "string_above_max_length")
# "Too long for the model" as phrased by vLLM, llama.cpp, SGLang and TGI, in the message only.
TOO_LONG = re.compile(
    r"maximum (?:context|model|sequence) (?:length|size|window)|(?:context|model)(?:'s)? (?:length|size|window)"
    r"|too long to fit|max_tokens must be at least 1, got -|max_new_tokens`? must be <=",
    re.IGNORECASE,
)
ADVICE = {
    400: "Check teachers.{slug}: model, max_tokens, token_parameter, temperature, top_p and extra_body must suit the "
    "endpoint.",
    401: "The key in {key_env} is not accepted: check it, and that it belongs to {url}.",
    402: "The account has no credit left: add some at the provider.",
    403: "The key in {key_env} may not use model {model}: check the account's rights, or choose another model.",
    404: "There is no model {model} at {url}: check teachers.{slug}.model and base_url (it usually ends in /v1).",
    405: "{url} takes no chat completions: check teachers.{slug}.base_url (it usually ends in /v1).",
    429: "The account has no credit left, or its hard limit is reached: change that at the provider.",
}


def row_fault(error: Exception) -> str | None:
    """Why one row gets no answer, if other rows still may."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in (400, 413, 422):
        return None
    code = getattr(error, "code", None)
    if code in ROW_CODES:
        return f"refused by the endpoint: {code}"
    if error.status_code == 413 or TOO_LONG.search(str(error.message)):
        return "too long for the model"
    return None


def lasting_fault(error: Exception, slug: str, model: str, endpoint: Endpoint, key_env: str | None) -> str | None:
    """The problem and its fix, if every further request would fail the same way; None if one may succeed."""
    if isinstance(error, openai.APIStatusError):
        return _refusal(error, slug, model, endpoint, key_env)
    for cause in _causes(error):
        advice = _fault_on_the_way(cause, slug, endpoint)
        if advice:
            return advice
    return None


def _refusal(
    error: openai.APIStatusError, slug: str, model: str, endpoint: Endpoint, key_env: str | None
) -> str | None:
    status = error.status_code
    if 300 <= status < 400:
        target = masked(error.response.headers.get("location", "nowhere"))
        return (
            f"{endpoint.shown} answers {status} and points to {target}. Prompts and key are sent only to base_url: if "
            f"the new address is right, write it into teachers.{slug}.base_url (up to /v1)."
        )
    if status >= 500 or status in PASSING and getattr(error, "code", None) not in NO_CREDIT:
        return None
    advice = ADVICE.get(status, ADVICE[400]).format(
        slug=slug, url=endpoint.shown, model=model, key_env=key_env or "no environment variable"
    )
    return f"the endpoint answered {status}: {one_line(error)} {advice}"


def _fault_on_the_way(cause: BaseException, slug: str, endpoint: Endpoint) -> str | None:
    """The same for a fault that kept the request from being answered."""
    where = f"teachers.{slug}.base_url"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"TLS: the certificate of {endpoint.shown} is not accepted: {cause.verify_message}. Check {where}; for an "
            "authority of your own set SSL_CERT_FILE to the file with its certificate."
        )
    if isinstance(cause, ssl.SSLError) and re.search("WRONG_VERSION|RECORD_LAYER|HTTP_REQUEST", str(cause.reason)):
        return (
            f"TLS: what answers at {endpoint.shown} does not speak it. Write http:// in {where}, or correct the port."
        )
    if isinstance(cause, ssl.SSLError) and "ALERT" in str(cause.reason):
        return f"TLS: {endpoint.shown} refuses the connection: {cause.reason}. Check {where} and the port."
    if isinstance(cause, socket.gaierror) and cause.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
        return f"no host has the name in {endpoint.shown}. Correct {where}, or check the network."
    if isinstance(cause, httpx2.ProxyError):
        return f"the proxy refuses: {masked(str(cause))}. Check ALL_PROXY, HTTPS_PROXY and HTTP_PROXY."
    if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError | httpx2.InvalidURL | UnicodeError):
        return f"the request cannot be made: {one_line(cause)} Check {where} and the key."
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def one_line(error: BaseException) -> str:
    """An error's message, as one short line that ends in a full stop."""
    text = " ".join(masked(str(getattr(error, "message", None) or error)).split())
    cause = next((cause for cause in list(_causes(error))[1:] if str(cause)), None)
    if isinstance(error, openai.APIConnectionError) and cause is not None:
        text = f"{text.rstrip('.')} ({' '.join(masked(str(cause)).split())})"
    return f"{type(error).__name__}: {shown(text[:300]).rstrip('.')}."


def shown(text: str) -> str:
    """An endpoint's message, without terminal control characters and lone surrogates."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def retry_after(headers) -> float | None:
    """Seconds to wait according to a response's headers (Retry-After as a number or a date, or in milliseconds)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time.time()
            except ValueError:
                continue
        if seconds == seconds:
            return max(0.0, seconds)
    return None
