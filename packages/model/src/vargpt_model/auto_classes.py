"""VARGPT in transformers' Auto classes; importing this module registers it."""

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from vargpt_model.processor import VargptProcessor
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration

__all__ = ["VargptConfig", "VargptForConditionalGeneration", "VargptProcessor"]

AutoConfig.register(VargptConfig.model_type, VargptConfig, exist_ok=True)
AutoModelForImageTextToText.register(VargptConfig, VargptForConditionalGeneration, exist_ok=True)
AutoProcessor.register(VargptConfig, VargptProcessor, exist_ok=True)
