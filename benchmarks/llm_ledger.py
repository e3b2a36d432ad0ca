"""What the test server was asked and what it answered: the account that measurements rest on."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class SeenBody:
    """What has happened to one request body, however often it was sent."""

    attempts: int = 0  # those that got past the limits
    times_billed: int = 0
    is_refused: bool = False


class Ledger:
    """Requests for completions since the start, or since the ledger was cleared.

    Times are seconds of the machine's monotonic clock, which all its processes share.
    """

    def __init__(self) -> None:
        self._bodies: dict[bytes, SeenBody] = {}
        self._requests = 0
        self._by_status: Counter[str] = Counter()
        self._billed: list[tuple[bytes, float]] = []
        self._billed_again = 0
        self._billed_unread = 0
        self._sent_refused_again = 0
        self._abandoned = 0
        self._max_in_flight = 0
        self._first_request_s: float | None = None
        self._last_reply_s: float | None = None
        self._keys: dict[str, None] = {}
        self._paths: Counter[str] = Counter()

    def asked(self, path: str, key: str | None) -> None:
        """Note a request to any path."""
        self._paths[path] += 1
        if key is not None:
            self._keys[key] = None

    def body(self, sha256: bytes) -> SeenBody:
        """Note a request for a completion; what is known about its body."""
        if self._first_request_s is None:
            self._first_request_s = time.monotonic()
        self._requests += 1
        seen = self._bodies.get(sha256)
        if seen is None:
            seen = self._bodies[sha256] = SeenBody()
        elif seen.is_refused:
            self._sent_refused_again += 1
        return seen

    def in_flight(self, number: int) -> None:
        """Note how many requests are being answered now."""
        self._max_in_flight = max(self._max_in_flight, number)

    def replied(self, status: str) -> None:
        """Note the end of a request: the HTTP status, or what happened instead."""
        self._by_status[status] += 1
        self._last_reply_s = time.monotonic()

    def billed(self, sha256: bytes, *, is_read: bool = True) -> None:
        """Note a completion that is paid for; unread when it was sent in part only."""
        if not is_read:
            self._billed_unread += 1
            return
        seen = self._bodies.setdefault(sha256, SeenBody())
        self._billed_again += seen.times_billed > 0
        seen.times_billed += 1
        self._billed.append((sha256, time.monotonic()))

    @property
    def num_billed(self) -> int:
        """Completions that were paid for so far."""
        return len(self._billed)

    def refused(self, sha256: bytes) -> None:
        """Note that a body was refused for good: no sender should try it again."""
        self._bodies.setdefault(sha256, SeenBody()).is_refused = True

    def abandoned(self) -> None:
        """Note a request whose sender closed the connection before the reply."""
        self._abandoned += 1

    def totals(self) -> dict[str, Any]:
        """Everything but the single bills."""
        return {
            "requests": self._requests,
            "by_status": dict(self._by_status),
            "billed": len(self._billed),
            "billed_again": self._billed_again,
            "billed_unread": self._billed_unread,
            "sent_refused_again": self._sent_refused_again,
            "abandoned": self._abandoned,
            "distinct": len(self._bodies),
            "max_in_flight": self._max_in_flight,
            "first_request_s": self._first_request_s,
            "last_reply_s": self._last_reply_s,
            "keys_seen": list(self._keys),
            "paths": dict(self._paths),
        }

    def bills(self) -> list[tuple[str, float]]:
        """Body and time of each completion that was paid for, in order."""
        return [(sha256.hex(), time_s) for sha256, time_s in self._billed]
