"""STUB"""
from pathlib import Path
def hub_captions(split): raise NotImplementedError
