"""`tuneloop models lineage`: from a model back to rows and people, and from those forward to models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.consoles import wide_console
from tuneloop.errors import DataError

if TYPE_CHECKING:
    from tuneloop.lineage.tracing import Traces
    from tuneloop.registry.known_rounds import HashOf, KnownRounds
    from tuneloop.results import Round


def register(models: typer.Typer) -> None:
    """Add the command to the group `tuneloop models`."""
    models.command("lineage")(lineage)


def lineage(
    version: Annotated[str | None, typer.Argument(help="Version of the model in the registry, such as 3.")] = None,
    *,
    recipe: Annotated[str | None, typer.Option(help="Only rounds of the recipe with this name.")] = None,
    round_number: Annotated[int | None, typer.Option("--round", help="The model of this round.")] = None,
    model_hash: Annotated[
        str | None, typer.Option(help="First letters of the hash of a model or adapter, or of a training's key.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(help="Id of a served or reviewed answer: the model that gave it.")
    ] = None,
    row: Annotated[str | None, typer.Option(help="Id of a row: the models that were trained on it.")] = None,
    reviewer: Annotated[str | None, typer.Option(help="Pseudonym of a reviewer: the models their word is in.")] = None,
    source: Annotated[str | None, typer.Option(help="First letters of the SHA-256 of a source's file.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="List every training row too: id, source and line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs.")] = False,
) -> None:
    """Show where a model came from: training, data version, sources, reviewers, verdict and the model it replaced.

    Or the other way, with --row, --reviewer or --source: which data versions hold it and which models were trained on
    them. Everything is read from the workspace; what is gone is named. No text of rows is shown. Exit code 1 where the
    model's files, the registry or the audit trail are not what they were.
    """
    from tuneloop.registry.known_rounds import known_rounds
    from tuneloop.settings import Settings

    forward, back = (version, round_number, model_hash, answer), (row, reviewer, source)
    if sum(v is not None for v in (*forward, *back)) != 1:
        raise typer.BadParameter("give one of VERSION, --round, --model-hash, --answer, --row, --reviewer, --source")
    workspace = Settings().workspace_path
    known = known_rounds(workspace, recipe)
    if not known.rounds and all(v is None for v in back):
        unread = f" ({'; '.join(known.missing)})" if known.missing else ""
        raise DataError(f"no rounds in {workspace} yet{unread}: `tuneloop run RECIPE` runs one cycle of the loop")
    if any(v is not None for v in back):
        _trace(workspace, known, row, reviewer, source, as_json=as_json)
        return
    found = _wanted(workspace, known, version, round_number, model_hash, answer)
    _print_model(workspace, found, known, rows=rows, as_json=as_json)


def _wanted(
    workspace: Path,
    known: KnownRounds,
    version: str | None,
    number: int | None,
    model_hash: str | None,
    answer: str | None,
) -> Round:
    from tuneloop.registry.known_rounds import answering_models, only_one

    if answer is not None:
        models = answering_models(workspace, answer)
        found = [r for model in models for r in known.of_model(model)]
        _refuse_base(known, models, found)
        return only_one(found, f"the model {' or '.join(sorted(models))} that gave answer {answer}", known)
    if model_hash is not None:
        found = known.of_model(model_hash) or known.of_adapter(model_hash, _hash_of())
        _refuse_base(known, {model_hash}, found)
        return only_one(found, f"the hash {model_hash}", known)
    if number is not None:
        return only_one(known.of_number(number), f"round {number}", known)
    return only_one(known.of_version(str(version)), f"model version {version}", known)


def _refuse_base(known: KnownRounds, models: set[str], found: list[Round]) -> None:
    """A base model has no lineage here, which is an answer too."""
    bases = {r.recipe for model in models for r in known.of_base(model)}
    if bases and not found:
        raise DataError(
            f"{' or '.join(sorted(models))} is the base model of {', '.join(sorted(bases))}, as it came from its "
            "makers: nothing here was trained into it"
        )


def _print_model(workspace: Path, found: Round, known: KnownRounds, *, rows: bool, as_json: bool) -> None:
    from tuneloop.lineage.lineage import model_lineage
    from tuneloop.reports.lineage import print_lineage_tree

    story = model_lineage(workspace, found, known, _hash_of(), rows=rows)
    faults, missing = _checked(workspace, found)
    story = story.model_copy(update={"faults": faults, "missing": [*story.missing, *missing]})
    if as_json:
        typer.echo(story.model_dump_json(indent=2))
    else:
        print_lineage_tree(story, wide_console())
    if faults:
        raise typer.Exit(1)


def _checked(workspace: Path, round_: Round) -> tuple[list[str], list[str]]:
    """(faults, what could not be looked at): of the model's files, and of what registry and trail say of it.

    A model whose folder was deleted has a lineage all the same, and the registry need not be running.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.registered_models import registry_of
    from tuneloop.errors import ServiceError
    from tuneloop.registry.champion import examine
    from tuneloop.registry.sealed_folders import folder_faults, is_there
    from tuneloop.registry.verdict_signature import signing_key
    from tuneloop.settings import Settings
    from tuneloop.training.export.served import artefact_hash

    faults = []
    with shown_hashing() as digests_of:
        if is_there(round_):
            key = signing_key(workspace)
            faults += folder_faults(round_, key=key, digests_of=digests_of, hash_of=artefact_hash)
        try:
            registry = registry_of(Settings())
            found = examine(registry, workspace, recipe=round_.recipe, hash_of=artefact_hash, digests_of=None)
        except ServiceError as error:
            return faults, [f"the registry was not asked whether it agrees ({error})"]
    return [*faults, *found.faults], []


def _trace(
    workspace: Path, known: KnownRounds, row: str | None, reviewer: str | None, source: str | None, *, as_json: bool
) -> None:
    from tuneloop.lineage import tracing
    from tuneloop.reports.lineage import print_traces

    ways: dict[str, tuple[str | None, Callable[[Path, str, KnownRounds], Traces]]] = {
        "row": (row, tracing.trace_row),
        "reviewer": (reviewer, tracing.trace_reviewer),
        "source": (source, tracing.trace_source),
    }
    kind, (name, trace) = next((kind, way) for kind, way in ways.items() if way[0] is not None)
    found = trace(workspace, str(name), known)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        print_traces(found, kind, wide_console())


def _hash_of() -> HashOf:
    from tuneloop.training.base_models import folder_hash

    return folder_hash
