"""HTTP 429 and other limits: waits are as long as asked for, limits are found, noise is ignored.

Most of it runs on a clock that leaps, against a host that is a few lines of Python: its figures are
exact, whatever else the machine does.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import cast

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.endpoint_clock import leaping
from tests.datagen.endpoint_command import PRICE, build, expect_built
from tests.datagen.llm_server import Server, running_server
from vargpt_datagen.endpoint.address import endpoint_of
from vargpt_datagen.endpoint.client import Client
from vargpt_datagen.endpoint.completion import Completion, Usage
from vargpt_datagen.endpoint.dispatch import dispatch
from vargpt_datagen.endpoint.failure import BusyError, UnansweredError, retry_after_s
from vargpt_datagen.endpoint.gate import Gate
from vargpt_datagen.endpoint.writer import EndpointWriter
from vargpt_datagen.reply import NO_REPLY, Reply
from vargpt_schema import UserError

URL = "http://127.0.0.1:1/v1"
GOOD = Completion("{}", "stop", "m", Usage(10, 0, 5))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


@dataclass
class Host:
    """Stands for the client and all behind it; `turns_away` says which request fails and how."""

    turns_away: Callable[[bytes, int], Exception | None]  # by body and its attempt, from 1
    latency_s: float = 1.0
    reply_timeout_s: float = 60.0
    in_flight: int = 0
    num_sent: int = 0
    most_in_flight: int = 0
    sent_s: dict[bytes, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def complete(self, body: bytes) -> Completion:
        now_s = asyncio.get_running_loop().time()
        self.sent_s[body].append(now_s)
        self.num_sent += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            failure = self.turns_away(body, len(self.sent_s[body]))
            await asyncio.sleep(0.05 if isinstance(failure, BusyError) else self.latency_s)
            if failure:
                raise failure
            return GOOD
        finally:
            self.in_flight -= 1


@dataclass
class RateLimit:
    """So many requests a second, up to `burst` of them at once; others come back in a second."""

    per_s: float
    burst: float
    filled_s: float = 0.0
    tokens: float = 1.0

    def __call__(self, _body: bytes, _attempt: int) -> Exception | None:
        now_s = asyncio.get_running_loop().time()
        self.tokens = min(self.tokens + (now_s - self.filled_s) * self.per_s, self.burst)
        self.filled_s = now_s
        if self.tokens < 1:
            return BusyError("HTTP 429", 1.0)
        self.tokens -= 1
        return None


@dataclass
class Ran:
    """What a run against a `Host` came to."""

    replies: list[Reply]
    seconds: float
    gate: Gate


def run(host: Host, *, rows: int, ceiling: int) -> Ran:
    """All rows through dispatcher, gate and writer; raises what stopped them."""
    random.seed(20250122)  # of the waits

    async def all_rows() -> Ran:
        gate = Gate(ceiling)
        writer = EndpointWriter(
            endpoint_of(URL, "m", None),
            cast(Client, host),
            gate,
            None,
            max_output_tokens=160,
        )
        replies: list[Reply] = []

        async def step(body: bytes) -> None:
            replies.append(await writer.complete(body))

        started_s = gate.now()
        await dispatch((b"%d" % row for row in range(rows)), step, gate)
        return Ran(replies, gate.now() - started_s, gate)

    return leaping(all_rows())


def test_a_row_comes_back_no_earlier_than_it_was_asked_to():
    chosen = random.Random(3)
    asked_s: dict[tuple[bytes, int], float] = {}

    def turns_away(body: bytes, attempt: int) -> Exception | None:
        if chosen.random() > 0.3:
            return None
        asked_s[body, attempt] = wait_s = chosen.choice([0.0, 0.1, 1.0, 7.5, 120.0, 300.0])
        return BusyError("HTTP 429", wait_s)

    host = Host(turns_away)
    ran = run(host, rows=400, ceiling=32)
    assert len(ran.replies) == 400
    assert len(asked_s) > 100
    for (body, attempt), wait_s in asked_s.items():
        sent_s = host.sent_s[body]
        assert sent_s[attempt] - sent_s[attempt - 1] >= wait_s
    assert host.most_in_flight <= 32


def test_rows_that_wait_hold_no_slot_of_others():
    """One row is asked to wait for five minutes; the others are done long before."""
    host = Host(lambda body, n: BusyError("", 300.0) if body == b"0" and n == 1 else None)
    ran = run(host, rows=100, ceiling=2)
    others_s = [times[-1] for body, times in host.sent_s.items() if body != b"0"]
    assert max(others_s) - host.sent_s[b"0"][0] < 55
    assert 300 <= ran.seconds < 340


def test_three_percent_of_random_429_set_no_rate_and_cost_next_to_nothing():
    chosen = random.Random(5)
    host = Host(lambda _, __: BusyError("", 1.0) if chosen.random() < 0.03 else None)
    ran = run(host, rows=5_000, ceiling=64)
    assert len(ran.replies) == 5_000
    assert ran.gate.pacer.rate_per_s == float("inf")
    assert ran.seconds < 1.1 * 5_000 / 64


@pytest.mark.parametrize(
    "burst",
    [50.0, 10.0, 2.0, 1.0],  # with 1 a start that is a little early is turned away
)
def test_a_limit_of_50_requests_a_second_is_used(burst):
    host = Host(RateLimit(50.0, burst))
    ran = run(host, rows=5_000, ceiling=256)
    assert len(ran.replies) == 5_000
    assert 5_000 / ran.seconds > 0.95 * 50
    assert host.num_sent < 1.25 * 5_000


def test_a_limit_that_falls_to_a_third_is_followed():
    limit = RateLimit(90.0, 10.0)

    def turns_away(body: bytes, attempt: int) -> Exception | None:
        limit.per_s = 90.0 if int(body) < 2_000 else 30.0
        return limit(body, attempt)

    host = Host(turns_away)
    ran = run(host, rows=4_000, ceiling=256)
    assert ran.seconds < 1.1 * (2_000 / 90 + 2_000 / 30)
    assert host.num_sent < 1.4 * 4_000


def test_a_limit_that_goes_away_is_outgrown():
    limit = RateLimit(20.0, 2.0)

    def turns_away(body: bytes, attempt: int) -> Exception | None:
        return limit(body, attempt) if int(body) < 1_000 else None

    ran = run(Host(turns_away), rows=9_000, ceiling=256)
    assert ran.seconds < 1_000 / 20 + 60  # at 20 a second it would be 450


def test_a_limit_of_requests_at_a_time_is_lived_with():
    host = Host(lambda _, __: BusyError("", 1.0) if host.in_flight > 16 else None)
    ran = run(host, rows=2_000, ceiling=256)
    assert len(ran.replies) == 2_000
    assert ran.seconds < 2 * 2_000 / 16


def test_an_endpoint_that_is_busy_for_ten_minutes_ends_the_run():
    host = Host(lambda _, __: BusyError("HTTP 429: full", 1.0))
    with pytest.raises(UserError, match=r"HTTP 429: full; no reply to any request for a while\."):
        run(host, rows=500, ceiling=64)
    first_s = min(times[0] for times in host.sent_s.values())
    last_s = max(times[-1] for times in host.sent_s.values())
    assert 600 <= last_s - first_s < 1_200
    assert len(host.sent_s) <= 2 * 64  # those that wait outside are limited as well


@pytest.mark.parametrize("is_billed", [True, False])
def test_an_endpoint_that_fails_at_everything_ends_the_run_within_minutes(is_billed):
    host = Host(lambda _, __: UnansweredError("HTTP 500: down", may_be_billed=is_billed))
    with pytest.raises(UserError, match=r"HTTP 500: down; no reply to any request for a while\."):
        run(host, rows=500, ceiling=64)
    assert max(len(times) for times in host.sent_s.values()) <= 16
    first_s = min(times[0] for times in host.sent_s.values())
    last_s = max(times[-1] for times in host.sent_s.values())
    assert last_s - first_s < 180


def failing_between(start_s: float, stop_s: float) -> Callable[[bytes, int], Exception | None]:
    """A host that is down for a while; times in seconds since the first request."""
    began_s: list[float] = []

    def turns_away(_body: bytes, _attempt: int) -> Exception | None:
        now_s = asyncio.get_running_loop().time()
        began_s.append(now_s)
        is_down = start_s <= now_s - began_s[0] < stop_s
        return UnansweredError("HTTP 503: down", may_be_billed=False) if is_down else None

    return turns_away


def test_an_outage_of_eight_minutes_is_waited_out_without_losing_a_row():
    ran = run(Host(failing_between(20, 500)), rows=3_000, ceiling=64)
    assert len(ran.replies) == 3_000
    assert {reply.finish_reason for reply in ran.replies} == {"stop"}


def test_an_outage_of_a_quarter_of_an_hour_ends_the_run():
    with pytest.raises(UserError, match=r"HTTP 503: down; no reply to any request for a while\."):
        run(Host(failing_between(20, 900)), rows=3_000, ceiling=64)


def test_a_request_that_always_fails_is_given_up_and_the_others_are_not():
    host = Host(
        lambda body, _: UnansweredError("reset", may_be_billed=True) if body == b"7" else None
    )
    ran = run(host, rows=500, ceiling=4)
    assert len(ran.replies) == 500
    assert [reply.text for reply in ran.replies if reply.finish_reason == NO_REPLY] == ["reset"]
    times = host.sent_s[b"7"]
    assert 8 <= len(times) <= 40
    assert 300 < times[-1] - times[0] < 400


def test_a_wait_of_twenty_minutes_is_waited():
    began_s: list[float] = []

    def full_at_first(_body: bytes, _attempt: int) -> Exception | None:
        now_s = asyncio.get_running_loop().time()
        began_s.append(now_s)
        return BusyError("HTTP 429: full", 1_200.0) if now_s < began_s[0] + 1_200 else None

    ran = run(Host(full_at_first), rows=200, ceiling=64)
    assert {reply.finish_reason for reply in ran.replies} == {"stop"}


def test_a_host_that_turns_away_one_in_seven_at_random_is_not_taken_for_a_limit():
    chosen = random.Random(3)
    host = Host(lambda _, __: BusyError("", 1.0) if chosen.random() < 0.15 else None)
    ran = run(host, rows=6_000, ceiling=64)
    assert len(ran.replies) == 6_000
    assert ran.seconds < 2 * 6_000 / 64


def test_a_first_answer_after_five_minutes_is_an_answer():
    ran = run(Host(lambda _, __: None, latency_s=300.0, reply_timeout_s=600.0), rows=5, ceiling=256)
    assert [reply.finish_reason for reply in ran.replies] == ["stop"] * 5


def test_a_wait_of_more_than_an_hour_ends_the_run():
    host = Host(lambda _, __: BusyError("HTTP 429: full", 3_601.0))
    with pytest.raises(UserError) as error:
        run(host, rows=500, ceiling=64)
    assert str(error.value) == (
        f"{URL}: HTTP 429: full: it asks to wait 3601 s. Run the same command after that time; "
        "what has arrived is kept."
    )
    assert host.num_sent <= 64


@pytest.mark.slow
def test_a_real_limit_is_found_and_loses_nothing(server: Server, tmp_path: Path):
    server.configure(requests_per_s=20, burst=5, retry_after_s=0.5)
    words = ("--in-flight", 64, "--price", PRICE)
    expect_built(build(server.url, *words, cwd=tmp_path, rows=60))
    ledger = server.ledger()
    assert ledger["billed"] == 60
    assert ledger["billed_again"] == 0
    assert ledger["by_status"]["429"] > 0
    assert ledger["max_in_flight"] <= 64


@pytest.mark.slow
def test_a_limit_whose_waits_are_dates_is_found_too(server: Server, tmp_path: Path):
    server.configure(requests_per_s=20, burst=5, retry_after_s=1, retry_after_date=True)
    expect_built(build(server.url, "--in-flight", 64, cwd=tmp_path, rows=200))
    assert server.ledger()["billed"] == 200
    assert server.ledger()["requests"] < 5 * 200


def retry_after(text: str) -> float | None:
    return retry_after_s(httpx2.Headers({b"retry-after": text.encode("latin-1")}))


@pytest.fixture
def at_noon(monkeypatch) -> None:
    monkeypatch.setattr("vargpt_datagen.endpoint.failure.now_utc", lambda: NOW)


@pytest.mark.usefixtures("at_noon")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 2.5 ", 2.5),
        ("-3", 0.0),
        ("1e3", 1000.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("1;2", None),
        ("Tue, 24 Nov 2026 12:00:20 GMT", 20.0),
        ("Tue, 24 Nov 2026 11:59:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 23:00:00 GMT", 60.0),  # of two clocks one is wrong
        ("Tue, 24 Nov 2026 12:00:20 -0000", None),  # a time without its zone
        ("Tue, 24 Nov 2026 25:00:20 GMT", None),
    ],
)
def test_a_retry_after_header_is_seconds_or_a_date_or_nothing(text, seconds):
    assert retry_after(text) == seconds


def test_no_retry_after_header_is_none():
    assert retry_after_s(httpx2.Headers({})) is None


@settings(deadline=None)
@given(text=st.text(st.characters(max_codepoint=255), max_size=40))
def test_whatever_a_header_says_is_a_number_of_seconds_or_nothing(text: str):
    seconds = retry_after(text)
    assert seconds is None or 0 <= seconds < float("inf")


@settings(deadline=None)
@given(leap=st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_no_clock_makes_a_date_wait_for_more_than_a_minute(leap: timedelta):
    seconds = retry_after(format_datetime(datetime.now(UTC) + leap, usegmt=True))
    assert seconds is not None
    assert 0 <= seconds <= 60
