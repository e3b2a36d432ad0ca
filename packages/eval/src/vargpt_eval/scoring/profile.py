"""Scorer profiles: whose reading of the same answer is followed."""

from typing import Literal, get_args

Profile = Literal["vargpt-0.3.0", "lmms-eval-0.7.3"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
# The lmms-eval copy in the authors' repository, which the paper's numbers come from.
DEFAULT_PROFILE: Profile = "vargpt-0.3.0"
