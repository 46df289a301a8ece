"""`tuneloop data prune`: remove what is old and what nothing current needs."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def register(data: typer.Typer) -> None:
    """Add the command to the group `tuneloop data`."""
    data.command("prune")(prune)


def prune(
    *,
    older_than: Annotated[str, typer.Option(help="Only what is older: 90d, 12w, 36h.")] = "90d",
    keep: Annotated[int, typer.Option(min=1, help="So many latest data versions of each recipe stay.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before removing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs; needs --yes or --dry-run.")] = False,
) -> None:
    """Remove old data versions, texts of quarantined rows, traffic, caches and what failed trainings have left.

    What is needed stays at any age: the data of the champion, of the models that it went on from and of the one that a
    rollback returns to; the latest versions and the latest round; rounds that are not decided; rows that a review set
    still asks about; traffic that was sent and is not collected, and the window that drifted last. It is listed with
    the reason. Models themselves are never removed, only what trainings without a result have left.

    Exit code 0: done, or nothing to do. 1: something cannot be read, or you did not confirm.
    """
    from tuneloop.settings import Settings
    from tuneloop.training.base_models import folder_hash
    from tuneloop.workflows.pruning import carry_out, plan
    from tuneloop.workflows.pruning.prune import age

    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json goes with --yes or --dry-run")
    workspace = Settings().workspace_path
    found = plan(workspace, older_than=age(older_than), keep=keep, hash_of=folder_hash)
    rows = [
        {"what": r.what, "path": r.path.relative_to(workspace).as_posix(), "bytes": r.bytes, "rows": r.rows}
        for r in found.removals
    ]
    if as_json:
        typer.echo(json.dumps({"removals": rows, "bytes": found.bytes, "kept": found.kept}, indent=2))
    else:
        for row in rows:
            count = f", {row['rows']:,} rows" if row["rows"] is not None else ""
            typer.echo(f"{_size(int(str(row['bytes']))):>10}  {row['what']}{count}: {row['path']}")
        for path, why in found.kept.items():
            typer.echo(f"{'stays':>10}  {path}: {why}")
        typer.echo(f"{_size(found.bytes):>10}  in {len(rows)} places {'would go' if dry_run else 'to remove'}")
    if dry_run or not rows:
        return
    if not (yes or typer.confirm("Remove all of this?", err=True)):
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)
    for number, _ in enumerate(carry_out(found), start=1):
        if sys.stderr.isatty():
            typer.echo(f"\r{number} of {len(rows)} removed", err=True, nl=number == len(rows))


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
