"""A data version as rows of tables, for the report, the terminal and Prefect's artifacts. Holds no text of rows but
the manifest's masked examples."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuneloop.data.rejection_reasons import in_words, meaning
from tuneloop.results import Check, DataManifest, Example, Slice

EXAMPLES_SHOWN = 3
MAX_EXCESS = 0.25
"""Total variation distance of a slice's labels from all labels, above which the slice is marked."""
MANY_FLAGGED = 2.0
SURE_ERRORS = 3.0
"""A slice is marked when more than so many times the share of its rows was set aside that was elsewhere, and the two
shares lie more standard errors apart than chance explains."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~$&-])")


def verdict(manifest: DataManifest) -> str:
    """The version in one sentence: "1,234 rows in, 1,100 kept, 134 set aside; nothing blocks"."""
    kept, gone = kept_rows(manifest), manifest.rows_quarantined
    parts = [f"{manifest.rows_in:,} rows in", f"{kept:,} kept", f"{gone:,} set aside"]
    if manifest.rows_unused:
        parts.append(f"{manifest.rows_unused:,} sound but not used")
    if manifest.forgotten:
        parts.append(f"{manifest.forgotten.total:,} forgotten since")
    if manifest.rows_synthetic:
        parts.append(f"{manifest.rows_synthetic:,} synthetic ones added")
    blocking = len(blocking_checks(manifest))
    ending = "nothing blocks" if not blocking else "1 check blocks" if blocking == 1 else f"{blocking} checks block"
    return f"{', '.join(parts)}; {ending}"


def kept_rows(manifest: DataManifest) -> int:
    """Rows of all splits that came from the sources: synthetic ones are not counted."""
    return sum(manifest.rows.values()) - manifest.rows_synthetic


def problems(manifest: DataManifest) -> list[str]:
    """What must never be: a check that blocks, or rows that nobody can account for."""
    found = [f"{in_words(c.reason)} blocks: {c.count:,} rows. {meaning(c.reason)}" for c in blocking_checks(manifest)]
    came = manifest.rows_in + manifest.rows_synthetic
    gone = sum(manifest.rows.values()) + manifest.rows_quarantined + manifest.rows_unused
    gone += manifest.forgotten.total if manifest.forgotten else 0
    if came != gone:
        found.append(f"The counts do not add up: {came:,} rows came in or were made, {gone:,} are accounted for")
    return found


def blocking_checks(manifest: DataManifest) -> list[Check]:
    return [c for c in manifest.checks if c.severity == "block" and not c.success]


def funnel_rows(manifest: DataManifest) -> list[dict[str, Any]]:
    """One row per step: rows in, removed (and why), changed, added and rows out.

    What a step neither let out nor accounts for stands under `why` as "no reason given": that is a bug somewhere.
    """
    rows = []
    before = manifest.rows_in
    for step in manifest.steps:
        surplus = step.rows_out + sum(step.removed.values()) - before
        removed = {**step.removed, **({"no_reason_given": -surplus} if surplus < 0 else {})}
        rows.append(
            {
                "step": in_words(step.name),
                "rows in": before,
                "removed": sum(removed.values()),
                "why": counted(removed),
                "changed": counted(step.changed),
                "added": max(surplus, 0),
                "rows out": step.rows_out,
            }
        )
        before = step.rows_out
    return rows


def check_rows(manifest: DataManifest) -> list[dict[str, Any]]:
    """One row per check: those that found something first, the gravest before the others."""
    grave = ("block", "quarantine", "warn")
    ordered = sorted(manifest.checks, key=lambda c: (c.success, grave.index(c.severity), -c.count, c.suite, c.reason))
    return [
        {
            "suite": c.suite,
            "reason": in_words(c.reason),
            "meaning": meaning(c.reason),
            "column": c.column or "",
            "severity": c.severity,
            "rows": c.count,
            "passed": c.success,
            "examples": c.examples,
        }
        for c in ordered
    ]


def split_rows(manifest: DataManifest) -> list[dict[str, Any]]:
    """One row per split: how many rows, and the tokens of a sample of them."""
    return [
        {"split": split, "rows": rows, **_summary(manifest.lengths.get(split, []))}
        for split, rows in manifest.rows.items()
    ]


def slice_rows(manifest: DataManifest) -> dict[str, list[dict[str, Any]]]:
    """Slices by what they are cut along, the largest first; `remark` is "" where nothing is remarkable."""
    grouped: dict[str, list[Slice]] = {}
    for part in sorted(manifest.slices, key=lambda s: -s.rows):
        grouped.setdefault(part.by, []).append(part)
    return {
        by: [{**part.model_dump(exclude={"by"}), "remark": remark(part, parts)} for part in parts]
        for by, parts in grouped.items()
    }


def remark(part: Slice, parts: Sequence[Slice]) -> str:
    """What a person should look at in a slice, among the `parts` it is one of: other labels than elsewhere, no row
    left, or far more rows set aside than in the other parts."""
    found = []
    if part.excess is not None and part.excess > MAX_EXCESS:
        found.append("its labels are unlike the others'")
    if not part.rows:
        found.append("no row is left")
    elif _loses_more(part, [p for p in parts if p is not part and p.rows]):
        found.append("far more rows set aside than elsewhere")
    return "; ".join(found)


def counted(counts: Mapping[str, int]) -> str:
    """Such as "near copy 12, leakage 3": the largest first; empty for nothing."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{in_words(name)} {count:,}" for name, count in ordered if count)


def examples_by_reason(manifest: DataManifest, at_most: int = EXAMPLES_SHOWN) -> dict[str, list[Example]]:
    """The first few masked examples of every reason that has some."""
    found: dict[str, list[Example]] = {}
    for check in manifest.checks:
        found.setdefault(check.reason, []).extend(check.examples)
    return {reason: examples[:at_most] for reason, examples in found.items() if examples}


def artifact_markdown(manifest: DataManifest) -> str:
    """The version as Prefect's Markdown artifact. Text is escaped whole: an example can neither format nor load
    anything."""
    return "\n".join(_markdown(manifest))


def _markdown(manifest: DataManifest) -> Iterator[str]:
    yield f"## Data version `{manifest.version}`\n\n{verdict(manifest)}.\n"
    yield from (f"**{_plain(p)}**\n" for p in problems(manifest))
    yield from _section("Steps", funnel_rows(manifest))
    yield from _section("Rows and their tokens", split_rows(manifest))
    checks = [{k: row[k] for k in ("reason", "meaning", "severity", "rows", "passed")} for row in check_rows(manifest)]
    yield from _section("Checks", checks)
    for by, parts in slice_rows(manifest).items():
        names = ("value", "rows", "share", "flagged_share", "excess", "remark")
        yield from _section(f"Slices by {_plain(by)}", [{in_words(n): p[n] for n in names} for p in parts])
    examples = examples_by_reason(manifest)
    if examples:
        yield "### Examples, masked\n"
    for reason, rows in examples.items():
        yield f"{_plain(meaning(reason))}\n"
        yield from (f"- {_plain(f'{e.source}:{e.line}')}: {_plain(e.text)}" for e in rows)
        yield ""


def _section(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if rows:
        yield f"### {title}\n"
        yield f"| {' | '.join(rows[0])} |"
        yield f"|{'|'.join('---:' if isinstance(v, int | float) else '---' for v in rows[0].values())}|"
        yield from (f"| {' | '.join(_plain(cell(v)) for v in row.values())} |" for row in rows)
        yield ""


def cell(value: Any) -> str:
    """A cell's value: thousands apart, shares with two decimals, nothing for None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) else "" if value is None else str(value)


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _summary(lengths: Sequence[int]) -> dict[str, int | None]:
    ordered = sorted(lengths)
    shares = {"shortest": 0.0, "median": 0.5, "p95": 0.95, "longest": 1.0}
    return {name: _rank(ordered, share) for name, share in shares.items()}


def _rank(ordered: Sequence[int], share: float) -> int | None:
    """The nearest rank: always a length that some row has."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _loses_more(part: Slice, others: Sequence[Slice]) -> bool:
    """Whether the two shares differ by much, and by more than chance would (test of two proportions)."""
    if not others:
        return False
    came, elsewhere = _rows_in(part), sum(_rows_in(p) for p in others)
    usual = sum(_rows_in(p) * p.flagged_share for p in others) / elsewhere
    pooled = (came * part.flagged_share + elsewhere * usual) / (came + elsewhere)
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / came + 1.0 / elsewhere))
    return part.flagged_share > MANY_FLAGGED * usual and part.flagged_share - usual > SURE_ERRORS * error


def _rows_in(part: Slice) -> float:
    """Rows of the slice before any was set aside; only for slices that have a row left."""
    return part.rows / (1.0 - part.flagged_share)
