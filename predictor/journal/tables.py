"""The journal's tables and views, as numbered steps in SQL that SQLite and PostgreSQL both speak.

A step is never edited once released; a change is a further step. Instants are whole milliseconds
since 1970 UTC, with the offset of the zone that they were said in beside them.
"""

import uuid

from sqlalchemy import Connection, inspect, text

from har_stream.core.errors import InputError

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE events (
            id TEXT PRIMARY KEY,
            node TEXT NOT NULL,
            camera TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            seq BIGINT NOT NULL,
            event_type TEXT NOT NULL,
            activity TEXT NOT NULL,
            previous TEXT,
            room TEXT,
            confidence DOUBLE PRECISION NOT NULL,
            probabilities TEXT NOT NULL,
            started_ms BIGINT NOT NULL,
            ended_ms BIGINT,
            happened_ms BIGINT NOT NULL,
            utc_offset_s INTEGER NOT NULL,
            received_ms BIGINT NOT NULL
        )
        """,
        "CREATE INDEX events_by_seq ON events (node, camera, epoch, seq)",
        "CREATE INDEX events_by_time ON events (happened_ms)",
        """
        CREATE TABLE cameras (
            node TEXT NOT NULL,
            camera TEXT NOT NULL,
            epoch INTEGER NOT NULL,
            contiguous_seq BIGINT NOT NULL,
            highest_seq BIGINT NOT NULL,
            PRIMARY KEY (node, camera)
        )
        """,
        """
        CREATE TABLE contexts (
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            happened_ms BIGINT NOT NULL,
            utc_offset_s INTEGER NOT NULL
        )
        """,
        "CREATE INDEX contexts_by_time ON contexts (happened_ms)",
        "CREATE TABLE rules (name TEXT PRIMARY KEY, state TEXT NOT NULL)",
    ),
    (
        """
        CREATE VIEW bouts AS
        SELECT * FROM (
            SELECT event_type, activity, room, node, camera, seq, utc_offset_s, started_ms,
                LEAD(happened_ms) OVER (
                    PARTITION BY node, camera ORDER BY happened_ms, epoch, seq
                ) AS ended_ms
            FROM events
        ) AS changes
        WHERE event_type <> 'activity_ended'
        """,
        """
        CREATE VIEW sessions AS
        WITH marked AS (
            SELECT bouts.*,
                CASE WHEN activity = LAG(activity) OVER in_order
                    AND started_ms - LAG(ended_ms) OVER in_order < 1800000
                THEN 0 ELSE 1 END AS opens
            FROM bouts
            WINDOW in_order AS (ORDER BY started_ms, node, camera, seq)
        ),
        numbered AS (
            SELECT marked.*,
                SUM(opens) OVER (ORDER BY started_ms, node, camera, seq) AS session
            FROM marked
        )
        SELECT MIN(activity) AS activity,
            MAX(CASE WHEN opens = 1 THEN room END) AS room,
            MAX(CASE WHEN opens = 1 THEN utc_offset_s END) AS utc_offset_s,
            MIN(started_ms) AS started_ms,
            CASE WHEN COUNT(*) = COUNT(ended_ms) THEN MAX(ended_ms) END AS ended_ms,
            COUNT(*) AS n_bouts
        FROM numbered
        GROUP BY session
        """,
    ),
)


def migrate(connection: Connection, *, steps: tuple[tuple[str, ...], ...] = STEPS) -> str:
    """Bring a journal, empty or of an earlier version, to the newest; returns its id.

    Raises:
        InputError: A newer version of this program has made it.
    """
    if not inspect(connection).has_table("journal"):
        connection.execute(
            text("CREATE TABLE journal (id TEXT NOT NULL, version INTEGER NOT NULL)")
        )
        connection.execute(
            text("INSERT INTO journal (id, version) VALUES (:id, 0)"), {"id": uuid.uuid4().hex}
        )
    name, version = connection.execute(text("SELECT id, version FROM journal")).one()
    if version > len(steps):
        raise InputError(
            f"the journal has version {version}, this har-stream knows up to {len(steps)}; "
            "update har-stream or give another --journal"
        )
    for step in steps[version:]:
        for statement in step:
            connection.execute(text(statement))
    connection.execute(text("UPDATE journal SET version = :version"), {"version": len(steps)})
    return str(name)
