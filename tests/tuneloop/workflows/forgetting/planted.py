"""A workspace as real runs leave it, with a marker planted in each kind of place where a person's words can stand."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from expectations.validating import SuiteValidator
from tasks.data import feedback_sources
from tests.tuneloop.adapters.file_backend.filling import fill
from tests.tuneloop.reports.examples import make_round
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.adapters.file_backend import FileBackend
from tuneloop.drift.traffic import TrafficRow, append, read_since
from tuneloop.errors import DataError
from tuneloop.evaluation.answer_cache import AnswerCache, CachedAnswer
from tuneloop.evaluation.score_files import write_answers, write_scores
from tuneloop.ports import ReviewForm, ReviewItem
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Checks, Data, Model, Recipe, Source
from tuneloop.records import Message, Record
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.rounds import save_round
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.reports.html import write_page_file
from tuneloop.results import DataReport
from tuneloop.review.collecting import collect
from tuneloop.review.review_sets import ReviewSet, ReviewSets
from tuneloop.workflows.collect_feedback import accept_answers
from tuneloop.workflows.prepare_data import prepare_data

MARKERS = {
    "prompt": "Kumquat-Brücke one",
    "answer": "zymurgy lantern",
    "system": "The Ferret Protocol",
    "turn": "marmalade  quorum",
    "quarantined": "gossamer tin whistle",
    "traffic prompt": "Velvet Anvil 6",
    "sent draft": "halcyon “turnip” seven",
    "correction": "Obsidian Teacup",
    "comment": "periwinkle dropkick",
    "reviewer": "Wilhelmina Quagmire",
    "source": "inbox-of-Thaddeus",
    "extra": "sassafras\nwindmill",
    "judge": "cantankerous marzipan",
}
TOPICS = ("kettle", "lamp", "duvet", "grinder", "bench", "parasol", "teapot", "mug", "rake", "wok")
PLACES = ("kitchen", "garden", "attic", "hallway", "cellar", "shed")
ARGILLA = Path(".venv-argilla/bin/python").absolute()
FORM = ReviewForm("Be kind.", issue_tags=("wrong_fact", "style"))
OTHER = "A lamp that nobody forgets"


def recipe_of(root: Path, *, share: float = 0.9) -> Recipe:
    del root
    checks = Checks(person_names=False, languages=(), max_quarantined=share)
    sources = (Source(name=MARKERS["source"], path="pool.jsonl"),)
    return Recipe(name="shop", model=Model(base="none", max_tokens=80), data=Data(sources=sources, checks=checks))


def pool() -> list[Any]:
    m = MARKERS
    rows: list[Any] = [
        {"id": f"r{i}", "completion": "No.", "prompt": f"my {TOPICS[i % 10]} in the {PLACES[i // 10]} broke on day {i}"}
        for i in range(60)
    ]
    rows += [
        {"id": "p1", "prompt": f"Where is {m['prompt'].upper()} on the map of the city?", "completion": "In town."},
        {"id": "p2", "prompt": "What lights the old brewery at night?", "completion": f"A {m['answer']}, of course."},
        {"id": "p3", "messages": [turn("system", f"Follow {m['system']}."), turn("user", "May I borrow a pen please?"),
                                  turn("assistant", "You may.")]},
        {"id": "p4", "messages": [turn("user", f"I need a {m['turn']} now"), turn("assistant", "Which colour?"),
                                  turn("user", "Orange is fine for me, thanks"), turn("assistant", "Done.")]},
        {"id": "p5", "prompt": f"Who plays the {m['quarantined']}? Write to a.b@example.org", "completion": "Nobody."},
        '{"prompt": "broken ' + m["quarantined"],
        {"id": "p6", "prompt": "How does the mill turn in winter time?", "completion": "By wind.",
         "extra": {"note": f"said {m['extra']}"}},
    ]  # fmt: skip
    return rows


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def prepare(root: Path, recipe: Recipe | None = None) -> DataReport:
    recipe = recipe or recipe_of(root)
    return prepare_data(
        recipe,
        validator=SuiteValidator(),
        root=root,
        workspace=root / "ws",
        counter=WordCounter(),
        feedback=feedback_sources(recipe),
    )


def plant(root: Path) -> Path:
    """The workspace, by the functions that the flows call; returns its path."""
    workspace = root / "ws"
    workspace.mkdir(mode=0o700)
    (root / "pool.jsonl").write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in pool()))
    first = prepare(root)
    _refuse(root)
    _traffic(workspace)
    _reviews(workspace)
    second = prepare(root)
    _caches(workspace)
    _rounds(workspace, first, second)
    _databases(workspace)
    return workspace


def _refuse(root: Path) -> None:
    try:
        prepare(root, recipe_of(root, share=0.0))
    except DataError:
        return
    raise AssertionError("the data was not refused")


def _traffic(workspace: Path) -> None:
    m, now = MARKERS, "2026-11-01T10:00:00+00:00"
    append(
        workspace / "traffic" / "shop.jsonl",
        [
            TrafficRow("t1", now, f"Is the {m['traffic prompt']} for sale today?", "No idea.", "abc"),
            TrafficRow("t2", now, "How do I cook a root vegetable well?", "Boil it.", "abc", f"Try {m['sent draft']}."),
            TrafficRow("t3", now, OTHER, "Yes.", "abc", "Yes, of course it is."),
        ],
    )
    rows = map(asdict, read_since(workspace / "traffic" / "shop.jsonl"))
    checks = recipe_of(workspace).data.checks
    folder = workspace / "feedback" / "shop"
    assert accept_answers(rows, folder=folder, checks=checks, key=pseudonym_key(workspace)) == 2


def items() -> list[ReviewItem]:
    m = MARKERS
    return [
        ReviewItem("i1", "Is tea one green when it is dry?", "It is black.", "abc", {}),
        ReviewItem("i2", f"Is the {m['traffic prompt']} dear?", "It is.", "abc", {}, labels={"row_id": "p1"}),
        ReviewItem("i3", "Is tea three red in the evening sun?", f"It is {m['answer']}.", "abc", {}),
        ReviewItem("i4", "Is tea four white after the rain?", "It is.", "abc", {}, labels={"note": m["comment"]}),
        ReviewItem("i5", OTHER, "Yes.", "abc", {}),
    ]


def _reviews(workspace: Path) -> None:
    m, folder = MARKERS, workspace / "feedback" / "shop"
    ReviewSets(folder).keep("shop-round-1", lambda: ReviewSet("shop-round-1", "answers", tuple(items())))
    with_prompts = [item.prompt for item in items()]
    assert len(ReviewSets(folder).ledger.asked()) == len(with_prompts)
    backend = FileBackend(workspace / "review-files" / "shop", pseudonym_key=pseudonym_key(workspace))
    backend.publish("shop-round-1", items(), FORM)
    backend.copies_for(m["reviewer"])
    said = {
        1: {"rating": 2, "correction": f"It is an {m['correction']}.", "reviewer": m["reviewer"]},
        5: {"rating": 5, "reviewer": m["reviewer"]},
    }
    for ending in (".xlsx", ".csv", ".jsonl"):
        filled = fill(workspace / "review-files" / "shop" / f"shop-round-1{ending}", said)
        if ending == ".xlsx":
            _comment(filled, m["comment"])
        backend.import_file(filled)
    collect(backend.answers("shop-"), folder=folder)


def _comment(file: Path, text: str) -> None:
    from openpyxl import load_workbook
    from openpyxl.comments import Comment

    book = load_workbook(file)
    book["Review"]["B3"].comment = Comment(f"really {text}?", "tuneloop")
    book.properties.lastModifiedBy = MARKERS["reviewer"]
    book.save(file)


def _caches(workspace: Path) -> None:
    m = MARKERS
    generations = AnswerCache(workspace / "generations", model_hash="abc", settings={})
    answers = [f"as for {m['judge']}", f"A {m['answer']}", "It may well be the mill, my dear", "fine"]
    generations.add([((n,), CachedAnswer(text, 3, 0.1, is_complete=True)) for n, text in enumerate(answers)])
    judge = AnswerCache(workspace / "judgements", model_hash="judge", settings={})
    judge.add([(b"question", CachedAnswer(f"A: {m['judge']} is better", 3, 0.1, is_complete=True))])
    (workspace / "generations" / "own-answers-1.jsonl").write_text('["hash", -0.5]\n')


def _rounds(workspace: Path, first: DataReport, second: DataReport) -> None:
    m, out = MARKERS, workspace / "evaluations" / "shop" / "one"
    out.mkdir(parents=True)
    record = Record("p1", (Message("user", f"Where is {m['prompt']}?"), Message("assistant", "In town.")), "s", 1)
    write_answers(out / "answers.jsonl", [record], ["It may well be the mill, my dear"])
    write_scores(out / "scores.parquet", pd.DataFrame({"id": ["p1", "r1"], "rouge": [0.5, 0.6]}))
    for number, report in enumerate((first, second), start=1):
        example = make_round(number)
        adapter = workspace / "models" / "shop" / f"key{number}" / "adapter"
        adapter.mkdir(parents=True)
        (adapter / "adapter_model.safetensors").write_bytes(bytes(64))
        training = example.training.model_copy(update={"adapter": str(adapter), "data_version": report.version})
        changes = {"recipe": "shop", "data": report, "training": training, "model_version": str(number)}
        save_round(
            workspace, example.model_copy(update={**changes, "settings": {"review": {"annotators": [m["reviewer"]]}}})
        )
    page = f"<p class='{m['comment']}'>about <b>{m['prompt']}</b> &amp; {m['sent draft']}</p>"
    write_page_file(workspace / "rounds" / "shop" / "report.html", page)
    trail = AuditTrail(workspace, "shop", signing_key(workspace))
    with trail.held():
        for step in ("intent", "done"):
            trail.append(
                action="promote", step=step, who=m["reviewer"], because=f"as {m['comment']} said", from_version=None,
                to_version="1", previous_version=None, model_hash="a", verdict_sha256=None,
            )  # fmt: skip
    (workspace / "logs").mkdir()
    (workspace / "logs" / "prefect.log").write_text(f"a line\nfailed at {m['prompt']!r}\nanother\n")


def _databases(workspace: Path) -> None:
    (workspace / "prefect" / "results").mkdir(parents=True)
    (workspace / "mlflow").mkdir()
    m = MARKERS
    (workspace / "prefect" / "results" / "abc").write_text(json.dumps({"result": json.dumps({"x": m["answer"]})}))
    with closing(sqlite3.connect(workspace / "prefect" / "prefect.db")) as base:
        base.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE artifact (id TEXT PRIMARY KEY, data JSON);"
            "CREATE TABLE log (id TEXT PRIMARY KEY, message TEXT) WITHOUT ROWID;"
            "CREATE TABLE flow_run (id TEXT PRIMARY KEY, name TEXT UNIQUE, parameters BLOB);"
        )
        artifact = json.dumps(f"| row |\n| {m['turn']} |\n| kept |")
        base.execute("INSERT INTO artifact VALUES ('a', ?)", [artifact])
        base.execute("INSERT INTO log VALUES ('l', ?)", [f"first\nrow {json.dumps(m['prompt'])}"])
        names = [(f"run of {m['reviewer']}", json.dumps({"who": m["reviewer"], "deep": json.dumps([m["system"]])}))]
        base.executemany("INSERT INTO flow_run VALUES ('f', ?, ?)", names)
        base.commit()
        base.execute("UPDATE artifact SET data = data || ' '")  # the old page stays in the log of writes
        base.commit()
    _mlflow(workspace)
    _argilla(workspace)


def _mlflow(workspace: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace / 'mlflow' / 'mlflow.db'}")
    artifacts = workspace / "mlflow" / "artifacts"
    artifacts.mkdir()
    experiment = client.create_experiment("shop", artifact_location=artifacts.as_uri())
    run = client.create_run(experiment, tags={"note": f"as {MARKERS['comment']} said"})
    client.log_param(run.info.run_id, "data.source", MARKERS["source"])
    client.log_text(run.info.run_id, f"# Card\n\n{MARKERS['sent draft']}\n", "card.md")
    client.create_registered_model("shop")
    version = client.create_model_version("shop", "somewhere", run.info.run_id)
    seal = AuditTrail(workspace, "shop", signing_key(workspace)).entries()[0].seal
    client.set_model_version_tag("shop", version.version, "promotion_seal", seal)


MADE_BY_ITS_MIGRATIONS = """
import os, sys
os.environ |= {"ARGILLA_DATABASE_URL": "sqlite+aiosqlite:///" + sys.argv[1], "ARGILLA_HOME_PATH": sys.argv[2]}
from argilla_embedded.schema import upgrade
upgrade()
"""
USER, RECORD, DATASET = "1" * 32, "2" * 32, "3" * 32


def _argilla(workspace: Path) -> None:
    home = workspace / "argilla"
    (home / "valkey").mkdir(parents=True)
    (home / "valkey" / "appendonly.aof").write_bytes(b"*1 job " + MARKERS["correction"].encode())
    database = home / "argilla.db"
    command = [ARGILLA, "-c", MADE_BY_ITS_MIGRATIONS, str(database), str(workspace.parent / "argilla-tmp")]
    quiet = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"TMPDIR": str(workspace.parent)}
    subprocess.run(command, env=quiet, check=True, capture_output=True)
    with closing(sqlite3.connect(database)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        fill_argilla(base)
        base.commit()
    with closing(sqlite3.connect(home / "search.db")) as base:
        base.execute("CREATE VIRTUAL TABLE texts USING fts5(prompt)")
        base.execute("INSERT INTO texts VALUES (?)", [MARKERS["traffic prompt"]])
        base.commit()


def fill_argilla(base: sqlite3.Connection) -> None:
    """Two records, an account and its answers, by column, whatever else the tables ask for."""
    m = MARKERS
    insert(base, "workspaces", id="4" * 32, name="tuneloop")
    insert(base, "datasets", id=DATASET, name="shop-round-1", workspace_id="4" * 32, guidelines=f"Mind {m['comment']}",
           distribution='{"strategy": "overlap", "min_submitted": 1}', status="ready")  # fmt: skip
    insert(base, "users", id=USER, username=m["reviewer"], first_name=m["reviewer"], role="annotator", api_key="k" * 20,
           password_hash="hash")  # fmt: skip
    insert(base, "questions", id="5" * 32, name="correction", title="?", settings="{}", dataset_id=DATASET, required=0)
    for number, item in enumerate(items()):
        record = f"{number}{RECORD[1:]}"
        shown, labels = json.dumps({"prompt": item.prompt, "answer": item.answer}), json.dumps(dict(item.labels))
        insert(base, "records", id=record, fields=shown, metadata=labels, external_id=item.id, dataset_id=DATASET,
               status="pending")  # fmt: skip
        said = {"correction": {"value": f"It is an {m['correction']}." if item.id == "i1" else "Well said."}}
        insert(base, "responses", id=f"{number}{'6' * 31}", values=json.dumps(said), status="submitted",
               record_id=record, user_id=USER)  # fmt: skip
    insert(base, "suggestions", id="7" * 32, value=json.dumps(m["answer"]), record_id=f"4{RECORD[1:]}",
           question_id="5" * 32)  # fmt: skip


def insert(base: sqlite3.Connection, table: str, **values: Any) -> None:
    known = {row[1]: row for row in base.execute(f"PRAGMA table_info({table})")}
    now = {name: "2026-11-01 10:00:00" for name in ("inserted_at", "updated_at", "last_activity_at") if name in known}
    needed = {n: 0 for n, row in known.items() if row[3] and row[4] is None and n not in values | now}
    content = {**needed, **now, **values}
    names, marks = ", ".join(f'"{n}"' for n in content), ", ".join("?" * len(content))
    base.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*content.values()])
