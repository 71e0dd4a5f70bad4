"""A loopback server that speaks the chat, files and batches parts of the OpenAI API, with faults on demand.

Which fault a request meets depends on its content and on how often it was asked, so that a run can be repeated.

    python -m tests.fault_server --port 8123 --latency 0.5
"""

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FAULTS = ("429", "429-now", "500", "503", "408", "slow", "reset", "half", "not-json")
# What a Batches endpoint says where more waits than the account may have waiting.
NO_ROOM = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached for this model. Try again later."}


@dataclass
class FaultServer:
    """Counts what it was asked and what it delivered; `url` is the base URL.

    Args:
        latency: seconds until an answer.
        share: share of first attempts that meet one of `faults`; a later attempt meets one with the same share.
        answer: (last message's text) → (text, finish reason); finish "empty" gives no choices.
        status: what every request is answered with, in place of an answer (401 …).
        message: the error message of such a refusal.
        raw: (body of the request) → the bytes of a response with status 200, or None for the usual one.
        location: where every request is redirected to, with status 307.
        api_version: where it is set, requests without it in the query get a 404, as Azure answers them.
        most_waiting: most requests in batches under way; a batch beyond it fails as one beyond the token limit does.
        lost: ids of files and batches that the endpoint does not know any more.
        output: (lines of a batch's output) → the bytes of its file.
    """

    latency: float = 0.0
    share: float = 0.0
    faults: tuple[str, ...] = FAULTS
    retry_after: str = "0.1"
    answer: Callable[[str], tuple[str, str]] = lambda text: (f"Fine: {text[:20]}\nConclusion: right [END]", "stop")
    status: int = 200
    code: str | None = None
    message: str | None = None
    raw: Callable[[dict], bytes | None] = lambda body: None
    location: str | None = None
    api_version: str | None = None
    most_waiting: int = 10**9
    lost: set[str] = field(default_factory=set)
    output: Callable[[list[bytes]], bytes] = lambda lines: b"".join(line + b"\n" for line in lines)
    paths: Counter = field(default_factory=Counter)
    headers: list[dict] = field(default_factory=list)
    hang_s: float = 30.0
    seen: Counter = field(default_factory=Counter)  # by content: times asked
    delivered: Counter = field(default_factory=Counter)  # by content: times fully sent
    arrivals: list[tuple[float, str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    bodies: list[dict] = field(default_factory=list)
    keep_bodies: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict] = field(default_factory=dict)
    # (number of the batch, its requests) → its final status, and the custom ids to leave out
    batch_outcome: Callable[[int, list[dict]], tuple[str, set[str]]] = lambda number, requests: ("completed", set())
    batch_polls: int = 1  # polls until a batch ends
    after_batch: Callable[[], None] = lambda: None  # called once a batch is made, before its id is sent

    def __enter__(self) -> "FaultServer":
        self._ids = itertools.count(1)
        ready = threading.Event()

        def serve() -> None:
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)

            async def start() -> None:
                self.server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=2**24)
                self.port = self.server.sockets[0].getsockname()[1]

            self.loop.run_until_complete(start())
            self.loop.call_soon(ready.set)  # within run_forever, which alone can be stopped
            self.loop.run_forever()
            self.server.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        assert ready.wait(10)
        return self

    port: int = 0

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        assert not self.thread.is_alive(), "the server does not end"

    # --- HTTP -----------------------------------------------------------------------------------------------------

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        if first == b"\x16":  # a greeting in TLS
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            return False
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length") or 0))
        path, _, query = path.partition("?")
        path = path.removeprefix("/v1")
        self.paths[path] += 1
        self.headers.append(headers)
        if self.location:
            return await self._send(writer, 307, b"", f"Location: {self.location}\r\n")
        if self.api_version and f"api-version={self.api_version}" not in query:
            return await self._send(writer, 404, {"error": {"code": "404", "message": "Resource not found"}})
        if self.status in (401, 403) and path != "/chat/completions":
            return await self._send(writer, self.status, self._refusal(headers))
        if path.endswith("/chat/completions"):
            return await self._chat(json.loads(body), headers, writer)
        if method == "POST" and path == "/files":
            name = f"file-{next(self._ids)}"
            boundary = headers["content-type"].split("boundary=")[1].strip('"').encode()
            part = next(p for p in body.split(b"--" + boundary) if b'filename="' in p)
            self.files[name] = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
            return await self._send(writer, 200, {"id": name, "object": "file", "purpose": "batch", "bytes": len(body)})
        name = path.split("/")[2] if path.count("/") >= 2 else ""
        if name and (name in self.lost or name not in self.files.keys() | self.batches.keys()):
            error = {"message": f"No such object: {name}", "type": "invalid_request_error", "code": None}
            return await self._send(writer, 404, {"error": error})
        if method == "GET" and path.startswith("/files/"):
            return await self._send(writer, 200, self.files[path.split("/")[2]])
        if method == "POST" and path == "/batches":
            made = self._make_batch(json.loads(body))
            self.after_batch()
            return await self._send(writer, 200, made)
        if path == "/batches":
            found = list(self.batches.values())[::-1]
            return await self._send(writer, 200, {"object": "list", "data": found, "has_more": False})
        if path.startswith("/batches/"):
            return await self._send(writer, 200, self._poll(path.split("/")[2]))
        return await self._send(writer, 404, {"error": {"message": f"no such path {path}"}})

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: dict | bytes, headers: str = "", cut: int | None = None
    ) -> bool:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
        writer.write(head.encode() + data[:cut])
        await writer.drain()
        return True

    # --- chat -----------------------------------------------------------------------------------------------------

    async def _chat(self, body: dict, headers: dict, writer: asyncio.StreamWriter) -> bool:
        content = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
        self.seen[content] += 1
        self.arrivals.append((time.monotonic(), content))
        if self.keep_bodies:
            self.bodies.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
            if self.status != 200:
                return await self._send(writer, self.status, self._refusal(headers))
            return await self._fault(self._fault_of(content), body, content, writer)
        finally:
            self.in_flight -= 1

    def _refusal(self, headers: dict) -> dict:
        """An error that repeats the key, as careless endpoints do."""
        message = self.message or f"refused; you sent {headers.get('authorization')}"
        return {"error": {"message": message, "code": self.code}}

    def _fault_of(self, content: str) -> str | None:
        """The fault of this attempt, drawn from content and number of the attempt."""
        draw = hashlib.sha256(f"{content}:{self.seen[content]}".encode()).digest()
        return self.faults[draw[1] % len(self.faults)] if draw[0] < 256 * self.share else None

    async def _fault(self, fault: str | None, body: dict, content: str, writer: asyncio.StreamWriter) -> bool:
        reply = self._reply(body)
        if fault == "429":
            wait = f"Retry-After: {self.retry_after}\r\n"
            return await self._send(writer, 429, {"error": {"message": "slow down"}}, wait)
        if fault in ("429-now", "500", "503", "408"):
            return await self._send(writer, int(fault[:3]), {"error": {"message": "try again"}})
        if fault == "slow":
            await asyncio.sleep(4 * self.latency + 0.2)
        if fault == "hang":
            await asyncio.sleep(self.hang_s)
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault == "half":
            await self._send(writer, 200, reply, cut=40)
            writer.transport.abort()
            return False
        if fault == "drip":
            return await self._drip(writer)
        if fault == "huge":
            return await self._pour(writer)
        if fault == "not-json":
            return await self._send(writer, 200, b"<html>Bad gateway</html>")
        raw = self.raw(body)
        await self._send(writer, 200, reply if raw is None else raw)
        self.delivered[content] += 1
        return True

    async def _drip(self, writer: asyncio.StreamWriter) -> bool:
        """A body that comes byte by byte and never ends: no read of it takes long."""
        writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    async def _pour(self, writer: asyncio.StreamWriter) -> bool:
        """A body of a gigabyte."""
        writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" " * 10**6)
            await writer.drain()
        return False

    def _reply(self, body: dict) -> dict:
        text, finish = self.answer(body["messages"][-1]["content"])
        prompt = sum(len(message["content"]) for message in body["messages"])
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
        return {
            "id": f"chat-{next(self._ids)}",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [] if finish == "empty" else [choice],
            "usage": {"prompt_tokens": prompt // 4, "completion_tokens": 20, "total_tokens": prompt // 4 + 20},
        }

    # --- batches --------------------------------------------------------------------------------------------------

    def _make_batch(self, body: dict) -> dict:
        name = f"batch-{next(self._ids)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": body["endpoint"],
            "completion_window": "24h",
            "created_at": 0,
            "input_file_id": body["input_file_id"],
            "metadata": body.get("metadata"),
            "status": "in_progress",
            "requests": len(self.files[body["input_file_id"]].splitlines()),
            "polls": 0,
        }
        return self.batches[name]

    def _poll(self, name: str) -> dict:
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["polls"] < self.batch_polls or batch["status"] != "in_progress":
            return batch
        requests = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        number = list(self.batches).index(name)
        batch["status"], left_out = self.batch_outcome(number, requests)
        waiting = [other for other in self.batches.values() if other["status"] == "in_progress" or other is batch]
        if sum(other["requests"] for other in waiting) > self.most_waiting:
            batch["status"], batch["errors"] = "failed", {"object": "list", "data": [NO_ROOM]}
            return batch
        if batch["status"] == "failed":
            batch["errors"] = {"object": "list", "data": [{"message": "the file is not valid", "code": "invalid"}]}
            return batch
        lines = {"output_file_id": [], "error_file_id": []}
        for request in requests:
            self.seen[request["custom_id"]] += 1
            if request["custom_id"] in left_out:
                lines["error_file_id"].append(
                    {"custom_id": request["custom_id"], "response": None, "error": {"code": "batch_expired"}}
                )
                continue
            self.delivered[request["custom_id"]] += 1
            reply = {"status_code": 200, "body": self._reply(request["body"])}
            lines["output_file_id"].append({"custom_id": request["custom_id"], "response": reply, "error": None})
        for key, found in lines.items():
            if found:
                batch[key] = f"file-{next(self._ids)}"
                self.files[batch[key]] = self.output([json.dumps(line).encode() for line in found])
        return batch


@contextlib.contextmanager
def running(**options) -> Iterator[FaultServer]:
    """A server while the block runs."""
    with FaultServer(**options) as server:
        yield server


def main() -> None:
    """Serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until an answer")
    parser.add_argument("--share", type=float, default=0.0, help="share of attempts that meet a fault")
    args = parser.parse_args()
    with FaultServer(port=args.port, latency=args.latency, share=args.share) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
