"""A data set repository of the hub on loopback, as far as `datasets` asks for it; counts bytes."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class FakeHub(ThreadingHTTPServer):
    """Serves one folder as one repository, whatever revision is asked for."""

    daemon_threads = True

    def __init__(self, root: Path, repository: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.repository = repository
        self.revisions: set[str] = set()
        self.bytes_sent = 0  # of files, not of listings
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def fake_hub(root: Path, repository: str) -> Iterator[FakeHub]:
    """A hub that runs while the block does."""
    with FakeHub(root, repository) as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        name = re.escape(self.server.repository)
        if re.fullmatch(rf"/api/datasets/{name}/revision/.+", path):
            self._answer({"id": self.server.repository, "sha": "e" * 40, "siblings": []})
        elif match := re.fullmatch(rf"/api/datasets/{name}/tree/[^/]+/?(.*)", path):
            folder = self.server.root / match[1]
            self._answer([self._entry(each) for each in sorted(folder.iterdir())])
        elif match := re.fullmatch(rf"/datasets/{name}/resolve/([^/]+)/(.+)", path):
            self.server.revisions.add(match[1])
            self._send_range((self.server.root / match[2]).read_bytes())
        else:
            self._answer({"error": "not found"}, status=404)

    def _entry(self, path: Path) -> dict[str, Any]:
        name = path.relative_to(self.server.root).as_posix()
        if path.is_dir():
            return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
        size = path.stat().st_size
        return {"type": "file", "oid": "0" * 40, "size": size, "path": name}

    def _send_range(self, content: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = content[int(match[1]) : int(match[2]) + 1] if match else content
        self.send_response(206 if match else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        with self.server.lock:
            self.server.bytes_sent += len(part)

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass
