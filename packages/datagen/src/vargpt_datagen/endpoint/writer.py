"""The writer over an endpoint: one request to one reply, sent again where that makes sense."""

import random
from dataclasses import dataclass

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.endpoint.client import Client
from vargpt_datagen.endpoint.completion import Completion
from vargpt_datagen.endpoint.failure import BusyError, RefusedError, StoppedError, UnansweredError
from vargpt_datagen.endpoint.gate import Gate
from vargpt_datagen.endpoint.money import Budget, CapReachedError
from vargpt_datagen.endpoint.pacer import Outcome
from vargpt_datagen.reply import NO_REPLY, REFUSED, Reply
from vargpt_schema import UserError

MAX_TRIES = 8  # at least, of a request that fails while others are answered
ALONE_S = 300.0  # and so long at least: most of the requests fail while a host is ill
PATIENCE_S = 600.0  # without a reply to any request, until the run gives up
FIRST_PATIENCE_S = 60.0  # the same before the first reply: more likely a wrong setting
LONGEST_RETRY_AFTER_S = 3600.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_BUSY_TRIES_BEFORE_DOUBLING = 3
_LONGEST_DOUBLED_S = 300.0
_LATEST_RETURN = 1.1  # of Retry-After; rows that were refused together come back apart

_backoff_s = wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S)


@dataclass(slots=True)
class Traffic:
    """What has gone back and forth in this run, for the display."""

    busy: int = 0  # HTTP 429
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    last_failure: str = ""
    last_answer_s: float | None = None  # monotonic


@dataclass(slots=True)
class _Tries:
    """What has happened to one request."""

    started_s: float
    busy: int = 0
    failed_alone: int = 0  # failures since which, one by one, other requests were answered
    first_failed_s: float | None = None
    failed_s: float | None = None  # when it failed last
    retry_after_s: float | None = None


class EndpointWriter:
    """Answers request bodies; at most as many at once as the gate lets in."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: Client,
        gate: Gate,
        budget: Budget | None,  # None: price unknown
        *,
        max_output_tokens: int,
        is_proven: bool = False,  # it has answered in an earlier run
    ) -> None:
        self._endpoint = endpoint
        self._client = client
        self._gate = gate
        self._budget = budget
        self._max_output_tokens = max_output_tokens
        self._is_proven = is_proven
        self.traffic = Traffic()

    async def complete(self, body: bytes) -> Reply:
        """The reply, or what stands for one: REFUSED or NO_REPLY.

        UserError when the run cannot go on; no request is sent from then on.
        """
        tries = _Tries(self._gate.now())
        try:
            try:
                return await self._send(body, tries)
            except (BusyError, UnansweredError) as failure:
                return await self._send_again(body, tries, failure)
        except RefusedError as refusal:
            return _without_text(REFUSED, str(refusal))
        except (BusyError, UnansweredError) as failure:
            if self._is_alone_in_failing(tries):
                return _without_text(NO_REPLY, str(failure))
            raise self._stop(self._dead(failure)) from None
        except StoppedError as stopped:
            raise self._stop(f"{stopped}; what has arrived is kept.") from None
        except CapReachedError as reached:
            raise self._stop(
                f"{reached}. What has arrived is kept: raise --max-usd and run the same command."
            ) from None

    async def _send_again(self, body: bytes, tries: _Tries, first: Exception) -> Reply:
        """What follows a first try that failed, which tenacity is told of as its own first.

        The other rows, nearly all, are spared its tenth of a millisecond.
        """
        known = [first]

        async def send() -> Reply:
            if known:
                raise known.pop()
            return await self._send(body, tries)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((BusyError, UnansweredError)),
            wait=lambda state: self._wait_s(state, tries),
            stop=lambda _: self._gives_up(tries),
            sleep=self._gate.pause,
            reraise=True,
        )
        return await retrying(send)

    async def _send(self, body: bytes, tries: _Tries) -> Reply:
        slot = await self._gate.enter()
        outcome: Outcome = "failed"
        reserved_usd = 0.0
        is_sent = False
        try:
            if self._budget:
                usd = self._budget.worst_case_usd(len(body), self._max_output_tokens)
                await self._budget.reserve(usd)
                reserved_usd = usd
                self._gate.expect_open()  # the wait for money may have been long
            is_sent = True
            completion = await self._client.complete(body)
            outcome = "answered"
            return self._paid(completion, reserved_usd)
        except BusyError as busy:
            outcome = "busy"
            tries.busy += 1
            tries.retry_after_s = busy.retry_after_s
            self.traffic.busy += 1
            self.traffic.last_failure = str(busy)
            if (busy.retry_after_s or 0) > LONGEST_RETRY_AFTER_S:
                raise StoppedError(
                    f"{busy}: it asks to wait {busy.retry_after_s:.0f} s. Run the same command "
                    "after that time"
                ) from None
            raise
        except UnansweredError as failure:
            self._count_failure(tries, failure)
            if self._budget and failure.may_be_billed:
                self._budget.lose(reserved_usd)
                reserved_usd = 0.0
            is_new = self.traffic.last_answer_s is None and not self._is_proven
            if failure.is_connecting and is_new:
                raise StoppedError(f"{failure}. Check --writer, and that the server runs") from None
            raise
        except (RefusedError, StoppedError):
            raise
        except BaseException:  # cancelled in mid flight, above all: it may be billed
            if self._budget and reserved_usd and is_sent:
                self._budget.lose(reserved_usd)
                reserved_usd = 0.0
            raise
        finally:
            if self._budget and outcome != "answered" and reserved_usd:
                self._budget.settle(reserved_usd, 0.0)
            self._gate.leave(slot, outcome)

    def _paid(self, completion: Completion, reserved_usd: float) -> Reply:
        usage = completion.usage
        usd = None
        if self._budget:
            # A server that reports nothing may have billed all that it could.
            usd = self._budget.price_usd(usage) if usage else reserved_usd
            self._budget.settle(reserved_usd, usd)
            if self._budget.is_capped and usd > reserved_usd * (1 + 1e-9):
                self._stop(
                    f"a reply was billed {usd:.4f} USD, at most {reserved_usd:.4f} were expected "
                    f"({usage}). So --max-usd cannot be kept: use a model that does not think and "
                    "obeys max_tokens, or leave the cap out. What has arrived is kept."
                )
        prompt, cached, output = usage or (0, 0, 0)
        self.traffic.prompt_tokens += prompt
        self.traffic.cached_tokens += cached
        self.traffic.last_answer_s = self._gate.now()
        text, finish_reason, model, _ = completion
        return Reply(text, finish_reason, model, prompt, cached, output, usd)

    def _count_failure(self, tries: _Tries, failure: UnansweredError) -> None:
        # While nobody is answered the endpoint is at fault, and not this request.
        if tries.failed_s is None or self._is_alive_since(tries.failed_s):
            tries.failed_alone += 1
        tries.first_failed_s = tries.first_failed_s or self._gate.now()
        tries.failed_s = self._gate.now()
        tries.retry_after_s = None
        self.traffic.failed += 1
        self.traffic.last_failure = str(failure)

    def _wait_s(self, state: RetryCallState, tries: _Tries) -> float:
        """As long as the endpoint asks for and a little more; without a word of it, a backoff."""
        if not tries.retry_after_s:
            return _backoff_s(state)
        doublings = max(tries.busy - _BUSY_TRIES_BEFORE_DOUBLING, 0)
        wait_s = tries.retry_after_s * random.uniform(1.0, _LATEST_RETURN) * 2**doublings
        return max(min(wait_s, _LONGEST_DOUBLED_S), tries.retry_after_s)

    def _gives_up(self, tries: _Tries) -> bool:
        last_s = self.traffic.last_answer_s
        since_s = max(last_s or 0.0, tries.first_failed_s or tries.started_s)
        is_new = last_s is None and not self._is_proven and tries.failed_s is not None
        patience_s = min(PATIENCE_S, FIRST_PATIENCE_S) if is_new else PATIENCE_S
        # Who was told to wait for longer could not be answered earlier.
        if self._gate.now() - since_s > patience_s + 2 * (tries.retry_after_s or 0.0):
            return True
        return self._is_alone_in_failing(tries)

    def _is_alone_in_failing(self, tries: _Tries) -> bool:
        """Whether others are answered, and this request fails again and again for long enough."""
        began_s = tries.first_failed_s
        return (
            began_s is not None
            and tries.failed_alone >= MAX_TRIES
            and self._gate.now() - began_s > min(ALONE_S, PATIENCE_S)
            and self._is_alive_since(began_s)
        )

    def _is_alive_since(self, time_s: float) -> bool:
        last_s = self.traffic.last_answer_s
        return last_s is not None and last_s >= time_s

    def _dead(self, failure: Exception) -> str:
        return (
            f"{failure}; no reply to any request for a while. What has arrived is kept: run the "
            "same command when the endpoint answers again."
        )

    def _stop(self, message: str) -> UserError:
        error = UserError(f"{self._endpoint.url}: {message}")
        self._gate.stop(error)
        return error


def _without_text(finish_reason: str, detail: str) -> Reply:
    return Reply(detail, finish_reason, "", 0, 0, 0, 0.0)
