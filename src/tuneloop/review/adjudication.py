"""Records on which reviewers disagree, put before somebody who decides: which set each goes into, and what came of it.

`adjudication.jsonl` in the feedback folder, private as all of it, notes each case with the set it was given to. A case
is known by a hash of its record, so a decision finds its record even where that file is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuneloop.ports import ReviewAnswer, ReviewItem
from tuneloop.records import content_hash
from tuneloop.review.judging import Judgement, similarity
from tuneloop.review.ledger import FIT, Key, latest
from tuneloop.review.rows import locked, read_rows, write_rows

CASES = "adjudication.jsonl"
ORIGINAL, REVIEWER, CONFLICT = "original", "reviewer_", "conflict"
"""Labels of a case: the model's own answer; what each person said, without saying who; what they disagree on."""

LETTERS = "abcdefghij"


def case_id(key: Key) -> str:
    """What a record is called in an adjudication set: records of several sets come together there."""
    return content_hash(list(key))[:16]


def decisions_on(keys: Iterable[Key], ledger: Sequence[ReviewAnswer]) -> dict[Key, ReviewAnswer]:
    """Record -> what an adjudicator last said of it. Who could not judge it has decided only if nobody else did."""
    said = [a for a in latest(ledger) if a.kind == "adjudication" and a.status != "draft"]
    last = {a.item_id: a for a in sorted(said, key=lambda a: a.status == "submitted")}
    return {key: last[case] for key in keys if (case := case_id(key)) in last}


def new_cases(folder: Path, waiting: Sequence[Judgement], *, recipe: str, most: int) -> dict[str, list[ReviewItem]]:
    """Note the conflicts that are in no set yet, and return what is still to be published, by set.

    A set takes at most `most` cases; then the next one is begun. Until `mark_published` is called for a set, the same
    cases are returned again, so that a cut-off publication ends as it began.
    """
    with locked(folder):
        rows = read_rows(folder / CASES)
        known = {row["item"]["id"] for row in rows}
        for judgement in waiting:
            if (case := case_id(judgement.record.key)) not in known:
                rows.append(_case(judgement, case, _open_set(rows, recipe, most)))
        write_rows(folder / CASES, rows)
    found: dict[str, list[ReviewItem]] = {}
    for row in rows:
        if not row["published"]:
            found.setdefault(row["adjudication_set"], []).append(ReviewItem(**row["item"]))
    return found


def mark_published(folder: Path, review_set: str, items: Iterable[ReviewItem]) -> None:
    """Note that these cases of the set can be seen by adjudicators."""
    there = {item.id for item in items}
    with locked(folder):
        rows = read_rows(folder / CASES)
        for row in rows:
            row["published"] |= row["adjudication_set"] == review_set and row["item"]["id"] in there
        write_rows(folder / CASES, rows)


def unpublished(folder: Path, waiting: Sequence[Judgement]) -> int:
    """How many of these conflicts no adjudicator can see yet."""
    there = {row["item"]["id"] for row in read_rows(folder / CASES) if row["published"]}
    return sum(case_id(judgement.record.key) not in there for judgement in waiting)


def _open_set(rows: Sequence[dict[str, Any]], recipe: str, most: int) -> str:
    """The newest set while it has room."""
    sizes = Counter(int(row["adjudication_set"].rpartition("-")[2]) for row in rows)
    newest = max(sizes, default=1)
    return f"{recipe}-adjudication-{newest + (sizes[newest] >= most)}"


def _case(judgement: Judgement, case: str, adjudication_set: str) -> dict[str, Any]:
    record, shown = judgement.record, judgement.record.shown
    first, second = _versions(judgement)
    item = ReviewItem(
        id=case,
        prompt=shown.prompt,
        answer=first,
        alternative=second,
        model=shown.model,
        scores={},
        labels={ORIGINAL: shown.answer, CONFLICT: ", ".join(judgement.conflicts)} | _said(record.answers),
    )
    return {
        "adjudication_set": adjudication_set,
        "review_set": record.review_set,
        "item_id": record.item_id,
        "published": False,
        "item": asdict(item),
    }


def _versions(judgement: Judgement) -> tuple[str, str | None]:
    """Two texts to choose from: the answers that were compared, the two corrections least alike, or the answer and its
    correction. Which one stands first is drawn by hash, but for the answers, which keep their sides."""
    shown = judgement.record.shown
    if shown.alternative is not None:
        return shown.answer, shown.alternative
    texts = sorted({a.correction for a in judgement.record.answers if a.correction}, key=content_hash)
    if not texts:
        return shown.answer, None
    if len(texts) == 1:
        first, second = sorted([shown.answer, texts[0]], key=content_hash)
        return first, second
    pairs = [(one, other) for at, one in enumerate(texts) for other in texts[at + 1 :]]
    return min(pairs, key=lambda pair: similarity(*pair))


def _said(answers: Sequence[ReviewAnswer]) -> dict[str, str]:
    """What each person said, in an order that tells nothing of who they are."""
    by_hash = sorted(answers, key=lambda answer: content_hash([answer.response_id]))
    return {f"{REVIEWER}{letter}": _in_words(a) for letter, a in zip(LETTERS, by_hash, strict=False)}


def _in_words(answer: ReviewAnswer) -> str:
    sides = {"answer": "version A is better", "alternative": "version B is better", "tie": "neither is better"}
    parts = [
        f"rated it {answer.rating} of 5" if answer.rating is not None else "",
        sides.get(answer.preferred or "", ""),
        answer.labels.get(FIT, "").replace("_", " "),
        f"noted {', '.join(answer.issues)}" if answer.issues else "",
        f"would have written: {answer.correction}" if answer.correction else "",
    ]
    return "; ".join(filter(None, parts)) or "said nothing more"
