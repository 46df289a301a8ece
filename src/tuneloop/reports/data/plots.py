"""Pictures of a data version, as PNG bytes: the funnel, token lengths, slices."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES = 7.0
BAR_INCHES = 0.32
LABEL_CHARACTERS = 32
BARS_SHOWN = 15
KEPT, GONE, MARKED = "#2b6cb0", "#c4c9d1", "#c2410c"


def draw_funnel(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """What every step let out (blue) and took out (grey); `rows` as of `data_tables.funnel_rows`."""
    figure, axes = _bars([str(r["step"]) for r in rows])
    places = range(len(rows))
    out = [r["rows out"] for r in rows]
    axes.barh(places, out, color=KEPT, label="rows out")
    axes.barh(places, [r["removed"] for r in rows], left=out, color=GONE, label="taken out")
    axes.set_xlabel("rows")
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return _png(figure)


def draw_lengths(lengths: Mapping[str, Sequence[int]]) -> bytes:
    """Tokens per example, one histogram per split over the same axis."""
    import numpy as np

    found = {split: values for split, values in lengths.items() if values}
    edges = np.histogram_bin_edges(np.concatenate([np.asarray(v, float) for v in found.values()]), bins=30)
    figure, axes = _figure(height_inches=1.5 * len(found), rows=len(found))
    for panel, (split, values) in zip(axes, found.items(), strict=True):
        panel.hist(values, bins=edges, color=KEPT)
        panel.set_ylabel("rows")
        panel.set_title(f"{split}, {len(values):,} rows", fontsize=9, loc="left", parse_math=False)
    axes[-1].set_xlabel("tokens per example")
    return _png(figure)


def draw_slices(parts: Sequence[Mapping[str, Any]]) -> bytes:
    """Training rows per slice, the largest ones; those with a remark in another colour."""
    parts = parts[:BARS_SHOWN]
    figure, axes = _bars([str(p["value"]) for p in parts])
    colours = [MARKED if p["remark"] else KEPT for p in parts]
    axes.barh(range(len(parts)), [p["rows"] for p in parts], color=colours)
    axes.set_xlabel("training rows")
    return _png(figure)


def _bars(labels: Sequence[str]) -> tuple[Figure, Any]:
    figure, (axes,) = _figure(height_inches=0.9 + BAR_INCHES * len(labels), rows=1)
    # Labels come from the data: a lone dollar sign is a price, not the start of a formula.
    axes.set_yticks(range(len(labels)), [_short(name) for name in labels], parse_math=False)
    axes.invert_yaxis()
    return figure, axes


def _short(name: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in name)
    return printable if len(printable) <= LABEL_CHARACTERS else f"{printable[: LABEL_CHARACTERS - 1]}…"


def _figure(*, height_inches: float, rows: int) -> tuple[Figure, Sequence[Any]]:
    # The object interface: pyplot keeps global state, and flow runs draw from several threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, max(height_inches, 1.5)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(panels)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
