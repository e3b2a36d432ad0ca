"""Benchmarks as they lie on a disk, and asking a model their questions."""
