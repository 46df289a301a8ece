"""Does a training file hold what a model will be tested on? Asked of any two files, whatever made them.

The data step keeps leaks out of a version. A model may have been trained on another version, though, before a row
became a test row, and then its score says nothing: so it is looked for once more, by what the rows ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuneloop.data.near_duplicates import find_clusters, normalise
from tuneloop.data.relations import question
from tuneloop.row_files import stream_rows

NEAR_JACCARD = 0.7


def leaked_rows(train: Path, tests: Sequence[Path], *, near_jaccard: float | None = NEAR_JACCARD) -> list[str]:
    """Ids of the rows in the files `tests` that the file `train` holds, in their order, each once.

    A row is held by its id, by its prompt (case, punctuation and spacing aside; the system turn is no part of it), or
    by a near-copy of its prompt: at least `near_jaccard` of the word triples are the same, or a chain of such rows
    leads there. None: near-copies are not looked for. A file that is not there is an error, not an empty one.

    Raises:
        DataError: one of the files is missing.
    """
    ids, prompts = _asked(train)
    trained_ids, rows = set(ids), len(prompts)
    for file in tests:
        more_ids, more_prompts = _asked(file)
        ids, prompts = ids + more_ids, prompts + more_prompts
    numbers: Sequence[object] = prompts if near_jaccard is None else find_clusters(prompts, threshold=near_jaccard)
    trained = set(numbers[:rows])
    held = (i for i, n in zip(ids[rows:], numbers[rows:], strict=True) if i in trained_ids or n in trained)
    return list(dict.fromkeys(held))


def _asked(file: Path) -> tuple[list[str], list[str]]:
    """Ids and normalised prompts of a file's rows, in their order."""
    found = [(record.id, normalise(question(record))) for record in stream_rows(file)]
    return [i for i, _ in found], [prompt for _, prompt in found]
