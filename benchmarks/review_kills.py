"""Kill -9 at random moments while people review: nothing may be lost, nothing may come twice.

    python -m benchmarks.review_kills [--kills 30] [--people 4] [--seed 1] [--quick]

Simulated annotators submit, draft, discard, edit and withdraw through the API; records are published in growing sets; a
process collects what has been said over and over. Meanwhile one of these is killed with SIGKILL and brought up again:

- `server`: the Argilla server at any moment (valkey goes with it);
- `valkey`: the job queue alone, which the server starts again;
- `delivery`, `recount`: the job worker. It is a thread of the server, so the server is killed while a job is performed:
  one that delivers a webhook, or one that looks at all answered records again after the wanted number has changed;
- `collector`: the collecting process.

In the end each annotator's journal of what the server acknowledged is held against the server's database, the search
index, the ledger and the rows that were derived from it.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.review_inbox import inbox
from benchmarks.review_soak import VICTIMS, Soak, last_acknowledged
from benchmarks.review_verdict import of_ledger, of_server

LONGEST_PAUSE_SECONDS, ANSWERS_BETWEEN_KILLS, LONGEST_WAIT_SECONDS = 3.0, 8, 120


@dataclass(frozen=True)
class Outcome:
    """`acknowledged` counts saves that the server said yes to, `failures` what came instead before a save was tried
    again. `untold`: responses of which no webhook told, so that only the sweep found them. `problems` must be empty.
    """

    killed: dict[str, int]
    acknowledged: int
    failures: dict[str, int]
    responses: int
    submitted: int
    untold: int
    problems: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="how many in all; each victim gets its share")
    parser.add_argument("--people", type=int, default=4, help="annotators")
    parser.add_argument("--seed", type=int, default=1, help="of the moments, the order and the answers")
    parser.add_argument("--quick", action="store_true", help="one kill of each")
    options = parser.parse_args()
    kills = len(VICTIMS) if options.quick else options.kills
    with TemporaryDirectory() as place:
        outcome = review_and_kill(Path(place), kills=kills, people=options.people, seed=options.seed)
    print(outcome)
    if outcome.problems:
        raise SystemExit("\n".join(outcome.problems))


def review_and_kill(
    place: Path, *, kills: int, people: int, seed: int, pause_seconds: float = 0.3, say: Callable[[str], None] = print
) -> Outcome:
    """Let people work in the empty folder `place`, kill, and judge."""
    chance = random.Random(seed)
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(kills)]
    chance.shuffle(victims)
    with (
        inbox() as listener,
        Soak(place, people=people, pause_seconds=pause_seconds, seed=seed, inbox=listener) as soak,
    ):
        for number, victim in enumerate(victims, 1):
            _some_work(soak, chance)
            soak.kill(victim)
            say(f"kill {number} of {kills}: {victim}; {soak.acknowledged} saves acknowledged so far")
        _some_work(soak, chance)
        soak.rest()
        soak.collect_once()
        return _judged(soak, victims)


def _some_work(soak: Soak, chance: random.Random) -> None:
    """A random while in which at least a few answers are given."""
    wanted, deadline = soak.acknowledged + ANSWERS_BETWEEN_KILLS, time.monotonic() + LONGEST_WAIT_SECONDS
    time.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
    while soak.acknowledged < wanted and time.monotonic() < deadline:
        time.sleep(0.05)


def _judged(soak: Soak, victims: list[str]) -> Outcome:
    journals = [person.journal for person in soak.people]
    last = last_acknowledged(journals)
    problems = [violation for journal in journals for violation in journal.violations]
    problems += of_server(soak.server, last, soak.items)
    problems += of_ledger(soak.folder, last, soak.answers())
    return Outcome(
        killed={victim: victims.count(victim) for victim in VICTIMS},
        acknowledged=soak.acknowledged,
        failures=dict(sum((journal.failures for journal in journals), Counter())),
        responses=len(last),
        submitted=sum(response["status"] == "submitted" for response in last.values()),
        untold=len(last.keys() - soak.inbox.told.keys()),
        problems=problems,
    )


if __name__ == "__main__":
    main()
