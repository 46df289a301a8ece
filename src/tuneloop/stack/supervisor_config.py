"""The configuration file of supervisor, made from our services."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence

from tuneloop.errors import ServiceError
from tuneloop.stack.environment import marker
from tuneloop.stack.layout import Layout
from tuneloop.stack.services import Service

UNFIT = re.compile(r"[\"%\n\r\0]|\s[;#]|^'|'$")
"""What supervisor's file format cannot carry: it has no escapes for quotes, comments start after a blank, and a percent
sign is expanded once in some keys and twice in others."""

LAUNCH = (sys.executable, "-m", "tuneloop.stack.launch")
"""Ends what a killed predecessor has left, counts the start, and becomes the service's own command."""


def render_config(layout: Layout, services: Sequence[Service]) -> str:
    """The whole file. It holds secrets: write it with mode 0600.

    Raises:
        ServiceError: a path or value contains characters the format cannot carry.
    """
    return "\n".join([_runner(layout), *(_program(layout, service) for service in services)])


def _runner(layout: Layout) -> str:
    return f"""\
[unix_http_server]
file={_value(layout.socket)}
chmod=0600

[supervisord]
logfile={_value(layout.log_file("supervisor"))}
logfile_maxbytes=2MB
logfile_backups=1
pidfile={_value(layout.run / "supervisord.pid")}
childlogdir={_value(layout.run)}
directory={_value(layout.workspace)}
umask=077
nodaemon=false
identifier=tuneloop

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _program(layout: Layout, service: Service) -> str:
    """Nothing starts by itself: `up` decides the order. What has started is kept alive."""
    own = {"TUNELOOP_SERVICE": marker(service.name, layout), "TMPDIR": str(layout.temporary(service.name))}
    variables = {**service.environment, **own}
    return f"""\
[program:{service.name}]
command={_command((*LAUNCH, *service.command))}
directory={_value(service.directory)}
environment={_environment(variables)}
autostart=false
autorestart=true
startsecs=2
startretries=3
stopsignal=TERM
stopwaitsecs={service.stop_wait_seconds}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_value(layout.log_file(service.name))}
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=3
"""


def _command(parts: Sequence[str]) -> str:
    return " ".join(shlex.quote(_checked(part)) for part in parts)


def _environment(variables: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_value(value)}"' for name, value in sorted(variables.items()))


def _value(value: object) -> str:
    return _checked(str(value))


def _checked(value: str) -> str:
    if UNFIT.search(value):
        raise ServiceError(
            f"{value!r}: supervisor cannot take quotes, line breaks, %, or ; and # after a blank in a "
            "path or value. Move the project or workspace to a folder with a plainer name"
        )
    return value
