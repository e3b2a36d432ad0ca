"""Pieces of every training loop: order, schedules, checkpoints, metrics, progress, stopping."""
