"""Reproduce a past training: check what it rests on, train it again, and compare the two models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.data.fingerprints import fingerprint
from tuneloop.errors import DataError
from tuneloop.lineage.data_diff import chosen_differences, environment_differences
from tuneloop.lineage.repetition_checks import (
    Finding,
    HashNow,
    check_base,
    check_data,
    check_environment,
    check_key,
)
from tuneloop.lineage.reproduction import Reproduction, compare, write_reproduction
from tuneloop.recipes import Recipe
from tuneloop.recipes.data import Source
from tuneloop.records import content_hash
from tuneloop.registry.environment import environment_of
from tuneloop.registry.known_rounds import KnownRounds
from tuneloop.registry.past_runs import PastRun
from tuneloop.results import Origin, TrainingReport
from tuneloop.settings import Settings
from tuneloop.training.base_models import folder_hash
from tuneloop.training.identity import training_key
from tuneloop.training.launching import TrainingCall, carry_out
from tuneloop.workflows.train import base_model, training_call

if TYPE_CHECKING:
    from tuneloop.training.progress import Progress


def check_repetition(
    past: PastRun, recipe: Recipe, known: KnownRounds, *, settings: Settings
) -> tuple[Reproduction, TrainingCall | None]:
    """Check what the repetition rests on; returns that and the call that makes it, None where something is missing."""
    workspace, report = settings.workspace_path, past.report
    base = base_model(recipe.model, workspace)
    then = past.round.environment if past.round else {}
    now = environment_of(settings.root)
    differences = environment_differences(then, now) if then else []
    start, start_findings = _start(known, report.start)
    # One folder per run and environment: other libraries make another repetition, a second call the same.
    folder = workspace / "reproductions" / past.recipe / f"{past.key}-{content_hash(now)[:8]}"
    threads = _threads(past)
    found = Reproduction(
        run=past.name,
        key=past.key,
        data_version=report.data_version,
        seed=recipe.training.seed,
        threads=threads,
        folder=str(folder),
        findings=[
            check_data(workspace, report.data_version, recipe, _hash_now(settings)),
            check_base(report.base_hash, folder_hash(base)),
            check_key(past.key, training_key(recipe, report.base_hash, report.data_version)),
            *start_findings,
            check_environment(differences, then),
        ],
        differences=differences,
        comparison=None,
    )
    if not found.is_possible:
        return found, None
    call = training_call(
        recipe,
        workspace / "data" / report.data_version,
        base,
        folder,
        settings=settings,
        start=start,
        threads=threads,
        merge=bool(report.model),
    )
    return found, call


def repeat(
    past: PastRun,
    found: Reproduction,
    call: TrainingCall,
    *,
    launcher: str | None,
    tolerance: float,
    on_progress: Callable[[Progress], None],
) -> tuple[Reproduction, TrainingReport, Path]:
    """Train again and compare; returns the reproduction, the new training's report, and the file that keeps both.

    `found` and `call` are those of `check_repetition`; losses that differ by less than `tolerance` count as equal.
    """
    report = carry_out(call, launcher, on_progress=on_progress)
    comparison = compare(past.report, report, tolerance=tolerance)
    around = [*found.differences, *chosen_differences(past.report.chosen, report.chosen)]
    done = found.model_copy(update={"comparison": comparison, "differences": around})
    return done, report, write_reproduction(call.out, done)


def _start(known: KnownRounds, start: str) -> tuple[Path | None, list[Finding]]:
    """Find the adapter that the run went on from, by its hash."""
    if start == "base":
        return None, []
    found = known.of_adapter(start, folder_hash)
    if found:
        text = f"goes on from the adapter of {found[0].recipe} round {found[0].number}"
        return Path(found[0].training.adapter), [Finding(what="start", state="same", text=text)]
    text = f"it went on from the adapter {start[:12]}, which no round has any more; restore its folder"
    return None, [Finding(what="start", state="blocking", text=text)]


def _threads(past: PastRun) -> int | None:
    """Return those of then: how many there are may change the order in which numbers are added."""
    found = past.report.chosen.get("threads", "")
    return int(found) if found.isdecimal() else None


def _hash_now(settings: Settings) -> HashNow:
    def hash_now(origin: Origin) -> str:
        source = Source(name=origin.name, path=origin.path)
        try:
            return fingerprint(source, root=settings.root, workspace=settings.workspace_path)
        except DataError:
            return ""

    return hash_now
