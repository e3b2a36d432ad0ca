"""Metrics of drawn images, from features that an extractor gave: numpy alone, no model."""
