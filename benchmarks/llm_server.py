"""An OpenAI-compatible chat completion server with chosen faults, limits and a ledger.

Run:  python benchmarks/llm_server.py --latency-s 0.2 --fault 429=0.03 --fault refused=0.005

It says `listening on http://127.0.0.1:PORT/v1` when it is ready. Replies are good text about the
caption that a request ends with. What a request meets depends on the bytes of its body and on how
often they have been sent, never on time or order, unless a limit or an outage is asked for.

Beside POST /v1/chat/completions:
GET /ledger      requests, statuses, bills, repeated bills, keys, paths, times, as JSON
GET /billed      [sha256 of the body, monotonic seconds] of every completion that is paid for
POST /reset      clear the ledger, and with it the count of attempts
POST /configure  {"latency_s": 0.1, "faults": {"500": 0.5}, "status": null}: change options; null
                 is a default. `llm_options.Options` names them.
"""

import asyncio
import gc
import hashlib
import json
import resource
import signal
import ssl
import sys
import time
from email.utils import formatdate
from functools import partial
from typing import Any, NamedTuple, NoReturn

from llm_completion import BadRequestError, Chat, Completions, read_chat
from llm_connection import Connection, Request
from llm_faults import (
    FAILURES,
    FOREIGN,
    REFUSED,
    SPOILT,
    Spoilt,
    TokenBucket,
    error_body,
    fault_of,
    foreign_body,
    share_of,
    spoilt,
)
from llm_ledger import Ledger
from llm_options import OptionError, Options, changed, options_of

_COMPLETIONS = {"/v1/chat/completions", "/chat/completions"}
_BACKLOG = 4_096
_LOOK_S = 0.02  # how often a held reply looks whether it still is


class Asked(NamedTuple):
    """A request for a completion on its way to its reply."""

    connection: Connection
    chat: Chat
    sha256: bytes  # of the request body
    key: str | None
    fault: str | None


class ChatServer:
    """Answers requests as the options say, and keeps the ledger."""

    def __init__(self, options: Options) -> None:
        self._started_s = time.monotonic()
        self._ledger = Ledger()
        self._completions = Completions()
        self._in_flight = 0
        self._set(options)

    def _set(self, options: Options) -> None:
        self._options = options
        self._bucket = TokenBucket(options.requests_per_s, options.burst)

    def receive(self, connection: Connection, request: Request) -> None:
        """Answer a request, at once or after the latency."""
        path = request.path.partition("?")[0]
        if path in ("/ledger", "/billed", "/reset", "/configure"):
            self._control(connection, request.method, path, request.body)
            return
        key = request.headers.get("authorization")
        self._ledger.asked(path, key)
        if request.method != "POST" or path not in _COMPLETIONS:
            connection.send(404, error_body(404, f"{request.method} {path}: no such resource"))
            return
        sha256 = hashlib.sha256(request.body).digest()
        seen = self._ledger.body(sha256)
        if self._turns_away(connection, key):
            return
        try:
            chat = read_chat(request.body)
        except BadRequestError as error:
            self._send(connection, 400, error_body(400, str(error)))
            return
        seen.attempts += 1
        options = self._options
        fault = fault_of(options.faults, sha256, seen.attempts)
        if fault == "429":
            self._send_busy(connection, "Rate limit reached")
            return
        latency_s = options.latency_s
        if options.jitter_s:
            latency_s += options.jitter_s * (2 * share_of(sha256, seen.attempts, b"latency") - 1)
        self._in_flight += 1
        self._ledger.in_flight(self._in_flight)
        asked = Asked(connection, chat, sha256, key, fault)
        connection.later(max(latency_s, 0.0), partial(self._answer, asked), self._abandon)

    def _turns_away(self, connection: Connection, key: str | None) -> bool:
        """Whether a request gets no further than this: it is answered here if so."""
        options = self._options
        if self._is_out():
            if options.outage_refuse:
                self._drop(connection)
            else:
                self._send(connection, 503, error_body(503, "Service is starting or overloaded"))
        elif options.redirect is not None:
            self._send(connection, 307, b"", headers=f"Location: {options.redirect}\r\n")
        elif options.status == 429:
            self._send_busy(connection, self._message(key))
        elif options.status != 200:
            body = error_body(options.status, self._message(key))
            self._send(connection, options.status, body)
        elif options.concurrent is not None and self._in_flight >= options.concurrent:
            self._send_busy(connection, f"More than {options.concurrent} requests at a time")
        elif not self._bucket.takes():
            self._send_busy(connection, f"More than {options.requests_per_s:g} requests a second")
        else:
            return False
        return True

    def _is_out(self) -> bool:
        options = self._options
        if not options.ready_after_s and options.outage_from_s is None:
            return False
        age_s = time.monotonic() - self._started_s
        if age_s < options.ready_after_s:
            return True
        if options.outage_from_s is None or age_s < options.outage_from_s:
            return False
        return options.outage_to_s is None or age_s < options.outage_to_s

    def _message(self, key: str | None) -> str:
        if self._options.echo_key:
            return f"Not accepted: {key}"
        return f"Every request gets HTTP {self._options.status} here"

    def _answer(self, asked: Asked) -> None:
        connection, fault = asked.connection, asked.fault
        if not connection.is_open:  # closed by the client, which is only just known
            self._abandon()
            return
        hold_after = self._options.hold_after
        if hold_after is not None and self._ledger.num_billed >= hold_after:
            connection.later(_LOOK_S, partial(self._answer, asked), self._abandon)
            return
        if fault == "drip":
            self._ledger.replied("200")
            connection.drip(self._leave)
            return
        self._leave()
        if fault in FAILURES:
            status = FAILURES[fault]
            self._send(connection, status, error_body(status, "The server had an error"))
        elif fault == REFUSED:
            self._ledger.refused(asked.sha256)
            self._send(connection, 400, error_body(400, "Content Exists Risk"))
        elif fault == "reset":
            self._drop(connection)
        elif fault in FOREIGN:
            content_type, body = foreign_body(fault)
            self._send(connection, 200, body, content_type)
        else:
            self._complete(asked)

    def _complete(self, asked: Asked) -> None:
        options = self._options
        if options.echo_key:
            content = f"Your key is {asked.key}"
        else:
            content = self._completions.content(asked.chat, asked.sha256, options)
        reply = Spoilt(content, "stop")
        if asked.fault in SPOILT:
            reply = spoilt(asked.fault, content)
        body = self._completions.body(asked.chat, asked.sha256, reply, options)
        is_read = asked.fault != "cut"
        self._ledger.billed(asked.sha256, is_read=is_read)
        self._send(asked.connection, 200, body, sent_frac=1.0 if is_read else 0.5)

    def _send(
        self,
        connection: Connection,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: str = "",
        *,
        sent_frac: float = 1.0,
    ) -> None:
        self._ledger.replied(str(status))
        connection.send(status, body, content_type, headers, sent_frac=sent_frac)

    def _send_busy(self, connection: Connection, message: str) -> None:
        wait_s = self._options.retry_after_s
        header = ""
        if wait_s is not None:
            is_date = self._options.retry_after_date
            value = formatdate(time.time() + wait_s, usegmt=True) if is_date else f"{wait_s:g}"
            header = f"Retry-After: {value}\r\n"
        self._send(connection, 429, error_body(429, message), headers=header)

    def _drop(self, connection: Connection) -> None:
        self._ledger.replied("dropped")
        connection.drop()

    def _abandon(self) -> None:
        self._leave()
        self._ledger.abandoned()

    def _leave(self) -> None:
        self._in_flight -= 1

    def _control(self, connection: Connection, method: str, path: str, body: bytes) -> None:
        if method != ("GET" if path in ("/ledger", "/billed") else "POST"):
            connection.send(405, error_body(405, f"{method} {path}: another method expected"))
            return
        found: Any = {}
        if path == "/ledger":
            now = {"in_flight": self._in_flight, "cpu_s": time.process_time()}
            found = self._ledger.totals() | now
        elif path == "/billed":
            found = self._ledger.bills()
        elif path == "/reset":
            self._ledger = Ledger()
        else:
            try:
                self._set(changed(self._options, json.loads(body)))
            except (OptionError, ValueError, TypeError, AttributeError) as error:
                connection.send(400, error_body(400, str(error)))
                return
        connection.send(200, json.dumps(found).encode())


async def serve(options: Options, context: ssl.SSLContext | None) -> None:
    """Serve until a signal to end arrives; over TLS if there is a context."""
    server = ChatServer(options)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        partial(Connection, server.receive),
        "127.0.0.1",
        options.port,
        backlog=_BACKLOG,
        ssl=context,
    )
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    port = listener.sockets[0].getsockname()[1]
    scheme = "https" if context else "http"
    print(f"listening on {scheme}://127.0.0.1:{port}/v1", flush=True)
    await ended.wait()
    listener.close()


def main() -> None:
    try:
        options = options_of(sys.argv[1:])
        context = _tls_context(options)
    except OptionError as error:
        _end(f"{error}. See --help.")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        asyncio.run(serve(options, context))
    except OSError as error:
        _end(f"--port {options.port}: {error}. Choose another, or 0 for a free one.")


def _tls_context(options: Options) -> ssl.SSLContext | None:
    if options.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:
        raise OptionError(
            f"--tls-cert {options.tls_cert} --tls-key {options.tls_key}: {error}, a certificate "
            "and its key in PEM form expected"
        ) from None
    return context


def _end(message: str) -> NoReturn:
    print(f"llm_server.py: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
