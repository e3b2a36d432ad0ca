"""Runs the test server of benchmarks/ in a process of its own, and talks to it."""

import http.client
import json
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "llm_server.py"
SYSTEM = "x" * 1_000  # 250 tokens by the server's count: three whole units of its cache
_READY = "listening on "
_AS_NEW: dict[str, Any] = {
    "latency_s": 0,
    "jitter_s": None,
    "hold_after": None,
    "faults": None,
    "status": None,
    "echo_key": False,
    "redirect": None,
    "concurrent": None,
    "requests_per_s": None,
    "burst": None,
    "retry_after_s": None,
    "retry_after_date": False,
    "usage": None,
    "content": None,
    "content_file": None,
    "ready_after_s": None,
    "outage_from_s": None,
    "outage_to_s": None,
    "outage_refuse": False,
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running test server."""

    url: str  # base URL, as `--writer` takes it
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the server; over TLS its certificate is not checked."""
        if self.url.startswith("https:"):
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ledger(self) -> dict[str, Any]:
        """Requests, statuses, bills and the like, as `llm_ledger.Ledger.totals` names them."""
        return self._call("GET", "/ledger")

    def billed(self) -> list[tuple[str, float]]:
        """sha256 of the body and monotonic seconds of every completion that is paid for."""
        return [(sha256, time_s) for sha256, time_s in self._call("GET", "/billed")]

    def configure(self, **changes: Any) -> None:
        """Change options by the names of `llm_options.Options`; None is a default."""
        self._call("POST", "/configure", json.dumps(changes))

    def reset(self) -> None:
        """Clear the ledger, and with it the count of attempts."""
        self._call("POST", "/reset")

    def renew(self) -> None:
        """Make it as if just started with `--latency-s 0`, but for its model and its cache."""
        self.configure(**_AS_NEW)
        self.reset()

    def _call(self, method: str, path: str, body: str | None = None) -> Any:
        connection = self.connect()
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"{method} {path}: HTTP {response.status} {content.decode()}")
        return json.loads(content)


class Got(NamedTuple):
    """A response as the client saw it; status 0 when the connection ended before one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> str:
        return json.loads(self.body)["choices"][0]["message"]["content"]


def request_body(caption: str) -> bytes:
    """The bytes of a request that ends with a caption."""
    return asking(f"1. Caption: a shot\n\nCaption: {caption}")


def asking(message: str) -> bytes:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": message}]
    return json.dumps({"model": "asked-for", "messages": messages}).encode()


def post(server: Server, body: bytes, key: str | None = None) -> Got:
    """One request on a connection of its own."""
    connection = server.connect()
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        connection.request("POST", "/v1/chat/completions", body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Got(response.status, found, response.read())
    except ConnectionError:
        return Got(0, {}, b"")
    finally:
        connection.close()


@contextmanager
def running_server(*words: object) -> Iterator[Server]:
    """`llm_server.py WORDS` on a free port, or on the one the words name; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, words)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(_READY):
            raise RuntimeError(f"the test server ended: {process.wait()}, its output is above")
        yield Server(line.removeprefix(_READY).strip(), process)
    finally:
        process.kill()
        process.communicate()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look until something has come true."""
    until_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until_s, "it never became so"
        time.sleep(0.01)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that no authority vouches for, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command here, which makes the certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    words += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(words, check=True, capture_output=True)
    return certificate, key
