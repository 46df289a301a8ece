"""How many bad answers a budget of people's time finds, by how the records are chosen; by repeated draws.

    python -m benchmarks.review_sampling [--cache FOLDER] [--questions FILE] [--draws 200] [--quick]

The rival is chance. Each draw: 240 messages are waiting, of which a pool of so many times the budget is answered, and
from the pool the budget is spent. A bad answer is one that the house rules rate 1 or 2 of 5. A kind of error is an
issue together with the message's category. `--questions` adds how many categories of a labelled CSV file (text,
category) a budget covers.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row, publish
from benchmarks.review_answers import DESK, Answered, answered
from tuneloop.adapters.minilm import MiniLM
from tuneloop.drift.detection import witness
from tuneloop.recipes import Strategy
from tuneloop.recipes.review import DEFAULT_SAMPLING
from tuneloop.review.sampling import Chosen, Pool, choose, draw_pool

WAITING, BUDGET, TIMES = 240, 24, 4
COVERED_ROWS = 4000
BAD = 2

Numbers = NDArray[np.float64]


def main() -> None:
    """Run the benchmark."""
    options = _options()
    with TemporaryDirectory() as scratch:
        case = answered(Path(options.cache or scratch))
    draws = 20 if options.quick else options.draws
    print(f"{len(case.prompts)} messages, {np.mean(_bad(case)):.0%} answered badly, mean {np.mean(case.ratings):.2f}")
    rows = [*_found(case, draws), *_pools(case, draws), *_estimates(case, draws), _drifted(draws)]
    if options.questions:
        rows.append(_coverage(Path(options.questions), draws))
    publish("review_sampling", "the same budget drawn at random", rows)


def _found(case: Answered, draws: int) -> list[Row]:
    """Bad answers and kinds of error by strategy, with the whole budget on one of them, and by the default shares."""
    ways: dict[str, Mapping[Strategy, float]] = {
        s: {s: 1.0} for s in ("uncertain", "disagreement", "low_score", "diverse")
    }
    ways["default"] = DEFAULT_SAMPLING
    by_chance = {budget: _mean(case, {"random": 1.0}, draws, budget) for budget in (12, BUDGET, 48)}
    rows = []
    for name, shares in ways.items():
        for budget, rival in by_chance.items():
            ours = _mean(case, shares, draws, budget)
            rows.append(_row(f"bad answers among {budget}, {name}", ours[0], rival[0], better=name != "diverse"))
            if budget == BUDGET:
                rows.append(_row(f"kinds of error among {budget}, {name}", ours[1], rival[1], better=name == "diverse"))
    return rows


def _pools(case: Answered, draws: int) -> list[Row]:
    rival = _mean(case, {"random": 1.0}, draws, BUDGET)[0]
    return [
        _row(
            f"bad answers among {BUDGET}, uncertain, pool of {times} x",
            _mean(case, {"uncertain": 1.0}, draws, BUDGET, times)[0],
            rival,
            better=times > 1,
        )
        for times in (1, 2, 4, 8)
    ]


def _estimates(case: Answered, draws: int) -> list[Row]:
    """Mean rating as the random share has it, and as all that was reviewed has it; both against the truth."""
    truth = float(np.mean(case.ratings))
    ratings = np.array(case.ratings, dtype=float)
    of_share, of_all = [], []
    for draw in range(draws):
        waiting, chosen = _draw(case, DEFAULT_SAMPLING, draw, BUDGET, TIMES, len(case.prompts))
        of_all.append(ratings[[waiting[c.position] for c in chosen]].mean())
        of_share.append(ratings[[waiting[c.position] for c in chosen if c.chosen_by == "random"]].mean())
    error = float(np.std(of_share)) / draws**0.5
    is_near = abs(float(np.mean(of_share)) - truth) < 3 * error
    share, everything = (_rounded(float(np.mean(found)), truth) for found in (of_share, of_all))
    return [
        Row("mean rating by the random share; rival: the truth", *share, "within 3 standard errors", is_near),
        Row("mean rating over all reviewed; rival: the truth", *everything, "none, it is biased", met=True),
    ]


def _drifted(draws: int) -> Row:
    """Half of a window of 40 is on a new topic: how many of 24 chosen from 120 waiting, 30 of them new, are new."""
    old, new = (_prompts(name) for name in ("train.jsonl", "drift.jsonl"))
    embedder = MiniLM()
    rows, fresh = embedder.embed(old[:560]), embedder.embed(new)
    window = np.concatenate([rows[:20], fresh[:20]])
    waiting = np.concatenate([rows[20:110], fresh[20:50]])
    evidence = witness(rows[160:], window, waiting, seed=1)
    pool = Pool([str(n) for n in range(120)], {"drifted": [float(v) if v > 0 else float("nan") for v in evidence]})
    found = {
        name: np.mean([
            sum(c.position >= 90 for c in choose(pool, budget=BUDGET, shares={name: 1.0}, seed=str(draw)).chosen)
            for draw in range(draws)
        ])
        for name in ("drifted", "random")
    }  # fmt: skip
    return _row(f"new messages among {BUDGET}, drifted", float(found["drifted"]), float(found["random"]), better=True)


def _coverage(file: Path, draws: int) -> Row:
    """Categories among 24 of 96 questions, on average over draws from 4,000 of the file's rows."""
    with file.open(encoding="utf-8", newline="") as stream:
        questions = list(csv.DictReader(stream))
    chance = np.random.default_rng(1)
    chance.shuffle(questions)
    questions = questions[:COVERED_ROWS]
    vectors = MiniLM().embed([row["text"] for row in questions])
    found: dict[Strategy, list[int]] = {"diverse": [], "random": []}
    for draw in range(draws):
        rows = chance.choice(len(questions), TIMES * BUDGET, replace=False)
        pool = Pool([str(row) for row in rows], vectors=vectors[rows])
        for strategy, counts in found.items():
            chosen = choose(pool, budget=BUDGET, shares={strategy: 1.0}, seed=str(draw)).chosen
            counts.append(len({questions[rows[c.position]]["category"] for c in chosen}))
    ours, rival = (float(np.mean(found[name])) for name in ("diverse", "random"))
    return _row(f"categories among {BUDGET} of {TIMES * BUDGET} questions, diverse", ours, rival, better=True)


def _mean(
    case: Answered, shares: Mapping[Strategy, float], draws: int, budget: int, times: int = TIMES
) -> tuple[float, float]:
    """Bad answers, and kinds of error, on average over the draws."""
    bad, counts, kinds = _bad(case), [], []
    for draw in range(draws):
        waiting, chosen = _draw(case, shares, draw, budget, times, WAITING)
        found = [waiting[c.position] for c in chosen]
        counts.append(int(bad[found].sum()))
        kinds.append(len({kind for row in found for kind in _kinds(case, row)}))
    return float(np.mean(counts)), float(np.mean(kinds))


def _draw(
    case: Answered, shares: Mapping[Strategy, float], draw: int, budget: int, times: int, waiting: int
) -> tuple[list[int], tuple[Chosen, ...]]:
    """(the pool, as rows of the case; what was chosen from it)."""
    open_ = draw_pool(case.prompts, waiting, f"waiting {draw}")
    pool = [open_[place] for place in draw_pool([case.prompts[row] for row in open_], times * budget, str(draw))]
    evidence = {name: [values[row] for row in pool] for name, values in _evidence(case).items()}
    made = Pool([case.prompts[row] for row in pool], evidence, case.vectors[pool], share_of_open=len(pool) / len(open_))
    return pool, choose(made, budget=budget, shares=shares, seed=str(draw)).chosen


def _evidence(case: Answered) -> dict[Strategy, Sequence[float]]:
    return {
        "uncertain": [-value for value in case.sure],
        "disagreement": case.differences,
        "low_score": [float(not _is_json(answer)) for answer in case.answers],
    }


def _is_json(answer: str) -> bool:
    try:
        return isinstance(json.loads(answer), dict)
    except ValueError:
        return False


def _bad(case: Answered) -> NDArray[np.bool_]:
    return np.array(case.ratings) <= BAD


def _kinds(case: Answered, row: int) -> list[tuple[str, str]]:
    return [(issue, case.categories[row]) for issue in case.issues[row]]


def _prompts(name: str) -> list[str]:
    found = []
    for line in (DESK / name).read_text("utf-8").splitlines():
        try:
            found.append(str(json.loads(line)["prompt"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _row(measure: str, ours: float, rival: float, *, better: bool) -> Row:
    goal = "> 1 x" if better else "none"
    return Row(measure, *_rounded(ours, rival), goal, not better or ours > rival)


def _rounded(ours: float, rival: float) -> tuple[float, float, float]:
    return round(float(ours), 3), round(float(rival), 3), round(float(ours) / max(float(rival), 1e-9), 3)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", help="folder that keeps the two models and their answers")
    parser.add_argument("--questions", help="CSV with columns text and category")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
