"""The slim frame that the expectations look at once rows are compared: ids and counts, no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneloop.data.relations import Relations

if TYPE_CHECKING:
    import pandas as pd

RELATION_COLUMNS = {
    "contradiction": "contradiction_of",
    "leakage": "leaks_from",
    "same_meaning": "same_meaning_as",
    "superseded": "superseded_by",
    "exact_copy": "exact_copy_of",
    "near_copy": "near_copy_of",
}
"""Kind of a duplicate -> the column that names the other row."""


def relation_columns(ids: Sequence[str], relations: Relations) -> pd.DataFrame:
    """Return a row for every id: id, split (categorical), cluster, and per kind of duplicate the other row's id or "".

    `splits_in_cluster` is the number of splits over which the cluster's remaining rows are spread: 1, or rows leak.
    """
    import pandas as pd

    frame = pd.DataFrame(
        {"id": list(ids), "split": pd.Categorical(relations.splits), "cluster": relations.clusters},
    )
    for kind, column in RELATION_COLUMNS.items():
        others = np.full(len(ids), "", dtype=object)
        for row, duplicate in relations.duplicates.items():
            if duplicate.kind == kind:
                others[row] = ids[duplicate.duplicate_of]
        frame[column] = pd.Series(others, dtype="str")
    frame["splits_in_cluster"] = _splits_in_cluster(frame, relations)
    return frame


def _splits_in_cluster(frame: pd.DataFrame, relations: Relations) -> pd.Series[Any]:
    stays = np.ones(len(frame), dtype=bool)
    stays[list(relations.duplicates)] = False
    counts = frame[stays].groupby("cluster")["split"].nunique()
    return frame["cluster"].map(counts).fillna(1).astype("int8")
