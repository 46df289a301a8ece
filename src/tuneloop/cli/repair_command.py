"""`tuneloop models repair`: registry and audit trail that differ, side by side, and one restored from the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from tuneloop.ports import Registry
    from tuneloop.registry.champion import Findings

BY_DEFAULT = "the registry differed from the audit trail: {}"


def register(models: typer.Typer) -> None:
    """Add the command to the group `tuneloop models`."""
    models.command("repair")(repair)


def repair(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name or file; needed where there are rounds of several.")
    ] = None,
    *,
    source: Annotated[
        Literal["trail", "registry"],
        typer.Option(
            "--from", help="`trail` (recommended) restores the registry; `registry` takes over what it names."
        ),
    ] = "trail",
    because: Annotated[str, typer.Option(help="The reason, for the audit trail; needed for --from registry.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what audit trail and registry say of the champion, and make them agree again.

    From the trail: alias, tags and signature are set as they were; a version that was deleted is registered again. From
    the registry: its champion is adopted in your name, if its verdict, signature and files pass all checks; if it names
    none, the recipe has no champion from then on. A trail that is not whole is kept beside a new one.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.registered_models import recipe_named, registry_of, this_person
    from tuneloop.registry.repairs import repair_from_registry, repair_from_trail
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    settings = Settings()
    workspace, name = settings.workspace_path, recipe_named(recipe, settings.workspace_path)
    registry = registry_of(settings)
    found = _sides(registry, workspace, name)
    if not as_json:
        _show(found)
    reason = because or (BY_DEFAULT.format("; ".join(found.registry)) if found and source == "trail" else "")
    act = repair_from_trail if source == "trail" else repair_from_registry
    with shown_hashing() as digests_of:
        entry = act(
            registry, workspace, recipe=name, because=reason, person=this_person(), hash_of=artefact_hash,
            digests_of=digests_of,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(entry.model_dump() if entry else None))
    elif entry is None:
        typer.echo("they agree: nothing to repair")
    else:
        now = f"version {entry.to_version} is the champion" if entry.to_version else "there is no champion"
        typer.echo(f"{name}: {now}, as the {source} says (audit line {entry.number})")


def _sides(registry: Registry, workspace: Path, name: str) -> Findings | None:
    """None where the trail cannot even be read, which the repair then says."""
    from tuneloop.errors import DataError
    from tuneloop.registry.champion import examine
    from tuneloop.training.export.served import artefact_hash

    try:
        return examine(registry, workspace, recipe=name, hash_of=artefact_hash, digests_of=None)
    except DataError:
        return None


def _show(found: Findings | None) -> None:
    from tuneloop.registry.champion import told

    if found is None:
        return
    typer.echo(f"audit trail  {told(found.champion)}")
    typer.echo(f"registry     {found.known}")
    for fault in found.faults:
        typer.echo(f"FAULT        {fault}")
