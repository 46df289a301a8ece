"""Small workspaces, and what the tests of backups ask of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tuneloop.stack.layout import Layout


def ignore(_done: int, _total: int) -> None:
    pass


def a_workspace(folder: Path) -> Layout:
    """A workspace as a round leaves it, with names of its own place, a link, and what no backup holds."""
    layout = Layout(root=folder, workspace=folder / "ws")
    where = str(layout.workspace)
    texts = {
        "stack.json": '{"prefect_auth": "secret"}',
        "signing.key": "ab" * 32,
        "rounds/desk/0001.json": json.dumps(
            {"complete": True, "model_version": "1", "served_path": f"{where}/models/desk/k/model", "note": "ünïcode"}
        ),
        "promotions/desk.jsonl": '{"number": 1}\n',
        "feedback/desk/ledger.jsonl": '{"a": 1}\n{"b": 2}\n',
        "models/desk/k/report.json": json.dumps({"adapter": f"{where}/models/desk/k/adapter", "other": "/elsewhere"}),
        "models/desk/k/model/config.json": json.dumps({"_name_or_path": f"{where}/models/base"}),
        "models/base/hub/blobs/b1": "weights",
        "data/v1/train.parquet": "PAR1",
        "prefect/results/cached": json.dumps({"folder": f"{where}/data/v1"}),
        "logs/prefect.log": "log",
        "run/supervisord.conf": "secret",
        "argilla/valkey/appendonly.aof": "queue",
        "argilla/search.db": "derived",
        "tmp/worker-cpu/env.json": "secret",
    }
    for name, text in texts.items():
        (layout.workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (layout.workspace / name).write_text(text, encoding="utf-8")
    (layout.workspace / "models/base/hub/snapshot").mkdir()
    (layout.workspace / "models/base/hub/snapshot/model").symlink_to("../blobs/b1")
    for name in ("mlflow/mlflow.db", "prefect/prefect.db", "argilla/argilla.db"):
        (layout.workspace / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(layout.workspace / name)) as connection, connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE model_version_tags (key TEXT, value TEXT)")
            connection.execute("INSERT INTO model_version_tags VALUES ('path', ?)", (f"{where}/models/desk/k/model",))
            connection.execute("INSERT INTO model_version_tags VALUES ('other', ?)", (f"{where}-other/x",))
    return layout


def tag(database: Path, key: str) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT value FROM model_version_tags WHERE key = ?", (key,)).fetchone()[0]
