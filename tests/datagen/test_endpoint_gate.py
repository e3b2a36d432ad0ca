"""Gate and pacer: never more than the ceiling, nobody forgotten, no rate without a limit."""

import asyncio
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.endpoint_clock import leaping, together
from vargpt_datagen.endpoint.gate import Gate
from vargpt_datagen.endpoint.pacer import Outcome, Pacer
from vargpt_schema import UserError

seconds = st.integers(0, 6).map(lambda halves: halves / 2)  # so that much happens at once
# What one visitor does: when it comes, how long it stays, how it ends, when it is cancelled.
visits = st.lists(
    st.tuples(
        seconds,
        seconds,
        st.sampled_from(["answered", "answered", "busy", "failed"]),
        st.none() | seconds,
    ),
    min_size=1,
    max_size=60,
)


async def enter_and_leave(gate: Gate, stays_s: float, outcome: Outcome) -> None:
    slot = await gate.enter()
    try:
        assert 0 < gate.in_flight <= gate.ceiling
        await asyncio.sleep(stays_s)
    finally:
        gate.leave(slot, outcome)


@settings(deadline=None, max_examples=200)
@given(ceiling=st.integers(1, 5), visits=visits)
def test_no_slot_is_lost_or_given_twice_whoever_is_cancelled(ceiling, visits):
    async def visit(gate: Gate, comes_s: float, stays_s: float, outcome, cancelled_s) -> None:
        await asyncio.sleep(comes_s)
        try:
            async with asyncio.timeout(cancelled_s):
                await enter_and_leave(gate, stays_s, outcome)
        except TimeoutError:
            pass

    async def all_of_them() -> None:
        gate = Gate(ceiling)
        await together(visit(gate, *each) for each in visits)
        assert gate.in_flight == 0
        # Everyone whom nobody cancels gets in, and all slots are there.
        inside = 0

        async def meet() -> None:
            nonlocal inside
            await gate.enter()
            inside += 1
            while inside < ceiling:
                await asyncio.sleep(0.01)

        async with asyncio.timeout(60):
            await together(meet() for _ in range(ceiling))

    leaping(all_of_them())


def test_the_slot_of_one_who_was_let_in_and_cancelled_at_once_goes_to_the_next():
    async def three() -> None:
        gate = Gate(1)
        slot = await gate.enter()
        second, third = (asyncio.create_task(gate.enter()) for _ in range(2))
        await asyncio.sleep(1)
        gate.leave(slot, "answered")
        second.cancel()
        async with asyncio.timeout(60):
            await third
        assert second.cancelled()
        assert gate.in_flight == 1

    leaping(three())


@settings(deadline=None, max_examples=50)
@given(ceiling=st.integers(1, 5), num_rows=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_row_that_comes_back_enters_before_one_that_has_not_been_sent(ceiling, num_rows, seed):
    async def all_of_them() -> None:
        gate = Gate(ceiling)
        chosen = random.Random(seed)
        num_waiting = 0  # of those that come back
        tasks: list[asyncio.Task[None]] = []

        async def row() -> None:
            nonlocal num_waiting
            while True:
                num_waiting += 1
                slot = await gate.enter()
                num_waiting -= 1
                await asyncio.sleep(chosen.choice([0.1, 0.2, 0.3]))
                is_busy = chosen.random() < 0.05
                gate.leave(slot, "busy" if is_busy else "answered")
                if not is_busy:
                    return
                await gate.pause(chosen.choice([0.1, 0.2]))

        for _ in range(num_rows):
            await gate.opening()
            assert num_waiting == 0
            tasks.append(asyncio.create_task(row()))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert gate.in_flight == 0

    leaping(all_of_them())


def test_slots_grow_from_64_to_the_ceiling():
    async def most_inside_after(seconds: float) -> int:
        gate = Gate(1_000)
        tasks = [asyncio.create_task(enter_and_leave(gate, 60.0, "answered")) for _ in range(2_000)]
        await asyncio.sleep(seconds)
        found = gate.in_flight
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return found

    assert leaping(most_inside_after(0.0)) <= 64
    assert 64 < leaping(most_inside_after(0.5)) <= 256
    assert leaping(most_inside_after(5.0)) == 1_000


def test_a_stopped_gate_turns_everybody_away_with_the_first_reason():
    first = UserError("the first reason")

    async def all_of_them() -> list[object]:
        gate = Gate(1)
        slot = await gate.enter()
        waiting = [
            asyncio.create_task(gate.enter()),
            asyncio.create_task(gate.opening()),
            asyncio.create_task(gate.pause(3_600)),
        ]
        await asyncio.sleep(1)
        gate.stop(first)
        gate.stop(UserError("the second"))
        found = await asyncio.gather(*waiting, gate.enter(), return_exceptions=True)
        gate.leave(slot, "answered")
        assert gate.in_flight == 0
        return list(found)

    assert leaping(all_of_them()) == [first] * 4


outcomes = st.lists(
    st.tuples(st.sampled_from(["answered", "busy", "failed"]), st.floats(0, 2)),
    max_size=300,
)


@settings(deadline=None)
@given(outcomes=outcomes)
def test_a_rate_is_never_below_one_a_second_and_never_starves(outcomes):
    pacer, now = Pacer(), 100.0
    for outcome, wait_s in outcomes:
        now += wait_s
        now += pacer.wait_s(now)
        assert pacer.wait_s(now) < 1e-6
        start = pacer.started(now)
        pacer.ended(start, outcome, now)
        assert pacer.rate_per_s >= 1.0
        assert 0 <= pacer.wait_s(now) <= 2.5 / pacer.rate_per_s


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 0.03), wanted_per_s=st.integers(2, 2_000))
def test_a_share_of_three_percent_of_429_costs_next_to_no_time(seed, share, wanted_per_s):
    chosen, pacer, now = random.Random(seed), Pacer(), 0.0
    for _ in range(5_000):
        now += max(1 / wanted_per_s, pacer.wait_s(now))
        start = pacer.started(now)
        pacer.ended(start, "busy" if chosen.random() < share else "answered", now)
    assert now < 1.1 * 5_000 / wanted_per_s


def test_a_share_of_three_percent_of_429_sets_no_rate():
    chosen, pacer = random.Random(0), Pacer()
    for each in range(100_000):
        start = pacer.started(each / 500)
        pacer.ended(start, "busy" if chosen.random() < 0.03 else "answered", each / 500)
    assert pacer.rate_per_s == math.inf


def test_failures_that_are_no_429_set_no_rate():
    pacer = Pacer()
    for each in range(5_000):
        start = pacer.started(each / 100)
        pacer.ended(start, "failed", each / 100)
    assert pacer.rate_per_s == math.inf


def limited_pacer(now: float) -> Pacer:
    """A pacer that has met a limit of 50 a second, evenly spaced, and knows of it."""
    pacer, taken_s = Pacer(), -math.inf
    until_s = now + 5.0
    while now < until_s:
        now += max(pacer.wait_s(now), 1e-3)
        start = pacer.started(now)
        is_taken = now - taken_s >= 0.02
        taken_s = now if is_taken else taken_s
        pacer.ended(start, "answered" if is_taken else "busy", now)
    return pacer


def test_a_start_that_was_turned_away_gives_its_turn_to_the_next_and_that_one_to_nobody():
    pacer, now = limited_pacer(100.0), 106.0
    spacing_s = 1 / pacer.rate_per_s
    assert pacer.wait_s(now) == 0
    refused = pacer.started(now)
    pacer.ended(refused, "busy", now + 0.002)
    assert pacer.wait_s(now + 0.002) == 0
    again = pacer.started(now + 0.002)
    pacer.ended(again, "busy", now + 0.004)
    assert pacer.wait_s(now + 0.004) == pytest.approx(spacing_s - 0.002)


def test_a_refusal_that_comes_after_others_have_started_gives_no_turn():
    pacer = limited_pacer(100.0)
    refused = pacer.started(106.0)
    pacer.started(106.1)
    pacer.ended(refused, "busy", 106.1)
    assert pacer.wait_s(106.1) == pytest.approx(1 / pacer.rate_per_s)


def test_refusals_of_starts_from_before_a_change_of_rate_do_not_count():
    pacer = Pacer()
    starts = [pacer.started(100.0 + number / 1_000) for number in range(200)]
    for start in starts[:60]:
        pacer.ended(start, "busy", 100.3)
    assert pacer.rate_per_s < math.inf
    pacer.ended(pacer.started(101.5), "answered", 101.5)
    found = pacer.rate_per_s
    for start in starts[60:]:
        pacer.ended(start, "busy", 101.6)
    for number in range(20):
        pacer.ended(pacer.started(102 + number / 20), "answered", 102 + number / 20)
    assert pacer.rate_per_s >= found


@pytest.mark.parametrize("limit_per_s", [2, 10, 50, 400])
def test_a_rate_settles_near_the_limit(limit_per_s):
    """A limit that counts by whole seconds: so many are taken in each, the rest turned away."""
    pacer, now, taken = Pacer(), 0.0, 0
    second, in_second, rates = 0, 0, []
    while now < 120:
        now += max(pacer.wait_s(now), 1e-4)
        if int(now) != second:
            second, in_second = int(now), 0
            rates.append(pacer.rate_per_s)
        start = pacer.started(now)
        in_second += 1
        taken += in_second <= limit_per_s
        pacer.ended(start, "answered" if in_second <= limit_per_s else "busy", now)
    assert taken >= 0.9 * limit_per_s * 120
    settled = rates[20:]
    assert 0.9 * limit_per_s <= sum(settled) / len(settled) <= 1.5 * limit_per_s + 1
