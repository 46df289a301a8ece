"""Can the scores be believed? What must be true of an evaluation before its numbers are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tuneloop.evaluation.intervals import Estimate, difference
from tuneloop.results import EvaluationReport, Reason

if TYPE_CHECKING:
    import pandas as pd

SEEN_RISK = 0.005
"""How often a model that has not seen the test rows may be taken for one that has."""
SEEN_MARGIN = 0.05
"""Nats per token by which the test rows must have got easier than unseen rows did. Less is luck of the split."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training says of the candidate."""

    model_hash: str
    prompt_format: str
    """"" where the training run is older than this check."""
    leaked: Sequence[str] = ()
    """Ids of test rows that were found in the training file."""


def soundness_of(
    candidate: EvaluationReport, base: EvaluationReport, champion: EvaluationReport | None, trained: Trained
) -> list[Reason]:
    """One reason per check; none of them needs a model."""
    return [
        _same_artefact(candidate, trained),
        _same_format(candidate, trained),
        _same_kind(candidate, base, champion),
        _no_test_row_trained_on(trained),
        unseen(candidate, base, champion),
    ]


def unseen(candidate: EvaluationReport, base: EvaluationReport, champion: EvaluationReport | None) -> Reason:
    """Whether the candidate knows the test rows by heart; if it seems so, a person decides.

    A better model finds test rows and validation rows easier, and as neither was trained on, by the same amount, apart
    from the luck of the split and from the two being about different things. Where the loss of the test rows fell by
    clearly more, they were seen. The champion is the closer yardstick, as both have learned the task. A leak of both
    splits is not found, and new training rows that only the test set is about look like one.
    """
    reference = champion or base
    tested, validated = (_gain(candidate, reference, name) for name in ("scores.parquet", "validation.parquet"))
    if tested is None or validated is None:
        text = "not checked whether the test rows were trained on: there are no validation rows to compare with"
        return Reason(rule="unseen", passed=True, text=text)
    risk = _chance(tested, validated)
    was_seen = risk <= SEEN_RISK
    text = (
        f"against the {'champion' if champion else 'base'}, the loss of test rows fell by {tested.value:.3f}, of "
        f"validation rows by {validated.value:.3f} ({tested.rows} and {validated.rows} rows)"
    )
    if was_seen:
        text = f"the test rows were trained on, it seems: {text}; look at where the training rows come from"
    excess = tested.value - validated.value
    return Reason(
        rule="unseen", passed=not was_seen, is_open=was_seen, text=text, metric="loss", change=excess, p_value=risk
    )


def _gain(candidate: EvaluationReport, reference: EvaluationReport, name: str) -> Estimate | None:
    ours, theirs = (_losses(Path(report.scores).with_name(name)) for report in (candidate, reference))
    if ours is None or theirs is None:
        return None
    rows = ours.join(theirs[["loss"]], rsuffix="_before", how="inner").sort_index()
    if rows["cluster"].nunique() < 2:  # noqa: PLR2004 (one observation has no spread)
        return None
    return difference(rows["loss_before"].to_numpy(), rows["loss"].to_numpy(), rows["cluster"].tolist())


def _losses(file: Path) -> pd.DataFrame | None:
    import pandas as pd

    return pd.read_parquet(file, columns=["id", "cluster", "loss"]).set_index("id") if file.is_file() else None


def _chance(tested: Estimate, validated: Estimate) -> float:
    """The risk of being wrong in saying that test rows gained more than validation rows by over `SEEN_MARGIN`."""
    shuffled = np.random.default_rng(17).permutation(validated.resampled)
    excess = np.sort(np.random.default_rng(18).permutation(tested.resampled) - shuffled)
    clusters = min(tested.clusters, validated.clusters)
    return Estimate(tested.value - validated.value, tested.rows, clusters, excess).p_value_above(SEEN_MARGIN)


def _same_artefact(candidate: EvaluationReport, trained: Trained) -> Reason:
    same = candidate.model_hash == trained.model_hash
    text = (
        f"what was measured is what would be served: {candidate.artefact} {candidate.model_hash[:12]}"
        if same
        else f"measured was {candidate.model_hash[:12]}, but {trained.model_hash[:12]} would be served: evaluate that"
    )
    return Reason(rule="artefact", passed=same, text=text)


def _same_format(candidate: EvaluationReport, trained: Trained) -> Reason:
    if not trained.prompt_format or not candidate.prompt_format:
        text = "not checked whether training used this chat template and system prompt: the run does not say"
        return Reason(rule="prompt format", passed=True, text=text)
    same = trained.prompt_format == candidate.prompt_format
    text = (
        "training, evaluation and serving use the same chat template and system prompt"
        if same
        else "the candidate was trained with another chat template or system prompt than it is asked with: train again"
    )
    return Reason(rule="prompt format", passed=same, text=text)


def _same_kind(candidate: EvaluationReport, base: EvaluationReport, champion: EvaluationReport | None) -> Reason:
    """A base or champion that was asked in another way is no yardstick."""
    others = [report for report in (base, champion) if report is not None]
    ids = [_ids(report) for report in (candidate, *others)]
    same = all(found == ids[0] for found in ids)
    text = (
        f"all models answered the same {len(ids[0])} test rows"
        if same
        else "the models were not measured on the same test rows: evaluate them again on one data version"
    )
    return Reason(rule="same rows", passed=same, text=text)


def _ids(report: EvaluationReport) -> frozenset[str]:
    import pandas as pd

    return frozenset(pd.read_parquet(report.scores, columns=["id"])["id"])


def _no_test_row_trained_on(trained: Trained) -> Reason:
    count = len(trained.leaked)
    if not count:
        return Reason(rule="leaks", passed=True, text="no test row or near-copy of one is among the training rows")
    named = ", ".join(list(trained.leaked)[:3])
    text = f"{count} test rows or near-copies of them are among the training rows ({named}): validate the data again"
    return Reason(rule="leaks", passed=False, text=text)
