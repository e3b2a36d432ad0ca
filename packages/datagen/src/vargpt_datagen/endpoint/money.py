"""Money: the worst case of a request is reserved before it is sent, and settled by what it was.

Reserved plus spent, earlier runs of the folder included, never exceeds the cap. What is in flight
is noted in the journal beforehand, so that a killed process cannot forget what it may owe.
"""

import asyncio
from collections.abc import Awaitable, Callable

from vargpt_datagen.endpoint.completion import Usage
from vargpt_datagen.prices import Tariff, now_utc

# Special tokens that a server puts around each message, and a little more; texts themselves have at
# most one token a byte.
_TOKENS_AROUND = 64


class CapReachedError(Exception):
    """The next request could exceed --max-usd."""


class Budget:
    """Reservations and payments of one run."""

    def __init__(
        self,
        tariff: Tariff,
        *,
        cap_usd: float | None,
        earlier_usd: float,
        note_at_risk: Callable[[float], None],
        borrow: Callable[[float], Awaitable[bool]] | None = None,
    ) -> None:
        """With `borrow` the cap is a lease: asked for more, it says whether `lend` was called."""
        self._borrow = borrow
        self._tariff = tariff
        self._cap_usd = cap_usd
        self._note_at_risk = note_at_risk
        self._noted_usd = 0.0
        self.settled_usd = earlier_usd  # paid for replies that arrived, and what earlier runs risk
        self.reserved_usd = 0.0
        self.uncertain_usd = 0.0  # of this run: sent, no reply, perhaps billed
        self._changed: asyncio.Future[None] | None = None

    @property
    def is_capped(self) -> bool:
        return self._cap_usd is not None

    @property
    def spent_usd(self) -> float:
        """What may have been spent so far, at most; requests in flight not included."""
        return self.settled_usd + self.uncertain_usd

    def worst_case_usd(self, num_bytes: int, max_output_tokens: int) -> float:
        """USD that a request can cost at most: nothing cached, all of the output, peak hours."""
        return self._tariff.peak.cost_usd(
            prompt_tokens=num_bytes + _TOKENS_AROUND,
            cached_tokens=0,
            output_tokens=max_output_tokens,
        )

    async def reserve(self, usd: float) -> None:
        """Set money aside, waiting for settlements where it is short.

        CapReachedError when there would be too little even then.
        """
        while (
            self._cap_usd is not None and self.spent_usd + self.reserved_usd + usd > self._cap_usd
        ):
            if self._borrow and await self._borrow(usd):
                continue
            if self.reserved_usd == 0:
                raise CapReachedError(
                    f"--max-usd {self._cap_usd:g}: {self.spent_usd:.4f} USD are spent, and the "
                    f"next request could cost {usd:.4f}"
                )
            if self._changed is None:
                self._changed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._changed)
        self.reserved_usd += usd
        self._note()

    def lend(self, usd: float) -> None:
        """Raise the cap, which must be there."""
        if self._cap_usd is None:
            raise ValueError("a budget without a cap needs no lease")
        self._cap_usd += usd

    def give_back(self) -> float:
        """Lower the cap to what is spent and reserved; what it was lowered by, in USD."""
        if self._cap_usd is None:
            return 0.0
        unused_usd = max(self._cap_usd - self.spent_usd - self.reserved_usd, 0.0)
        self._cap_usd -= unused_usd
        return unused_usd

    def settle(self, reserved_usd: float, paid_usd: float) -> None:
        """End a reservation with what was paid."""
        self.settled_usd += paid_usd
        self._free(reserved_usd)

    def lose(self, reserved_usd: float) -> None:
        """End a reservation of which nobody knows whether it was billed: count it as spent."""
        self.uncertain_usd += reserved_usd
        self._free(reserved_usd)

    def price_usd(self, usage: Usage) -> float:
        """What a reply that arrives now costs."""
        return self._tariff.at(now_utc()).cost_usd(
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.completion_tokens,
        )

    def close(self) -> None:
        """Note what stays uncertain, now that nothing is in flight."""
        self._note_at_risk(self.uncertain_usd + self.reserved_usd)

    def _note(self) -> None:
        """Keep the note above what is at risk, in large steps, as each note is a commit."""
        at_risk_usd = self.reserved_usd + self.uncertain_usd
        if not at_risk_usd <= self._noted_usd <= 2 * at_risk_usd:
            self._noted_usd = 1.25 * at_risk_usd
            self._note_at_risk(self._noted_usd)

    def _free(self, usd: float) -> None:
        self.reserved_usd -= usd
        if self.reserved_usd < 1e-12:  # sums of many small numbers end a little off
            self.reserved_usd = 0.0
        if self._changed and not self._changed.done():
            self._changed.set_result(None)
        self._changed = None
