"""A score on rows that nobody trains on, tunes to or looks at: how good is the model that was chosen, really?

Meant for after the gate's verdict, and for a model that is to be promoted: what is not known yet cannot have chosen.
Kept are means with their intervals. Answers and scores of single rows lie in a draft folder while they are needed, and
are gone when the score is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.evaluation.evaluating import EvaluationSetup, evaluate_model
from tuneloop.evaluation.private_uses import FOLDER, UseLedger, identity_of, looks_at, now
from tuneloop.evaluation.private_warnings import optimism, private_rules, warnings_of
from tuneloop.evaluation.score_files import read_test_rows
from tuneloop.files import atomic_write
from tuneloop.results import EvaluationReport
from tuneloop.results.private_test import PrivateReport, PrivateUse, Purpose

DRAFT = ".draft-"

Measure = Callable[..., EvaluationReport]
"""Takes the arguments of `evaluate_model`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which model is scored, and for whom. `model` names it for people, such as `round 3`."""

    recipe: str
    model: str
    model_hash: str
    folder: Path
    data_version: str
    by: str
    purpose: Purpose = "report"
    flow_run_id: str | None = None


def score_private(
    asked: Asked, *, setup: EvaluationSetup, private_file: Path, workspace: Path, measure: Measure = evaluate_model
) -> PrivateReport:
    """Log the use, then score the model on all private rows; a score that is there already is not made again.

    `setup` is that of the ordinary test rows, from which settings and metrics are taken. A rule of the gate on a
    private metric makes every use one that chooses.

    Raises:
        DataError: the data version has no private rows, or the ledger is damaged.
    """
    if not private_file.is_file():
        raise DataError(f"there are no private rows at {private_file}: give the recipe a source with `private: true`")
    rules = setup.config.rules
    purpose: Purpose = "choose" if private_rules(rules) else asked.purpose
    use = _use(asked, purpose, private_file)
    ledger = UseLedger.of(workspace, asked.recipe)
    ledger.log(use)
    private = private_setup(setup, private_file)
    file = workspace / FOLDER / asked.recipe / f"{private.identity(asked.model_hash)[:32]}.json"
    report = _known(file) or _score(asked, use, private, file, measure)
    for draft in file.parent.glob(f"{DRAFT}*"):  # this one's, and those of runs that were killed and not repeated
        shutil.rmtree(draft, ignore_errors=True)
    looks = looks_at(ledger.entries(), use.sketch)
    bounds = optimism(report, looks)
    seen = {"models_scored": len(looks.models), "optimism": bounds, "warnings": warnings_of(looks, rules, bounds)}
    return report.model_copy(update={"model": asked.model, "purpose": purpose} | seen)


def private_setup(setup: EvaluationSetup, private_file: Path) -> EvaluationSetup:
    """The rows' own metrics on every private row: no sample, no slices, no suites, no validation rows."""
    alone = {"max_rows": None, "slices": (), "speed": False}
    return replace(
        setup, test_file=private_file, validation_file=None, suites=(), config=setup.config.model_copy(update=alone)
    )


def known_reports(workspace: Path, recipe: str) -> list[PrivateReport]:
    """Every score that was made, the oldest first."""
    files = sorted((workspace / FOLDER / recipe).glob("[!.]*.json"), key=lambda f: f.stat().st_mtime_ns)
    return [report for file in files if (report := _known(file))]


def _use(asked: Asked, purpose: Purpose, private_file: Path) -> PrivateUse:
    records = [record for record, _ in read_test_rows(private_file, None)]
    rows_hash, sketch = identity_of(records)
    return PrivateUse(
        at=now(),
        recipe=asked.recipe,
        by=asked.by,
        model=asked.model,
        model_hash=asked.model_hash,
        data_version=asked.data_version,
        rows=len(records),
        rows_hash=rows_hash,
        sketch=sketch,
        purpose=purpose,
        flow_run_id=asked.flow_run_id,
    )


def _score(asked: Asked, use: PrivateUse, private: EvaluationSetup, file: Path, measure: Measure) -> PrivateReport:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.parent / f"{DRAFT}{file.stem}"
    measured = measure(
        name=asked.model,
        model=asked.folder,
        model_hash=asked.model_hash,
        data_version=asked.data_version,
        setup=replace(private, generations=draft / "generations"),
        out=draft / "scores",
    )
    report = PrivateReport(
        recipe=asked.recipe,
        model=asked.model,
        model_hash=asked.model_hash,
        data_version=asked.data_version,
        rows=use.rows,
        rows_hash=use.rows_hash,
        purpose=use.purpose,
        metrics=measured.metrics,
        confidence=private.config.confidence,
        cost=measured.cost,
    )
    atomic_write(file, report.model_dump_json(indent=1))
    return report


def _known(file: Path) -> PrivateReport | None:
    try:
        return PrivateReport.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
