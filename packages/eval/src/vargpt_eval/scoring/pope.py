"""POPE: is the object there? The response must be `yes` or `no` and nothing else."""

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile


def score_pope(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:  # noqa: ARG001
    """`Yes.` is wrong, as in lmms-eval."""
    parsed = response.lower().strip()
    return ItemScore(parsed, float(parsed == item.targets[0]))


def lenient_yes_no(response: str) -> str:
    """POPE's own reading: `no` where the first sentence holds the word no or not, else `yes`."""
    words = response.split(".", 1)[0].replace(",", "").lower().split()
    return "no" if "no" in words or "not" in words else "yes"
