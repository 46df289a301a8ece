"""The drift watch: looks at the newest traffic, and says at most once per window that it is no longer the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ValidationError

from tuneloop.drift.detection import Comparison, compare, nearest_terms
from tuneloop.drift.traffic import TrafficRow, read_since
from tuneloop.errors import DataError
from tuneloop.files import atomic_write
from tuneloop.ports import Embedder
from tuneloop.recipes import Drift
from tuneloop.records import content_hash
from tuneloop.results import DriftReport

MIN_REFERENCE_ROWS = 20
_REFERENCE_TIMES_WINDOW = 6
_MAX_REFERENCE_ROWS = 2000


class _State(BaseModel):
    """What the watch remembers between two calls."""

    counted_to: str | None = None
    """Traffic id up to which rows have been part of a positive window; the next window begins behind it."""
    positives: int = 0
    """Positive windows running, each of other rows."""
    drifted_at: datetime | None = None
    last: DriftReport | None = None
    drift: DriftReport | None = None
    """The last report that said drift; people are asked about its window."""
    unannounced: DriftReport | None = None


def watch(
    *,
    reference_texts: Sequence[str],
    traffic_file: Path,
    embedder: Embedder,
    config: Drift,
    state_file: Path,
    now: datetime,
    announce: Callable[[DriftReport], None] | None = None,
) -> DriftReport:
    """Compare the last `window_rows` prompts since the last drift with the reference.

    `reference_texts` are prompts the model was trained on, best at least 6 times the window; of more than 2,000 (or 6
    times the window) a sample is taken. `now` has a time zone; the cool-down counts from the last drift's.

    `announce` is called with a drift's report before the drift is settled: emit the event in it. Killed in between, the
    next call announces the *same* report again, so take `window_id` as the event's key. Without `announce`, a kill
    between this function's end and the caller's event loses the event.

    `no_traffic` means fewer than `min_window_rows` new prompts, `no_drift` also a positive window of which the recipe
    wants more running. The same window is tested once: asked again, the watch repeats what it said.

    Raises:
        DataError: fewer than 20 reference texts, or the state file is not ours.
    """
    state = _read(state_file)
    if state.unannounced is not None:
        return _settle(state, state.unannounced, state_file, announce)
    window = read_since(traffic_file, state.counted_to)[-config.window_rows :]
    if len(window) < config.min_window_rows:
        return _untested("no_traffic", window)
    if state.drifted_at is not None and now - state.drifted_at < timedelta(hours=config.cooldown_hours):
        return _untested("cooling_down", window)
    window_id = content_hash([(row.id, row.prompt) for row in window])
    if state.last is not None and state.last.window_id == window_id:
        return state.last
    report = _tested(window, window_id, reference_texts, embedder, config, state.positives)
    state = _after(state, report, window, config, now)
    _write(state_file, state)
    return _settle(state, report, state_file, announce) if report.status == "drift" else report


def last_drift(state_file: Path) -> DriftReport | None:
    """The last drift that the watch has found; None while there was none."""
    return _read(state_file).drift


def _tested(
    window: Sequence[TrafficRow],
    window_id: str,
    reference_texts: Sequence[str],
    embedder: Embedder,
    config: Drift,
    positives: int,
) -> DriftReport:
    reference = _reference(reference_texts, len(window), window_id)
    prompts = [row.prompt for row in window]
    seed = _seed(window_id)
    comparison = compare(embedder.embed(reference), embedder.embed(prompts), seed=seed)
    is_drift = _is_positive(comparison, config) and positives + 1 >= config.consecutive_windows
    return DriftReport(
        status="drift" if is_drift else "no_drift",
        window_rows=comparison.window_rows,
        reference_rows=comparison.reference_rows,
        p_value=comparison.p_value,
        effect=comparison.effect,
        nearest_terms=nearest_terms(reference_texts, prompts) if _is_positive(comparison, config) else [],
        window_id=window_id,
        window_end=window[-1].id,
    )


def _is_positive(found: Comparison | DriftReport, config: Drift) -> bool:
    """Significant *and* big: with many rows, any two samples of real life differ significantly."""
    if found.p_value is None or found.effect is None:
        return False
    return found.p_value < config.p_value and found.effect >= config.min_effect


def _after(state: _State, report: DriftReport, window: Sequence[TrafficRow], config: Drift, now: datetime) -> _State:
    """The state once this report stands."""
    if not _is_positive(report, config):
        return state.model_copy(update={"positives": 0, "last": report})
    drifted = report.status == "drift"
    return _State(
        counted_to=window[-1].id,
        positives=0 if drifted else state.positives + 1,
        drifted_at=now if drifted else state.drifted_at,
        last=report,
        drift=report if drifted else state.drift,
        unannounced=report if drifted else None,
    )


def _settle(
    state: _State, report: DriftReport, state_file: Path, announce: Callable[[DriftReport], None] | None
) -> DriftReport:
    if announce is not None:
        announce(report)
    _write(state_file, state.model_copy(update={"unannounced": None}))
    return report


def _reference(texts: Sequence[str], window_rows: int, window_id: str) -> list[str]:
    """All texts, or a sample that changes with the window: one fixed sample can be unlucky for ever."""
    if len(texts) < MIN_REFERENCE_ROWS:
        raise DataError(
            f"only {len(texts)} reference prompts for the drift watch, {MIN_REFERENCE_ROWS} are needed; train a first "
            "round, or give the recipe's data sources more rows"
        )
    wanted = max(_MAX_REFERENCE_ROWS, _REFERENCE_TIMES_WINDOW * window_rows)
    if len(texts) <= wanted:
        return list(texts)
    return random.Random(_seed(window_id)).sample(list(texts), wanted)  # noqa: S311 (a draw, not a secret)


def _seed(window_id: str) -> int:
    return int(window_id[:8], 16)


def _untested(status: str, window: Sequence[TrafficRow]) -> DriftReport:
    return DriftReport.model_validate({"status": status, "window_rows": len(window), "reference_rows": 0})


def _read(file: Path) -> _State:
    try:
        return _State.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return _State()
    except ValidationError as error:
        raise DataError(f"{file} is not the drift watch's state; delete it and the watch starts afresh") from error


def _write(file: Path, state: _State) -> None:
    atomic_write(file, state.model_dump_json())
