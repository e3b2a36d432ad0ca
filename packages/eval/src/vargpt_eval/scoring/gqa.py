"""GQA: the response equals the answer but for case and ASCII punctuation."""

import string

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def score_gqa(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:  # noqa: ARG001
    """Articles, numbers and inner spaces count: `the dog` is not `dog`."""
    parsed = _form(response)
    return ItemScore(parsed, float(parsed == _form(item.targets[0])))


def _form(text: str) -> str:
    return text.lower().translate(_WITHOUT_PUNCTUATION)
