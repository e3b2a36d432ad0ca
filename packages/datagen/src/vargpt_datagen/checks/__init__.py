"""What a written prompt and answer must be before they become a row; each rule has a reason."""

from vargpt_datagen.checks.candidate import Candidate, Fault, Rule, Shot
from vargpt_datagen.checks.normalise import normalise, normalise_answer
from vargpt_datagen.checks.rules import RULES, first_fault

__all__ = [
    "RULES",
    "Candidate",
    "Fault",
    "Rule",
    "Shot",
    "first_fault",
    "normalise",
    "normalise_answer",
]
