"""Why a request got no reply: what may be sent again, and what ends the run."""

import asyncio
import json
import math
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx2

from vargpt_datagen.prices import now_utc
from vargpt_datagen.printable import printable

if TYPE_CHECKING:
    import openai  # the client imports it, without the variables that it would obey

_MESSAGE_CHARACTERS = 200
REFUSALS = {400, 413, 422, 451}  # of this request: it would be refused again
_WORTH_REPEATING = {408, 409, 425}
_BEHIND_A_GATEWAY = {408, 502, 504, 524}  # the model may have run, and nobody waited for it
_LONGEST_BY_DATE_S = 60.0  # of two clocks that may differ, one is not trusted further
_OUT_OF_MONEY = "insufficient_quota"  # some hosts say it with 429


class BusyError(Exception):
    """HTTP 429: not now. Nothing was billed."""

    def __init__(self, detail: str, retry_after_s: float | None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class UnansweredError(Exception):
    """No usable reply this time: a failing server, a broken connection, a body that is none."""

    def __init__(self, detail: str, *, may_be_billed: bool, is_connecting: bool = False) -> None:
        super().__init__(detail)
        self.may_be_billed = may_be_billed
        self.is_connecting = is_connecting  # the host was never reached


class RefusedError(Exception):
    """HTTP 400 and its like: this request will never be answered. Nothing was billed."""


class StoppedError(Exception):
    """The endpoint will answer no request at all: key, money, address. Says what to do."""


def status_failure(error: "openai.APIStatusError") -> Exception:
    """What an HTTP status other than success means."""
    status, response = error.status_code, error.response
    detail = f"HTTP {status}: {message_of(response)}"
    if status == 429 and _OUT_OF_MONEY not in text_of(response):
        return BusyError(detail, retry_after_s(response.headers))
    if status in REFUSALS:
        return RefusedError(detail)
    wait_s = retry_after_s(response.headers)
    if status == 503 and wait_s:
        return BusyError(detail, wait_s)
    if status >= 500 or status in _WORTH_REPEATING:
        return UnansweredError(detail, may_be_billed=status in _BEHIND_A_GATEWAY)
    return StoppedError(f"{detail}. {_advice(status, response)}")


def _advice(status: int, response: httpx2.Response) -> str:
    if status in (402, 429):
        return "The account has no money left: top it up, then run the same command"
    if status in (401, 403):
        return "The key was not accepted: set the right one, then run the same command"
    if 300 <= status < 400:
        target = printable(response.headers.get("location", "nowhere"))[:_MESSAGE_CHARACTERS]
        return (
            f"It redirects to {target}, which is not followed, as the key would go along: give "
            "that address with --writer if you trust it"
        )
    return "Check the address of --writer and the name of --model, then run the same command"


def connection_failure(error: "openai.APIConnectionError") -> UnansweredError:
    """What a connection that failed means; the cause lies some wrappers below."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return UnansweredError(_reason(cause), may_be_billed=False, is_connecting=True)
    for cause in causes:
        if isinstance(cause, BodyTooLargeError):
            return UnansweredError(str(cause), may_be_billed=True)
    last = causes[-1]
    return UnansweredError(_reason(last), may_be_billed=True)


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known (DNS)"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({_short(error)})"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"TLS failed ({_short(error)})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached ({_short(error.os_error)})"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "cannot be reached in time"
    return f"connection lost ({type(error).__name__}: {_short(error)})"


def _short(error: BaseException) -> str:
    return printable(str(error) or type(error).__name__)[:_MESSAGE_CHARACTERS]


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        if not isinstance(current, asyncio.CancelledError):  # how a timeout shows below
            yield current
        current = current.__cause__ or current.__context__


class BodyTooLargeError(httpx2.ReadError):
    """More bytes than any chat completion of ours can have."""


def text_of(response: httpx2.Response) -> str:
    """The start of a body as UTF-8, whatever else its headers call it."""
    return response.content[:10_000].decode("utf-8", "replace")


def message_of(response: httpx2.Response) -> str:
    """What a server says for itself, as one short printable line."""
    text = text_of(response)
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        error = found.get("error") or found.get("detail") or found.get("message")
        message = error.get("message") if isinstance(error, dict) else error
        text = message if isinstance(message, str) else text
    return printable(" ".join(text.split()))[:_MESSAGE_CHARACTERS] or "no explanation"


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """Seconds of a Retry-After header, as a number or a date; None without a usable one."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - now_utc()).total_seconds()
        except (ValueError, TypeError):
            return None
        seconds = min(seconds, _LONGEST_BY_DATE_S)
    return max(seconds, 0.0) if math.isfinite(seconds) else None
