"""The command `argilla-embedded`."""

import argparse
import logging
import os
import sys
from pathlib import Path

from argilla_embedded.errors import CommandError

SUPPORTED = ((3, 11), (3, 13))


def main(arguments: list[str] | None = None) -> int:
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        print(f"argilla-embedded needs Python 3.11 to 3.13, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        options.run(options)
    except (CommandError, OSError) as error:
        print(f"argilla-embedded: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _serve(options: argparse.Namespace) -> None:
    from argilla_embedded.launcher import serve

    serve(options.home, options.port, options.valkey_port)


def _back_up(options: argparse.Namespace) -> None:
    from argilla_embedded.backends import DATABASE_VARIABLE
    from argilla_embedded.backup import BackupError, back_up

    if os.environ.get(DATABASE_VARIABLE):
        raise BackupError(f"{DATABASE_VARIABLE} is set: rows that are in Postgres are saved with pg_dump")
    back_up(options.home, options.to)
    print(f"{options.to} is a home with all rows of {options.home}; argilla-embedded serve --home takes it as it is")


def _migrate(options: argparse.Namespace) -> None:
    from argilla_embedded.backends import DATABASE_VARIABLE, BackendError, postgres_url

    given = options.to or os.environ.get(DATABASE_VARIABLE)
    if not given:
        raise BackendError(f"which database? Give --to, or set {DATABASE_VARIABLE}")
    database_url = postgres_url(given, "--to" if options.to else DATABASE_VARIABLE)
    from argilla_embedded.migration.steps import migrate

    migrate(options.home, database_url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="argilla-embedded",
        description="A real Argilla server on one machine, with no Docker and no Elasticsearch.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve on 127.0.0.1, in the foreground",
        epilog="The owner account comes from ARGILLA_OWNER_USERNAME, ARGILLA_OWNER_PASSWORD, ARGILLA_OWNER_API_KEY. "
        "ARGILLA_DATABASE_URL and ARGILLA_REDIS_URL name a Postgres and a Redis to use instead of the home.",
    )
    serve.add_argument("--home", type=Path, required=True, help="folder that holds everything; made when missing")
    serve.add_argument("--port", type=int, default=6900, help="port of page and API (default 6900, 0: a free one)")
    serve.add_argument("--valkey-port", type=int, default=0, help="port of the job queue (default: a free one)")
    serve.set_defaults(run=_serve)
    backup = commands.add_parser("backup", help="copy a home into a new folder, also while it is served")
    backup.add_argument("--home", type=Path, required=True, help="the home to copy")
    backup.add_argument("--to", type=Path, required=True, help="the new folder; it is a home afterwards")
    backup.set_defaults(run=_back_up)
    migrate = commands.add_parser(
        "migrate",
        help="copy a home that is not served into an empty Postgres database",
        epilog="Every id, password and answer stays as it is. Killed at any moment, the same command goes on.",
    )
    migrate.add_argument("--home", type=Path, required=True, help="the home to copy; it is not changed")
    migrate.add_argument(
        "--to",
        metavar="URL",
        help="postgresql+asyncpg://USER@HOST/DATABASE (default: ARGILLA_DATABASE_URL; the password in PGPASSWORD or "
        "~/.pgpass, since other users can read command lines)",
    )
    migrate.set_defaults(run=_migrate)
    return parser


if __name__ == "__main__":
    sys.exit(main())
