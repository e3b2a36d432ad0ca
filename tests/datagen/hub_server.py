"""A small hub on this machine: as much of its interface as a push uses, and all it was sent."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "hf_abcdefghijklmnop"


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0

    @property
    def sha(self) -> str:
        return f"{self.commits:040x}"


@dataclass
class Hub:
    """Repositories by name, and how the hub is to answer."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    status: int | None = None  # of every answer
    echo_key: bool = False  # puts the caller's token into refusals
    is_card_good: bool = True
    requests: list[str] = field(default_factory=list)

    def answer(self, verb: str, path: str, body: bytes, token: str) -> tuple[int, Any]:
        self.requests.append(f"{verb} {path}")
        if self.status is not None:
            return self.status, {"error": f"no, {token}" if self.echo_key else "no"}
        if token != TOKEN:
            return 401, {"error": "Invalid username or password."}
        parts = path.strip("/").split("/")
        if parts[1:] == ["repos", "create"]:
            return self._create(json.loads(body))
        if parts[1:] == ["validate-yaml"]:
            faults = [] if self.is_card_good else [{"message": '"license" must be one of mit'}]
            return 200 if self.is_card_good else 400, {"errors": faults, "warnings": []}
        repo = "/".join(parts[2:4])
        found = self.repositories.get(repo)
        if parts[1] != "datasets" or found is None:
            return 404, {"error": "Repository not found"}
        if len(parts) == 4:
            siblings = [{"rfilename": name} for name in found.files]
            return 200, {
                "id": repo,
                "sha": found.sha,
                "private": found.private,
                "siblings": siblings,
                "tags": [],
            }
        if parts[4] == "preupload":
            return 200, {
                "files": [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
            }
        if parts[4] == "commit":
            return self._commit(repo, [json.loads(line) for line in body.splitlines()])
        return 404, {"error": f"nothing at {path}"}

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{wanted['organization']}/{wanted['name']}"
        url = {"url": f"{self.url}/datasets/{repo}"}
        if repo in self.repositories:
            return 409, {"error": "You already created this dataset repo"} | url
        self.repositories[repo] = Repository(private=wanted["visibility"] == "private")
        return 200, url

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        found = self.repositories[repo]
        head, *operations = lines
        if head["value"]["parentCommit"] != found.sha:
            return 412, {"error": "A commit has happened since."}
        for operation in operations:
            path = operation["value"]["path"]
            if operation["key"] == "deletedFile":
                del found.files[path]
            else:
                found.files[path] = base64.b64decode(operation["value"]["content"])
        found.commits += 1
        url = f"{self.url}/datasets/{repo}/commit/{found.sha}"
        return 200, {"commitUrl": url, "commitOid": found.sha, "success": True}


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that listens on loopback while the block runs."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, content = hub.answer(self.command, self.path.split("?")[0], body, token)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_HEAD = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
