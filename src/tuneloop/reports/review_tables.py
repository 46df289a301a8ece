"""The review of a recipe as rows of tables, for the page, the terminal and Prefect's artifacts. Holds no text of rows,
and people by pseudonym only."""

from __future__ import annotations

from typing import Any

from tuneloop.data.rejection_reasons import in_words, meaning
from tuneloop.results import Metric, ReviewerSummary, ReviewSummary, SetSummary

FILES = {
    "corrections.jsonl": ("training rows", "corrections: an instruction recipe learns from them"),
    "preferences.jsonl": ("pairs", "a better and a worse answer: DPO and reward models learn from them"),
    "thumbs.jsonl": ("thumbs", "single answers that are good or bad: KTO learns from them"),
    "ratings.jsonl": ("ratings", "evidence for the gate: human_rating"),
    "comparisons.jsonl": ("comparisons", "evidence for the gate: human_preference"),
    "row_verdicts.jsonl": ("verdicts on training rows", "left out or mended in the next data version"),
    "triage.jsonl": ("red-team triage", "evidence by the suite's items; never learned from"),
}
UNUSABLE = {
    "conflict": "reviewers disagree, and nobody has decided yet",
    "flagged": "somebody said that it must be kept out of training",
    "discarded": "nobody who looked could judge it",
    "unreliable_reviewer": "judged by people alone whose word does not count",
    "test_prompt": "its prompt is one of the red-team suite, which is a test",
}
CONFLICTS = {
    "rating_gap": "ratings far apart",
    "opposite_preference": "each prefers another answer",
    "flagged_by_some": "flagged by some only",
    "left_out_by_some": "some want the row left out",
    "different_corrections": "corrections with little in common",
}


def set_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """One row per set: how far it is and what came of it."""
    return [
        {
            "set": each.review_set,
            "about": in_words(each.kind),
            "reviewed": _progress(each),
            "answers": each.submitted,
            "drafts": each.drafts,
            "discarded": each.discarded,
            "conflicts": each.conflicts_waiting,
            "mean rating": interval(each.rating),
            "alpha": figure(each.agreement),
        }
        for each in summary.sets
    ]


def agreement_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    return [
        {
            "question": each.question,
            "alpha": "-" if each.alpha is None else figure(each.alpha) + _bounds(each.low, each.high),
            "records": each.records,
            "people": each.reviewers,
            "in words": each.text,
        }
        for each in summary.agreement
    ]


def reviewer_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """One row per person, by pseudonym."""
    return [
        {
            "reviewer": each.reviewer,
            "records": each.records,
            "reliability": f"{each.reliability:.2f} [{each.low:.2f}, {each.high:.2f}]",
            "weight": f"{each.weight:.2f}",
            "gold right": _share(each.gold),
            "with decisions": _share(each.decided),
            "with others": _agreed(each),
            "per record": seconds(each.median_seconds),
            "remark": remark(each),
        }
        for each in summary.reviewers
    ]


def quality_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    return [
        {"model": each.model or "unknown", "records": each.rating.n, "mean rating": interval(each.rating)}
        for each in summary.quality
    ]


def output_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """What people's words became."""
    rows = [
        {"what": what, "rows": summary.rows.get(file, 0), "for": purpose} for file, (what, purpose) in FILES.items()
    ]
    return [*rows, {"what": "answers edited in production", "rows": summary.accepted, "for": "training rows"}]


def unusable_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """Records of which nothing is learned."""
    return [
        {"reason": in_words(name), "records": count, "meaning": UNUSABLE.get(name, "")}
        for name, count in summary.unusable.items()
    ]


def conflict_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    return [{"conflict": CONFLICTS.get(name, in_words(name)), "records": n} for name, n in summary.conflicts.items()]


def set_aside_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """People's rows that did not pass the data checks, by reason."""
    found = summary.set_aside.reasons if summary.set_aside else {}
    return [{"reason": in_words(name), "rows": n, "meaning": meaning(name)} for name, n in found.items()]


def set_aside_sentence(summary: ReviewSummary) -> str:
    found = summary.set_aside
    if found is None:
        return "No data version has been made yet, so none of these rows has passed the data checks."
    gone = sum(found.reasons.values())
    words = f"Data version {found.version}: {found.came:,} rows came from people, {gone:,} of them were set aside"
    return f"{words}; reviewers had {found.withdrawn:,} rows of other sources left out and {found.mended:,} mended."


def counted_rows(counts: dict[str, int], name: str) -> list[dict[str, Any]]:
    return [{name: in_words(key), "times": count} for key, count in counts.items()]


def headline(summary: ReviewSummary) -> str:
    """The review in one sentence."""
    open_records = sum((each.records or 0) - (each.completed or 0) for each in summary.sets)
    answers = sum(each.submitted for each in summary.sets)
    return (
        f"{answers:,} answers in {len(summary.sets):,} sets; {open_records:,} records and "
        f"{summary.conflicts_waiting:,} conflicts wait for people"
    )


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def interval(metric: Metric | None) -> str:
    return "-" if metric is None else f"{metric.value:.2f} [{metric.low:.2f}, {metric.high:.2f}]"


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"  # noqa: PLR2004


def remark(person: ReviewerSummary) -> str:
    """What a team lead should look at."""
    trust = "word does not count" if person.weight == 0 else "doubtful" if person.is_doubtful else ""
    parts = [trust, f"{person.pace} compared with the others" if person.pace in {"fast", "slow"} else ""]
    return ", ".join(filter(None, parts))


def _progress(each: SetSummary) -> str:
    return "unknown" if each.records is None else f"{each.completed:,} of {each.records:,}"


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {sum(counts)}" if sum(counts) else "-"


def _agreed(person: ReviewerSummary) -> str:
    right, wrong = person.peers
    return f"{right / (right + wrong):.0%}" if right + wrong else "-"
