"""Metrics over scored answers, and how far chance alone would move them."""
