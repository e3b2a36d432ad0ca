"""The one error a user's mistake raises; every command prints it as one line and exits with 2."""


class UserError(Exception):
    """A mistake its reader can mend: where, what was found, what was expected, what to do next."""
