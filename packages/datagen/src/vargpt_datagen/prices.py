"""What an API asked for a million tokens, and since when. Peak hours cost twice the flash price."""

from typing import NamedTuple


class Price(NamedTuple):
    """USD per million tokens."""

    model: str
    since: str  # ISO date the price was first seen in the vendor's table
    cached_usd: float  # prompt tokens found in the prefix cache
    prompt_usd: float  # other prompt tokens
    output_usd: float
    note: str

    def cost_usd(self, *, prompt_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        """USD for token counts; cached tokens are part of the prompt tokens."""
        missed = prompt_tokens - cached_tokens
        total = missed * self.prompt_usd + cached_tokens * self.cached_usd
        return (total + output_tokens * self.output_usd) / 1e6


# Source: the vendor's price page as stored on the dates given; look again before spending.
PRICES = (
    Price("deepseek-v3", "2024-12-26", 0.014, 0.14, 0.28, "paper's time; no longer served"),
    Price("deepseek-flash", "2026-09-10", 0.003, 0.15, 0.60, "V4.1-Flash, off-peak"),
    Price("deepseek-flash", "2026-09-10", 0.006, 0.30, 1.20, "V4.1-Flash, peak hours"),
    Price("deepseek-v4-pro", "2026-08-13", 0.022, 0.66, 1.98, "V4-Pro-0813, off-peak"),
)
