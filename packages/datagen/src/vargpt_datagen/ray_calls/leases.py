"""USD that a driver lends to its callers, so that all of them together keep one cap."""


class Leases:
    """Who has been lent how much. Lent and spent before never exceed the cap together."""

    def __init__(self, cap_usd: float, earlier_usd: float) -> None:
        self.cap_usd = cap_usd
        self._earlier_usd = earlier_usd  # spent, or perhaps spent, before this run
        self._lent_usd = 0.0

    @property
    def free_usd(self) -> float:
        """What can still be lent."""
        return max(self.cap_usd - self._earlier_usd - self._lent_usd, 0.0)

    def lend(self, least_usd: float, wanted_usd: float) -> float:
        """As much of what is wanted as there is; 0 where that would be less than the least."""
        usd = min(wanted_usd, self.free_usd)
        if usd < least_usd:
            return 0.0
        self._lent_usd += usd
        return usd

    def take_back(self, usd: float) -> None:
        """A caller has no use for so much of its lease.

        What a dead caller was lent is never taken back: nobody knows what it has spent of it.
        """
        self._lent_usd -= min(usd, self._lent_usd)
