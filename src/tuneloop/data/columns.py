"""The slim frame that the expectations look at: what was found in each row, computed once, without the row's text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tuneloop.data.answers import answer_problem, answer_text
from tuneloop.data.person_names import name_spans
from tuneloop.data.pii import find_kinds
from tuneloop.data.relations import Relations, question
from tuneloop.data.text_marks import (
    count_html,
    count_injections,
    count_mail_marks,
    count_special_tokens,
    detect_language,
    has_broken_characters,
)
from tuneloop.errors import DataError
from tuneloop.recipes import Data
from tuneloop.records import Record

if TYPE_CHECKING:
    import pandas as pd

RELATION_COLUMNS = {
    "contradiction": "contradiction_of",
    "leakage": "leaks_from",
    "exact_copy": "exact_copy_of",
    "near_copy": "near_copy_of",
}
"""Kind of a twin -> the column that names the other row."""


def row_columns(records: Sequence[Record], data: Data, *, count_tokens: Callable[[Record], int]) -> pd.DataFrame:
    """A row per record: what can be said of it without looking at other rows.

    id, source, line, held_out; total_tokens (0: the chat template refuses the row); pii_kinds (comma-separated kinds,
    "" for none); html_marks, mail_marks, special_tokens, injections (counts); broken_characters; language and
    answer_language (ISO 639-1 or `und`); answer_problem ("" for none).
    """
    import pandas as pd

    pieces = [(question(r), answer_text(r.completion, data.answer)) for r in records]
    kinds = _pii_kinds([f"{q}\n{a}" for q, a in pieces], with_names=data.checks.person_names)
    rows = [
        {
            "id": record.id,
            "source": record.source,
            "line": record.line,
            "held_out": record.held_out,
            "total_tokens": _tokens(record, count_tokens),
            "pii_kinds": found,
            **_marks(asked, answer),
            "answer_problem": answer_problem(record.completion, data.answer),
        }
        for record, found, (asked, answer) in zip(records, kinds, pieces, strict=True)
    ]
    return pd.DataFrame(rows)


def relation_columns(records: Sequence[Record], relations: Relations) -> pd.DataFrame:
    """A row per record: id, split, cluster, and for each kind of twin the id of the other row or "".

    `splits_in_cluster` is the number of splits over which the cluster's remaining rows are spread: 1, or rows leak.
    """
    import pandas as pd

    frame = pd.DataFrame({"id": [r.id for r in records], "split": relations.splits, "cluster": relations.clusters})
    for kind, column in RELATION_COLUMNS.items():
        frame[column] = [
            records[twin.of].id if (twin := relations.twins.get(i)) and twin.kind == kind else ""
            for i in range(len(records))
        ]
    frame["splits_in_cluster"] = _splits_in_cluster(frame, set(relations.twins))
    return frame


def _splits_in_cluster(frame: pd.DataFrame, gone: set[int]) -> pd.Series[Any]:
    remaining = frame[[i not in gone for i in range(len(frame))]]
    counts = remaining.groupby("cluster")["split"].nunique()
    return frame["cluster"].map(counts).fillna(1).astype(int)


def _marks(asked: str, answer: str) -> dict[str, Any]:
    both = f"{asked}\n{answer}"
    return {
        "html_marks": count_html(asked) + count_html(answer),
        "mail_marks": count_mail_marks(asked),
        "special_tokens": count_special_tokens(both),
        "injections": count_injections(asked),
        "broken_characters": has_broken_characters(both),
        "language": detect_language(asked),
        "answer_language": detect_language(answer),
    }


def _pii_kinds(texts: Sequence[str], *, with_names: bool) -> list[str]:
    names = name_spans(texts) if with_names else [[] for _ in texts]
    return [
        ",".join(sorted(find_kinds(text) | ({"person"} if spans else set())))
        for text, spans in zip(texts, names, strict=True)
    ]


def _tokens(record: Record, count_tokens: Callable[[Record], int]) -> int:
    try:
        return count_tokens(record)
    except DataError:
        return 0
