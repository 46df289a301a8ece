"""What repeated looks at a private test set do to its score, said to people.

Whoever keeps the best of k models by their scores keeps luck as well. If all were equally good and a score errs with
standard error s, the best score is expected to lie at most s * sqrt(2 ln k) above the truth, however the scores depend
on each other (S. Boucheron, G. Lugosi, P. Massart, "Concentration Inequalities", 2013, theorem 2.5; the mean of many
rows is close enough to normal). It is a bound for models that were made without knowing the scores of the ones before.
Where every model is a reaction to the last score the truth can be worse, and no bound as simple as this one holds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuneloop.evaluation.private_uses import Looks
from tuneloop.recipes import Rule
from tuneloop.results.private_test import PREFIX, PrivateReport

MANY_MODELS = 10
ADVICE = "To have an honest figure again, put new rows that no model has been scored on into the private source."


def private_rules(rules: Sequence[Rule]) -> list[str]:
    """Metrics of the private test set that rules of the gate name: such a gate would choose by them."""
    return list(dict.fromkeys(rule.metric for rule in rules if rule.metric.startswith(PREFIX)))


def optimism(report: PrivateReport, looks: Looks) -> dict[str, float]:
    """Metric -> how much too good the best of the models' scores is expected to be at most; 0 for a single model.

    The standard error is read off the report's intervals, which are a little wider than normal ones: a cautious bound.
    """
    from scipy import stats

    width = 2.0 * float(stats.norm.ppf((1.0 + report.confidence) / 2.0))
    errors = _standard_errors(len(looks.models))
    return {name: errors * (m.high - m.low) / width for name, m in report.metrics.items()}


def warnings_of(looks: Looks, rules: Sequence[Rule], bounds: Mapping[str, float] | None = None) -> list[str]:
    """Why the score may no longer be believed, a sentence or two each; empty while it may.

    `bounds` are those of `optimism`, if a score is there.
    """
    k = len(looks.models)
    found = [
        f"a rule of the gate names {metric}: choosing by the private test set makes it an ordinary one. Take the rule "
        "out of `evaluation.rules`, and let the gate look at held-out rows."
        for metric in private_rules(rules)
    ]
    if looks.choices:
        found.append(f"the private test set was used to choose a model, not to report on one ({looks.choices} so far).")
    if looks.compared > 1:
        found.append(
            f"{looks.compared} candidates were scored on these rows before one of them was promoted, so the score may "
            "have had a say in which."
        )
    if k >= MANY_MODELS:
        found.append(f"{k} different models have been scored on these rows.")
    if found and k > 1:
        found.append(_how_much(k, bounds or {}))
    return found


def _how_much(models: int, bounds: Mapping[str, float]) -> str:
    sizes = ", ".join(f"{name} {size:.3f}" for name, size in bounds.items())
    return (
        f"these rows have been looked at with {models} models, and their score is no longer an unbiased estimate: the "
        f"best of {models} equally good models is expected to look better than it is by up to "
        f"{_standard_errors(models):.1f} standard errors{f' ({sizes})' if sizes else ''}. {ADVICE}"
    )


def _standard_errors(models: int) -> float:
    return math.sqrt(2.0 * math.log(max(models, 1)))
