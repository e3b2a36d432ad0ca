"""The HTTP client: one request body to one completion, through the `openai` package."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import httpx2

from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.endpoint.completion import Completion, NotACompletionError, read_completion
from vargpt_datagen.endpoint.failure import (
    BodyTooLargeError,
    UnansweredError,
    connection_failure,
    status_failure,
)
from vargpt_datagen.endpoint.key import Key
from vargpt_datagen.printable import printable

if TYPE_CHECKING:
    import openai

CONNECT_TIMEOUT_S = 20.0
# Our replies have a few hundred tokens; a body beyond this is a fault, not a long answer.
MAX_BODY_BYTES = 1_000_000
_SPARE_CONNECTIONS = 8
_OF_THE_MACHINE = re.compile("x-stainless-", re.IGNORECASE)
_OF_THE_CALL = ("x-stainless-retry-count", "x-stainless-read-timeout")


class Client:
    """Sends bodies as they are; raises what `endpoint.failure` names, with the key masked."""

    def __init__(
        self, endpoint: Endpoint, key: Key | None, *, in_flight: int, reply_timeout_s: float
    ) -> None:
        self._key = key
        self.reply_timeout_s = reply_timeout_s
        with _without_openai_variables():
            import openai

            self._errors = openai
            self._openai = _openai_client(endpoint, key, in_flight, reply_timeout_s)
            # What the package tells of this machine costs a tenth of a call's time.
            unsaid = [*filter(_OF_THE_MACHINE.match, self._openai.default_headers), *_OF_THE_CALL]
            if key is None:
                unsaid.append("Authorization")
            self._headers: dict[str, str | openai.Omit] = dict.fromkeys(unsaid, openai.Omit())
            self._headers["Accept-Encoding"] = "identity"
        self._url = f"{endpoint.url}/chat/completions"  # a relative one would be joined every time

    async def complete(self, body: bytes) -> Completion:
        """One completion.

        BusyError, UnansweredError, RefusedError or StoppedError where there is none.
        """
        openai = self._errors
        try:
            async with asyncio.timeout(self.reply_timeout_s):
                response = await self._openai.post(
                    self._url,
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": self._headers},
                )
            completion = read_completion(response.content)
        except openai.APIStatusError as error:
            raise self._masked(status_failure(error)) from None
        except openai.APIConnectionError as error:
            raise self._masked(connection_failure(error)) from None
        except TimeoutError:
            detail = f"no complete reply in {self.reply_timeout_s:g} s"
            raise UnansweredError(detail, may_be_billed=True) from None
        except NotACompletionError as error:
            raise self._masked(UnansweredError(str(error), may_be_billed=True)) from None
        except aiohttp.ClientError as error:  # the transport passes it on as it is
            said = " ".join(str(getattr(error, "message", error)).split())
            detail = f"no proper HTTP ({printable(said)[:200]})"
            raise self._masked(UnansweredError(detail, may_be_billed=True)) from None
        except (httpx2.HTTPError, UnicodeError, ValueError) as error:  # of a body half read
            detail = printable(f"{type(error).__name__}: {error}")[:200]
            raise self._masked(UnansweredError(detail, may_be_billed=True)) from None
        if self._key is None:
            return completion
        mask = self._key.mask
        text, finish_reason, model, usage = completion
        return Completion(mask(text), mask(finish_reason), mask(model), usage)

    async def close(self) -> None:
        await self._openai.close()

    def _masked(self, failure: Exception) -> Exception:
        if self._key is not None:
            failure.args = (self._key.mask(str(failure)),)
        return failure


def _openai_client(
    endpoint: Endpoint, key: Key | None, in_flight: int, reply_timeout_s: float
) -> "openai.AsyncOpenAI":
    import openai

    connections = in_flight + _SPARE_CONNECTIONS
    transport = openai.DefaultAioHttpClient(
        limits=httpx2.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
        ),
        timeout=httpx2.Timeout(reply_timeout_s, connect=CONNECT_TIMEOUT_S, pool=None),
        follow_redirects=False,
        # A proxy would see a key that is sent to this machine without TLS.
        trust_env=endpoint.url.startswith("https://"),
        event_hooks={"response": [_bound_body]},
    )
    return openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=key.reveal() if key else "none",
        max_retries=0,
        http_client=transport,
    )


async def _bound_body(response: httpx2.Response) -> None:
    """Make a body that is too large, or packed so that its size cannot be seen, an error."""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        await response.aclose()
        raise BodyTooLargeError(
            f"a body in {printable(encoding)[:40]!r} encoding, which was not asked for"
        )
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream, ends_early=not response.is_success)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, *, ends_early: bool) -> None:
        self._stream = stream
        self._ends_early = ends_early  # of an error the beginning says enough

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                if self._ends_early:
                    return
                raise BodyTooLargeError(f"a body of more than {MAX_BODY_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@contextmanager
def _without_openai_variables() -> Iterator[None]:
    """Hide OPENAI_* from the package, which would send some of them along or call elsewhere."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("OPENAI_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
