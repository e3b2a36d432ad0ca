"""Runs `datagen build-130k --writer URL` in a process and an environment of its own."""

import os
import resource
import signal
import socketserver
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from tests.datagen.command import START
from vargpt_datagen.endpoint.address import endpoint_of
from vargpt_datagen.endpoint.client import Client
from vargpt_datagen.endpoint.completion import Completion
from vargpt_datagen.endpoint.key import Key

KEY = "sk-test-5f0c1e7a9b2d4468"
TEST_KEY = Key(KEY)
MODEL = "asked-model"
PRICE = "1,2"  # USD per million tokens
# Python that runs before the command: failed requests are sent again after a moment ...
BRISK = "from vargpt_datagen.endpoint import writer; writer._backoff_s = lambda state: 0.05\n"
# ... and an endpoint is given up within seconds instead of minutes.
IMPATIENT = (
    f"{BRISK}writer.PATIENCE_S = 0.5\n"
    "from vargpt_datagen.endpoint import dispatch; dispatch.GRACE_S = 2.0\n"
)
_TIMEOUT_S = 300  # of a command; far more than any of them takes


def environment(**variables: str) -> dict[str, str]:
    """This process's, without anything that endpoints or proxies are set by, and `variables`."""
    foreign = ("OPENAI_", "DEEPSEEK_", "SSL_CERT_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.upper().endswith("_PROXY")
    }
    return kept | variables


@contextmanager
def started_build(
    url: str,
    *words: object,
    cwd: Path,
    rows: int = 40,
    before: str = "",
    variables: dict[str, str] | None = None,
    preexec: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """`datagen build-130k --out build --writer URL WORDS` in the background, killed at the end.

    `before` is Python that runs first. Ctrl-C reaches the command even below a shell that
    ignores it.
    """

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if preexec:
            preexec()

    options = ("--out", "build", "--rows", rows, "--writer", url, *words)
    if url.startswith("http") and "--model" not in words:
        options += ("--model", MODEL)
    process = subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{START}", "build-130k", *map(str, options)],
        cwd=cwd,
        env=environment(**(variables or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Ran(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def ended(process: subprocess.Popen[str]) -> Ran:
    """Wait for a command to end by itself."""
    stdout, stderr = process.communicate(timeout=_TIMEOUT_S)
    return Ran(process.returncode, stdout, stderr)


def build(url: str, *words: object, cwd: Path, **options: Any) -> Ran:
    """As `started_build`, to its end."""
    with started_build(url, *words, cwd=cwd, **options) as process:
        return ended(process)


def expect_built(ran: Ran) -> None:
    assert ran.returncode == 0, ran.stderr
    assert "error" not in ran.stderr
    assert "Traceback" not in ran.stderr


def refusal(ran: Ran) -> str:
    """The one error line of a command that must end with 2 and nothing on stdout."""
    assert ran.returncode == 2, (ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert ran.stderr.endswith(f"{line}\n")
    return line


def limited(num_bytes: int) -> Callable[[], None]:
    """For `preexec`: a process that may write no file larger than this."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))


def rejects_of(folder: Path) -> list[dict[str, Any]]:
    return [row for path in folder.glob("rejects/*.parquet") for row in _rows(path)]


def replies_of(folder: Path) -> list[dict[str, Any]]:
    return [row for path in folder.glob("replies/*.parquet") for row in _rows(path)]


def _rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def journal_of(folder: Path) -> list[tuple[str, str, int, int]]:
    """sha256 of the request, text, prompt and completion tokens of every reply in the journal."""
    database = sqlite3.connect(folder / ".work" / "journal.sqlite")
    try:
        rows = database.execute(
            "SELECT request_sha256, text, prompt_tokens, completion_tokens FROM replies"
        )
        return [(sha256.hex(), *rest) for sha256, *rest in rows]
    finally:
        database.close()


def texts_below(folder: Path) -> str:
    """All that the files of a folder hold, the cells of Parquet files unpacked."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(path.read_bytes().decode("latin-1"))
            if path.suffix == ".parquet":
                found.append(str(_rows(path)))
    return "\n".join(found)


@contextmanager
def canned_server(response: bytes, *, asks: bool = True) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every request these bytes; its base URL and the heads it received.

    With `asks` false it gives them as soon as somebody connects and has said anything.
    """
    heads: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if not asks:
                self.request.recv(4_096)
                self.wfile.write(response)
                return
            lines = list(iter(self.rfile.readline, b"\r\n"))
            if lines and lines[-1]:
                head = b"".join(lines).decode("latin-1")
                heads.append(head)
                length = [line for line in head.split("\r\n") if "content-length" in line.lower()]
                self.rfile.read(int(length[0].split(":")[1]))
                self.wfile.write(response)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", heads
        finally:
            server.shutdown()
            thread.join()


async def completion_of(url: str, key: Key | None = TEST_KEY) -> Completion:
    """What the client makes of a server's reply to one request, by default with the key."""
    client = Client(endpoint_of(url, MODEL, None), key, in_flight=1, reply_timeout_s=10)
    try:
        return await client.complete(b"{}")
    finally:
        await client.close()


def http_response(status: str, body: bytes, *headers: str) -> bytes:
    """A whole HTTP/1.1 response that ends its connection."""
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
