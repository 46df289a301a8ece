"""What validation reports of a data version."""

from __future__ import annotations

from typing import Any, Literal

from tuneloop.results.result import Cost, Result


class Step(Result):
    """One step of the data's way: how many rows came out of it, and how many it took out or changed, by reason."""

    name: str
    rows_out: int
    removed: dict[str, int] = {}
    changed: dict[str, int] = {}


class Example(Result):
    """A row shown to people. `text` is masked by `tuneloop.data.masking.shown`: safe to read for anybody."""

    id: str
    source: str
    line: int
    text: str
    related: str | None = None


class Check(Result):
    """One expectation and what came of it. `severity` says what happens to rows that do not meet it."""

    suite: str
    expectation: str
    reason: str
    column: str | None
    severity: Literal["block", "quarantine", "warn"]
    success: bool
    count: int
    examples: list[Example] = []


class Cluster(Result):
    """Near-copies of each other: the row that stayed, and the others."""

    size: int
    kept: Example | None
    removed: list[Example]


class Slice(Result):
    """Training rows that share a value of `by`. Tokens are means per example; `excess` is how far the share of answers
    of each label lies from that of all rows (total variation distance, 0 to 1; None without labels)."""

    by: str
    value: str
    rows: int
    share: float
    prompt_words: float
    answer_words: float
    flagged_share: float
    """Of the rows of this slice that came in, the share that checks set aside."""
    excess: float | None = None


class Origin(Result):
    """A source as it was read: `sha256` of the file, "" for what has no file."""

    name: str
    path: str
    rows: int
    sha256: str = ""


class Forgotten(Result):
    """Rows that were erased from a data version after it was made: by split, and of those that had been set aside.

    `files` are the SHA-256 of the split files as they were left; `seal` shows that it was `tuneloop forget`.
    """

    at: str
    rows: dict[str, int]
    quarantined: int = 0
    files: dict[str, str]
    seal: str = ""

    @property
    def total(self) -> int:
        """Rows of all splits."""
        return sum(self.rows.values())

    def sealed_content(self, version: str) -> dict[str, Any]:
        """What `seal` is made of."""
        return {"version": version, **self.model_dump(exclude={"seal"})}


class DataManifest(Result):
    """All that is known of a data version; manifest.json in its folder. Holds no text but masked examples."""

    version: str
    recipe: str
    created_at: str
    parents: list[str]
    tuneloop: str
    commit: str | None
    """Git commit of the project, where it is a checkout."""
    config: dict[str, Any]
    columns: dict[str, str]
    """Schema of the Parquet files: column -> type."""
    sources: list[Origin]
    review_rows: int
    """Rows that people's reviews and edits became."""
    rows_in: int
    rows_quarantined: int
    rows_unused: int
    rows_synthetic: int = 0
    rows: dict[str, int]
    reasons: dict[str, int]
    steps: list[Step]
    checks: list[Check]
    clusters: list[Cluster] = []
    lengths: dict[str, list[int]] = {}
    """Split -> tokens per example, of a sample of the rows."""
    slices: list[Slice] = []
    synthetic: dict[str, float] = {}
    """What is known of the synthetic rows: tried and kept by method, fidelity, diversity."""
    forgotten: Forgotten | None = None
    """Rows that are in `rows_in` and in the version's name, and were erased since."""


class DataReport(Result):
    """One data version. `folder` holds {train,validation,test}.parquet, private.parquet where the recipe has a private
    test set, quarantine.jsonl and manifest.json."""

    version: str
    folder: str
    rows_in: int
    rows_quarantined: int
    rows_train: int
    rows_validation: int
    rows_test: int
    rows_private: int = 0
    rows_unused: int = 0
    """Sound rows beyond the recipe's `max_train_rows` / `max_validation_rows` or its balance."""
    rows_synthetic: int = 0
    """Training rows that were made from others; rows_in + rows_synthetic is the sum of the six counts above."""
    page: str = ""
    """The report as an HTML file."""
    reasons: dict[str, int]
    sources: dict[str, int]
    lengths: dict[str, list[int]] = {}
    """Split -> tokens per example (a histogram's raw material, no text)."""
    cost: Cost
