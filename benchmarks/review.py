"""The review server under load: ours against the same server with upstream's code as it is shipped.

    python -m benchmarks.review [--records 20000] [--logged 2000] [--repeats 3] [--quick]

The rival is argilla_server 2.8.0 without `argilla_embedded.speed`, on the same search engine: Elasticsearch could not
be had here, so nothing is said of it. Both servers get a copy of the same home, in which two people have answered
half of the records. Measured are logging, by our backend's bulk route and by the SDK, reading all records with their
responses, and the annotation page's requests while eight annotators work at once, without a pause between two requests.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Row, compare, publish, report, take_turns
from benchmarks.review_pages import ACTIONS

FASTER, NO_SLOWER, LONGEST_WAIT_MS = 5.0, 1.1, 2000
"""What we aim at: the logging rates; nothing else slower than noise; what 19 of 20 page actions take at most."""


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    from benchmarks.review_contestants import measure, prepare

    if options.contestant:
        report(measure(options.contestant, options.home, options.logged, options.rounds))
        return
    if options.quick:
        options.records, options.logged, options.rounds, options.repeats = 1000, 200, 3, 1
    with TemporaryDirectory() as place:
        home = Path(place) / "prepared"
        prepare(home, options.records)
        given = ["--home", str(home), "--logged", str(options.logged), "--rounds", str(options.rounds)]
        commands = {n: ["-m", "benchmarks.review", "--contestant", n, *given] for n in ("ours", "stock")}
        samples = take_turns(commands, options.repeats)
    rival = "argilla_server 2.8.0 as shipped, on the same search engine"
    publish("review", rival, _rows(samples["ours"], samples["stock"], options.records))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 records once")
    parser.add_argument("--records", type=int, default=20_000, help="records of the set that is read and worked on")
    parser.add_argument("--logged", type=int, default=2000, help="records that are logged by each route")
    parser.add_argument("--rounds", type=int, default=15, help="rounds through the page's requests per annotator")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant")
    for name, kind in (("--contestant", str), ("--home", Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _rows(ours: list[dict[str, float]], stock: list[dict[str, float]], records: int) -> list[Row]:
    both, fast, even = (ours, stock), f">= {FASTER:g} x", f"<= {NO_SLOWER:g} x"
    rows = []
    for route, name in (("desk_log", "desk"), ("sdk_log", "SDK")):
        for unit in ("cpu_second", "second"):
            measure = f"records logged by {name} per {unit.replace('cpu_', 'CPU-')}"
            rows.append(compare(measure, *both, f"{route}_per_{unit}", fast, lambda r: r >= FASTER))
    for unit in ("cpu_second", "second"):
        measure = f"records read with responses per {unit.replace('cpu_', 'CPU-')}"
        rows.append(
            compare(measure, *both, f"export_per_{unit}", f">= 1/{NO_SLOWER:g} x", lambda r: r >= 1 / NO_SLOWER)
        )
    rows.append(compare("CPU-ms of the server per page action", *both, "page_cpu_ms", even, lambda r: r <= NO_SLOWER))
    rows += [_wait(*both, action, share, records) for action in (*ACTIONS, "any") for share in ("p50", "p95")]
    failed = [sum(sample["errors"] for sample in samples) for samples in both]
    return [*rows, Row("failed requests", failed[0], failed[1], failed[0] / max(failed[1], 1), "0", failed[0] == 0)]


def _wait(ours: list[dict[str, float]], stock: list[dict[str, float]], action: str, share: str, records: int) -> Row:
    """Seconds on the clock of a machine with other work: judged by what people put up with, not by the ratio."""
    key, goal = f"{action}_{share}_ms", f"<= {LONGEST_WAIT_MS} ms"
    row = compare(f"{action} at {records:,} records, {share}, ms", ours, stock, key, goal, lambda _: True)
    return replace(row, met=row.ours <= LONGEST_WAIT_MS)


if __name__ == "__main__":
    main()
