"""Faults and limits of the test server: which request meets which one, and what it looks like."""

import hashlib
import json
import math
import time
from collections.abc import Mapping
from typing import NamedTuple

REFUSED = "refused"
FAILURES = {"429": 429, "500": 500, "503": 503}
SPOILT = ("malformed", "blank", "length")  # completions, billed as any other
BROKEN = ("reset", "cut")  # connections
FOREIGN = ("html", "empty", "huge", "junk", "drip")  # a 200 that is no completion of ours
RANDOM_FAULTS = (*FAILURES, *SPOILT, *BROKEN, *FOREIGN)  # drawn anew at each attempt
FAULTS = (*RANDOM_FAULTS, REFUSED)

HUGE_BYTES = 10_000_000


def share_of(sha256: bytes, attempt: int, purpose: bytes) -> float:
    """A number in [0, 1) that depends on a body and an attempt at it, and on nothing else."""
    told = sha256 + attempt.to_bytes(8, "big")
    drawn = hashlib.blake2b(told, digest_size=8, person=purpose).digest()
    return int.from_bytes(drawn[:6], "big") / 2**48


def fault_of(faults: Mapping[str, float], sha256: bytes, attempt: int) -> str | None:
    """The fault of one attempt; a refusal belongs to the body, so it comes at every attempt."""
    if not faults:
        return None
    if share_of(sha256, 0, b"refusal") < faults.get(REFUSED, 0.0):
        return REFUSED
    drawn = share_of(sha256, attempt, b"fault")
    for kind in RANDOM_FAULTS:
        drawn -= faults.get(kind, 0.0)
        if drawn < 0:
            return kind
    return None


class TokenBucket:
    """A limit of requests per second; it starts full."""

    def __init__(self, requests_per_s: float | None, burst: int) -> None:
        self._requests_per_s = requests_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._filled_s = time.monotonic()

    def takes(self) -> bool:
        """Whether one more request is within the limit; it counts if so."""
        if self._requests_per_s is None:
            return True
        now = time.monotonic()
        gained = (now - self._filled_s) * self._requests_per_s
        self._tokens = min(self._tokens + gained, float(self._burst))
        self._filled_s = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Spoilt(NamedTuple):
    """A completion's content with a fault."""

    content: str
    finish_reason: str


def spoilt(kind: str, content: str) -> Spoilt:
    """What a fault of `SPOILT` makes of a good content."""
    if kind == "blank":
        return Spoilt(" " * 64, "stop")
    half = content[: math.ceil(len(content) / 2)]
    if kind == "length":
        return Spoilt(half, "length")
    return Spoilt(f"Sure! Here you go: {half}", "stop")


def foreign_body(kind: str) -> tuple[str, bytes]:
    """Content type and body of a fault of `FOREIGN`, `drip` apart."""
    if kind == "html":
        return "text/html", b"<!doctype html><title>Gateway</title><p>Please come back later.</p>"
    if kind == "huge":
        head, tail = b'{"choices": [{"message": {"content": "', b'"}}]}'
        return "application/json", head + b"x" * (HUGE_BYTES - len(head) - len(tail)) + tail
    return "application/json", b'{"status": "fine", "data": [1, 2, 3]}' if kind == "junk" else b""


def error_body(status: int, message: str) -> bytes:
    """An error as OpenAI and the servers modelled on it report it."""
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": kind}
    return json.dumps({"error": error}).encode()
