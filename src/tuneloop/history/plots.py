"""Pictures of rounds: loss curves and metrics by round, as PNG bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuneloop.history.tables import columns
from tuneloop.results import LossPoint, Round

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIGHER_IS_WORSE = frozenset({"loss", "perplexity", "probe_loss"})


def loss_curve(losses: Sequence[LossPoint], title: str = "Loss") -> bytes:
    """Training and validation loss over steps."""
    figure, axes = _figure()
    draw_losses(axes, losses, "")
    axes.set_title(title)
    return _png(figure)


def loss_curves(rounds: Sequence[Round]) -> bytes:
    """Every round's curves on one picture."""
    figure, axes = _figure()
    for round_ in rounds:
        draw_losses(axes, round_.training.losses, f"round {round_.number} ")
    axes.set_title("Loss while training")
    return _png(figure)


def draw_losses(axes: Any, losses: Sequence[LossPoint], label: str) -> None:
    train = [(p.step, p.train_loss) for p in losses if p.train_loss is not None]
    validation = [(p.step, p.eval_loss) for p in losses if p.eval_loss is not None]
    line = axes.plot(*zip(*train, strict=True), label=f"{label}train")[0] if train else None
    if validation:
        colour = line.get_color() if line else None
        axes.plot(*zip(*validation, strict=True), "o--", color=colour, label=f"{label}validation")
    axes.set(xlabel="step", ylabel="loss per answer token")
    if train or validation:
        axes.legend(frameon=False)


def metrics_by_round(rounds: Sequence[Round]) -> bytes:
    """Scores of base and rounds with their intervals; losses are left to their own picture."""
    figure, axes = _figure()
    reports = columns(rounds)
    names = [n for n in {**reports[-1][1].metrics, **reports[-1][1].probes} if n not in HIGHER_IS_WORSE]
    for offset, name in enumerate(names):
        found = [(i, {**r.metrics, **r.probes}.get(name)) for i, (_, r) in enumerate(reports)]
        points = [(i + 0.08 * (offset - len(names) / 2), m) for i, m in found if m is not None]
        errors = [[m.value - m.low for _, m in points], [m.high - m.value for _, m in points]]
        axes.errorbar(
            [x for x, _ in points], [m.value for _, m in points], yerr=errors, fmt="o-", capsize=3, label=name
        )
    axes.set_xticks(range(len(reports)), [name for name, _ in reports])
    axes.set(ylim=(-0.02, 1.02), title="Scores on the held-out rows, 95 % intervals")
    axes.legend(frameon=False)
    return _png(figure)


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _figure() -> tuple[Figure, Any]:
    # The object interface: pyplot keeps global state, and flow runs draw from several threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
