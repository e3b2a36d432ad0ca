"""ScienceQA, questions with an image: the letter alone, or a letter and a period."""

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile


def score_scienceqa(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:
    """0.7.3 also reads `B. text`; 0.3.0 lower-cases first, so that its rule for it never fires."""
    parsed = response.strip()
    if profile == "lmms-eval-0.7.3" and parsed[1:2] == "." and parsed[0].isupper():
        parsed = parsed[0]
    return ItemScore(parsed, float(parsed.lower() == item.targets[0].lower()))
