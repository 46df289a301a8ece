"""What `tuneloop train` shows: an estimate, progress while training, and the truth beside the estimate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from tuneloop.results import Estimate, LossPoint, TrainingReport

GIB = 2**30
MIB = 2**20


def is_first_process() -> bool:
    """Whether this process is alone, or the first of those that torchrun or accelerate has started: it alone prints."""
    return os.environ.get("RANK", "0") == "0"


def print_estimate(console: Console, estimate: Estimate, *, advice: str, available_bytes: float) -> None:
    """Memory by part, time and cost, on what it rests, and whether it fits."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(min_width=20)
    table.add_column(justify="right")
    for part, size in estimate.memory_bytes.items():
        if size >= 0.005 * GIB:  # what would be shown as 0.00
            table.add_row(part, f"{size / GIB:.2f} GiB")
    table.add_row("[bold]memory", f"[bold]{estimate.peak_bytes / GIB:.2f} GiB")
    table.add_row("available", f"{available_bytes / GIB:.2f} GiB")
    table.add_row("[bold]time", f"[bold]{duration(estimate.seconds)}")
    if estimate.cost is not None:
        table.add_row("[bold]cost", f"[bold]{estimate.cost:,.2f}")
    parameters = f"{estimate.trainable_parameters:,} of {estimate.parameters:,} parameters train"
    console.print(f"On {estimate.hardware}, {parameters}:")
    console.print(table)
    for name, said in estimate.assumptions.items():
        console.print(f"  {name}: {said}", style="dim")
    console.print(advice)


class ProgressLine:
    """Called with every loss: a bar on a terminal with a line for each evaluation, elsewhere a line for each loss."""

    def __init__(self, console: Console, epochs: float) -> None:
        self._console = console
        self._epochs = epochs
        columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self.bar = Progress(*columns, console=console, transient=True)
        self._task = self.bar.add_task("starting", total=epochs)

    def __call__(self, point: LossPoint) -> None:
        said = _losses(point)
        if self._console.is_terminal:
            self.bar.update(self._task, completed=min(point.epoch, self._epochs), description=said)
        if point.eval_loss is not None or not self._console.is_terminal:
            self._console.print(f"{min(1.0, point.epoch / self._epochs):4.0%}  {said}", highlight=False)


@contextmanager
def progress_line(console: Console, epochs: float) -> Iterator[ProgressLine]:
    """A line that is gone when the training ends."""
    line = ProgressLine(console, epochs)
    if not console.is_terminal:
        yield line
        return
    with line.bar:
        yield line


def print_report(console: Console, report: TrainingReport, *, folder: str, price_per_hour: float | None) -> None:
    """Losses, warnings, where the model is; time, memory and cost, each with what was foreseen."""
    kept = f", weights of step {report.kept_step} kept" if report.kept_step is not None else ""
    resumed = f" (resumed at {report.resumed_from_step})" if report.resumed_from_step else ""
    validation = "" if report.eval_loss is None else f", validation {report.eval_loss:.4f}"
    console.print(f"{report.steps} steps{resumed}: loss {report.train_loss:.4f}{validation}{kept}", highlight=False)
    for warning in report.warnings:
        console.print(f"[yellow]{warning.kind}[/] at step {warning.step}: {warning.text}", highlight=False)
    if (share := report.merge_rounding_share) is not None:
        console.print(f"merged in bf16: rounding changes predictions by {share:.1%} of what training changed")
    console.print(_truth(report, price_per_hour))
    console.print(f"In {folder}", highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:  # noqa: PLR2004 as people say it
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def _truth(report: TrainingReport, price_per_hour: float | None) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "truth", "estimate", "truth / estimate"):
        table.add_column(heading, justify="left" if not heading else "right")
    foreseen = report.estimate
    seconds, memory = report.cost.seconds, report.cost.peak_rss_mib * MIB
    expected = None if foreseen is None else foreseen.seconds
    table.add_row("time", duration(seconds), *_beside(expected, seconds, duration))
    if report.chosen.get("device") == "cuda":
        table.add_row("memory of the host", f"{memory / GIB:.2f} GiB", "", "")
    else:
        table.add_row("memory", _gib(memory), *_beside(None if foreseen is None else foreseen.peak_bytes, memory, _gib))
    if price_per_hour is not None:
        price = price_per_hour / 3600
        table.add_row("cost", _money(seconds * price), *_beside(expected and expected * price, seconds * price, _money))
    return table


def _beside(foreseen: float | None, truth: float, say: Callable[[float], str]) -> tuple[str, str]:
    return ("", "") if not foreseen else (say(foreseen), f"{truth / foreseen:.2f}")


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _gib(size: float) -> str:
    return f"{size / GIB:.2f} GiB"


def _losses(point: LossPoint) -> str:
    train = "" if point.train_loss is None else f"loss {point.train_loss:.3f}"
    validation = "" if point.eval_loss is None else f"validation {point.eval_loss:.3f}"
    return ", ".join(filter(None, (f"step {point.step}", train, validation)))
