"""After the kills: is every acknowledged response there exactly once, in the server and in what is trained on?"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.review_items import only_word
from benchmarks.review_server import ArgillaServer
from tuneloop.adapters.argilla.questions import restored
from tuneloop.ports import ReviewAnswer, ReviewItem
from tuneloop.review.collecting import CORRECTIONS, PREFERENCES, RESPONSES, collect
from tuneloop.review.rows import read_rows

Response = Mapping[str, Any]


def of_server(server: ArgillaServer, journals: Mapping[str, Response], items: Sequence[ReviewItem]) -> Iterator[str]:
    """What is wrong in the server's database and index; `journals` maps response id to the last acknowledged state."""
    database = server.home / "argilla.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.execute("ATTACH DATABASE ? AS found", (f"file:{server.home / 'search.db'}?mode=ro",))
        yield from responses_in(connection, journals)
        yield from _records(connection, items)
        yield from _statuses(connection)
    yield from _searches(server, items)


def responses_in(connection: sqlite3.Connection, journals: Mapping[str, Response]) -> Iterator[str]:
    stored = {
        _dashed(name): (status, json.loads(values or "null"))
        for name, status, values in connection.execute('SELECT id, status, "values" FROM responses')
    }
    for name in stored.keys() - journals.keys():
        yield f"response {name} is in the server and in nobody's journal"
    for name, response in journals.items():
        if name not in stored:
            yield f"response {name} was acknowledged and is lost"
        elif stored[name] != (response["status"], response["values"]):
            yield f"response {name} is not what was acknowledged last"


def _records(connection: sqlite3.Connection, items: Sequence[ReviewItem]) -> Iterator[str]:
    stored = Counter(row[0] for row in connection.execute("SELECT external_id FROM records"))
    wanted = Counter(item.id for item in items)
    if stored != wanted:
        yield f"records lost: {dict(wanted - stored)}, doubled: {dict(stored - wanted)}"
    (missing,) = connection.execute(
        "SELECT count(*) FROM records LEFT JOIN found.documents d ON d.record_id = records.id WHERE d.id IS NULL"
    ).fetchone()
    (extra,) = connection.execute(
        "SELECT count(*) FROM found.documents d LEFT JOIN records ON d.record_id = records.id WHERE records.id IS NULL"
    ).fetchone()
    if missing or extra:
        yield f"the index misses {missing} records and has {extra} that are gone"


def _statuses(connection: sqlite3.Connection) -> Iterator[str]:
    """A record is completed when as many people as its set wants have submitted."""
    wrong = connection.execute(
        "SELECT records.external_id, records.status FROM records JOIN datasets ON datasets.id = records.dataset_id "
        "WHERE (records.status = 'completed') <> "
        "((SELECT count(*) FROM responses WHERE record_id = records.id AND status = 'submitted') "
        ">= json_extract(datasets.distribution, '$.min_submitted'))"
    ).fetchall()
    if wrong:
        yield f"{len(wrong)} records have a wrong status, {wrong[0]} for one"


def _searches(server: ArgillaServer, items: Sequence[ReviewItem]) -> Iterator[str]:
    """Each record is found by the one word that only it has, and is its own nearest neighbour's neighbour."""
    with server.client() as http:
        for dataset in http.get("/me/datasets").raise_for_status().json()["items"]:
            path = f"/datasets/{dataset['id']}/records/search"
            mine = [item for item in items if item.id.startswith(dataset["name"])]
            for item in mine:
                query = {"query": {"text": {"q": only_word(item.id)}}}
                hits = http.post(path, json=query).raise_for_status().json()["items"]
                if [hit["record"]["external_id"] for hit in hits] != [item.id]:
                    yield f"a search for the only word of {item.id} finds {len(hits)} records"
            for item in mine[:5]:
                query = {"query": {"vector": {"name": "meaning", "value": list(item.vector or ())}}}
                best = http.post(path, json=query).raise_for_status().json()["items"][0]
                if best["record"]["external_id"] != item.id:
                    yield f"{item.id} is not the nearest to its own vector"


def of_ledger(folder: Path, journals: Mapping[str, Response], answers: Sequence[ReviewAnswer]) -> Iterator[str]:
    """What is wrong in the collected files; `answers` is what the backend reads now."""
    rows = read_rows(folder / RESPONSES)
    doubled = [name for name, count in Counter(row["response_id"] for row in rows).items() if count > 1]
    if doubled:
        yield f"{len(doubled)} responses are in the ledger twice"
    ledger = {row["response_id"]: row for row in rows if row["status"] == "submitted"}
    submitted = {name: response for name, response in journals.items() if response["status"] == "submitted"}
    if ledger.keys() != submitted.keys():
        missing, extra = submitted.keys() - ledger.keys(), ledger.keys() - submitted.keys()
        yield f"the ledger misses {len(missing)} submitted responses and counts {len(extra)} that are not"
    for name in ledger.keys() & submitted.keys():
        if _said(ledger[name]) != _acknowledged(submitted[name]):
            yield f"the ledger's {name} is not what was acknowledged last"
    yield from _derived(folder, answers, ledger)
    left = [file.name for file in folder.iterdir() if file.name.endswith(".new")]
    if left:
        yield f"half-written files were left behind: {left}"


def _said(row: Response) -> tuple[Any, ...]:
    return row["rating"], sorted(row["issues"]), row["correction"]


def _acknowledged(response: Response) -> tuple[Any, ...]:
    values = {name: given["value"] for name, given in response["values"].items()}
    flag = [f"flag:{values['flag']}"] if "flag" in values else []
    correction = restored(values["correction"]) if "correction" in values else None
    return values.get("rating"), sorted([*values.get("issues", ()), *flag]), correction


def _derived(folder: Path, answers: Sequence[ReviewAnswer], ledger: Mapping[str, Response]) -> Iterator[str]:
    """The rows must be those of a single undisturbed collection; where one person has spoken, a plain look tells."""
    with TemporaryDirectory() as place:
        collect(answers, folder=Path(place))
        for file in Path(place).glob("*.jsonl"):
            if file.name != RESPONSES and read_rows(file) != read_rows(folder / file.name):
                yield f"{file.name} is not what one undisturbed collection gives"
    said = defaultdict(list)
    for row in ledger.values():
        said[f"review/{row['review_set']}/{row['item_id']}"].append(row)
    alone = {item: rows[0] for item, rows in said.items() if len(rows) == 1}
    wanted = {(item, row["correction"]) for item, row in alone.items() if row["correction"] and not _is_flagged(row)}
    for name, column in ((CORRECTIONS, "completion"), (PREFERENCES, "chosen")):
        rows = read_rows(folder / name)
        found = Counter((row["id"], row[column]) for row in rows if row["id"] in alone)
        if found != Counter(wanted):
            yield f"{name}: {len(wanted)} rows where one person has spoken, {len(found)} were found"
        if len({row["id"] for row in rows}) != len(rows):
            yield f"{name} has an item twice"


def _is_flagged(row: Response) -> bool:
    return any(issue.startswith("flag:") for issue in row["issues"])


def _dashed(name: str) -> str:
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}" if "-" not in name else name
