"""SEED-Bench: the first character of the response against the answer's letter."""

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile


def score_seed(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:  # noqa: ARG001
    """In any case; `Answer: B.` reads as A, and `(C)` as none."""
    parsed = response.strip()[:1]
    return ItemScore(parsed, float(parsed.lower() == item.targets[0].lower().strip()))
