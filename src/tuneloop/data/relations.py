"""What rows are to each other: copies, contradictions and leaks; and from that the split each row belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tuneloop.data.answers import answer_labels
from tuneloop.data.duplicates import Twin, choose, find_clusters, join_groups, normalise
from tuneloop.data.splitting import own_split, strictest_in_cluster
from tuneloop.recipes import Data
from tuneloop.records import Record, Split, content_hash

HELD_OUT, REVIEWED, POOL, OUTRANKED = 3, 2, 1, 0


@dataclass(frozen=True, slots=True)
class Relations:
    """One entry per record, in the records' order. `twins` has only the rows that should go."""

    twins: dict[int, Twin]
    clusters: list[str]
    splits: list[Split]


def relate(records: Sequence[Record], data: Data, feedback: Collection[str] = ()) -> Relations:
    """Compare all rows with each other. `feedback` names the sources that people's reviews became.

    Test rows win over training rows. A recipe with a held-out source tests on that alone; its pool has no test part.
    Feedback rows are training rows and nothing else: where one is about a test row, the feedback row goes.
    """
    prompts = [normalise(question(r)) for r in records]
    alike = find_clusters(prompts, threshold=data.checks.near_duplicate_jaccard)
    clusters = join_groups(alike, [r.group for r in records])
    keys = [f"group {r.group}" if r.group else p for r, p in zip(records, prompts, strict=True)]
    own = [_own(r, k, data, feedback) for r, k in zip(records, keys, strict=True)]
    splits = strictest_in_cluster(own, clusters)
    tested = [s == "test" and _may_be_tested(r, data, feedback) for r, s in zip(records, splits, strict=True)]
    twins = choose(
        prompts,
        alike,
        protected=tested,
        lengths=[len(r.completion) for r in records],
        authority=[_authority(r, s, feedback) for r, s in zip(records, splits, strict=True)],
        labels=[answer_labels(r.completion, data.answer) for r in records],
    )
    twins |= _leaks(clusters, splits, tested, twins)
    splits = _with_feedback_in_training(records, clusters, splits, twins, feedback)
    return Relations(twins, _names(clusters, keys), splits)


def question(record: Record) -> str:
    """What is asked: the turns before the answer without the system's, which all rows may share."""
    return "\n".join(m.content for m in record.messages[:-1] if m.role != "system")


def has_held_out(data: Data) -> bool:
    return any(s.held_out for s in data.sources)


def _own(record: Record, key: str, data: Data, feedback: Collection[str]) -> Split:
    if record.held_out:
        return "test"
    if record.source in feedback:
        return "train"
    train_share = 1.0 - data.validation_share if has_held_out(data) else data.train_share
    return own_split(key, train_share=train_share, validation_share=data.validation_share, salt=data.split_salt)


def _may_be_tested(record: Record, data: Data, feedback: Collection[str]) -> bool:
    return record.held_out or not (has_held_out(data) or record.source in feedback)


def _authority(record: Record, split: Split, feedback: Collection[str]) -> int:
    if record.held_out:
        return HELD_OUT
    if record.source in feedback:
        return OUTRANKED if split == "test" else REVIEWED
    return POOL


def _leaks(
    clusters: Sequence[int], splits: Sequence[Split], tested: Sequence[bool], twins: dict[int, Twin]
) -> dict[int, Twin]:
    """Rows that share a group (not a prompt) with test rows, and may not be tested themselves."""
    test_row = {c: i for i, c in reversed(list(enumerate(clusters))) if tested[i]}
    return {
        i: Twin("leakage", test_row.get(clusters[i], i))
        for i, split in enumerate(splits)
        if split == "test" and not tested[i] and i not in twins
    }


def _names(clusters: Sequence[int], keys: Sequence[str]) -> list[str]:
    """A name for each cluster that does not depend on the order of rows."""
    smallest: dict[int, str] = {}
    for cluster, key in zip(clusters, keys, strict=True):
        smallest[cluster] = min(key, smallest.get(cluster, key))
    names = {c: content_hash(k)[:12] for c, k in smallest.items()}
    return [names[c] for c in clusters]


def _with_feedback_in_training(
    records: Sequence[Record],
    clusters: Sequence[int],
    splits: Sequence[Split],
    twins: dict[int, Twin],
    feedback: Collection[str],
) -> list[Split]:
    """A cluster of the validation split in which a feedback row stays becomes a training cluster as a whole."""
    kept: defaultdict[int, bool] = defaultdict(bool)
    for i, record in enumerate(records):
        kept[clusters[i]] |= record.source in feedback and i not in twins
    return ["train" if kept[c] and s == "validation" else s for c, s in zip(clusters, splits, strict=True)]
