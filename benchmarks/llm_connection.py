"""The HTTP/1.1 of the test server: just enough for the clients it measures, and cheap.

Connections stay open between requests; bodies come with a Content-Length.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from http.client import responses
from typing import NamedTuple

_MOST_HEAD_BYTES = 65_536
_DRIP_S = 0.2


class Request(NamedTuple):
    """One HTTP request, read whole."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Connection(asyncio.Protocol):
    """One client's connection; its requests are answered one after the other."""

    def __init__(self, receive: "Callable[[Connection, Request], None]") -> None:
        self._receive = receive
        self._received = b""
        self._needed_bytes = 1
        self._is_busy = False
        self._closes = False  # after the reply, as the request wishes
        self._timer: asyncio.TimerHandle | None = None
        self._on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._is_busy:
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._timer is not None:
            self._timer.cancel()
        if self._on_lost is not None:
            self._on_lost()

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def later(
        self, seconds: float, answer: Callable[[], None], on_lost: Callable[[], None]
    ) -> None:
        """Call `answer` after a while, or `on_lost` if the client leaves before."""
        self._on_lost = on_lost
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._answer, answer)

    def send(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: str = "",
        *,
        sent_frac: float = 1.0,
    ) -> None:
        """A whole response; with less than all of its body the connection ends there."""
        head = (
            f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._transport.write(head.encode("latin-1") + body[: int(len(body) * sent_frac)])
        if self._closes or sent_frac < 1:
            self._transport.close()
            return
        self._is_busy = False
        if self._received:
            self._read()

    def drop(self) -> None:
        """End the connection without a byte, by a reset."""
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def drip(self, on_lost: Callable[[], None]) -> None:
        """A response of blanks that never ends."""
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        self._drip_on(on_lost)

    def _drip_on(self, on_lost: Callable[[], None]) -> None:
        self._transport.write(b"1\r\n \r\n")
        self.later(_DRIP_S, partial(self._drip_on, on_lost), on_lost)

    def _answer(self, answer: Callable[[], None]) -> None:
        self._timer = self._on_lost = None
        answer()

    def _read(self) -> None:
        """Take the next request if it has arrived whole."""
        received = self._received
        if len(received) < self._needed_bytes or not self.is_open:
            return
        end = received.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(received) > _MOST_HEAD_BYTES:
                self.drop()
            return
        first, *lines = received[: end - 4].decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines]
        headers = {name.lower(): value.strip() for name, _, value in fields}
        words = first.split(" ")
        length = headers.get("content-length", "0")
        self._closes = headers.get("connection", "").lower() == "close"
        self._is_busy = True
        if len(words) != 3 or not length.isdecimal() or "transfer-encoding" in headers:
            self._closes = True
            self.send(400, b"HTTP/1.1 with a Content-Length expected", "text/plain")
            return
        size = end + int(length)
        if len(received) < size:
            self._needed_bytes = size
            self._is_busy = False
            return
        self._received = received[size:]
        self._needed_bytes = 1
        self._receive(self, Request(words[0], words[1], headers, received[end:size]))
