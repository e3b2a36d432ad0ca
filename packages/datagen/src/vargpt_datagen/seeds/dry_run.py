"""`datagen seeds --dry-run`: the first request of each kind, and what all would come to."""

import math
from typing import NamedTuple

from vargpt_datagen.dry_run import CHARACTERS_PER_TOKEN
from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.pools import shipped_seeds
from vargpt_datagen.seeds.request import BATCH_SIZE, SeedRequests
from vargpt_schema import SEED_KINDS
from vargpt_schema.seeds import SeedKind

NEW_FRAC = 0.75  # of the seeds of a call, a guess until a run has measured it
_CHARACTERS_AROUND = 5  # quotes, comma and spaces of an item in a JSON list


class _Tokens(NamedTuple):
    calls: int
    prompt: int
    output: int


def seeds_dry_run_text(requests: SeedRequests, count: int, endpoint: Endpoint) -> str:
    """What a run would send and cost. Shipped seeds stand in for those that would be written."""
    lines: list[str] = []
    for kind in SEED_KINDS:
        first = requests.request(kind, 0, ())
        lines += [f"== system message, kind {kind}", first.system, ""]
        lines += [f"== user message of its first call, kind {kind}", first.user, ""]
    by_kind = [_tokens(requests, kind, count) for kind in SEED_KINDS]
    calls, prompt, output = (sum(parts) for parts in zip(*by_kind, strict=True))
    lines += [
        "== calls",
        f"seeds {count * len(SEED_KINDS):,}; about {calls:,} calls, each asking for {BATCH_SIZE}, "
        f"of which {NEW_FRAC:.0%} are taken to be good and new",
        f"tokens in all {prompt:,} in, {output:,} out; estimated at {CHARACTERS_PER_TOKEN} "
        "characters a token",
        "",
        f"== USD ({endpoint.model} at {endpoint.url}), nothing cached",
    ]
    if endpoint.tariff is None:
        lines.append("its price is not known, give --price IN,OUT")
    for price in dict.fromkeys(endpoint.tariff or ()):
        usd = price.cost_usd(prompt_tokens=prompt, cached_tokens=0, output_tokens=output)
        lines.append(f"{usd:.3f}  {f'{price.since} {price.note}'.strip()}")
    return "\n".join(lines)


def _tokens(requests: SeedRequests, kind: SeedKind, count: int) -> _Tokens:
    new_by_call = round(BATCH_SIZE * NEW_FRAC)
    calls = math.ceil(count / new_by_call)
    shipped = [seed.text for seed in shipped_seeds()[kind]]
    likely = (shipped * math.ceil(count / len(shipped)))[:count]
    sent = (requests.request(kind, call, likely[: call * new_by_call]) for call in range(calls))
    prompt_characters = sum(len(request.system) + len(request.user) for request in sent)
    seed_characters = sum(map(len, shipped)) / len(shipped) + _CHARACTERS_AROUND
    return _Tokens(
        calls,
        math.ceil(prompt_characters / CHARACTERS_PER_TOKEN),
        math.ceil(calls * BATCH_SIZE * seed_characters / CHARACTERS_PER_TOKEN),
    )
