"""Models that answer questions about images: VARGPT, and any image-text model of transformers.

Here torch is imported, which the extra `model` brings; no other command needs it.
"""
