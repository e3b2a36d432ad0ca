"""`--dry-run`: one rendered request and what all of them would come to; writes nothing."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.plan import NUM_SHOTS, Plan
from vargpt_datagen.prices import PRICES, Price
from vargpt_datagen.printable import printable_lines
from vargpt_datagen.request import RequestWriter

CHARACTERS_PER_TOKEN = 4  # usual for English; no tokenizer is shipped
OUTPUT_TOKENS_PER_ROW = 60  # two sentences in a JSON object
SPARE_SHARE = 0.05  # rejects and second attempts, a guess until a run has measured it
CACHE_UNIT_TOKENS = 64  # DeepSeek caches prefixes in units of so many tokens
_SAMPLED_ROWS = 200


class Sizes(NamedTuple):
    """Mean tokens of the parts of a request, in the order they are sent."""

    system: int
    shots: float
    rest: float

    @property
    def prompt(self) -> float:
        return self.system + self.shots + self.rest


def dry_run_text(plan: Plan, requests: RequestWriter, rows: int, endpoint: Endpoint | None) -> str:
    """What a build would send and cost; without an endpoint it would be sent nowhere."""
    sizes = _sizes(plan, requests, rows)
    calls = math.ceil(rows * (1 + SPARE_SHARE))
    first = requests.request(plan.row(0))
    user = requests.user(first.caption, first.shots, first.seeds)
    shot_sets = plan.config.shot_sets
    lines = [
        "== system message (the same for every row)",
        requests.system,
        "",
        "== user message of row 0",
        printable_lines(user),
        "",
        "== calls",
        f"rows {rows:,}; about {calls:,} calls with {SPARE_SHARE:.0%} for rejects and repeats",
        f"prompt tokens a call {sizes.prompt:,.0f} (system {sizes.system}, shots "
        f"{sizes.shots:,.0f}, seeds and caption {sizes.rest:,.0f}); output about "
        f"{OUTPUT_TOKENS_PER_ROW}",
        f"tokens in all {calls * sizes.prompt / 1e6:,.1f} million in, "
        f"{calls * OUTPUT_TOKENS_PER_ROW / 1e6:,.1f} million out; estimated at "
        f"{CHARACTERS_PER_TOKEN} characters a token",
        "",
        "== prefix cache, best case",
        *_cache_lines(sizes, calls, shot_sets),
        "",
        f"== USD ({_to_whom(endpoint)})",
        f"{'model':<16} {'since':<10} {'no cache':>9} {'random shots':>13} {'shot sets':>10}  note",
    ]
    sets = shot_sets or 256
    for price in _prices(endpoint):
        usd = [
            price.cost_usd(
                prompt_tokens=round(calls * sizes.prompt),
                cached_tokens=round(calls * sizes.prompt * share),
                output_tokens=calls * OUTPUT_TOKENS_PER_ROW,
            )
            for share in (0.0, cache_share(sizes, calls, None), cache_share(sizes, calls, sets))
        ]
        since = price.since or "as given"
        lines.append(
            f"{price.model:<16} {since:<10} {usd[0]:>9.2f} {usd[1]:>13.2f} {usd[2]:>10.2f}"
            f"  {price.note}"
        )
    return "\n".join(lines)


def _to_whom(endpoint: Endpoint | None) -> str:
    if endpoint is None:
        return "offline writer: 0; what endpoints would cost:"
    known = "" if endpoint.tariff else "; its price is not known, give --price IN,OUT"
    return f"{endpoint.model} at {endpoint.url}{known}"


def _prices(endpoint: Endpoint | None) -> Sequence[Price]:
    if endpoint is None or endpoint.tariff is None:
        return PRICES
    return tuple(dict.fromkeys(endpoint.tariff))


def cache_share(sizes: Sizes, calls: int, shot_sets: int | None) -> float:
    """Share of prompt tokens in a prefix that an earlier call had, whole cache units only.

    Random shots share the system message alone; with fixed sets every call but the first of each
    set shares its shots too.
    """
    system = sizes.system // CACHE_UNIT_TOKENS * CACHE_UNIT_TOKENS
    if shot_sets is None:
        return system * (calls - 1) / (calls * sizes.prompt)
    block = (sizes.system + sizes.shots) // CACHE_UNIT_TOKENS * CACHE_UNIT_TOKENS
    first_calls = min(shot_sets, calls)
    hits = block * (calls - first_calls) + system * (first_calls - 1)
    return hits / (calls * sizes.prompt)


def _cache_lines(sizes: Sizes, calls: int, shot_sets: int | None) -> list[str]:
    sets = shot_sets or 256
    return [
        f"random shots: {cache_share(sizes, calls, None):.0%} of the prompt tokens",
        f"--shot-sets {sets}: {cache_share(sizes, calls, sets):.0%}, at the price of {sets} "
        f"different sets of {NUM_SHOTS} shots in all",
    ]


def _sizes(plan: Plan, requests: RequestWriter, rows: int) -> Sizes:
    step = max(rows // _SAMPLED_ROWS, 1)
    sampled = [requests.request(plan.row(position)) for position in range(0, rows, step)]
    users = [requests.user(row.caption, row.shots, row.seeds) for row in sampled]
    # The shots end where the guidelines begin.
    shots = [user.index("\n- The request: ") for user in users]
    rest = [len(user) - cut for user, cut in zip(users, shots, strict=True)]
    return Sizes(
        system=math.ceil(len(requests.system) / CHARACTERS_PER_TOKEN),
        shots=sum(shots) / len(shots) / CHARACTERS_PER_TOKEN,
        rest=sum(rest) / len(rest) / CHARACTERS_PER_TOKEN,
    )
