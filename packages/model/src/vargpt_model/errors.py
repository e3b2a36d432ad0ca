"""Mistakes that a caller may want to tell apart from others."""

from vargpt_schema.errors import UserError


class ContextFullError(UserError):
    """A conversation is too long for the model."""
