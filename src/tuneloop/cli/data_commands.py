"""`tuneloop data log`, `show` and `diff`: the data versions of this workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.cli import prune_command
from tuneloop.cli.consoles import wide_console
from tuneloop.errors import DataError

if TYPE_CHECKING:
    from tuneloop.lineage.lineage_rows import Lineage
    from tuneloop.records import Record, Rejection
    from tuneloop.results import DataManifest

BATCH_ROWS = 5000

RecipeName = Annotated[str | None, typer.Option("--recipe", help="Only versions of the recipe with this name.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for other programs.")]


def register(app: typer.Typer) -> None:
    data = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    for name, command in (("log", log), ("show", show), ("diff", diff)):
        data.command(name)(command)
    prune_command.register(data)
    app.add_typer(
        data,
        name="data",
        help="Data versions: what was made of which sources, what was set aside, what changed; remove old ones.",
        rich_help_panel="The loop",
    )


def log(*, recipe: RecipeName = None, as_json: AsJson = False) -> None:
    """List the data versions, oldest first: rows in, kept and set aside, rows per split, the most frequent reasons."""
    from tuneloop.data.snapshots import require_manifests
    from tuneloop.reports.data.terminal import log_rows, print_log

    manifests = require_manifests(_workspace(), recipe)
    if as_json:
        _echo([r | {"reasons": m.reasons} for r, m in zip(log_rows(manifests), manifests, strict=True)])
    else:
        print_log(manifests, wide_console())


def show(
    version: Annotated[
        str | None, typer.Argument(help="A version or its first letters; the latest if left out.")
    ] = None,
    row: Annotated[str | None, typer.Argument(help="Id of one row (or source:line): tell its story instead.")] = None,
    *,
    recipe: RecipeName = None,
    as_json: AsJson = False,
    quarantine: Annotated[bool, typer.Option(help="List the rows that were set aside, and why.")] = False,
    raw: Annotated[bool, typer.Option(help="With --quarantine: the rows' text too, personal data included.")] = False,
    page: Annotated[bool, typer.Option(help="Print where the report page is, to open it in a browser.")] = False,
) -> None:
    """Show one data version: steps, checks, splits, slices and sources. No text of rows is shown without --raw.

    With the id of a row: its source and line, who reviewed it, its split and cluster, or why it was set aside and
    which row was kept in its place.
    """
    from tuneloop.data.snapshots import find_manifest, require_manifests

    if raw and not quarantine:
        raise typer.BadParameter("--raw goes with --quarantine")
    workspace = _workspace()
    manifest = find_manifest(require_manifests(workspace, recipe), version)
    folder = workspace / "data" / manifest.version
    if row is not None:
        _show_row(folder, row, as_json=as_json)
    elif quarantine:
        _show_quarantine(folder, raw=raw, as_json=as_json)
    elif page:
        typer.echo(_page(workspace, manifest))
    elif as_json:
        _echo(manifest.model_dump(mode="json"))
    else:
        _show_manifest(manifest)


def diff(
    old: Annotated[str | None, typer.Argument(help="A version or its first letters; NEW's parent if left out.")] = None,
    new: Annotated[str | None, typer.Argument(help="Another one; the latest of the same recipe if left out.")] = None,
    *,
    recipe: RecipeName = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two data versions: rows by split, reasons, slices, sources and settings.

    Exit code 1 when a row is in another split than before, which must never happen.
    """
    from tuneloop.lineage.data_diff import contents_of_version
    from tuneloop.lineage.data_diff import diff as compare

    workspace = _workspace()
    before, after = _pair(_manifests(workspace, recipe), old, new)
    rows = [contents_of_version(workspace / "data" / m.version) for m in (before, after)]
    found = compare(before, after, *rows)
    if as_json:
        _echo(found.model_dump(mode="json"))
    else:
        from tuneloop.reports.data.terminal import print_diff

        print_diff(found, wide_console())
    if found.moved:
        raise typer.Exit(1)


def _pair(manifests: list[DataManifest], old: str | None, new: str | None) -> tuple[DataManifest, DataManifest]:
    from tuneloop.data.snapshots import find_manifest

    if old is None:
        after = manifests[-1]
        if not after.parents:
            raise DataError(f"{after.version} is the first version of {after.recipe}: there is nothing to compare with")
        return find_manifest(manifests, after.parents[-1]), after
    before = find_manifest(manifests, old)
    return before, find_manifest([m for m in manifests if new is not None or m.recipe == before.recipe], new)


def _show_manifest(manifest: DataManifest) -> None:
    from tuneloop.reports.data.terminal import print_manifest

    print_manifest(manifest, wide_console())


def _show_row(folder: Path, name: str, *, as_json: bool) -> None:
    from tuneloop.reports.data.terminal import print_lineage

    stories = _stories(folder, name)
    if as_json:
        _echo([s.model_dump(mode="json") for s in stories])
        return
    for story in stories:
        print_lineage(story, wide_console())


def _stories(folder: Path, name: str) -> list[Lineage]:
    """The row in its split, and every row of that id that was set aside.

    Raises:
        DataError: no row of this version has the id.
    """
    from tuneloop.data.snapshots import read_quarantine
    from tuneloop.lineage.lineage_rows import kept_row, named, set_aside_row
    from tuneloop.row_files import load_clusters, splits_in, stream_rows

    found = []
    for split in splits_in(folder):
        file = folder / f"{split}.parquet"
        cluster = load_clusters(file).get(name)  # two thin columns: the texts are read only of the split that has it
        if cluster is not None:
            found += [kept_row(r, split, cluster) for r in stream_rows(file) if r.id == name]
    found += [set_aside_row(r, _record_in(r)) for r in named(read_quarantine(folder), name)]
    if not found:
        raise DataError(f"{folder.name} has no row {name}, kept or set aside; it may be one beyond the recipe's limits")
    return found


def _record_in(rejection: Rejection) -> Record | None:
    """The record that was set aside whole; None where the row was never readable."""
    from tuneloop.records import Record

    try:
        return Record.from_json(json.loads(rejection.raw or ""))
    except (ValueError, KeyError, TypeError):
        return None


def _show_quarantine(folder: Path, *, raw: bool, as_json: bool) -> None:
    from tuneloop.data.snapshots import read_quarantine

    if raw:
        typer.echo("These rows are raw: they may hold personal data. Keep them on this machine.", err=True)
    rows = (_set_aside(r, raw=raw) for r in read_quarantine(folder))
    if as_json:
        _echo(list(rows))
        return
    for line in _lines(rows):
        typer.echo(line)


def _set_aside(rejection: Rejection, *, raw: bool) -> dict[str, Any]:
    names = ("source", "line", "record_id", "reason", "detail", "related", *(["raw"] if raw else []))
    return {name: getattr(rejection, name) for name in names}


def _lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """A line each, made while reading: a quarantine may be larger than memory."""
    from tuneloop.reports.data.terminal import visible

    for row in rows:
        instead = f" (see {row['related']})" if row["related"] else ""
        line = f"{row['source']}:{row['line']}".ljust(24) + f" {row['reason']:<20} {row['detail']}{instead}"
        yield visible(line)
        if "raw" in row:
            yield f"    {visible(row['raw'] or '')}"


def _page(workspace: Path, manifest: DataManifest) -> str:
    from tuneloop.reports.data.page import find_data_page

    return str(find_data_page(workspace, manifest))


def _manifests(workspace: Path, recipe: str | None) -> list[DataManifest]:
    from tuneloop.data.snapshots import list_manifests

    found = list_manifests(workspace, recipe)
    if not found:
        raise DataError(
            f"no data versions {f'of {recipe} ' if recipe else ''}in {workspace} yet: "
            "`tuneloop run deployments/recipes/NAME.yaml` makes one"
        )
    return found


def _find(manifests: list[DataManifest], version: str | None) -> DataManifest:
    """The version that begins like this, or the latest."""
    if version is None:
        return manifests[-1]
    found = [m for m in manifests if m.version == version] or [m for m in manifests if m.version.startswith(version)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(m.version for m in (found or manifests)[-10:])
    raise DataError(f"{version} is {'ambiguous' if found else 'no known data version'}; there are: {known}")


def _workspace() -> Path:
    from tuneloop.settings import Settings

    return Settings().workspace_path


def _echo(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))
