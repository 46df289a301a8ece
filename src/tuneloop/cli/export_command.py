"""`tuneloop export`: hand a trained model on as an adapter, a merged model or a GGUF file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tuneloop.errors import DataError, ModelError

if TYPE_CHECKING:
    from tuneloop.files import DigestsOf
    from tuneloop.results import TrainingReport

REPORT = "report.json"


def register(app: typer.Typer) -> None:
    app.command("export", rich_help_panel="The loop")(export)


def export(
    source: Annotated[
        str, typer.Argument(help="A recipe's name or file (its champion), or the folder of a training run.")
    ],
    *,
    to: Annotated[
        Literal["adapter", "merged", "gguf"], typer.Option(help="PEFT adapter, transformers model, or llama.cpp file.")
    ] = "merged",
    out: Annotated[Path | None, typer.Option(help="Folder to write; exports/ in the workspace if left out.")] = None,
    quantise: Annotated[Literal["f16", "bf16", "q8_0"], typer.Option(help="Precision of a GGUF file.")] = "f16",
) -> None:
    """Write a trained model to a folder, with a model card and the hashes of its files.

    A GGUF file is served by llama.cpp and compared with the adapter on its base first; it is not written if it answers
    differently. GGUF needs `pip install 'tuneloop[gguf]'`.
    """
    from tuneloop.cli.hashing import shown_hashing
    from tuneloop.cli.registered_models import registry_of
    from tuneloop.registry.champion import require_champion
    from tuneloop.settings import Settings
    from tuneloop.training.export.exporting import export_run
    from tuneloop.training.export.served import artefact_hash
    from tuneloop.workspaces import base_models

    settings = Settings()
    workspace = settings.workspace_path

    def champion_of(recipe: str) -> Mapping[str, str] | None:
        with shown_hashing() as digests_of:
            return require_champion(
                registry_of(settings), workspace, recipe=recipe, hash_of=artefact_hash, digests_of=digests_of
            )

    name, report = find_run(source, workspace, champion_of)
    if Path(source).is_dir():
        with shown_hashing() as digests_of:
            require_sealed(workspace, name, report, digests_of)
    form = f"gguf-{quantise}" if to == "gguf" else to
    target = out or settings.workspace_path / "exports" / f"{name}-{report.model_hash[:8]}-{form}"
    record = export_run(
        report,
        form=to,
        precision=quantise,
        out=target.resolve(),
        cache=base_models(settings.workspace_path),
        threads=settings.threads,
    )
    typer.echo(f"{target}: {', '.join(record['files'])}")
    check = record["check"] or {}
    if "divergence" in check:
        typer.echo(
            f"llama.cpp answers as the {check['against']} does: {check['divergence']:.5f} nats per token (limit "
            f"{check['limit']}), {check['same_answers']} of {check['prompts']} greedy answers the same"
        )


def find_run(
    source: str, workspace: Path, champion_of: Callable[[str], Mapping[str, str] | None]
) -> tuple[str, TrainingReport]:
    """(name, report) of a training run: of the run in the folder `source`, or of the recipe's champion.

    Raises:
        ModelError: the folder holds no finished run.
        DataError: the recipe has no champion, or its round is not in this workspace.
        TrainingError: the run's report is damaged.
    """
    from tuneloop.registry.rounds import load_rounds
    from tuneloop.training.checkpoints import read_report

    path = Path(source)
    if path.is_dir():
        if not (path / REPORT).is_file():
            raise ModelError(
                f"{path} holds no finished training run (no {REPORT}); name a folder of models/ or a recipe"
            )
        return path.resolve().parent.name, read_report(path / REPORT)
    name = _recipe_name(path) if path.suffix in {".yaml", ".yml"} else source
    champion = champion_of(name)
    if champion is None:
        raise DataError(f"{name} has no champion yet; `tuneloop models list {name}` shows its versions")
    found = [r for r in load_rounds(workspace, name) if r.training.model_hash == champion["model_hash"]]
    if not found:
        raise DataError(
            f"the round that trained version {champion['version']}, the champion of {name}, is not in "
            f"{workspace}: name the folder of its training run"
        )
    return name, found[-1].training


def require_sealed(workspace: Path, recipe: str, report: TrainingReport, digests_of: DigestsOf) -> None:
    """Make sure that the folders of a run are as a round of the recipe judged them; one that no round judged passes.

    Raises:
        ModelError: a file was changed, added or taken away.
    """
    from tuneloop.registry.rounds import load_rounds
    from tuneloop.registry.sealed_folders import folder_faults
    from tuneloop.registry.verdict_signature import signing_key
    from tuneloop.training.export.served import artefact_hash

    judged = [r for r in load_rounds(workspace, recipe) if r.folders and r.training.model == report.model]
    for round_ in judged[-1:]:
        key = signing_key(workspace)
        faults = folder_faults(round_, key=key, digests_of=digests_of, hash_of=artefact_hash)
        if faults:
            raise ModelError(
                f"the run is not what round {round_.number} of {recipe} judged: {'; '.join(faults)}; bring it back "
                "from a backup, or delete its folder and train it again"
            )


def _recipe_name(path: Path) -> str:
    from tuneloop.recipes import load_recipe

    return load_recipe(path).name
