"""MME: two yes/no questions an image, in ten perception and four cognition subtasks."""

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = (
    "commonsense_reasoning",
    "numerical_calculation",
    "text_translation",
    "code_reasoning",
)
_PREFIX_CHARACTERS = 4


def score_mme(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:  # noqa: ARG001
    """Right when the response reads as the answer; `other` is wrong."""
    parsed = yes_no(response)
    return ItemScore(parsed, float(parsed == item.targets[0]))


def yes_no(response: str) -> str:
    """`yes`, `no` or `other`; of longer responses the first four characters decide.

    `not` and `know` so read as no, and `Answer: Yes` as other.
    """
    text = response.lower().strip().replace(".", "")
    if text in ("yes", "y"):
        return "yes"
    if text in ("no", "n"):
        return "no"
    if len(text) == 1:
        return "other"
    prefix = text[:_PREFIX_CHARACTERS]
    return "yes" if "yes" in prefix else "no" if "no" in prefix else "other"
