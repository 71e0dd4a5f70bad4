"""A teacher's endpoint and key, and the client that keeps limits of time and size."""

import asyncio
import os
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import httpx2
import openai

from scripts.lib.jsonl import BadInput
from scripts.lib.study.urls import masked

OPENAI = "https://api.openai.com/v1"
MOST_BYTES = 8_000_000  # of one response; 128,000 tokens of escaped text are 3 MB
SHORTEST_KEY = 6  # shorter ones ("x", "EMPTY") are not secrets, but parts of many words
UPLOAD_S = 3600.0  # for a batch's file
# Headers about the transfer of a body: they are wrong once it has been read.
_TRANSPORT_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


@dataclass(frozen=True)
class Endpoint:
    """The endpoint of a teacher.

    Attributes:
        url: the base URL, without its query.
        query: the URL's query, sent with each request (Azure's api-version).
        key: the API key; None if the endpoint needs none.
    """

    url: str
    query: dict[str, str]
    key: str | None

    @property
    def shown(self) -> str:
        """The URL for messages and records, without a password."""
        return masked(self.url)

    @property
    def headers(self) -> dict[str, str]:
        """Azure expects keys in its own header."""
        return {"api-key": self.key} if self.key and "api-version" in self.query else {}

    def without_secrets(self, text: str) -> str:
        """`text` without the key and without secrets in URLs."""
        secret = self.key and len(self.key) >= SHORTEST_KEY
        return masked(text.replace(self.key, "<key>") if secret else text)


def endpoint_of(slug: str, limits: dict) -> Endpoint:
    """The endpoint of a teacher, from config and the environment.

    Raises:
        BadInput: the URL is invalid, or the variable for the key is unset or has no key.
    """
    url, source = _url_of(slug, limits)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(httpx2.URL(url).host) and not re.search(r"\s", url)
    except (ValueError, httpx2.InvalidURL):
        sound = False
    if not sound:
        raise BadInput(
            f"teacher {slug}: {masked(url)!r}, from {source}, is not a URL. Write http:// or https://, the host, and "
            "the path: it usually ends in /v1."
        )
    return Endpoint(
        urlunsplit(parts._replace(query="", fragment="")), dict(parse_qsl(parts.query)), _key_of(slug, limits)
    )


def _url_of(slug: str, limits: dict) -> tuple[str, str]:
    """(base URL, its origin)."""
    for name in (limits["base_url_env"], None if limits["base_url"] else "OPENAI_BASE_URL"):
        if name and os.environ.get(name, "").strip():
            return os.environ[name].strip(), f"the environment variable {name}"
    return limits["base_url"] or OPENAI, f"teachers.{slug}.base_url"


def _key_of(slug: str, limits: dict) -> str | None:
    name = limits["api_key_env"]
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise BadInput(
            f"teacher {slug}: the environment variable {name} is not set. Set it to the endpoint's key (export "
            f"{name}=…), or write teachers.{slug}.api_key_env: null for an endpoint that needs none."
        )
    odd = next((number for number, letter in enumerate(key, 1) if not "!" <= letter <= "~"), None)
    if odd:
        raise BadInput(
            f"teacher {slug}: character {odd} of the {len(key)} in the environment variable {name} cannot be part of a "
            "key: a blank, a line break or a character outside ASCII. Copy the key again."
        )
    return key


class TooLarge(Exception):
    """A response has more than MOST_BYTES."""

    def __str__(self) -> str:
        return f"a response of more than {MOST_BYTES // 10**6} MB"


class LimitedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that aborts responses that take too long in total or are too large, and follows no redirects.

    The library's timeouts apply to each read: one byte every half second would keep it waiting forever. A redirect
    would send the prompts and the key to a host that nobody named.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(timeout=httpx2.Timeout(seconds, connect=min(30.0, seconds)), follow_redirects=False)
        self.seconds = seconds

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options) -> httpx2.Response:
        """Sends a request; without `stream`, reads the whole response."""
        options["follow_redirects"] = False
        seconds = max(self.seconds, UPLOAD_S) if request.url.path.endswith("/files") else self.seconds
        try:
            async with asyncio.timeout(seconds):
                response = await super().send(request, stream=True, **options)
                return response if stream and response.is_success else await _whole(response)
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no whole response in {seconds:g} s", request=request) from None


async def _whole(response: httpx2.Response) -> httpx2.Response:
    """Reads the response; of an error, at most MOST_BYTES.

    Raises:
        TooLarge: it is an answer larger than MOST_BYTES.
    """
    body = bytearray()
    try:
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                break
    finally:
        await response.aclose()
    if len(body) > MOST_BYTES and response.is_success:
        raise TooLarge
    headers = [
        (name, value) for name, value in response.headers.multi_items() if name.lower() not in _TRANSPORT_HEADERS
    ]
    content = bytes(body[:MOST_BYTES])
    return httpx2.Response(response.status_code, headers=headers, content=content, request=response.request)


def client_of(slug: str, endpoint: Endpoint, seconds: float, retries: int) -> openai.AsyncOpenAI:
    """A client of the endpoint.

    Args:
        slug: the teacher's name, for messages.
        endpoint: the endpoint.
        seconds: time limit of one request, from its start to the last byte of the response.
        retries: number of retries by the SDK.

    Raises:
        BadInput: the proxy or certificates from the environment cannot be used.
    """
    try:
        http = LimitedClient(seconds)
    except ImportError:
        raise BadInput(
            f"teacher {slug}: the environment names a SOCKS proxy (ALL_PROXY, HTTPS_PROXY), and the package for it is "
            'not installed. Install it (pip install "httpx2[socks]"), or unset the variable.'
        ) from None
    except (ValueError, OSError, httpx2.InvalidURL) as error:
        raise BadInput(
            f"teacher {slug}: {endpoint.without_secrets(str(error))}. Check the environment's proxies (ALL_PROXY, "
            "HTTPS_PROXY, HTTP_PROXY) and certificates (SSL_CERT_FILE, SSL_CERT_DIR)."
        ) from None
    return openai.AsyncOpenAI(
        api_key=endpoint.key or "none",
        base_url=endpoint.url,
        default_query=endpoint.query,
        default_headers=endpoint.headers,
        max_retries=retries,
        timeout=http.timeout,
        http_client=http,
    )
