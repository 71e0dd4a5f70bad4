"""Headless Chromium, where it is installed: a page as it stands after its scripts have run."""

import html.parser
import http.server
import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "no chromium here (Debian: apt-get install chromium)"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
OWN = "not an origin"  # the initiator of the browser's own requests
VOID = {"meta", "link", "img", "input", "br", "hr", "line", "rect", "path"}


@dataclass
class Element:
    """An element of a page: tag, attributes, children (elements and texts)."""

    tag: str
    attributes: dict[str, str | None]
    children: list = field(default_factory=list)

    def all(self, tag: str | None = None, **attributes: str) -> Iterator["Element"]:
        """The elements below with this tag and these attributes (`data_show` stands for `data-show`)."""
        wanted = {name.replace("_", "-").removesuffix("-"): value for name, value in attributes.items()}
        for child in self.children:
            if isinstance(child, Element):
                if tag in (None, child.tag) and all(
                    child.attributes.get(key) == value for key, value in wanted.items()
                ):
                    yield child
                yield from child.all(tag, **attributes)

    def one(self, tag: str | None = None, **attributes: str) -> "Element":
        """The first of them; raises StopIteration if there is none."""
        return next(self.all(tag, **attributes))

    @property
    def text(self) -> str:
        """All text below."""
        return "".join(child.text if isinstance(child, Element) else child for child in self.children)


class _Builder(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        made = Element(tag, dict(attrs))
        self.open[-1].children.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_endtag(self, tag):
        while len(self.open) > 1 and tag in [one.tag for one in self.open]:
            if self.open.pop().tag == tag:
                break

    def handle_data(self, data):
        self.open[-1].children.append(data)


def parsed(text: str) -> Element:
    """A page's text as elements."""
    builder = _Builder()
    builder.feed(text)
    return builder.root


class Browser:
    """A new browser for each page, with its own folder; `requests` collects the addresses that pages requested."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []

    def shown(self, file: Path, fragment: str = "", *more: str) -> Element:
        """The page after its scripts have run (its clock runs ahead while it waits)."""
        log = self.folder / "net.json"
        with tempfile.TemporaryDirectory(dir=self.folder) as profile:
            call = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", f"--log-net-log={log}", "--virtual-time-budget=8000"]
            call += [*more, "--dump-dom", f"file://{file}{fragment}"]
            done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)
        self.requests += addresses(log)
        return parsed(done.stdout).one("html")

    def picture(self, page: Path, fragment: str, out: Path, width: int, height: int) -> None:
        """Writes what a window of this size shows, as a PNG."""
        with tempfile.TemporaryDirectory(dir=self.folder) as profile:
            call = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
            call += ["--virtual-time-budget=8000", f"--screenshot={out.absolute()}", f"file://{page}{fragment}"]
            subprocess.run(call, capture_output=True, timeout=120, check=True)

    def reported(self, file: Path, within_s: float) -> str:
        """What a page sends to the address that it finds in its fragment, in real time: `fetch(url, {body: …})`."""
        received: queue.Queue[str] = queue.Queue()

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                received.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            profile = tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True)
            call = [PROGRAM, *FLAGS, f"--user-data-dir={profile.name}", "--remote-debugging-port=0"]
            started = subprocess.Popen(
                [*call, f"file://{file}#http://127.0.0.1:{server.server_port}"], stderr=subprocess.DEVNULL
            )
            try:
                return received.get(timeout=within_s)
            finally:
                started.terminate()
                started.wait()
                profile.cleanup()
                server.shutdown()


def addresses(log: Path) -> list[str]:
    """The addresses in a net log that a page, not the browser itself, requested."""
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    found = [event["params"] for event in events if isinstance(event.get("params"), dict)]
    return [params["url"] for params in found if "url" in params and params.get("initiator", OWN) != OWN]
