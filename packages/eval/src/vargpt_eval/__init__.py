"""VARGPT toolkit, evaluation: scores that need nothing but pixels and tables."""
