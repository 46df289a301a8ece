"""From the home's SQLite database to Postgres, with every id, password hash and answer as it was."""

from argilla_embedded.errors import CommandError


class MigrationError(CommandError):
    """The migration cannot begin or go on. Nothing of the home is ever changed."""
