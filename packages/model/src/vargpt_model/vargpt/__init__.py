"""The model of the paper and its configuration."""

from vargpt_model.vargpt.config import VargptConfig
from vargpt_model.vargpt.model import VargptForConditionalGeneration
from vargpt_model.vargpt.output import VargptOutput

__all__ = ["VargptConfig", "VargptForConditionalGeneration", "VargptOutput"]
