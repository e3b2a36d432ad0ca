"""Text and images in, tensors out."""

from vargpt_model.processor.chat_template import CHAT_TEMPLATE
from vargpt_model.processor.processor import EncodedConversation, VargptProcessor
from vargpt_model.processor.text_tokenizer import world_tokenizer

__all__ = ["CHAT_TEMPLATE", "EncodedConversation", "VargptProcessor", "world_tokenizer"]
