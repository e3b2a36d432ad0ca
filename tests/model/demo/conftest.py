"""The processor of the small model."""

from tests.model.vargpt.conftest import processor, tokenizer

__all__ = ["processor", "tokenizer"]
