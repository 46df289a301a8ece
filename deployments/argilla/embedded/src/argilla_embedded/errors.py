"""Mistakes and circumstances that a user can do something about."""


class CommandError(RuntimeError):
    """Ends a command with exit code 1 and this message, which says what to do; never holds a secret."""
