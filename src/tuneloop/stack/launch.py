"""What supervisor starts for each service: `python -m tuneloop.stack.launch COMMAND ...`.

It ends what a killed predecessor has left behind (children that hold its port, flow runs whose output goes nowhere),
notes the start, and becomes the command. It runs whenever the service starts, whoever starts it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tuneloop.stack.environment import MARKER
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import marked_processes, stop_processes
from tuneloop.stack.starts import note_start

GRACE_SECONDS = 3.0


def main() -> None:
    service, _, workspace = os.environ[MARKER].partition("@")
    layout = Layout(root=Path.cwd(), workspace=Path(workspace))
    count = stop_processes(marked_processes(layout, {service}), grace_seconds=GRACE_SECONDS)
    if count:
        print(f"tuneloop: ended {count} processes that an earlier {service} had left behind", flush=True)
    try:
        note_start(layout, service)
    except OSError as error:  # a full disk is no reason to leave the service dead
        print(f"tuneloop: this start is not counted: {error}", flush=True)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - supervisor watches this process id: the service must have it


if __name__ == "__main__":
    main()
