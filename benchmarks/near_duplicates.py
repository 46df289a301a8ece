"""Near-copies among 100,000 and 1,000,000 texts: ours against datasketch's `MinHashLSH` and rensa's deduplicator.

All look for a Jaccard similarity of .7 on sets of word triples, in texts with planted copies of known similarity.
datasketch is left out at a million rows, where it would take 10 GB and many minutes. Recall is the share of planted
pairs that were found, by their true similarity; precision the share of reported pairs that are as alike as was asked.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from statistics import median

from benchmarks.harness import Row, Sample, compare, publish, report, take_turns
from benchmarks.planted_copies import Planted, plant
from tuneloop.data.near_duplicates import find_clusters

THRESHOLD = 0.7
PERMUTATIONS, RENSA_BANDS = 128, 32
SIMILARITIES = ((0.7, 0.75), (0.75, 0.8), (0.8, 0.9), (0.9, 1.0))
FASTER, AS_FAST, ENOUGH, MOST_MIB, LINEAR = 6.0, 1.0, 0.99, 2500.0, 11.0
WARM_UP_ROWS = 3000
"""Libraries are loaded, and our way for many rows is gone once, before the clock starts."""
CHECKED_PAIRS = 20_000

Pairs = set[tuple[int, int]]
Samples = Mapping[str, Sequence[Sample]]


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.rows))
        return
    if options.quick:
        few, many = _samples(("ours", "datasketch", "rensa"), 20_000, 1), None
    else:
        few = _samples(("ours", "datasketch", "rensa"), 100_000, 3)
        many = _samples(("ours", "rensa"), 1_000_000, 1)
    rows = [*_against_datasketch(few), *_quality(few), _against_rensa(few)]
    publish("near_duplicates", "datasketch MinHashLSH, rensa RMinHashDeduplicator", [*rows, *_at_a_million(few, many)])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 rows once")
    for name, kind in (("--contestant", str), ("--rows", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _samples(names: Sequence[str], rows: int, repeats: int) -> Samples:
    command = ("-m", "benchmarks.near_duplicates", "--rows", str(rows), "--contestant")
    return take_turns({name: [*command, name] for name in names}, repeats)


def _against_datasketch(few: Samples) -> list[Row]:
    ours, rival = few["ours"], few["datasketch"]
    goal = f">= {FASTER:g} x"
    return [
        compare(f"{title}, datasketch", ours, rival, key, goal, lambda ratio: ratio >= FASTER)
        for title, key in (("rows per CPU-second", "rows_per_cpu_second"), ("rows per second", "rows_per_second"))
    ]


def _against_rensa(few: Samples) -> Row:
    goal = f">= {AS_FAST:g} x"
    key = "rows_per_cpu_second"
    return compare("rows per CPU-second, rensa", few["ours"], few["rensa"], key, goal, lambda ratio: ratio >= AS_FAST)


def _quality(few: Samples) -> list[Row]:
    keys = [*(_recall_key(low, high) for low, high in SIMILARITIES), "precision"]
    return [
        _at_least(f"{key}, {name}", few["ours"], few[name], key) for key in keys for name in ("datasketch", "rensa")
    ]


def _at_least(measure: str, ours: Sequence[Sample], rival: Sequence[Sample], key: str) -> Row:
    """The goal is ours alone, whatever the rival does."""
    mine = median(sample[key] for sample in ours)
    return compare(measure, ours, rival, key, f"ours >= {ENOUGH:g}", lambda _: mine >= ENOUGH)


def _at_a_million(few: Samples, many: Samples | None) -> list[Row]:
    if many is None:
        return []
    ours, rival = many["ours"], many["rensa"]
    peak = median(sample["peak_rss_mib"] for sample in ours)
    goal = f"ours <= {MOST_MIB:g}"
    return [
        compare(
            "CPU-seconds, a million / 100,000 rows", ours, few["ours"], "cpu_seconds", f"<= {LINEAR:g} x", _is_linear
        ),
        compare("peak memory at a million, MiB", ours, rival, "peak_rss_mib", goal, lambda _: peak <= MOST_MIB),
        _at_least(f"{_recall_key(0.75, 0.8)} at a million", ours, rival, _recall_key(0.75, 0.8)),
        _at_least("precision at a million", ours, rival, "precision"),
    ]


def _is_linear(ratio: float) -> bool:
    return ratio <= LINEAR


def _measure(contestant: str, rows: int) -> dict[str, float]:
    find: Callable[[Sequence[str]], Iterable[tuple[int, int]]]
    find = {"ours": _ours, "datasketch": _datasketch, "rensa": _rensa}[contestant]
    list(find(plant(WARM_UP_ROWS, seed=2).texts))
    planted = plant(rows)
    wall, cpu = time.perf_counter(), time.process_time()
    found = {(min(pair), max(pair)) for pair in find(planted.texts)}
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speeds = {"rows_per_cpu_second": rows / cpu, "rows_per_second": rows / wall, "cpu_seconds": cpu}
    return {**speeds, "peak_rss_mib": peak, **_recall(planted, found), "precision": _precision(planted.texts, found)}


def _recall_key(low: float, high: float) -> str:
    return f"recall {low:g}-{high:g}"


def _recall(planted: Planted, found: Pairs) -> dict[str, float]:
    hits: dict[str, list[bool]] = defaultdict(list)
    for original, copy in zip(planted.originals[:CHECKED_PAIRS].tolist(), planted.copies.tolist(), strict=False):
        alike = _similarity(planted.texts[original], planted.texts[copy])
        for low, high in SIMILARITIES:
            if low <= alike < high:
                hits[_recall_key(low, high)].append((original, copy) in found)
    return {_recall_key(*band): sum(h) / len(h) for band in SIMILARITIES if (h := hits[_recall_key(*band)])}


def _precision(texts: Sequence[str], found: Pairs) -> float:
    some = sorted(found)[:: max(len(found) // CHECKED_PAIRS, 1)]
    return sum(_similarity(texts[a], texts[b]) >= THRESHOLD for a, b in some) / max(len(some), 1)


def _triples(text: str) -> set[str]:
    words = text.split()
    return {" ".join(words[i : i + 3]) for i in range(len(words) - 2)}


def _similarity(a: str, b: str) -> float:
    left, right = _triples(a), _triples(b)
    return len(left & right) / len(left | right)


def _ours(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for row, cluster in enumerate(find_clusters(texts, threshold=THRESHOLD)):
        members[cluster].append(row)
    return (pair for rows in members.values() for pair in combinations(rows, 2))


def _datasketch(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    for row, text in enumerate(texts):
        signature = MinHash(num_perm=PERMUTATIONS)
        signature.update_batch([triple.encode() for triple in _triples(text)])
        yield from ((int(other), row) for other in index.query(signature))
        index.insert(row, signature)


def _rensa(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    from rensa import RMinHashDeduplicator

    index = RMinHashDeduplicator(THRESHOLD, PERMUTATIONS, use_lsh=True, num_bands=RENSA_BANDS)
    kept = index.add_pairs((str(row), list(_triples(text))) for row, text in enumerate(texts))
    gone = [row for row, is_kept in enumerate(kept) if not is_kept]
    others = index.get_duplicate_sets([list(_triples(texts[row])) for row in gone])
    return ((int(other), row) for row, found in zip(gone, others, strict=True) for other in found)


if __name__ == "__main__":
    main()
