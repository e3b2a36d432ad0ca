"""All rules in the order they are tried: the first one broken gives a reject its reason."""

from vargpt_datagen.checks.answer import (
    answer_describes_input,
    answer_follow_up,
    answer_promises_text,
    refusal,
)
from vargpt_datagen.checks.candidate import Candidate, Fault, Rule
from vargpt_datagen.checks.copying import prompt_equals_answer, seed_copy, shot_copy
from vargpt_datagen.checks.faithfulness import (
    answer_off_caption,
    new_colour,
    new_number,
    prompt_off_caption,
)
from vargpt_datagen.checks.form import (
    answer_length,
    language,
    markup,
    prompt_length,
    special_token,
    vendor_name,
)
from vargpt_datagen.checks.prompt import prompt_not_request

# From the most specific finding to the least: a copied shot is also off its caption, a refusal too.
RULES: tuple[Rule, ...] = (
    special_token,
    vendor_name,
    prompt_equals_answer,
    seed_copy,
    markup,
    language,
    prompt_length,
    answer_length,
    refusal,
    prompt_not_request,
    answer_describes_input,
    answer_promises_text,
    answer_follow_up,
    shot_copy,
    new_colour,
    new_number,
    prompt_off_caption,
    answer_off_caption,
)


def first_fault(candidate: Candidate) -> Fault | None:
    """The first rule the candidate breaks, or None for a good pair."""
    for rule in RULES:
        detail = rule(candidate)
        if detail is not None:
            return Fault(rule.__name__, detail)
    return None
