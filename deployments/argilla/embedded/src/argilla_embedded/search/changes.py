"""Triggers in Postgres that write down which rows of Argilla's tables were changed.

Every change is caught, also what a foreign key deletes along and what another program writes. While no embedded server
listens, the triggers write nothing: a database that has moved on to Elasticsearch gathers no list that nobody reads.
"""

from psycopg2.extensions import connection as Connection  # noqa: N812  a class with a lower-case name

from argilla_embedded.postgres import SCHEMA

# Advisory lock, held by the listening server alone. A writer that gets it, shared, for its transaction knows that
# nobody listens; a server that wants it waits for such transactions and therefore finds their rows committed.
_LISTENING = 0x617267_696C6C62
_TOUCHED = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
_INSTALLATION = f"""
    CREATE SCHEMA IF NOT EXISTS {SCHEMA};
    CREATE TABLE IF NOT EXISTS {SCHEMA}.changes (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        table_name text NOT NULL,
        row_id uuid NOT NULL
    );
    CREATE OR REPLACE FUNCTION {SCHEMA}.note_changes() RETURNS trigger
    -- Any role that may write to Argilla's tables may write here, through this function only.
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {SCHEMA}, pg_temp AS $$
    BEGIN
        IF NOT pg_try_advisory_xact_lock_shared({_LISTENING}) THEN
            INSERT INTO changes (table_name, row_id) SELECT TG_TABLE_NAME, id FROM touched;
        END IF;
        RETURN NULL;
    END $$;
"""


def listen(connection: Connection, tables: tuple[str, ...]) -> None:
    """Have all changes that are committed from now on noted, for as long as `connection` lives."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_INSTALLATION)
        for table in tables:
            for event, rows in _TOUCHED.items():
                cursor.execute(
                    f"CREATE OR REPLACE TRIGGER {SCHEMA}_{event.lower()} AFTER {event} ON {table} "
                    f"REFERENCING {rows} TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.note_changes()"
                )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LISTENING,))


def are_waiting(connection: Connection) -> bool:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {SCHEMA}.changes)")
        return bool(cursor.fetchone()[0])


def take(connection: Connection) -> dict[str, list[str]]:
    """Ids of changed rows by table, oldest first; they count as taken when the caller commits."""
    taken: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH gone AS (DELETE FROM {SCHEMA}.changes RETURNING *) "
            "SELECT table_name, replace(row_id::text, '-', '') FROM gone ORDER BY seq"
        )
        for table, row_id in cursor:
            taken.setdefault(table, []).append(row_id)
    return {table: list(dict.fromkeys(ids)) for table, ids in taken.items()}
