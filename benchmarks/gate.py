"""How often the gate promotes a model that is no better, and how often it sees one that is; by simulation.

    python -m benchmarks.gate [--gates 2000] [--quick]

The rival is what most evaluation scripts do: a paired t-test over the rows at the same risk, as if no row were related
to another. A/A gates compare two models of equal quality: each row has a difficulty that both share, each model its own
luck with every row and with every cluster of related rows. Power is the share of promotions when the candidate is truly
better by 2, 5 or 10 points.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmarks.harness import Row, publish
from tuneloop.evaluation.gate import Improvement, decide
from tuneloop.recipes import Rule
from tuneloop.results import Cost, EvaluationReport, Metric

RISK = 0.025
CHANCE = 0.99
"""How sure we want to be that a rate above the goal is no luck of the simulation."""

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int, float], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`draw` makes the scores of candidate and reference for (rows, rows per cluster, true gain)."""

    name: str
    draw: Draw
    rows: int
    rows_per_cluster: int = 1
    gain: float = 0.0
    metrics: tuple[str, ...] = ("score",)
    improvement: Improvement = "all"


def shares(random: np.random.Generator, rows: int, rows_per_cluster: int, gain: float) -> tuple[Floats, Floats]:
    """Scores between 0 and 1, such as ROUGE; models differ by row and, as related prompts do, by cluster."""
    difficulty = random.beta(4, 4, rows)
    return tuple(np.clip(difficulty + luck(random, rows, rows_per_cluster) + extra, 0, 1) for extra in (gain, 0.0))  # type: ignore[return-value]


def luck(random: np.random.Generator, rows: int, rows_per_cluster: int) -> Floats:
    own = random.normal(0, 0.12, rows)
    if rows_per_cluster == 1:
        return own
    shared = np.repeat(random.normal(0, 0.12, rows // rows_per_cluster), rows_per_cluster)
    found: Floats = (own + shared) * np.sqrt(0.5)
    return found


def right_or_wrong(random: np.random.Generator, rows: int, rows_per_cluster: int, gain: float) -> tuple[Floats, Floats]:
    """Exact match: right where a model's scores are high enough, 60 % of the rows."""
    ours, theirs = shares(random, rows, rows_per_cluster, 0.0)
    better = random.random(rows) < gain / 0.4
    wrong = ours < 0.45
    return ((~wrong | better).astype(float), (theirs >= 0.45).astype(float))


def rarely_different(
    random: np.random.Generator, rows: int, _rows_per_cluster: int, _gain: float
) -> tuple[Floats, Floats]:
    """Nearly always right, and seldom in different rows: where intervals are most easily too narrow."""
    ours, theirs = (random.random(rows) < 0.96 for _ in range(2))
    return ours.astype(float), theirs.astype(float)


A_A = (
    Scenario("shares, 100 rows", shares, 100),
    Scenario("shares, 150 rows in clusters of 5", shares, 150, 5),
    Scenario("right or wrong, 100 rows", right_or_wrong, 100),
    Scenario("right or wrong, 150 rows in clusters of 5", right_or_wrong, 150, 5),
    Scenario("rarely different, 48 rows", rarely_different, 48),
    Scenario("any of three metrics, 100 rows", shares, 100, metrics=("a", "b", "c"), improvement="any"),
)
POWER = tuple(
    Scenario(f"true gain of {points} points, {rows} rows", right_or_wrong, rows, gain=points / 100)
    for rows in (150, 500, 1500)
    for points in (2, 5, 10)
)


def rates(scenario: Scenario, gates: int, folder: Path) -> tuple[float, float]:
    """Share of promotions: by the gate, and by a paired t-test over the rows of the first metric."""
    random = np.random.default_rng(20_261_122)
    clusters = [str(row // scenario.rows_per_cluster) for row in range(scenario.rows)]
    ours = rival = 0
    for gate in range(gates):
        drawn = {
            m: scenario.draw(random, scenario.rows, scenario.rows_per_cluster, scenario.gain) for m in scenario.metrics
        }
        reports = [
            written(folder / f"{gate}-{side}", {m: pair[i] for m, pair in drawn.items()}, clusters)
            for i, side in enumerate(("candidate", "champion"))
        ]
        ours += promotes(scenario, *reports)
        rival += any(stats.ttest_rel(*pair, alternative="greater").pvalue < RISK for pair in drawn.values())
        shutil.rmtree(folder)
    return ours / gates, rival / gates


def promotes(scenario: Scenario, candidate: EvaluationReport, champion: EvaluationReport) -> bool:
    rules = [Rule(metric=m, against="champion") for m in scenario.metrics]
    verdict = decide(
        candidate=candidate,
        base=champion,
        champion=champion,
        rules=rules,
        confidence=1 - 2 * RISK,
        improvement=scenario.improvement,
    )
    return verdict.decision == "promote"


def written(folder: Path, scores: dict[str, Floats], clusters: list[str]) -> EvaluationReport:
    """A report as an evaluation leaves it."""
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"id": [str(i) for i in range(len(clusters))], "cluster": clusters, **scores})
    frame.to_parquet(folder / "scores.parquet", compression=None)
    return EvaluationReport(
        model=folder.name,
        model_hash=folder.name,
        data_version="simulated",
        metrics={m: Metric(value=float(s.mean()), low=0.0, high=1.0, n=len(s)) for m, s in scores.items()},
        scores=str(folder / "scores.parquet"),
        answers="",
        tokens_per_second=0.0,
        cost=Cost(seconds=0.0, peak_rss_mib=0.0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gates", type=int, default=2000, help="simulated gates per A/A scenario (default 2000)")
    parser.add_argument("--quick", action="store_true", help="100 gates; says nothing about the goal")
    options = parser.parse_args()
    gates = 100 if options.quick else options.gates
    with tempfile.TemporaryDirectory() as place:
        rows = [false_promotions(s, gates, Path(place) / "a") for s in A_A]
        rows += [power(s, max(50, gates // 4), Path(place) / "p") for s in POWER]
    publish("gate", "a paired t-test over rows", rows)


def most_by_luck(gates: int) -> float:
    """A share of false promotions that a gate which keeps its risk exceeds in one simulation of a hundred."""
    return float(stats.binom.ppf(CHANCE, gates, RISK) / gates)


def false_promotions(scenario: Scenario, gates: int, folder: Path) -> Row:
    most = most_by_luck(gates)
    ours, rival = rates(scenario, gates, folder)
    goal = f"<= {RISK} ({gates} gates: {most:.4f})"
    return Row(f"false promotions: {scenario.name}", ours, rival, ours / max(rival, 1e-9), goal, ours <= most)


def power(scenario: Scenario, gates: int, folder: Path) -> Row:
    ours, rival = rates(scenario, gates, folder)
    return Row(
        f"promotions: {scenario.name}",
        ours,
        rival,
        ours / max(rival, 1e-9),
        ">= 0.8 of the t-test's",
        ours >= 0.8 * rival,
    )


if __name__ == "__main__":
    main()
