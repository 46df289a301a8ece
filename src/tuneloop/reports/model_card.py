"""The model card of a round's candidate: Markdown with the front matter that model hubs read. No row's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneloop.data.rejection_reasons import in_words
from tuneloop.registry.rounds import rounds_folder
from tuneloop.reports.evaluation import tables
from tuneloop.reports.evaluation.verdict import reason_rows, sentence
from tuneloop.reports.html import render_markdown, write_page_file
from tuneloop.reports.markdown import table
from tuneloop.results import DataManifest, Round

HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@[\w.-]+)?")
PERSONAL_DATA = {
    "quarantine": "Rows in which personal data was found were set aside and not trained on.",
    "redact": "Personal data that was found was replaced by its kind, such as <email>.",
    "pseudonymise": "Personal data that was found was replaced by a code, the same for the same person in all rows.",
}


def render_model_card(
    round_: Round,
    *,
    licence: str | None = None,
    base: str | None = None,
    base_revision: str | None = None,
    manifest: DataManifest | None = None,
    library: str = "transformers",
    use: str = "",
) -> str:
    """The card as Markdown; everything that comes from recipe and data is escaped.

    Args:
        round_: with its verdict.
        licence: of the base, as an SPDX identifier such as `apache-2.0`; None: not known.
        base: the base's name for people; None: as the recipe has it.
        base_revision: its commit on the hub.
        manifest: of the data version; adds the files with their hashes.
        library: what loads the model: `transformers` or `peft`.
        use: a sentence on how to load it.
    """
    base = base or str(_setting(round_, "model", "base") or "an unrecorded base model")
    body = render_markdown(
        "model_card.md.j2",
        r=round_,
        base=base,
        licence=licence,
        base_revision=base_revision,
        use=use,
        description=str(round_.settings.get("description") or ""),
        verdict=sentence(round_.verdict),
        reasons=[row for row in reason_rows(round_.verdict) if row["in words"]],
        metrics={title: _markup(rows) for title, rows in tables.metric_rows(round_).items()},
        cautions=tables.cautions(round_),
        attacks=_attacks(round_),
        slices=_weak_slices(round_),
        languages=_languages(round_),
        personal_data=PERSONAL_DATA.get(str(_setting(round_, "data", "checks", "pii_policy") or ""), ""),
        sources=_markup(_sources(round_, manifest)),
        procedure=_markup(_procedure(round_)),
        costs=_markup(tables.cost_rows(round_)),
        hardware=_hardware(round_),
        hours=sum(row["minutes"] for row in tables.cost_rows(round_)) / 60,
        provenance=_markup(tables.lineage_rows(round_)),
    )
    return f"{_front_matter(round_, licence, base, library)}\n{body}"


def write_model_card(workspace: Path, round_: Round, **known: Any) -> Path:
    """The card beside the round's page; `known` as for `render_model_card`. Replaces an earlier one."""
    file = rounds_folder(workspace, round_.recipe) / f"{round_.number:04d}-model-card.md"
    return write_page_file(file, render_model_card(round_, **known))


def _front_matter(round_: Round, licence: str | None, base: str, library: str) -> str:
    from huggingface_hub import ModelCardData

    on_hub = HUB_NAME.fullmatch(base)
    data = ModelCardData(
        license=licence.lower() if licence else None,
        base_model=on_hub[1] if on_hub else None,
        language=_languages(round_) or None,
        library_name=library,
        pipeline_tag="text-generation",
        tags=["fine-tuned", round_.training.objective],
        model_name=f"{round_.recipe} round {round_.number}",
        eval_results=_results(round_) or None,
    )
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n"


def _results(round_: Round) -> list[Any]:
    """Every metric of the candidate as an entry of `model-index`, its interval under `args`."""
    from huggingface_hub import EvalResult

    report = round_.candidate
    parts = {"held-out test rows": report.metrics} | {in_words(name): m for name, m in report.suites.items()}
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=round_.recipe,
            dataset_name=f"{round_.recipe}: {part}",
            dataset_revision=report.data_version,
            metric_type=name,
            metric_name=name,
            metric_value=round(metric.value, 4),
            metric_args={"low": round(metric.low, 4), "high": round(metric.high, 4), "n": metric.n},
        )
        for part, metrics in parts.items()
        for name, metric in metrics.items()
    ]


def _attacks(round_: Round) -> list[dict[str, Any]]:
    """Red-team categories of which the candidate failed some, the worst first."""
    rows = [
        {"category": in_words(name.partition("=")[2]), "passed": metric.value, "n": metric.n}
        for name, metrics in round_.candidate.categories.items()
        for metric in [metrics.get("red_team_passed")]
        if name.startswith("red_team=") and metric is not None and metric.value < 1.0
    ]
    return sorted(rows, key=lambda row: row["passed"])


def _weak_slices(round_: Round) -> list[dict[str, Any]]:
    """Slices that a rule fails for, or that are clearly worse than the reference."""
    rows = tables.slice_rows(round_, tables.main_metric(round_))
    return [row for row in rows if row["remark"] in {"a rule fails here", "clearly worse"}]


def _languages(round_: Round) -> list[str] | None:
    """Those that the recipe lets in, empty for any; None where that is not recorded."""
    found = _setting(round_, "data", "checks", "languages")
    return None if found is None else list(found)


def _sources(round_: Round, manifest: DataManifest | None) -> list[dict[str, Any]]:
    if manifest is None:
        return [{"source": name, "rows": rows} for name, rows in round_.data.sources.items()]
    return [{"source": o.name, "rows": o.rows, "SHA-256": o.sha256 or "no file"} for o in manifest.sources]


def _procedure(round_: Round) -> list[dict[str, Any]]:
    """What the training section said, then what every `auto` became."""
    training = round_.training
    facts: dict[str, Any] = {
        "objective": training.objective,
        "started from": training.start,
        "steps": training.steps,
        "trained parameters": f"{training.trainable_parameters:,} of {training.total_parameters:,}",
        "training rows": training.rows or round_.data.rows_train,
        "training loss": training.train_loss,
        "validation loss": training.eval_loss,
        **{in_words(k): v for k, v in (_setting(round_, "training") or {}).items() if v is not None},
        **{f"{in_words(k)} (chosen)": v for k, v in training.chosen.items()},
    }
    return [{"what": name, "value": tables.as_text(value)} for name, value in facts.items() if value is not None]


def _hardware(round_: Round) -> str:
    known = [round_.environment.get(name, "") for name in ("gpu", "cpu")]
    return ", ".join(dict.fromkeys(filter(_is_named, [round_.training.chosen.get("device", ""), *known])))


def _is_named(part: str) -> bool:
    return part not in {"", "none"}


def _setting(round_: Round, *path: str) -> Any:
    """What the recipe had there; None where the round is older than that or the recipe says nothing."""
    found: Any = round_.settings
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _markup(rows: list[dict[str, Any]]) -> str:
    """A table that is Markdown already: its cells are escaped."""
    return table(rows)
