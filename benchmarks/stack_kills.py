"""Kill -9 of every service and of a worker with its run, in random order: all must mend itself within two minutes.

    python -m benchmarks.stack_kills [--rounds 20] [--seed 1] [--quick]

A stack of its own turns the loop with a tiny model. At a random moment of a training one of these is killed:

- a service: the one process that supervisor looks after, so that its children are left behind; every second time, the
  children with it;
- `run`: the training worker and all processes of its flow run.

No command is given after that. Measured are the seconds until all services are healthy again, and until the run is at
work again (its state is Running, or it has completed, and a process of its own carries it out), each for ten seconds
without a break. Every run must complete in the end.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.stack_soak import VICTIMS, StackSoak

LIMIT_SECONDS = 120.0
"""What is promised."""
PATIENCE_SECONDS = 300.0
"""How long is waited to see how late it comes when it comes late."""
STEADY_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 20.0


@dataclass(frozen=True)
class Kill:
    """`healthy` and `at_work` are seconds after the kill; None: it never came within our patience. `last_ill`: what was
    the last to become healthy."""

    victim: str
    with_children: bool
    healthy: float | None
    at_work: float | None
    attempts: int
    last_ill: str

    @property
    def is_kept(self) -> bool:
        return all(seconds is not None and seconds <= LIMIT_SECONDS for seconds in (self.healthy, self.at_work))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often each is killed")
    parser.add_argument("--seed", type=int, default=1, help="of the order and the moments")
    parser.add_argument("--victims", nargs="*", default=list(VICTIMS), choices=VICTIMS)
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    with TemporaryDirectory() as place:
        kills, problems = kill_all(
            Path(place), victims=options.victims, rounds=1 if options.quick else options.rounds, seed=options.seed
        )
    print_table(kills)
    if problems:
        raise SystemExit("\n".join(problems))


def kill_all(
    place: Path,
    *,
    victims: Sequence[str] = VICTIMS,
    rounds: int = 1,
    seed: int = 1,
    say: Callable[[str], None] = print,
) -> tuple[list[Kill], list[str]]:
    """Kill each victim `rounds` times in the empty folder `place`; returns the kills and what was not as promised."""
    chance = random.Random(seed)
    order = [victim for victim in victims for _ in range(rounds)]
    chance.shuffle(order)
    kills: list[Kill] = []
    with StackSoak(place, seed=seed) as soak:
        for number, victim in enumerate(order, 1):
            soak.have_a_run_at_work()
            time.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
            kills.append(_killed(soak, victim, with_children=chance.random() < 0.5))
            say(f"kill {number} of {len(order)}: {kills[-1]}")
        problems = [f"not mended within {LIMIT_SECONDS:.0f} s: {kill}" for kill in kills if not kill.is_kept]
        return kills, [*problems, *soak.rest()]


def _killed(soak: StackSoak, victim: str, *, with_children: bool) -> Kill:
    run = soak.run_id
    began = time.monotonic()
    soak.kill(victim, with_children=with_children)
    broken = {"healthy": began, "at_work": began}
    seen = dict(broken)
    while (now := time.monotonic()) - began < PATIENCE_SECONDS:
        for name, is_well in (("healthy", soak.is_healthy), ("at_work", lambda: soak.is_at_work(run))):
            if not is_well():
                broken[name] = time.monotonic()
            seen[name] = time.monotonic()
        if all(now - last > STEADY_SECONDS for last in broken.values()):
            break
        time.sleep(0.5)
    seconds = {n: round(broken[n] - began, 1) if seen[n] - broken[n] > STEADY_SECONDS / 2 else None for n in broken}
    return Kill(victim, with_children, seconds["healthy"], seconds["at_work"], soak.attempts(run), soak.last_ill)


def print_table(kills: Sequence[Kill]) -> None:
    print(f"{'killed':16}{'times':>6}{'healthy: median':>17}{'most':>7}{'at work: median':>17}{'most':>7}")
    for victim in dict.fromkeys(kill.victim for kill in kills):
        mine = [kill for kill in kills if kill.victim == victim]
        healthy, at_work = (
            [k.healthy for k in mine if k.healthy is not None],
            [k.at_work for k in mine if k.at_work is not None],
        )
        cells = "".join(f"{median(x):17.1f}{max(x):7.1f}" if x else f"{'never':>17}{'':7}" for x in (healthy, at_work))
        print(f"{victim:16}{len(mine):6}{cells}")


if __name__ == "__main__":
    main()
