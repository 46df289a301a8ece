"""What a server has deleted or overwritten itself still stands in the file, until the file is written anew."""

import sqlite3
from contextlib import closing

import pytest

from tuneloop.errors import ServiceError
from tuneloop.workflows.forgetting.databases import Database
from tuneloop.workflows.forgetting.wanted import Gathered, Wanted

WORDS = "Margaret Okönkwo"
WANTED = Wanted(texts=("margaret okönkwo",), name="person-1")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "server.db"


def fill(file, *statements):
    with closing(sqlite3.connect(file)) as base:
        base.execute("PRAGMA secure_delete = OFF")
        base.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data JSON)")
        for statement, *values in statements:
            base.execute(statement, values)
        base.commit()


def erase(file, database=None, *, write=True):
    return (database or Database())(file, WANTED, Gathered(), write=write)


def rows(file):
    with closing(sqlite3.connect(file)) as base:
        return base.execute("SELECT * FROM t ORDER BY id").fetchall()


def test_free_pages_that_hold_the_words_are_found_and_gone(file):
    insert = "INSERT INTO t VALUES (?, ?, ?)"
    fill(file, (insert, 1, "a", f"{WORDS} " * 2000), (insert, 2, "b", "kept"), ("DELETE FROM t WHERE id = 1",))
    assert WORDS.encode() in file.read_bytes()

    assert erase(file, write=False) == 1
    erase(file)

    assert WORDS.encode() not in file.read_bytes()
    assert erase(file, write=False) == 0
    assert rows(file) == [(2, "b", "kept")]


def test_the_log_of_writes_is_emptied(file):
    fill(file, ("INSERT INTO t VALUES (1, 'a', 'x')",))
    with closing(sqlite3.connect(file)) as crashed:  # a server that was killed leaves its log behind
        crashed.execute("PRAGMA journal_mode = WAL")
        crashed.execute("UPDATE t SET data = ?", [WORDS])
        crashed.commit()
        log = file.with_name("server.db-wal")
        left = log.read_bytes()
        database = file.read_bytes()
    file.write_bytes(database)
    log.write_bytes(left)

    assert erase(file) == 1

    assert all(WORDS.encode() not in p.read_bytes() for p in file.parent.iterdir())
    assert rows(file) == [(1, "a", "person-1")]


def test_strings_inside_json_inside_json_are_replaced_and_the_rest_stays(file):
    deep = '{"a": "{\\"b\\": [\\"Margaret Ok\\\\u00f6nkwo\\", 1]}", "c": 2}'
    fill(file, ("INSERT INTO t VALUES (1, 'a', ?)", deep))

    assert erase(file) == 1

    assert rows(file) == [(1, "a", '{"a": "{\\"b\\": [\\"person-1\\", 1]}", "c": 2}')]


def test_two_names_that_must_differ_stay_different(file):
    statement = "INSERT INTO t VALUES (?, ?, '')"
    fill(file, (statement, 1, f"run of {WORDS}"), (statement, 2, f"job of {WORDS}"))

    assert erase(file) == 2

    names = [name for _, name, _ in rows(file)]
    assert len(set(names)) == 2
    assert all(name.startswith("[forgotten]") for name in names)


def test_rows_of_the_tables_that_are_named_go_with_what_hangs_on_them(file):
    fill(file, ("INSERT INTO t VALUES (1, 'a', ?)", WORDS), ("INSERT INTO t VALUES (2, 'b', 'kept')",))
    with closing(sqlite3.connect(file)) as base:
        base.execute("CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id) ON DELETE CASCADE)")
        base.executemany("INSERT INTO u VALUES (?, ?)", [(1, 1), (2, 2)])
        base.commit()

    erase(file, Database(rows=frozenset({"t"})))

    assert [row[0] for row in rows(file)] == [2]
    with closing(sqlite3.connect(file)) as base:
        assert base.execute("SELECT * FROM u").fetchall() == [(2, 2)]


def test_a_database_that_a_server_holds_is_left_alone(file):
    fill(file, ("INSERT INTO t VALUES (1, 'a', ?)", WORDS))
    with closing(sqlite3.connect(file, isolation_level=None)) as server:
        server.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServiceError, match="tuneloop down"):
            erase(file, Database(busy_seconds=0.1))
