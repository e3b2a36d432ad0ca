"""Text from an OpenAI-compatible endpoint: address and key, sending, pace, money."""
