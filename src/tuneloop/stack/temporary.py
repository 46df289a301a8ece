"""The services' temporary files, swept when nothing that lives can use them.

A process that is killed leaves its own behind, and some hold logins: Prefect writes the environment of each flow run
into one. So each service has a folder of its own in the workspace, mode 0700.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection

from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import marked_processes


def renew_temporary(layout: Layout, names: Collection[str]) -> None:
    """An empty folder for each of these services; one that a process still uses is left as it is."""
    for name in names:
        folder = layout.temporary(name)
        if not marked_processes(layout, {name}):
            shutil.rmtree(folder, ignore_errors=True)
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)


def sweep_temporary(layout: Layout, names: Collection[str]) -> None:
    """Remove the folders of these services, and the short one outside the workspace when it is empty then."""
    if layout.short.is_symlink():
        return  # not ours
    for name in names:
        if not marked_processes(layout, {name}):
            shutil.rmtree(layout.temporary(name), ignore_errors=True)
    for folder in (layout.short / "tmp", layout.short):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
