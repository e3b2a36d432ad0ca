"""`vargpt-eval ablations`: rows of Tables 4 and 5, several seeds each, beside the full model."""

from vargpt_eval.ablations.page import AblationPage, make_ablations

__all__ = ["AblationPage", "make_ablations"]
