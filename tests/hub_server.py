"""A loopback stand-in for what an upload uses of the hub's API: repositories, and one commit of small files."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_planted_in_a_test"  # noqa: S105


class HubServer:
    """Holds what was uploaded: `repos` by (kind, name) to whether it is private, `files` by name to bytes."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], bool] = {}
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.url = ""

    def answer(self, path: str, body: bytes, token: str) -> tuple[int, dict]:
        """The status and the value that a POST is answered with."""
        if token != TOKEN:
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            if not name.startswith("me/"):
                return 403, {"error": "You don't have the rights to create a model under this namespace"}
            self.repos.setdefault((asked.get("type", "model"), name), asked["visibility"] == "private")
            return 200, {"url": f"{self.url}/{name}", "name": name}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            kept = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for file in files
            ]
            return 200, {"files": kept}
        if "/commit/" in path:
            self.commits += 1
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return 200, {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/me/x/commit/{'0' * 40}"}
        return 404, {"error": f"{path}: not in this stand-in"}


@contextmanager
def serving(hub: HubServer) -> Iterator[str]:
    """The hub's URL while it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, value = hub.answer(self.path, body, self.headers.get("Authorization", "").removeprefix("Bearer "))
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub.url
    finally:
        server.shutdown()
        server.server_close()
