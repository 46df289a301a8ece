"""Figures of matplotlib's object interface, and pictures of them: pyplot keeps global state, and flow runs draw from
several threads."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL_CHARACTERS = 60


def new_figure(width_inches: float = 7.0, height_inches: float = 3.6) -> tuple[Figure, Any]:
    """A figure with one panel."""
    figure, (axes,) = new_panels([1.0], width_inches, height_inches)
    return figure, axes


def new_panels(heights: list[float], width_inches: float, height_inches: float) -> tuple[Figure, list[Any]]:
    """A figure with panels below each other; `heights` are relative to each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def png_of(figure: Figure, dpi: int = 110) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def label_of(text: str, characters: int = LABEL_CHARACTERS) -> str:
    """A label from the data on one line, printable and not too long. Draw it with `parse_math=False`: a lone dollar
    sign is a price, not the start of a formula."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if len(printable) <= characters else f"{printable[: characters - 1]}…"


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
