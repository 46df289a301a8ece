"""How every benchmark here is done: rivals take turns in processes of their own, medians are compared with a goal."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
MARK = "result: "

Sample = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One measure. `ratio` is ours / rival; `goal` says in words what it should be and `met` whether it is."""

    measure: str
    ours: float
    rival: float
    ratio: float
    goal: str
    met: bool


def compare(
    measure: str, ours: Sequence[Sample], rival: Sequence[Sample], key: str, goal: str, is_met: Callable[[float], bool]
) -> Row:
    """Medians of `key` over the runs of both."""
    mine, theirs = (median(sample[key] for sample in samples) for samples in (ours, rival))
    ratio = mine / theirs
    return Row(measure, round(mine, 4), round(theirs, 4), round(ratio, 4), goal, is_met(ratio))


def take_turns(commands: Mapping[str, Sequence[str]], repeats: int) -> dict[str, list[dict[str, float]]]:
    """Run each command `repeats` times, a, b, a, b..., so that whatever else the machine does hits all alike.

    A command is arguments for this Python; it hands its sample back with `report`.
    """
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            samples[name].append(_run(name, command))
    return samples


def report(sample: Sample) -> None:
    """In a process that was started by `take_turns`: hand the measured numbers back."""
    print(MARK + json.dumps(dict(sample)), flush=True)


def publish(name: str, rival: str, rows: Sequence[Row]) -> None:
    """Print the table and write `results/NAME.json`."""
    table = Table(title=f"{name}: ours against {rival}")
    for column in ("measure", "ours", "rival", "ratio", "goal", "met"):
        table.add_column(column, justify="left" if column in {"measure", "goal"} else "right")
    for row in rows:
        numbers = (f"{row.ours:,.4g}", f"{row.rival:,.4g}", f"{row.ratio:.3g}")
        table.add_row(row.measure, *numbers, row.goal, "yes" if row.met else "[red]no")
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    document = {
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "rival": rival,
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _run(name: str, command: Sequence[str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        raise SystemExit(f"{name} failed ({done.returncode}):\n{done.stderr[-4000:]}")
    sample: dict[str, float] = json.loads(lines[-1].removeprefix(MARK))
    print(f"{name}: {sample}", flush=True)
    return sample


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "none"


def _machine() -> dict[str, Any]:
    import psutil

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": round(psutil.getloadavg()[0], 2),
        "python": platform.python_version(),
    }
