"""TextVQA, OK-VQA, VizWiz and VQAv2: agreement with ten human answers.

A response scores min(1, matches among the other nine / 3), averaged over the ten (VQA, Antol et al.
2015): 0, 0.3, 0.6, 0.9, 1 for 0, 1, 2, 3, 4 or more matches.
"""

from fractions import Fraction
from functools import lru_cache

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile
from vargpt_eval.scoring.vqa_answer import evalai_form, on_one_line, vqa_form

_evalai_form = lru_cache(maxsize=1 << 19)(evalai_form)
_vqa_form = lru_cache(maxsize=1 << 19)(vqa_form)


def score_vqa(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:  # noqa: ARG001
    """TextVQA, OK-VQA, VizWiz: every text in the EvalAI form. Without human answers 0."""
    parsed = _evalai_form(response)
    matches = sum(_evalai_form(target) == parsed for target in item.targets)
    return ItemScore(parsed, vqa_agreement(matches, len(item.targets)))


def score_vqav2(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:
    """VQAv2, whose two profiles differ.

    0.3.0 puts the response in the EvalAI form, and leaves both sides there when all human answers
    are the same, so that `t-shirt` does not match ten times `t-shirt`.
    """
    targets = [on_one_line(target) for target in item.targets]
    if profile == "vargpt-0.3.0":
        parsed = _evalai_form(response)
        if len(set(targets)) > 1:
            parsed = _vqa_form(parsed)
            targets = [_vqa_form(target) for target in targets]
    else:
        parsed = _vqa_form(on_one_line(response))
        targets = [_vqa_form(target) for target in targets]
    return ItemScore(parsed, vqa_agreement(targets.count(parsed), len(targets)))


@lru_cache(maxsize=1024)
def vqa_agreement(matches: int, num_answers: int) -> float:
    """Score of a response that `matches` of the human answers equal, each left out in turn."""
    if num_answers == 0:
        return 0.0
    own = matches * min(Fraction(1), Fraction(max(matches - 1, 0), 3))
    others = (num_answers - matches) * min(Fraction(1), Fraction(matches, 3))
    return float((own + others) / num_answers)
