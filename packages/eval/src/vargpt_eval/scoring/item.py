"""A benchmark's question as a scorer needs it, and what a scorer says of one answer."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkItem:
    """Without the question: scorers do not read it."""

    sample_id: str  # unique within its task
    cluster_id: str  # what the bootstrap draws: image, circular group, or the item itself
    targets: tuple[str, ...]  # accepted answers; the human answers of the VQA tasks
    options: tuple[str | None, ...] = ()  # of A, B, C...; None: no such option
    categories: tuple[str, ...] = ()  # coarse to fine

    @property
    def category(self) -> str | None:
        """Coarse to fine in one text; None without any."""
        return " / ".join(self.categories) or None


class ItemScore(NamedTuple):
    """What a scorer made of one response."""

    parsed: str  # what was read out of the response
    score: float  # 0 to 1
    is_fallback: bool = False  # nothing could be read: a guess, or a rule of last resort
