"""The same work with the rows in the home and in Postgres, in one run: python benchmarks/backends.py [RECORDS]"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgres import running_cluster, running_redis
from running import OWNER, Server, publish
from scopes import between, metadata, terms

DIMENSIONS = 64
PER_REQUEST = 500


def _record(number: int) -> dict:
    return {
        "external_id": str(number),
        "fields": {"prompt": f"prompt {number} about {random.choice(['cars', 'boats'])}", "answer": "word " * 40},
        "metadata": {"source": random.choice(["web", "mail"]), "tokens": number},
        "vectors": {"meaning": [random.random() for _ in range(DIMENSIONS)]},
    }


def _milliseconds(task: Callable[[], object], times: int = 30) -> str:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        task()
        taken.append((time.perf_counter() - began) * 1000)
    return f"median {statistics.median(taken):.0f} ms, slowest {max(taken):.0f} ms"


def measure(name: str, server: Server, records: int) -> None:
    dataset = publish(server, vectors={"meaning": DIMENSIONS})
    items = [_record(number) for number in range(records)]
    began = time.perf_counter()
    for start in range(0, records, PER_REQUEST):
        dataset.log(*items[start : start + PER_REQUEST])
    print(f"{name}: logging {records / (time.perf_counter() - began):.0f} records/s")
    person = dataset.annotator()
    pages = {
        "filtered page": lambda: dataset.search(
            None, terms(metadata("source"), "web"), between(metadata("tokens"), ge=10), by=person, limit=10
        ),
        "text page": lambda: dataset.search("boats", by=person, limit=10),
        "similar records": lambda: dataset.search(vector={"name": "meaning", "value": [1.0] * DIMENSIONS}, limit=10),
    }
    for page, task in pages.items():
        print(f"{name}: {page} {_milliseconds(task)}")
    waiting = iter(item["record"]["id"] for item in dataset.search(limit=100).items)
    print(f"{name}: an answer {_milliseconds(lambda: person.respond(next(waiting), quality=3))}")


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder, running_cluster() as cluster:
        (Path(folder) / "redis").mkdir()
        with running_redis(Path(folder) / "redis") as redis_url:
            backends = {"ARGILLA_DATABASE_URL": cluster.new_database(), "ARGILLA_REDIS_URL": redis_url}
            for name, environment in (("home", {}), ("postgres", backends)):
                server = Server(Path(folder) / name, environment=OWNER | environment).start()
                measure(name, server, records)
                server.end()


if __name__ == "__main__":
    main()
