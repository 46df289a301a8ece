"""Finding a past training by any of its names, and the recipe it was made with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tuneloop.errors import DataError, RecipeError
from tuneloop.recipes import Recipe, load_recipe
from tuneloop.registry.known_rounds import MIN_PREFIX, KnownRounds, only_one
from tuneloop.results import Round, TrainingReport

REPORT = "report.json"


@dataclass(frozen=True)
class PastRun:
    """A finished training; `round` is the cycle of the loop that made it, None for one by hand."""

    name: str
    recipe: str
    key: str
    report: TrainingReport
    round: Round | None


def find_past_run(workspace: Path, known: KnownRounds, run: str) -> PastRun:
    """The training that is meant.

    Args:
        workspace: where models/ is.
        known: the rounds to look in.
        run: number of a round, id of its MLflow or flow run, first letters of a training's key or model's hash, or
            the folder of a training.

    Raises:
        DataError: none is meant, or several are.
    """
    if (Path(run) / REPORT).is_file():
        return _of_folder(Path(run).resolve(), known)
    is_number = run.isdecimal() and len(run) < MIN_PREFIX
    found = known.of_number(int(run)) if is_number else known.of_run(run) or known.of_model(run)
    if not found and (folders := _folders(workspace, run)):
        return _of_folder(folders[0], known)
    round_ = only_one(found, f"run {run}", known)
    return PastRun(
        name=f"{round_.recipe} round {round_.number}",
        recipe=round_.recipe,
        key=round_.training_key,
        report=round_.training,
        round=round_,
    )


def recipe_of(run: PastRun, given: Path | None) -> Recipe:
    """The recipe as the round kept it, or the one in the file `given`.

    Raises:
        RecipeError: nobody kept it, or this release cannot read it.
    """
    if given is not None:
        return load_recipe(given)
    settings = run.round.settings if run.round else {}
    if not settings:
        why = "an earlier release wrote the round" if run.round else "it is no round of the loop"
        raise RecipeError(
            f"{run.name} kept no settings ({why}): give the recipe as it was with --recipe-file; whether it is the "
            "same is checked against the training's key"
        )
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(
            f"the settings of {run.name} are of another release ({wrong}); give the recipe with --recipe-file"
        ) from error


def _of_folder(folder: Path, known: KnownRounds) -> PastRun:
    try:
        report = TrainingReport.model_validate_json((folder / REPORT).read_bytes())
    except ValidationError as error:
        raise DataError(f"{folder / REPORT} is damaged, or of another release; take another run") from error
    made = [r for r in known.rounds if r.training.model_hash == report.model_hash and report.model_hash]
    return PastRun(
        name=f"{folder.parent.name}/{folder.name}",
        recipe=folder.parent.name,
        key=folder.name.partition("-")[0],
        report=report,
        round=made[-1] if made else None,
    )


def _folders(workspace: Path, prefix: str) -> list[Path]:
    """Finished trainings whose folder begins like this, one at most."""
    found = [file.parent for file in (workspace / "models").glob(f"*/{_literal(prefix)}*/{REPORT}")]
    if len(found) > 1:
        raise DataError(f"{prefix} is the beginning of several trainings: {', '.join(f.name for f in found)}")
    return found


def _literal(prefix: str) -> str:
    """Keys are letters and digits; anything else in a name would be a pattern or another folder."""
    return prefix if prefix.replace("-", "").isalnum() else json.dumps(prefix)
