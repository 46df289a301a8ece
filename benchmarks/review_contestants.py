"""What `benchmarks/review.py` measures of one server, ours or the stock one, in a process of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.review_items import DIMENSIONS, FORM, PEOPLE, SET, VECTOR, make_items
from benchmarks.review_pages import at_work
from benchmarks.review_server import ArgillaServer
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.ports import ReviewItem

EXPORTED = 10_000
"""Records that are read at least: a single export of a small set takes a fraction of a second, and says nothing."""
Seconds = dict[str, float]


def measure(contestant: str, prepared: Path, logged: int, rounds: int) -> dict[str, float]:
    """Everything that is measured of one server: logging into new sets, then reading and working on the prepared one.

    Args:
        contestant: "ours" or "stock".
        prepared: a home that `prepare` made; it is copied.
        logged: records logged by each route.
        rounds: how often each annotator goes through the page's requests.
    """
    items = make_items(logged, seed=11)
    with TemporaryDirectory() as place:
        home = Path(place) / "home"
        shutil.copytree(prepared, home)
        with ArgillaServer(home, stock=contestant == "stock") as server:
            logging = _by_backend(server, items) | _by_sdk(server, items)
            return logging | _exported(server) | _pages(server, rounds)


def prepare(home: Path, count: int) -> None:
    """A home with a set of `count` records; two people have answered half of them, the others are new."""
    with ArgillaServer(home) as server:
        ArgillaBackend(server.url, server.key).publish(SET, make_items(count), FORM)
        people = [_annotator(server, f"earlier-{n}") for n in range(2)]
        for number in range(PEOPLE):
            _annotator(server, f"annotator-{number}")
        with server.client() as http:
            dataset = _dataset(server)
            for start in range(0, count // 2, 100):
                page = {"offset": start, "limit": 100}
                records = http.get(f"/datasets/{dataset}/records", params=page).raise_for_status().json()["items"]
                rows = [{"id": record["id"], "responses": _responses(record, people)} for record in records]
                http.put(f"/datasets/{dataset}/records/bulk", json={"items": rows}).raise_for_status()


def _responses(record: dict[str, Any], people: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    values = {"rating": {"value": 2}, "correction": {"value": record["fields"]["answer"].replace("medium", "high")}}
    return [{"user_id": person["id"], "status": "submitted", "values": values} for person in people]


def _by_backend(server: ArgillaServer, items: Sequence[ReviewItem]) -> dict[str, float]:
    backend = ArgillaBackend(server.url, server.key)
    backend.publish("logged-by-desk", items[:1], FORM)
    with _measured(server) as used:
        backend.publish("logged-by-desk", items, FORM)
    return _rates("desk_log", len(items) - 1, used)


def _by_sdk(server: ArgillaServer, items: Sequence[ReviewItem]) -> dict[str, float]:
    import argilla as rg

    client = rg.Argilla(api_url=server.url, api_key=server.key)
    dataset = rg.Dataset("logged-by-sdk", workspace=client.workspaces[0].name, settings=_settings(), client=client)
    dataset.create()
    records = [
        rg.Record(
            id=item.id,
            fields={"prompt": item.prompt, "answer": item.answer},
            metadata={"model": item.model, **item.scores},
            vectors={VECTOR: list(item.vector or ())},
            suggestions=[rg.Suggestion("correction", item.answer, agent=item.model)],
        )
        for item in items
    ]
    with _measured(server) as used:
        dataset.records.log(records)
    return _rates("sdk_log", len(items), used)


def _settings() -> Any:
    import argilla as rg

    return rg.Settings(
        fields=[rg.TextField("prompt"), rg.TextField("answer")],
        questions=[rg.RatingQuestion("rating", values=[1, 2, 3, 4, 5]), rg.TextQuestion("correction", required=False)],
        metadata=[
            rg.TermsMetadataProperty("model"),
            *(rg.FloatMetadataProperty(name) for name in ("rouge_l", "mean_log_probability", "answer_words")),
        ],
        vectors=[rg.VectorField(VECTOR, dimensions=DIMENSIONS)],
    )


def _exported(server: ArgillaServer) -> dict[str, float]:
    with server.client() as http:
        count = http.get(f"/datasets/{_dataset(server)}/progress").raise_for_status().json()["total"]
    times = max(1, EXPORTED // count)
    with _measured(server) as used:
        for _ in range(times):
            answers = ArgillaBackend(server.url, server.key).answers(SET)
    if len(answers) != 2 * (count // 2):
        raise SystemExit(f"{len(answers)} responses came of {count} records")
    return _rates("export", times * count, used)


def _pages(server: ArgillaServer, rounds: int) -> dict[str, float]:
    words = tuple(sorted({w for item in make_items(50) for w in item.prompt.split() if w.isalpha() and len(w) > 3}))
    keys = [_annotator(server, f"annotator-{number}")["api_key"] for number in range(PEOPLE)]
    with _measured(server) as used:
        timings = at_work(server, _dataset(server), keys, words, rounds)
    for error in timings.errors[:5]:
        print(error, flush=True)
    done = sum(map(len, timings.seconds.values()))
    return timings.sample() | {"errors": len(timings.errors), "page_cpu_ms": used["cpu"] / done * 1000}


@contextmanager
def _measured(server: ArgillaServer) -> Iterator[Seconds]:
    """Filled at the end: wall seconds, and CPU-seconds of the server's process."""
    used: Seconds = {}
    wall, cpu = time.perf_counter(), server.cpu_seconds()
    yield used
    used.update(wall=time.perf_counter() - wall, cpu=server.cpu_seconds() - cpu)


def _rates(name: str, count: int, used: Seconds) -> dict[str, float]:
    return {f"{name}_per_second": count / used["wall"], f"{name}_per_cpu_second": count / used["cpu"]}


def _dataset(server: ArgillaServer) -> str:
    with server.client() as http:
        datasets = http.get("/me/datasets").raise_for_status().json()["items"]
    return next(str(dataset["id"]) for dataset in datasets if dataset["name"] == SET)


def _annotator(server: ArgillaServer, name: str) -> dict[str, Any]:
    """The account, made if it is not there, in every workspace there is."""
    with server.client() as http:
        users = http.get("/users").raise_for_status().json()["items"]
        user = next((user for user in users if user["username"] == name), None)
        if user is None:
            account = {"first_name": name, "username": name, "password": f"{name}-password", "role": "annotator"}
            user = http.post("/users", json=account).raise_for_status().json()
            for workspace in http.get("/me/workspaces").raise_for_status().json()["items"]:
                http.post(f"/workspaces/{workspace['id']}/users", json={"user_id": user["id"]}).raise_for_status()
    return dict(user)
