"""A writer that needs no endpoint: a grammar that rewrites the caption found in the request."""

from vargpt_datagen.offline.writer import OfflineWriter

__all__ = ["OfflineWriter"]
