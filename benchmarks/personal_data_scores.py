"""Recall, precision and F2 of findings against labels, by row and by span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Span = tuple[int, int, str]


def score_spans(
    labels: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]], kinds: Sequence[str]
) -> Counter[str]:
    """Counts of `hit`, `missed` (labels) and `right`, `wrong` (findings), over all kinds and as `hit:KIND`...

    A label is hit, and a finding right, when the two overlap and are of the same kind.
    """
    counts: Counter[str] = Counter()
    for wanted, got in zip(labels, found, strict=True):
        got_known = [span for span in got if span[2] in kinds]
        for span in wanted:
            if span[2] in kinds:
                _count(counts, "hit" if _meets(span, got_known) else "missed", span[2])
        for span in got_known:
            _count(counts, "right" if _meets(span, wanted) else "wrong", span[2])
    return counts


def score_rows(labels: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]], kinds: Sequence[str]) -> Counter[str]:
    """The same counts for rows: does the row have any of the kinds, whichever."""
    counts: Counter[str] = Counter()
    for wanted, got in zip(labels, found, strict=True):
        has, says = (any(span[2] in kinds for span in spans) for spans in (wanted, got))
        counts.update(
            {"hit": has and says, "missed": has and not says, "right": has and says, "wrong": says and not has}
        )
    return counts


def measures(counts: Counter[str], kind: str = "") -> dict[str, float]:
    """recall, precision, f2 (0 where there is nothing to divide by). F2 weighs recall four times: a name that slips
    through cannot be taken back, a false alarm costs a row."""
    hit, missed, right, wrong = (
        counts[f"{name}:{kind}" if kind else name] for name in ("hit", "missed", "right", "wrong")
    )
    recall, precision = hit / max(hit + missed, 1), right / max(right + wrong, 1)
    return {"recall": recall, "precision": precision, "f2": 5 * precision * recall / max(4 * precision + recall, 1e-9)}


def _count(counts: Counter[str], name: str, kind: str) -> None:
    counts.update((name, f"{name}:{kind}"))


def _meets(span: Span, others: Sequence[Span]) -> bool:
    return any(span[0] < end and start < span[1] and span[2] == kind for start, end, kind in others)
