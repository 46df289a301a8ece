"""What the models answered, row by row beside each other, as people may see it: masked and cut short.

The texts come from the private files of the evaluations (answers.jsonl and SUITE.jsonl). They are masked while they
are read, so that nothing of this module ever holds a row's own words. A private test set has no answers file and so is
never in here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneloop.records import content_hash
from tuneloop.reports.evaluation.tables import is_lower_better, main_metrics, reports_of
from tuneloop.results import EvaluationReport, Round

if TYPE_CHECKING:
    import pandas as pd

PAIRS = 20
EXTREMES = 7
"""So many of the best and so many of the worst; the rest is drawn at random."""
FAILURES = 30
"""Of each suite; its table of categories has the count of all."""
MAX_CHARACTERS = 1200

Shown = Callable[[str], str]
"""`tuneloop.data.masking.shown`, with the length that suits the page."""
Kind = Literal["best", "worst", "random"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model said; `score` in the metric by which the rows were chosen."""

    model: str
    text: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One test row with everybody's answer. `change` is turned so that more is better."""

    id: str
    kind: Kind
    change: float
    prompt: str
    expected: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An item of a suite that the candidate failed, and why."""

    suite: str
    category: str
    prompt: str
    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class SideBySide:
    """`missing` says in sentences what could not be shown."""

    metric: str = ""
    against: str = ""
    pairs: tuple[Pair, ...] = ()
    failures: tuple[Failure, ...] = ()
    missing: tuple[str, ...] = ()


def read_side_by_side(round_: Round, shown: Shown) -> SideBySide:
    """Choose rows by the change in the main metric against the champion, or the base, and read them masked."""
    reports, against = reports_of(round_), "champion" if round_.champion else "base"
    failures = tuple(_failures(round_.candidate, shown))
    metric, changes = _main_changes(round_, reports[against])
    if not changes:
        nothing = f"No answers are shown: candidate and {against} have no scores by row in common any more."
        return SideBySide(metric, against, failures=failures, missing=(nothing,))
    scores = {name: _scores(report, metric) for name, report in reports.items()}
    chosen = choose(changes)
    wanted = {row_id for row_id, _, _ in chosen}
    answers = {name: _answers(Path(report.answers), wanted) for name, report in reports.items()}
    gone = [name for name, lines in answers.items() if not lines]
    missing = (f"The answers of the {n} were deleted or cannot be read, so they are not shown." for n in gone)
    pairs = (_pair(row_id, kind, change, answers, scores, shown) for row_id, kind, change in chosen)
    return SideBySide(metric, against, tuple(p for p in pairs if p is not None), failures, tuple(missing))


def choose(changes: Mapping[str, float]) -> list[tuple[str, Kind, float]]:
    """Ids with kind and change: those that gained most, those that lost most, and of the rest a sample by hash."""
    ordered = sorted(changes, key=lambda row_id: (changes[row_id], content_hash(row_id)))
    worst = [i for i in ordered[:EXTREMES] if changes[i] < 0]
    best = [i for i in reversed(ordered[-EXTREMES:]) if changes[i] > 0]
    taken = {*worst, *best}
    rest = sorted((i for i in ordered if i not in taken), key=content_hash)[: PAIRS - len(taken)]
    kinds: dict[Kind, list[str]] = {"best": best, "worst": worst, "random": rest}
    return [(row_id, kind, changes[row_id]) for kind, ids in kinds.items() for row_id in ids]


def _sign(report: EvaluationReport, metric: str) -> float:
    measured = report.everything.get(metric)
    return -1.0 if measured is not None and is_lower_better(metric, measured) else 1.0


def _scores(report: EvaluationReport, metric: str) -> pd.Series[float] | None:
    """The metric by row id; None where the file is gone or lacks it."""
    import pandas as pd
    from pyarrow import parquet

    file = Path(report.scores)
    if not metric or not file.is_file() or metric not in parquet.read_schema(file).names:
        return None
    scores = pd.read_parquet(file, columns=["id", metric]).set_index("id")[metric]
    return scores.astype(float)


def _main_changes(round_: Round, reference: EvaluationReport) -> tuple[str, dict[str, float]]:
    """The first main metric in which some row differs, or else just the first, with its change by row id."""
    found: list[tuple[str, dict[str, float]]] = []
    for metric in main_metrics(round_):
        ours, theirs = _scores(round_.candidate, metric), _scores(reference, metric)
        if ours is not None and theirs is not None:
            changes = (_sign(round_.candidate, metric) * (ours - theirs)).dropna()
            found.append((metric, {str(row_id): float(change) for row_id, change in changes.items()}))
    return next((f for f in found if any(f[1].values())), found[0] if found else ("", {}))


def _answers(file: Path, wanted: Collection[str]) -> dict[str, dict[str, Any]]:
    """The lines of an answers file with these ids; nothing from a file that is gone or broken."""
    try:
        return {str(line["id"]): line for line in _lines(file) if str(line.get("id")) in wanted}
    except (OSError, ValueError):
        return {}


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8", errors="surrogatepass") as stream:
        for line in stream:
            yield json.loads(line)


def _pair(
    row_id: str,
    kind: Kind,
    change: float,
    answers: Mapping[str, Mapping[str, Mapping[str, Any]]],
    scores: Mapping[str, pd.Series[float] | None],
    shown: Shown,
) -> Pair | None:
    found = {name: lines[row_id] for name, lines in answers.items() if row_id in lines}
    if not found:
        return None
    row = next(iter(found.values()))
    said = [Answer(n, _safe(line["answer"], shown), _score(scores[n], row_id)) for n, line in found.items()]
    prompt, expected = _safe(row["prompt"], shown), _safe(row["expected"], shown)
    return Pair(_name(row_id, shown), kind, change, prompt, expected, tuple(said))


def _score(scores: pd.Series[float] | None, row_id: str) -> float | None:
    return None if scores is None or row_id not in scores.index else float(scores.loc[row_id])


def _failures(report: EvaluationReport, shown: Shown) -> Iterator[Failure]:
    """Suites keep a line per item in SUITE.jsonl beside the answers, with `failure` where there was one."""
    for suite in report.suites:
        try:
            lines = [line for line in _lines(Path(report.answers).with_name(f"{suite}.jsonl")) if line.get("failure")]
        except (OSError, ValueError):
            continue
        for line in lines[:FAILURES]:
            texts = (_safe(line.get(name), shown) for name in ("prompt", "answer", "failure"))
            yield Failure(suite, str(line.get("category", "")), *texts)


def _safe(text: Any, shown: Shown) -> str:
    masked = shown(str(text or ""))
    return masked if len(masked) <= MAX_CHARACTERS else f"{masked[:MAX_CHARACTERS]}…"


def _name(row_id: str, shown: Shown) -> str:
    """People look a row up by its id, so it is only masked where it is personal data itself."""
    masked = shown(row_id)
    return masked if "<" in masked else row_id
