"""Where teachers are asked: addresses, keys, proxies, TLS, redirects; and what is told at once, after one request."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts.lib.jsonl import BadInput
from scripts.lib.study.resolve import ConfigError
from scripts.lib.study.urls import masked, secret_in
from scripts.lib.teachers import live
from scripts.lib.teachers.endpoints import endpoint_of
from scripts.lib.teachers.requests import body_of, request_of
from tests.fault_server import FaultServer
from tests.teacher_desk import KEY, LIMITS, TEACHER, Desk, graded

SECRETS = {
    "https://me:hunter2@api.example.org/v1": "a user name or a password",
    "https://token@api.example.org/v1": "a user name or a password",
    "https://api.example.org/v1?key=hunter2": "the parameter 'key'",
    "https://api.example.org/v1?v=1&api_key=hunter2": "the parameter 'api_key'",
    "https://api.example.org/v1?X-Amz-Signature=hunter2": "the parameter 'X-Amz-Signature'",
    "https://api.example.org/v1?subscription-key=hunter2": "the parameter 'subscription-key'",
    "https://api.example.org/v1#access_token=hunter2": "the parameter 'access_token'",
}


@pytest.mark.parametrize("url, secret", SECRETS.items())
def test_secret_in_a_url_is_refused_in_the_config_and_not_shown(small, url: str, secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        small.resolve(f"teachers: {{api: {{kind: openai, model: m, base_url: '{url}'}}}}")
    said = str(caught.value)
    assert "config.yaml: teachers.api.base_url: the URL holds" in said and secret in said and "base_url_env" in said
    assert "hunter2" not in said and "token@" not in said
    assert "hunter2" not in masked(f"Error: {url} is down")


def test_secret_in_any_url_of_a_config_is_refused(small) -> None:
    with pytest.raises(ConfigError, match="datasets.more.path: the URL holds"):
        small.resolve("datasets: {more: {source: jsonl, path: 'https://me:pw@host/x', rows: 3, fields: {question: q}}}")


def test_secret_in_a_url_that_is_wrong_otherwise_is_not_shown_either(small) -> None:
    with pytest.raises(ConfigError) as caught:
        small.resolve("teachers: {api: {kind: openai, model: m, base_url: 'ftp://me:hunter2@api.example.org/v1'}}")
    assert "hunter2" not in str(caught.value) and "ftp://***@api.example.org" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://x.openai.azure.com/openai/deployments/d?api-version=2024-06-01", "http://h/a@b"]
)
def test_url_without_a_secret_is_none(url: str) -> None:
    assert secret_in(url) is None and masked(url) == url


# --- settings in the environment --------------------------------------------------------------------------------------


def test_openai_base_url_is_asked_where_the_config_names_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer() as server, FaultServer() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert len(desk.run(server, base_url=None)) == 20 == sum(server.seen.values())
        desk.run(other, teacher={"temperature": 0.9}, base_url=other.url)
        assert sum(other.seen.values()) == 20  # what the config names wins


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://host/v1", "http://", "http://[::1/v1", "http://h:port/v1", "http://h/v 1"]
)
def test_address_that_is_none_is_told_before_any_request(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("REDPEN_TEST_KEY", KEY)
    with pytest.raises(BadInput, match=r"from the environment variable OPENAI_BASE_URL, is not a URL. Write http://"):
        endpoint_of("t", LIMITS)


@pytest.mark.parametrize("odd", ["ключ", "sk 1", "sk\n1", "sk-\u200b1"])
def test_key_with_an_odd_character_is_told_and_not_shown(desk: Desk, odd: str, monkeypatch) -> None:
    monkeypatch.setenv("REDPEN_TEST_KEY", odd)
    with FaultServer() as server, pytest.raises(BadInput) as caught:
        desk.run(server)
    assert "REDPEN_TEST_KEY cannot be part of a key" in str(caught.value) and odd not in str(caught.value)
    assert not server.seen


def test_socks_proxy_without_its_package_is_told_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:hunter2@127.0.0.1:1080")
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    with pytest.raises(BadInput, match=r'pip install "httpx2\[socks\]"') as caught:
        desk.run(FaultServer())
    assert "hunter2" not in str(caught.value)


def test_password_in_the_environment_is_used_and_never_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(status=404, message="not here") as server, pytest.raises(BadInput) as caught:
        monkeypatch.setenv("REDPEN_URL", server.url.replace("://", "://me:hunter2@"))
        desk.run(server, base_url_env="REDPEN_URL")
    assert "***@127.0.0.1" in str(caught.value) and "hunter2" not in str(caught.value)


def test_azure_gets_its_version_and_its_header(desk: Desk) -> None:
    with FaultServer(api_version="2024-06-01") as server:
        url = server.url.replace("/v1", "/openai/deployments/d?api-version=2024-06-01")
        rows = desk.run(server, base_url=url)
    assert [row["verdict"] for row in rows] == ["right"] * 20
    assert set(server.paths) == {"/openai/deployments/d/chat/completions"}
    assert {headers["api-key"] for headers in server.headers} == {KEY}


# --- permanent errors are reported after one request ------------------------------------------------------------------

LASTING = [
    (400, None, "must suit the endpoint"),
    (401, None, "REDPEN_TEST_KEY is not accepted"),
    (402, "Insufficient Balance", "no credit left"),
    (404, None, "There is no model m-1"),
    (405, None, "takes no chat completions"),
    (429, "insufficient_quota", "no credit left"),
]


@pytest.mark.parametrize("status, code, advice", LASTING, ids=[str(status) for status, _, _ in LASTING])
def test_endpoint_is_asked_once_before_the_many(desk: Desk, status: int, code, advice: str) -> None:
    desk.set_rows(graded(200))
    with FaultServer(status=status, code=code) as server, pytest.raises(BadInput) as caught:
        desk.run(server)
    assert advice in str(caught.value) and sum(server.seen.values()) == 1
    assert status != 402 or "max_tokens" not in str(caught.value)


def test_first_answer_that_takes_long_is_not_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Server(FaultServer):
        async def _chat(self, body, headers, writer):
            if not self.seen:  # the first one is answered once all others have been asked
                self.seen["first"] += 1
                while len(self.arrivals) < 19:
                    await asyncio.sleep(0.01)
            return await super()._chat(body, headers, writer)

    monkeypatch.setattr(live, "HEAD_START_S", 0.2)
    with Server() as server:
        assert len(desk.run(server)) == 20
    assert len(server.arrivals) == 20


def test_redirect_to_another_host_is_refused_and_nothing_reaches_it(desk: Desk) -> None:
    with FaultServer() as other, FaultServer(location=f"{other.url}/chat/completions") as server:
        for mode in ("live", "batch"):
            with pytest.raises(BadInput) as caught:
                desk.run(server, mode=mode)
            assert "points to" in str(caught.value) and "teachers.t.base_url" in str(caught.value)
        assert not other.paths and sum(server.paths.values()) == 2


def test_no_tls_at_the_port_is_named_at_once(desk: Desk) -> None:
    with (
        FaultServer() as server,
        pytest.raises(BadInput, match="TLS: what answers at .* does not speak it. Write http"),
    ):
        desk.run(server, base_url=server.url.replace("http:", "https:"))


@pytest.fixture
def own_certificate(tmp_path: Path):
    """A port of loopback that speaks TLS with a certificate that nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    files = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


def test_host_that_is_not_there_is_told_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for mode in ("live", "batch"):
        start = time.monotonic()
        with pytest.raises(BadInput, match=r"no host has the name in http://none\.invalid/v1"):
            desk.run(FaultServer(), mode=mode, base_url="http://none.invalid/v1")
        assert time.monotonic() - start < 10


def test_certificate_that_nobody_signed_is_named_at_once(desk: Desk, own_certificate: str) -> None:
    with pytest.raises(BadInput, match="TLS: the certificate of .* is not accepted: self.signed.*SSL_CERT_FILE"):
        desk.run(FaultServer(), base_url=own_certificate)


def test_port_where_nobody_listens_ends_after_the_first_request(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(live, "LONGEST_WAIT_S", 0.01)
    with FaultServer() as server:
        url = server.url
    with pytest.raises(BadInput, match=r"the first request got no answer in 8 attempts.*APIConnectionError"):
        desk.run(server, base_url=url)


TOO_LONG = {
    "vLLM": "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens (100 in the "
    "messages, 2000 in the completion). Please reduce the length of the messages or completion.",
    "vLLM, completion": "'max_tokens' or 'max_completion_tokens' is too large: 3200. This model's maximum context "
    "length is 2048 tokens and your request has 100 input tokens (3200 > 2048 - 100).",
    "vLLM, prompt": "The decoder prompt (length 5000) is longer than the maximum model length of 2048.",
    "vLLM, fit": "The prompt (total length 25938) is too long to fit into the model (context length 4096).",
    "vLLM, old": "max_tokens must be at least 1, got -186.",
    "llama.cpp": "the request exceeds the available context size. try increasing the context size",
}


@pytest.mark.parametrize("message", TOO_LONG.values(), ids=TOO_LONG)
def test_too_long_for_the_model_is_the_error_of_its_row_whoever_says_it(desk: Desk, message: str) -> None:
    class Server(FaultServer):
        async def _chat(self, body, headers, writer):
            if "What is 3 " in body["messages"][-1]["content"]:
                error = {"object": "error", "message": message, "type": "BadRequestError", "code": 400}
                return await self._send(writer, 400, {"error": error})
            return await super()._chat(body, headers, writer)

    with Server() as server:
        rows = desk.run(server, max_errors=0.5)
    assert [row["error"] for row in rows if "error" in row] == ["too long for the model"]


# --- further parameters -----------------------------------------------------------------------------------------------


def test_further_parameters_are_sent_and_are_part_of_the_key(desk: Desk) -> None:
    extra = {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}
    with FaultServer(keep_bodies=True) as server:
        desk.run(server)
        desk.run(server, teacher={"extra_body": extra})
        desk.run(server, teacher={"extra_body": {}})
        assert sum(server.seen.values()) == 40
    assert "top_k" not in server.bodies[0]
    assert {key: server.bodies[-1][key] for key in extra} == extra


def test_no_further_parameters_change_no_key_and_no_body() -> None:
    messages = [{"role": "user", "content": "2 + 2?"}]
    plain = {key: value for key, value in TEACHER.items() if key != "extra_body"}
    assert request_of(TEACHER, messages) == request_of(plain, messages)
    assert body_of(TEACHER, request_of(TEACHER, messages)) == body_of(plain, request_of(plain, messages))


@pytest.mark.parametrize("name, way_out", [("temperature", "has a key for it"), ("n", "one whole answer is read")])
def test_further_parameter_that_would_shadow_another_is_refused(small, name: str, way_out: str) -> None:
    with pytest.raises(ConfigError) as caught:
        small.resolve(f"teachers: {{api: {{kind: openai, model: m, extra_body: {{{name}: 2}}}}}}")
    assert f"config.yaml: teachers.api.extra_body.{name}: " in str(caught.value) and way_out in str(caught.value)


def test_further_parameters_of_the_config_reach_the_job(small) -> None:
    from scripts.lib.study.settings import deciding

    study = small.resolve("teachers: {api: {kind: openai, model: m, extra_body: {top_k: 20}, with_thoughts: true}}")
    teacher = deciding(study["teachers"]["api"])
    assert teacher["extra_body"] == {"top_k": 20} and teacher["with_thoughts"] is True
    assert json.dumps(teacher)
