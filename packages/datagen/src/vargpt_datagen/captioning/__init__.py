"""Captions of images by BLIP-2: `datagen caption`. Torch is imported by `blip2` alone."""
