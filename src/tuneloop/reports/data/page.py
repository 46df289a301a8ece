"""The report of a data version: one HTML page that opens offline, asks nothing of anybody and needs no JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tuneloop.data.rejection_reasons import in_words, meaning
from tuneloop.data.snapshots import PAGE, list_manifests
from tuneloop.files import atomic_write
from tuneloop.lineage.data_diff import (
    DataDiff,
    change_rows,
    contents_of_version,
    diff,
    manifest_changes,
    split_changes,
)
from tuneloop.reports.data import tables
from tuneloop.reports.data.plots import draw_funnel, draw_lengths, draw_slices
from tuneloop.reports.figures import data_uri
from tuneloop.results import DataManifest

CAPTIONS = {
    "counts": "Rows then and now",
    "reasons": "Rows set aside then and now, by reason",
    "slices": "Training rows then and now, by slice (the largest changes)",
    "sources": "Sources then and now",
    "config": "Settings then and now",
}
CHANGES_SHOWN = 20


def find_data_page(workspace: Path, manifest: DataManifest) -> Path:
    """Return where the page of a data version is; where a kill came before it was written, it is written now."""
    page = workspace / "data" / manifest.version / PAGE
    return page if page.is_file() else write_data_page(workspace, manifest)


def write_data_page(workspace: Path, manifest: DataManifest) -> Path:
    """Write the page of a data version into its folder, with what became of every row since the parent."""
    known = list_manifests(workspace, manifest.recipe)
    parent = next((m for m in known if m.version in manifest.parents), None)
    changes = None
    if parent is not None:
        before, now = (contents_of_version(workspace / "data" / m.version) for m in (parent, manifest))
        changes = diff(parent, manifest, before, now)
    page = workspace / "data" / manifest.version / PAGE
    text = render_data_page(manifest, parent, changes)
    atomic_write(page, text, errors="replace")
    return page


def render_data_page(manifest: DataManifest, parent: DataManifest | None, changes: DataDiff | None = None) -> str:
    """Return the page as text. `changes` adds the rows that came and went since the parent, which no manifest knows.

    Everything that comes from the data is escaped.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("tuneloop.reports", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = tables.cell
    text = environment.get_template("data_report.html.j2").render(
        m=manifest,
        parent=parent,
        diff=changes,
        **_findings(manifest),
        **_contents(manifest),
        since=_since(parent, manifest) if parent else {},
        row_changes=split_changes(changes) if changes else [],
    )
    return text.lstrip()


def _findings(manifest: DataManifest) -> dict[str, Any]:
    funnel = tables.funnel_rows(manifest)
    ordered = sorted(manifest.reasons.items(), key=lambda item: -item[1])
    return {
        "verdict": tables.verdict(manifest),
        "problems": tables.problems(manifest),
        "funnel": funnel,
        "funnel_picture": data_uri(draw_funnel(funnel)) if funnel else "",
        "checks": tables.check_rows(manifest),
        "reasons": [{"reason": in_words(r), "meaning": meaning(r), "rows": n} for r, n in ordered],
    }


def _contents(manifest: DataManifest) -> dict[str, Any]:
    has_lengths = any(manifest.lengths.values())
    return {
        "splits": tables.split_rows(manifest) or [{"split": "none"}],
        "lengths_picture": data_uri(draw_lengths(manifest.lengths)) if has_lengths else "",
        "slices": {by: _slice(parts) for by, parts in tables.slice_rows(manifest).items()},
        "max_excess": tables.MAX_EXCESS,
        "many_flagged": tables.MANY_FLAGGED,
        "synthetic": [{"what": in_words(name), "value": _number(v)} for name, v in manifest.synthetic.items()],
        "sources": [o.model_dump() for o in manifest.sources],
        "config": yaml.safe_dump(manifest.config, sort_keys=False, allow_unicode=True),
    }


def _slice(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "rows": [{in_words(name): value for name, value in part.items()} for part in parts],
        "marked": sum(bool(part["remark"]) for part in parts),
        "picture": data_uri(draw_slices(parts)),
    }


def _number(value: float) -> float:
    """Counts are kept among measurements as floats, but are read as counts."""
    return int(value) if value.is_integer() else value


def _since(parent: DataManifest, manifest: DataManifest) -> dict[str, list[dict[str, Any]]]:
    found = manifest_changes(parent, manifest)
    return {CAPTIONS[name]: change_rows(changes)[:CHANGES_SHOWN] for name, changes in found.items() if changes}
