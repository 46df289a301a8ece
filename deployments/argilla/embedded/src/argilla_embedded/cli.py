"""The command `argilla-embedded`."""

import argparse
import logging
import sys
from pathlib import Path

SUPPORTED = ((3, 11), (3, 13))


def main(arguments: list[str] | None = None) -> int:
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        print(f"argilla-embedded needs Python 3.11 to 3.13, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    from argilla_embedded.home import HomeInUseError
    from argilla_embedded.launcher import serve
    from argilla_embedded.owner import OwnerError

    try:
        serve(options.home, options.port, options.valkey_port)
    except (HomeInUseError, OwnerError, OSError) as error:
        print(f"argilla-embedded: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="argilla-embedded",
        description="A real Argilla server on one machine, with no Docker and no Elasticsearch.",
        epilog="The owner account comes from ARGILLA_OWNER_USERNAME, ARGILLA_OWNER_PASSWORD, ARGILLA_OWNER_API_KEY.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve on 127.0.0.1, in the foreground")
    serve.add_argument("--home", type=Path, required=True, help="folder that holds everything; made when missing")
    serve.add_argument("--port", type=int, default=6900, help="port of page and API (default 6900, 0: a free one)")
    serve.add_argument("--valkey-port", type=int, default=0, help="port of the job queue (default: a free one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
