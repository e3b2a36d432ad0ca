"""Money: --max-usd holds by the server's own account, whatever fails, and prices are read right."""

import asyncio
import math
import re
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.command import published
from tests.datagen.endpoint_command import (
    BRISK,
    PRICE,
    build,
    ended,
    expect_built,
    journal_of,
    refusal,
    started_build,
)
from tests.datagen.llm_server import Server, running_server, wait_until
from vargpt_datagen.endpoint.completion import Usage, read_usage
from vargpt_datagen.endpoint.money import Budget, CapReachedError
from vargpt_datagen.prices import Price, Tariff, read_price
from vargpt_schema import UserError

PROMPT_USD, OUTPUT_USD = 1.0, 2.0  # PRICE in numbers


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


def billed_usd(server: Server, folder: Path) -> float:
    """What the server's bills come to: each completion at the tokens that it counted for it.

    A completion that the journal lacks is put at the dearest one it has.
    """
    cost_usd = {
        sha256: (prompt * PROMPT_USD + completion * OUTPUT_USD) / 1e6
        for sha256, _, prompt, completion in journal_of(folder)
    }
    dearest_usd = max(cost_usd.values())
    return sum(cost_usd.get(sha256, dearest_usd) for sha256, _ in server.billed())


def test_the_cap_holds_in_mid_flight_and_a_raised_one_finishes_without_paying_twice(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.05)
    words = ("--price", PRICE, "--in-flight", 16)
    line = refusal(build(server.url, *words, "--max-usd", 0.03, cwd=tmp_path, rows=100))
    assert "--max-usd 0.03: 0.0" in line
    assert line.endswith("What has arrived is kept: raise --max-usd and run the same command.")
    folder = tmp_path / "build"
    assert 0.02 < billed_usd(server, folder) <= 0.03
    assert len(journal_of(folder)) == server.ledger()["billed"] < 100

    ran = build(server.url, *words, "--max-usd", 1, cwd=tmp_path, rows=100)
    expect_built(ran)
    assert server.ledger()["billed"] == 100
    assert server.ledger()["billed_again"] == 0
    usd = billed_usd(server, folder)
    assert f"100 rows, 0 rejects, {usd:.2f} USD -> build" in ran.stdout
    shown = (
        rf"rows: 100/100 \(100%\), \d+/s, .* in flight, 429: 0, {usd:.2f} USD of about {usd:.2f}"
    )
    assert re.search(rf"^{shown}, cache \d+%$", ran.stderr, re.MULTILINE)


def test_replies_that_were_lost_or_report_nothing_count_at_their_worst(
    server: Server, tmp_path: Path
):
    server.configure(usage="none", faults={"cut": 0.3})
    words = ("--price", PRICE, "--in-flight", 4, "--max-usd", 0.2)
    line = refusal(build(server.url, *words, cwd=tmp_path, rows=100, before=BRISK))
    assert "--max-usd 0.2: 0.1" in line
    ledger = server.ledger()
    assert ledger["billed_unread"] > 0
    # No request here is shorter than 3,400 bytes, and bytes are tokens at worst.
    fewest_usd = (3_400 * PROMPT_USD + 160 * OUTPUT_USD) / 1e6
    assert (ledger["billed"] + ledger["billed_unread"]) * fewest_usd <= 0.2


@pytest.mark.slow
def test_the_cap_holds_over_kills_of_the_process(server: Server, tmp_path: Path):
    server.configure(latency_s=1.0)  # a busy machine notices 20 replies late
    words = ("--price", PRICE, "--in-flight", 32, "--max-usd", 0.2)
    num_kills = 0
    for _ in range(12):
        already = server.ledger()["billed"]
        with started_build(server.url, *words, cwd=tmp_path, rows=500) as process:
            wait_until(
                lambda process=process, enough=already + 20: (
                    process.poll() is not None or server.ledger()["billed"] >= enough
                )
            )
            process.send_signal(signal.SIGKILL)
            if ended(process).returncode != -signal.SIGKILL:
                break
        num_kills += 1
    assert "raise --max-usd" in refusal(build(server.url, *words, cwd=tmp_path, rows=500))
    assert num_kills >= 1
    assert billed_usd(server, tmp_path / "build") <= 0.2

    words = ("--price", PRICE, "--max-usd", 5)
    expect_built(build(server.url, *words, cwd=tmp_path, rows=500))
    again = Counter(sha256 for sha256, _ in server.billed())
    assert sum(count - 1 for count in again.values()) <= 32 * num_kills
    assert published(tmp_path / "build")


def tariff(prompt_usd: float = 1.0, cached_usd: float = 0.1, output_usd: float = 2.0) -> Tariff:
    price = Price("m", "", cached_usd, prompt_usd, output_usd, "")
    return Tariff(price, price)


amounts = st.floats(0.001, 1.0)
actions = st.lists(st.tuples(st.sampled_from(["settle", "lose", "free"]), amounts, st.floats(0, 1)))


@settings(deadline=None)
@given(cap=st.floats(0.5, 3.0), earlier=st.floats(0.0, 1.0), actions=actions)
def test_no_order_of_payments_exceeds_the_cap_or_forgets_what_is_at_risk(cap, earlier, actions):
    noted = [0.0]
    reached: list[str] = []

    async def one(budget: Budget, action: str, usd: float, paid_frac: float) -> None:
        try:
            await budget.reserve(usd)
        except CapReachedError as error:
            reached.append(str(error))
            return
        expect_kept(budget)
        await asyncio.sleep(paid_frac * 1e-4)  # they end in an order of their own
        if action == "settle":
            budget.settle(usd, usd * paid_frac)
        elif action == "lose":
            budget.lose(usd)
        else:
            budget.settle(usd, 0.0)
        expect_kept(budget)

    def expect_kept(budget: Budget) -> None:
        assert budget.spent_usd + budget.reserved_usd <= max(cap, earlier) + 1e-9
        assert noted[-1] >= budget.reserved_usd + budget.uncertain_usd - 1e-9

    async def all_of_them() -> None:
        budget = Budget(tariff(), cap_usd=cap, earlier_usd=earlier, note_at_risk=noted.append)
        await asyncio.gather(*(one(budget, *action) for action in actions))
        assert budget.reserved_usd == 0
        most = max((usd for _, usd, _ in actions), default=0.0)
        assert bool(reached) <= (budget.spent_usd + most > cap)
        budget.close()
        assert noted[-1] == pytest.approx(budget.uncertain_usd)

    asyncio.run(all_of_them())


def test_a_reservation_waits_for_money_and_none_is_left_waiting():
    async def in_turn() -> float:
        budget = Budget(tariff(), cap_usd=1.0, earlier_usd=0.0, note_at_risk=lambda _: None)

        async def one() -> None:
            await budget.reserve(0.6)
            await asyncio.sleep(0)
            budget.settle(0.6, 0.01)

        async with asyncio.timeout(20):
            await asyncio.gather(*(one() for _ in range(40)))
        return budget.spent_usd

    assert asyncio.run(in_turn()) == pytest.approx(0.4)


def test_the_worst_case_is_at_peak_hours_and_the_bill_at_the_hour_of_the_reply(monkeypatch):
    usual, peak = Price("m", "", 0.1, 1, 10, ""), Price("m", "", 0.2, 2, 20, "")
    budget = Budget(Tariff(usual, peak), cap_usd=None, earlier_usd=0.0, note_at_risk=lambda _: None)
    assert budget.worst_case_usd(1_000_000 - 64, 1_000_000) == 22
    bill = Usage(prompt_tokens=1_000_000, cached_tokens=500_000, completion_tokens=1_000_000)
    for at, usd in (
        (datetime(2026, 11, 24, 5, tzinfo=UTC), 10.55),  # Tuesday between the peaks
        (datetime(2026, 11, 24, 6, tzinfo=UTC), 21.1),
        (datetime(2026, 11, 22, 6, tzinfo=UTC), 10.55),  # Sunday
    ):
        monkeypatch.setattr("vargpt_datagen.endpoint.money.now_utc", lambda at=at: at)
        assert budget.price_usd(bill) == pytest.approx(usd)


def test_both_shapes_of_usage_are_read():
    deepseek = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}
    openai = {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    assert read_usage(deepseek) == read_usage(openai) == Usage(10, 4, 3)
    assert read_usage({"prompt_tokens": 10, "completion_tokens": 3}) == Usage(10, 0, 3)
    assert read_usage(openai | {"prompt_tokens_details": None}) == Usage(10, 0, 3)
    assert read_usage(deepseek | {"prompt_cache_hit_tokens": 99}) == Usage(10, 10, 3)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
counts = st.integers(-3, 2**70) | values
details = st.fixed_dictionaries({}, optional={"cached_tokens": counts}) | values


@settings(deadline=None)
@given(
    usage=st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": counts,
            "completion_tokens": counts,
            "prompt_cache_hit_tokens": counts,
            "prompt_tokens_details": details,
        },
    )
    | values
)
def test_whatever_a_server_reports_as_usage_is_counts_that_can_be_or_nothing(usage: Any):
    found = read_usage(usage)
    if found is not None:
        assert 0 <= found.cached_tokens <= found.prompt_tokens < 2**31
        assert 0 <= found.completion_tokens < 2**31
        assert (found.prompt_tokens, found.completion_tokens) == (
            usage["prompt_tokens"],
            usage["completion_tokens"],
        )


prices = st.floats(0, 1e6)


@given(prompt_usd=prices, output_usd=prices, cached_usd=st.none() | prices)
def test_a_price_is_read_as_it_was_written(prompt_usd, output_usd, cached_usd):
    third = "" if cached_usd is None else f",{cached_usd!r}"
    usual, peak = read_price(f"{prompt_usd!r},{output_usd!r}{third}", "m")
    assert usual == peak
    assert (usual.prompt_usd, usual.output_usd) == (prompt_usd, output_usd)
    assert usual.cached_usd == (prompt_usd if cached_usd is None else cached_usd)


numbers = [
    "1",
    "0.5",
    " 2",
    "0",
    "-1",
    "-0.5",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "",
    "x",
    "\x1b",
    "1;2",
]


@given(text=st.lists(st.sampled_from(numbers), max_size=4).map(",".join))
def test_a_price_is_never_negative_or_endless_or_read_half(text: str):
    try:
        usual, _ = read_price(text, "m")
    except UserError as error:
        assert "as IN,OUT or IN,OUT,CACHED was expected" in str(error)
    else:
        assert len(text.split(",")) in (2, 3)
        assert all(0 <= usd < math.inf for usd in usual[2:5])
