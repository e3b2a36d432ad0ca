"""Networks that see images: Inception, CLIP, DINOv2, and a random one for the sample world.

Here torch is imported, which the extra `gen` brings.
"""
