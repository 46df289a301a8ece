"""Upstream's schema migrations; import this only after the environment names the database."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from argilla_server import database


def upgrade() -> None:
    """Bring the database of the environment to the schema of the installed server."""
    command.upgrade(_config(), "head")


def head() -> str:
    """The revision that `upgrade` leads to."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def _config() -> Config:
    # Built by hand, not from upstream's alembic.ini, whose logging section would silence our loggers.
    config = Config()
    config.set_main_option("script_location", str(Path(database.ALEMBIC_CONFIG_FILE).parent / "alembic"))
    return config
