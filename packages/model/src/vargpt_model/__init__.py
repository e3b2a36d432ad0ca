"""VARGPT toolkit, model. Nothing is implemented yet: README, "What is not here"."""
