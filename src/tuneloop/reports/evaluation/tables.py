"""What an evaluation found, as rows of tables for the page, the model card and Prefect. Holds no text of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tuneloop.data.rejection_reasons import in_words
from tuneloop.registry.summary import step_costs
from tuneloop.reports.data.tables import cell
from tuneloop.reports.evaluation.verdict import state_of
from tuneloop.results import EvaluationReport, Metric, Round

TASK = "the task"
SUITES = {
    TASK: "The task: held-out test rows",
    "forgetting": "General skills: what the model could do before",
    "red_team": "Red team: prompts that invite a bad answer",
    "bias_pairs": "Bias: prompts that differ only in a group of people",
    "lm_eval": "Public benchmarks (lm-evaluation-harness)",
    "judge": "Judge",
    "people": "People",
}
LOSSES = frozenset({"loss", "perplexity", "probe_loss"})
"""Lower is better; reports of 0.1 do not say so themselves."""


def reports_of(round_: Round) -> dict[str, EvaluationReport]:
    """Base, champion where there is one, candidate."""
    found = {"base": round_.base, "champion": round_.champion, "candidate": round_.candidate}
    return {name: report for name, report in found.items() if report is not None}


def main_metrics(round_: Round) -> list[str]:
    """What the recipe's `improve` rules ask for, in their order, then the other metrics that are no losses."""
    rules = (round_.settings.get("evaluation") or {}).get("rules") or []
    wanted = [rule["metric"] for rule in rules if rule.get("kind", "improve") == "improve" and not rule.get("slice")]
    measured = round_.candidate.metrics
    return [name for name in dict.fromkeys([*wanted, *measured]) if name in measured and name not in LOSSES]


def main_metric(round_: Round) -> str:
    """The first of them; "" without any."""
    return next(iter(main_metrics(round_)), "")


def metric_rows(round_: Round) -> dict[str, list[dict[str, Any]]]:
    """Title of the task or the suite -> one row per metric: n, and every model's mean with its interval."""
    reports = reports_of(round_)
    parts = {TASK: {name: r.metrics for name, r in reports.items()}}
    for suite in dict.fromkeys(s for r in reports.values() for s in r.suites):
        parts[suite] = {name: r.suites.get(suite, {}) for name, r in reports.items()}
    return {title_of(part): _compared(found) for part, found in parts.items() if any(found.values())}


def slice_rows(round_: Round, metric: str) -> list[dict[str, Any]]:
    """One row per slice of the test rows, the one that lost most first; `remark` is what rules or intervals say."""
    reports = reports_of(round_)
    reference = reports.get("champion", reports["base"])
    failed = {r.slice for r in round_.verdict.reasons if r.slice and state_of(r) == "fails"}
    rows = []
    for name, metrics in round_.candidate.slices.items():
        ours, theirs = metrics.get(metric), reference.slices.get(name, {}).get(metric)
        if ours is None:
            continue
        found = {model: show(report.slices.get(name, {}).get(metric)) for model, report in reports.items()}
        remark = "a rule fails here" if name in failed else _remark(ours, theirs)
        rows.append({"slice": name, "n": ours.n, **found, "change": _change(ours, theirs), "remark": remark})
    measured = round_.candidate.metrics.get(metric)
    sign = -1.0 if measured is not None and is_lower_better(metric, measured) else 1.0
    return sorted(rows, key=lambda row: math.inf if row["change"] is None else sign * row["change"])


def category_rows(round_: Round) -> dict[str, list[dict[str, Any]]]:
    """Suite -> one row per category: n, and every model's mean of each of its metrics."""
    reports = reports_of(round_)
    found: dict[str, list[dict[str, Any]]] = {}
    for name in dict.fromkeys(c for r in reports.values() for c in r.categories):
        suite, _, category = name.partition("=")
        for metric in round_.candidate.categories.get(name, {}):
            measured = {model: r.categories.get(name, {}).get(metric) for model, r in reports.items()}
            n = next(m.n for m in measured.values() if m is not None)
            row = {"category": in_words(category), "metric": _named(metric, measured), "n": n}
            found.setdefault(suite, []).append(row | {model: show(m) for model, m in measured.items()})
    return found


def opinion_rows(round_: Round) -> list[dict[str, Any]]:
    """One row per judge or group of people: how far it agrees with people, and whether it may count."""
    return [
        {
            "who": in_words(opinion.metric),
            "against": opinion.against,
            "may count in the gate": opinion.may_count,
            "agreement with people (kappa)": show(opinion.agreement),
            "pairs judged by both": opinion.agreement.n if opinion.agreement else None,
            "why": opinion.text,
        }
        for opinion in round_.opinions
    ]


def speed_rows(round_: Round) -> list[dict[str, Any]]:
    """One row per model whose speed was measured."""
    return [
        {
            "model": name,
            "first token, s (median)": r.speed.first_token_seconds,
            "first token, s (95th percentile)": r.speed.first_token_seconds_p95,
            "tokens/s alone": r.speed.tokens_per_second_alone,
            "tokens/s in batches": r.speed.tokens_per_second_batched,
            "batch": r.speed.batch_size,
            "peak memory, MiB": round(r.speed.peak_memory_mib),
            "device": r.speed.device,
        }
        for name, r in reports_of(round_).items()
        if r.speed is not None
    ]


def cost_rows(round_: Round) -> list[dict[str, Any]]:
    """One row per step: minutes and peak memory when it really ran; the price where the recipe's hardware has one."""
    training = round_.training
    foreseen = {"training": training.estimate.seconds} if training.estimate else {}
    rates = {"training": training.tokens_per_second} | {
        f"evaluation_{name}": report.tokens_per_second for name, report in reports_of(round_).items()
    }
    return [
        {
            "step": in_words(step),
            "minutes": cost.seconds / 60,
            "foreseen, minutes": foreseen[step] / 60 if step in foreseen else None,
            "peak memory, MiB": round(cost.peak_rss_mib),
            "tokens/s": rates.get(step),
        }
        for step, cost in step_costs(round_).items()
    ]


def lineage_rows(round_: Round, reviewers: int | None = None) -> list[dict[str, Any]]:
    """What the candidate was made of, one fact per row. `reviewers`: how many people's answers the feedback holds."""
    data, training, feedback = round_.data, round_.training, round_.feedback
    facts: dict[str, Any] = {
        "data version": data.version,
        "training rows": data.rows_train,
        "synthetic rows among them": data.rows_synthetic or None,
        "validation rows": data.rows_validation,
        "test rows": data.rows_test,
        "rows set aside": data.rows_quarantined,
        "corrections by people": feedback.corrections if feedback else None,
        "reviewers": reviewers,
        "base model": (round_.settings.get("model") or {}).get("base"),
        "base SHA-256": training.base_hash,
        "candidate SHA-256": round_.candidate.model_hash,
        "champion SHA-256": round_.champion.model_hash if round_.champion else None,
        "artefact that was measured": round_.candidate.artefact,
        "prompt format": round_.candidate.prompt_format or None,
        "registry version": round_.model_version,
        "MLflow run": round_.mlflow_run_id,
        "flow run": round_.flow_run_id,
        **{in_words(name): value for name, value in round_.environment.items()},
    }
    return [{"what": name, "value": cell(value)} for name, value in facts.items() if value is not None]


def cautions(round_: Round) -> list[str]:
    """What was not measured, or weakens what was, in sentences."""
    return list(_cautions(round_))


def title_of(suite: str) -> str:
    return SUITES.get(suite, in_words(suite))


def show(metric: Metric | None) -> str:
    """Two decimals: with the few hundred rows of a test set, the third is noise."""
    if metric is None:
        return "-"
    value, low, high = (f"{x + 0.0:.2f}" for x in (metric.value, metric.low, metric.high))
    return f"{value} [{low}, {high}]"


def is_lower_better(name: str, metric: Metric) -> bool:
    return metric.lower_is_better or name in LOSSES


def lower_metrics(report: EvaluationReport) -> frozenset[str]:
    """The metrics of a report for which lower is better."""
    return frozenset(name for name, metric in report.everything.items() if is_lower_better(name, metric)) | LOSSES


def as_text(value: Any) -> str:
    """A setting or a measure as people write it: no trailing digits, lists with commas."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else cell(value)


def _compared(found: Mapping[str, Mapping[str, Metric]]) -> list[dict[str, Any]]:
    rows = []
    for metric in dict.fromkeys(name for metrics in found.values() for name in metrics):
        measured = {model: metrics.get(metric) for model, metrics in found.items()}
        n = next(m.n for m in measured.values() if m is not None)
        rows.append({"metric": _named(metric, measured), "n": n, **{model: show(m) for model, m in measured.items()}})
    return rows


def _named(metric: str, measured: Mapping[str, Metric | None]) -> str:
    lower = any(m is not None and is_lower_better(metric, m) for m in measured.values())
    return f"{metric} (lower is better)" if lower else metric


def _change(ours: Metric, theirs: Metric | None) -> float | None:
    return None if theirs is None else ours.value - theirs.value


def _remark(ours: Metric, theirs: Metric | None) -> str:
    if theirs is None:
        return "not measured for the reference"
    better, worse = ours.low > theirs.high, ours.high < theirs.low
    if ours.lower_is_better:
        better, worse = worse, better
    return "clearly worse" if worse else "clearly better" if better else ""


def _cautions(round_: Round) -> Iterator[str]:
    candidate = round_.candidate
    for suite, why in candidate.unmeasured.items():
        yield f"{title_of(suite)} was not measured: {why}"
    if round_.champion is None:
        yield "There was no champion to compare with: only the base stands beside the candidate."
    if not candidate.suites:
        yield "No suites were measured: nothing is known of forgotten skills, unsafe answers or bias."
    if not candidate.slices:
        yield "No slices were measured: a group of rows may have lost while the mean rose."
    if candidate.speed is None:
        yield "Speed was not measured."
    if candidate.cut_off:
        yield f"{candidate.cut_off:,} answers of the candidate ran into evaluation.max_new_tokens and are incomplete."
    for opinion in round_.opinions:
        if not opinion.may_count:
            yield f"The {in_words(opinion.metric)} is shown but does not count: {opinion.text}"
    formats = {r.prompt_format for r in reports_of(round_).values() if r.prompt_format}
    if len(formats) > 1:
        yield "The models were asked in different prompt formats, so their scores do not compare like with like."
