"""A data version's manifest as the gate would write it, for tests of what reads manifests."""

from __future__ import annotations

from typing import Any

from tuneloop.results import Check, Cluster, DataManifest, Example, Origin, Slice, Step


def example(number: int = 1, text: str = "Where is ▒▒▒▒▒ order ###?", related: str | None = None) -> Example:
    return Example(id=f"r{number}", source="desk", line=number, text=text, related=related)


def check(reason: str = "near_copy", count: int = 60, **changes: Any) -> Check:
    content: dict[str, Any] = {
        "suite": "relations",
        "expectation": "expect_no_duplicate",
        "reason": reason,
        "column": reason,
        "severity": "quarantine",
        "success": not count,
        "count": count,
        "examples": [example(n) for n in range(1, min(count, 5) + 1)],
    }
    return Check(**(content | changes))


def make_slice(value: str = "billing", rows: int = 400, **changes: Any) -> Slice:
    content: dict[str, Any] = {
        "by": "label:category",
        "value": value,
        "rows": rows,
        "share": rows / 1000,
        "prompt_words": 31.4,
        "answer_words": 52.8,
        "flagged_share": 0.1,
        "excess": 0.05,
    }
    return Slice(**(content | changes))


def make_manifest(version: str = "a1b2c3d4e5f6", **changes: Any) -> DataManifest:
    """1,234 rows in: 134 set aside, 20 unused, 1,080 kept, and 60 synthetic ones beside them."""
    content: dict[str, Any] = {
        "version": version,
        "recipe": "desk",
        "created_at": "2026-11-22T10:00:00Z",
        "parents": [],
        "tuneloop": "0.2.0",
        "commit": "0123abc",
        "config": {
            "data": {"sources": [{"name": "desk", "path": "desk.jsonl"}], "checks": {"languages": ["en"]}},
            "max_tokens": 512,
        },
        "columns": {"id": "string", "cluster": "string", "record": "string (JSON)"},
        "sources": [Origin(name="desk", path="desk.jsonl", rows=1234, sha256="f" * 64)],
        "review_rows": 12,
        "rows_in": 1234,
        "rows_quarantined": 134,
        "rows_unused": 20,
        "rows_synthetic": 60,
        "rows": {"train": 920, "validation": 110, "test": 110},
        "reasons": {"near_copy": 60, "leakage": 10, "broken_json": 4, "personal_data": 60},
        "steps": [
            Step(name="read", rows_out=1230, removed={"broken_json": 4}),
            Step(name="clean", rows_out=1230, changed={"html": 31, "unicode": 2}),
            Step(name="row_checks", rows_out=1170, removed={"personal_data": 60}),
            Step(name="compare", rows_out=1100, removed={"near_copy": 60, "leakage": 10}),
            Step(name="limit", rows_out=1080, removed={"unused": 20}),
            Step(name="augment", rows_out=1140),
        ],
        "checks": [
            check("html", 0, suite="rows"),
            check("personal_data", suite="rows"),
            check("near_copy"),
            check("language", 7, suite="rows", severity="warn"),
            check("cluster_in_two_splits", 0, severity="block"),
        ],
        "clusters": [Cluster(size=3, kept=example(1), removed=[example(2, related="r1"), example(3, related="r1")])],
        "lengths": {"train": [20, 25, 30, 300], "validation": [22, 28], "test": []},
        "slices": [make_slice(), make_slice("returns", 300), make_slice("delivery", 220)],
        "synthetic": {"noise_tried": 80.0, "noise_kept": 60.0, "fidelity_median": 0.93},
    }
    return DataManifest(**(content | changes))
