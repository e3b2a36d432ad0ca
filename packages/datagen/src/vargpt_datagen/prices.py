"""What an API asked for a million tokens, since when, and at which hours."""

import math
from datetime import UTC, datetime
from typing import NamedTuple

from vargpt_schema import UserError


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


PEAK_HOURS = "peak hours"

# Source: the vendor's price page as stored on the dates given; look again before spending.
PRICES = (
    Price("deepseek-v3", "2024-12-26", 0.014, 0.14, 0.28, "paper's time; no longer served"),
    Price("deepseek-flash", "2026-09-10", 0.003, 0.15, 0.60, "V4.1-Flash, off-peak"),
    Price("deepseek-flash", "2026-09-10", 0.006, 0.30, 1.20, f"V4.1-Flash, {PEAK_HOURS}"),
    Price("deepseek-v4-pro", "2026-08-13", 0.022, 0.66, 1.98, "V4-Pro-0813, off-peak"),
    Price("deepseek-v4-pro", "2026-08-13", 0.044, 1.32, 3.96, f"V4-Pro-0813, {PEAK_HOURS}"),
)
NO_LONGER_SERVED = {"deepseek-v3", "deepseek-chat", "deepseek-reasoner"}


class Tariff(NamedTuple):
    """The prices of one model over the day."""

    usual: Price
    peak: Price  # the same where the vendor knows no peak

    def at(self, utc: datetime) -> Price:
        """The price at a time; the vendor's holidays, which cost less, are not known here."""
        return self.peak if is_peak(utc) else self.usual


def is_peak(utc: datetime) -> bool:
    """DeepSeek's peak: Monday to Friday, 01:00 to 04:00 and 06:00 to 10:00 UTC."""
    return utc.weekday() < 5 and (1 <= utc.hour < 4 or 6 <= utc.hour < 10)


def now_utc() -> datetime:
    return datetime.now(UTC)


def deepseek_tariff(model: str) -> Tariff | None:
    """The table's prices of a model that DeepSeek serves itself; None when it has none."""
    known = [price for price in PRICES if price.model == model and model not in NO_LONGER_SERVED]
    if not known:
        return None
    peak = next((price for price in known if price.note.endswith(PEAK_HOURS)), known[0])
    return Tariff(known[0], peak)


def read_price(text: str, model: str) -> Tariff:
    """`--price IN,OUT` or `IN,OUT,CACHED` in USD per million tokens; UserError for others.

    Without a third number cached tokens count at the full price.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 <= usd < math.inf for usd in numbers):
        raise UserError(
            f"--price {text}: USD per million tokens as IN,OUT or IN,OUT,CACHED was expected. "
            "Example: --price 0.15,0.60"
        )
    prompt_usd, output_usd = numbers[:2]
    price = Price(
        model,
        "",
        numbers[-1] if len(numbers) == 3 else prompt_usd,
        prompt_usd,
        output_usd,
        "as given with --price",
    )
    return Tariff(price, price)
