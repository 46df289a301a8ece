"""`tuneloop models`: registered versions, comparing them, promoting one, and going back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuneloop.registry.audit_trail import Entry
    from tuneloop.registry.champion import Findings

DEFAULT_CONFIDENCE = 0.95

RecipeArgument = Annotated[
    str | None, typer.Argument(help="A recipe's name or file; needed where there are rounds of several.")
]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", help="A recipe's name or file; needed where there are rounds of several.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Because = Annotated[str, typer.Option(help="The reason, for the audit trail.", show_default=False)]

models_app = typer.Typer(
    help="Registered model versions: which one is served, why, and since when.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(models_app, name="models", rich_help_panel="The loop")


@models_app.command("list")
def list_versions(recipe: RecipeArgument = None, *, as_json: AsJson = False) -> None:
    """Show every version, newest first: aliases, round, data, decision, scores; is its verdict as signed, its model as
    judged? Exit code 1 if the champion is not what the audit trail says.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.models_display import print_table, version_line
    from tuneloop.cli.registered_models import recipe_named, registry_of
    from tuneloop.registry.champion import examine
    from tuneloop.registry.model_versions import version_rows
    from tuneloop.registry.rounds import load_rounds
    from tuneloop.registry.verdict_signature import signing_key
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    settings = Settings()
    workspace = settings.workspace_path
    name, registry = recipe_named(recipe, workspace), registry_of(settings)
    with shown_hashing() as digests_of:
        found = examine(registry, workspace, recipe=name, hash_of=artefact_hash, digests_of=digests_of)
        versions, rounds, key = registry.versions(name), load_rounds(workspace, name), signing_key(workspace)
        rows = version_rows(versions, rounds, recipe=name, key=key, hash_of=artefact_hash, digests_of=digests_of)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        print_table(f"Versions of {name}", [version_line(row) for row in rows])
    else:
        typer.echo(f"{name} has no version yet: `tuneloop run` makes one")
    _end_with(found, as_json=as_json)


@models_app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A version, an alias such as `champion`, or `base`.")],
    second: Annotated[str, typer.Argument(help="The same; changes are this one minus the first.")],
    *,
    recipe: RecipeOption = None,
    as_json: AsJson = False,
) -> None:
    """Set two models side by side, and show the difference on the rows that both have answered.

    Exit code 1 where the files of one are not those that were judged.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.models_comparison import compare as compare_sides
    from tuneloop.cli.models_comparison import side_faults, two_sides
    from tuneloop.cli.models_display import comparison_line, print_table
    from tuneloop.cli.registered_models import recipe_named, registry_of
    from tuneloop.registry.champion import examine, require_agreement
    from tuneloop.registry.rounds import load_rounds
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    settings = Settings()
    workspace, name = settings.workspace_path, recipe_named(recipe, settings.workspace_path)
    registry, rounds = registry_of(settings), load_rounds(workspace, name)
    with shown_hashing() as digests_of:
        require_agreement(examine(registry, workspace, recipe=name, hash_of=artefact_hash, digests_of=None))
        versions = registry.versions(name)
        files = side_faults(
            (first, second), versions, rounds, workspace, recipe=name, hash_of=artefact_hash, digests_of=digests_of
        )
    one, other = two_sides(first, second, versions, rounds, recipe=name)
    confidence = rounds[-1].settings.get("evaluation", {}).get("confidence", DEFAULT_CONFIDENCE)
    rows = compare_sides(one, other, confidence=confidence)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        _tell_faults(files)
        return
    title = f"{name}: {first} and {second}, change with its {confidence:.0%} interval"
    print_table(title, [comparison_line(row, first, second) for row in rows])
    _tell_faults(files)


@models_app.command()
def promote(
    version: Annotated[str, typer.Argument(help="A version's number, or an alias such as `challenger`.")],
    *,
    because: Because,
    recipe: RecipeOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion, in your name (TUNELOOP_USER, or the user of this machine).

    For versions that the gate passed, or left to a person; never for one that it refused. The signed verdict and the
    model on the disk are checked first.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.registered_models import recipe_named, registry_of, this_person
    from tuneloop.registry.model_versions import find_version, round_of
    from tuneloop.registry.promotions import promote as promote_version
    from tuneloop.registry.rounds import load_rounds
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    settings = Settings()
    workspace, name = settings.workspace_path, recipe_named(recipe, settings.workspace_path)
    registry = registry_of(settings)
    found = find_version(version, registry.versions(name), recipe=name)
    round_ = round_of(found, load_rounds(workspace, name))
    with shown_hashing() as digests_of:
        entry = promote_version(
            registry, workspace, recipe=name, version=found.version, round_=round_, because=because,
            person=this_person(), hash_of=artefact_hash, digests_of=digests_of,
        )  # fmt: skip
    _report_change(entry, f"version {found.version} of {name} is the champion already", as_json=as_json)


@models_app.command()
def rollback(*, because: Because, recipe: RecipeOption = None, as_json: AsJson = False) -> None:
    """Bring back the champion before this one.

    Each further call goes one further back, never forward again: a version that was rolled back comes back by
    `promote` alone.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.registered_models import recipe_named, registry_of, this_person
    from tuneloop.registry.promotions import roll_back
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    settings = Settings()
    name = recipe_named(recipe, settings.workspace_path)
    with shown_hashing() as digests_of:
        entry = roll_back(
            registry_of(settings), settings.workspace_path, recipe=name, because=because, person=this_person(),
            hash_of=artefact_hash, digests_of=digests_of,
        )  # fmt: skip
    _report_change(entry, "", as_json=as_json)


@models_app.command()
def audit(recipe: RecipeArgument = None, *, as_json: AsJson = False) -> None:
    """Show who made what the champion, when and why; is the trail whole, and are registry and files what it says?

    Exit code 1 if they are not.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.models_display import entry_line, print_table
    from tuneloop.cli.registered_models import recipe_named, registry_of
    from tuneloop.registry.audit_trail import AuditTrail
    from tuneloop.registry.champion import examine
    from tuneloop.registry.verdict_signature import signing_key
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    settings = Settings()
    workspace, name = settings.workspace_path, recipe_named(recipe, settings.workspace_path)
    with shown_hashing() as digests_of:
        found = examine(registry_of(settings), workspace, recipe=name, hash_of=artefact_hash, digests_of=digests_of)
    trail = AuditTrail(workspace, name, signing_key(workspace))
    entries = trail.entries()
    if as_json:
        typer.echo(json.dumps({"entries": [e.model_dump() for e in entries], "faults": found.faults}, indent=2))
    else:
        shown = [e for e in entries if e.step != "intent" or e is entries[-1]]  # one line for each change
        print_table(f"Changes of {name}'s champion", [entry_line(e) for e in shown])
        for older in trail.others():
            typer.echo(f"an earlier trail was not whole and set aside: {older}")
        if not found.faults:
            typer.echo(f"{len(entries)} lines, all as they were written; registry and files are what they say")
    _end_with(found, as_json=as_json)


def _end_with(found: Findings, *, as_json: bool = False) -> None:
    """Tell all faults and what to do, and end with exit code 1; nothing if there are none."""
    if not found.faults:
        return
    if not as_json:
        typer.echo("\n".join(f"FAULT  {fault}" for fault in found.faults))
    from tuneloop.registry.champion import ChampionError

    raise ChampionError(found.message)


def _tell_faults(faults: Sequence[str]) -> None:
    for fault in faults:
        typer.echo(f"FAULT  {fault}", err=True)
    if faults:
        raise typer.Exit(1)


def _report_change(entry: Entry | None, unchanged: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(entry.model_dump() if entry else None))
    elif entry is None:
        typer.echo(unchanged)
    else:
        before = f", before it {entry.from_version}" if entry.from_version else ""
        typer.echo(f"champion of {entry.recipe}: version {entry.to_version}{before} (audit line {entry.number})")
